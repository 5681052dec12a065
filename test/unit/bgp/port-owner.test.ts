import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { listenersOn, portOwner } from '../../../bgp/status/port-owner.ts';
import { eventually } from '../../support/eventually.ts';

test('the sockets that listen on a port are found in /proc/net/tcp, and no others', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:00B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0
   1: 0100007F:00B3 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0`;
  expect(listenersOn(179, text)).toEqual(['4711']);
  expect(listenersOn(180, text)).toEqual([]);
});

test('who has a port is told by name and pid; of a port that is free, nobody', async () => {
  const script =
    "require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve) =>
      child.stdout.once('data', (data: Buffer) => resolve(Number(data.toString()))),
    );
    await eventually(() => expect(portOwner(port)).toMatch(new RegExp(`^\\S+.* \\(pid ${child.pid}\\)$`)), {
      within: 20_000,
    });
  } finally {
    child.kill();
  }
  const server = createServer();
  const free = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    }),
  );
  expect(portOwner(free)).toBeUndefined();
});
