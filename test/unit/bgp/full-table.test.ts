/** A session with little patience beside a neighbour that tells a full table. */
import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { daemonBench } from '../../support/daemon-bench.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { bgpPeer, ipPool, nodeManifest } from '../../support/rack.ts';
import { keepaliveHex, openHex } from '../../support/raw-peer.ts';
import { bytesOf, soundAttributes, updateHex } from '../../support/wire.ts';

const keepaliveType = 4;
/** An UPDATE of one prefix of 20.0.0.0/8 each: as much work for the speaker as octets can make. */
const table = (from: number, count: number): Uint8Array =>
  Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const net = (from + index).toString(16).padStart(4, '0');
      return bytesOf(updateHex({ attributes: soundAttributes, nlri: `18 14${net}` }));
    }),
  );

/** Accepts, says OPEN and KEEPALIVE, and counts the KEEPALIVEs it hears. */
async function neighbour(host: string, holdTime: string, id: string) {
  let socket: Socket | undefined;
  let bytes = Buffer.alloc(0);
  let heard = 0;
  let isClosed = false;
  const server = createServer((accepted) => {
    socket = accepted;
    accepted.on('error', () => undefined);
    accepted.on('close', () => {
      isClosed = true;
    });
    accepted.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 19 && bytes.length >= bytes.readUInt16BE(16)) {
        if (bytes[18] === keepaliveType) heard += 1;
        bytes = bytes.subarray(bytes.readUInt16BE(16));
      }
    });
    accepted.write(bytesOf(openHex({ asn: '0000fde9', holdTime, id }) + keepaliveHex));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => {
    socket?.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    where: `${host}:${port}`,
    say: (octets: Uint8Array) => socket?.write(octets),
    keepalives: () => heard,
    isClosed: () => isClosed,
  };
}

test('a session of 1 s and 3 s lives through the full table of another neighbour, and is told its KEEPALIVEs meanwhile', async () => {
  const loud = await neighbour('127.0.0.8', '00b4', '0a000008');
  const hasty = await neighbour('127.0.0.9', '0003', '0a000009');
  const store = memoryStore(
    nodeManifest('node1', ['127.0.0.1'], ['10.244.1.0/24']),
    ipPool('all', '20.0.0.0/8'),
    bgpPeer('loud', '127.0.0.8', 65001, { peerIP: loud.where, keepaliveTime: '60s' }),
    bgpPeer('hasty', '127.0.0.9', 65001, { peerIP: hasty.where }),
  );
  const { clock, status, until } = await daemonBench(store, { withFib: false });
  const states = () => status().peers.map(({ state }) => state);
  await until(() => expect(states()).toEqual(['Established', 'Established']));

  const [turns, each] = [20, 2500];
  for (let turn = 0; turn < turns; turn += 1) {
    loud.say(table(turn * each, each));
    hasty.say(bytesOf(keepaliveHex));
    // What it said waits in its socket or behind the table, and the next expiry is a moment away.
    await new Promise((resolve) => setImmediate(resolve));
    const before = hasty.keepalives();
    clock.advance(2990);
    await until(() => expect(hasty.keepalives()).toBeGreaterThan(before));
  }
  await until(() => {
    hasty.say(bytesOf(keepaliveHex));
    const received = status().peers.map(({ name, prefixesReceived }) => [name, prefixesReceived]);
    expect(received.sort()).toEqual([
      [expect.stringContaining('127_0_0_8'), turns * each],
      [expect.stringContaining('127_0_0_9'), 0],
    ]);
  });
  expect(states()).toEqual(['Established', 'Established']);
  expect([loud.isClosed(), hasty.isClosed()]).toEqual([false, false]);
}, 60_000);
