/** The BMP station that does not read: it is let go, and told everything anew when it is back. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { SpeakerEvent } from '../../../bgp/speaker/event.ts';
import { Bmp } from '../../../bgp/watch/bmp.ts';
import { Journal } from '../../../bgp/watch/journal.ts';
import { Witness } from '../../../bgp/watch/witness.ts';
import { encodeUpdates } from '../../../bgp/wire/update-encode.ts';
import { realClock } from '../../../src/host/clock.ts';
import { ipv4, prefix4 } from '../../../src/lib/net.ts';
import { eventually } from '../../support/eventually.ts';
import { announce, OneSpeaker } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { context } from '../../support/wire.ts';

const ebgp = peerOf({ families: ['ipv4-unicast'] });
const within = 60_000;
const told = attributesOf({ asPath: sequence(64999) });
const prefixes = Array.from({ length: 5000 }, (_, index) => prefix4(ipv4(10 * 2 ** 24 + index * 256), 24));
const [frame = new Uint8Array()] = encodeUpdates(
  {
    withdrawn: [],
    announced: [{ family: 'ipv4-unicast', attributes: told, prefixes: prefixes.slice(0, 900) }],
  },
  context(),
);

/** Types of the BMP messages in what was heard (RFC 7854 §4.1). */
function typesOf(heard: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 6 <= heard.length; at += heard.readUInt32BE(at + 1)) types.push(heard[at + 5] ?? -1);
  return types;
}

async function station() {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    socket.pause();
    socket.on('error', () => {});
    connections.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { connections, port: address.port };
}

test('RFC 7854 §3.2: a station that does not read is let go before it costs memory, and is told all anew', async () => {
  const { connections, port } = await station();
  const one = new OneSpeaker();
  const warnings: string[] = [];
  const bmp = new Bmp({
    host: '127.0.0.1',
    port,
    withLocRib: false,
    node: 'node1',
    version: '1',
    clock: realClock,
    random: () => 0,
    log: { info: () => {}, warn: (text) => warnings.push(text) },
    speaker: () => one.speaker,
    sessions: () => witness.sessions(),
    now: Date.now,
    mostWaiting: 4 * 1024 * 1024,
  });
  onTestFinished(() => bmp.stop('the test is over'));
  const witness: Witness = new Witness({
    speaker: () => one.speaker,
    journal: new Journal(),
    now: Date.now,
    ends: () => ({ localAddress: '192.0.2.100', localPort: 179, remotePort: 4000 }),
    frameOf: (event) => (event.kind === 'transport' && event.event.kind === 'Message' ? frame : undefined),
    touched: () => '',
    monitors: [bmp],
  });
  const original = one.tell.bind(one);
  one.tell = (event: SpeakerEvent) => {
    const effects = original(event);
    witness.after(event, effects);
    return effects;
  };
  one.configure({ peers: [ebgp] });
  one.establish(ebgp);
  one.hear(ebgp, announce(told, ...prefixes));
  bmp.start();
  await eventually(() => expect(bmp.isConnected && connections.length === 1).toBe(true), { within });

  // The kernel takes some megabytes; what is more waits here.
  let most = 0;
  await eventually(
    () => {
      for (let count = 0; count < 2000 && bmp.resyncs === 0; count += 1) {
        one.hear(ebgp, announce(told, ...prefixes.slice(0, 1)));
        most = Math.max(most, bmp.waiting);
      }
      expect(bmp.resyncs).toBe(1);
    },
    { within },
  );
  expect(most).toBeLessThanOrEqual(4 * 1024 * 1024);
  expect(warnings[0]).toContain('octets wait unread, so it is told everything anew');

  await eventually(() => expect(connections).toHaveLength(2), { within });
  const heard: Buffer[] = [];
  connections[1]?.on('data', (bytes: Buffer) => heard.push(bytes)).resume();
  await eventually(
    () => {
      const all = Buffer.concat(heard);
      // Initiation, Peer Up, then Route Monitoring of all routes with the End-of-RIB behind them.
      const types = typesOf(all);
      expect(types.slice(0, 3)).toEqual([4, 3, 0]);
      expect(all.subarray(-23).toString('hex')).toBe(`${'ff'.repeat(16)}00170200000000`);
      expect(all.length).toBeGreaterThan(5000 * 4);
    },
    { within },
  );
  expect(bmp.resyncs).toBe(1);
});
