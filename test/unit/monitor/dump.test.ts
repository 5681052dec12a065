/** The Loc-RIB of a speaker as an MRT table dump, read by Debian's bgpdump. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { tableDump } from '../../../bgp/monitor/dump.ts';
import { ipv4 } from '../../../src/lib/net.ts';
import { announce, OneSpeaker, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf } from '../../support/routes.ts';
import { prefix, v4 } from '../../support/wire.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-dump-'));
afterAll(() => rmSync(directory, { recursive: true }));

function dump(one: OneSpeaker): {
  readonly records: readonly Uint8Array[];
  readonly lines: readonly string[];
} {
  const records = [
    ...tableDump(one.speaker, { at: 1_700_000_000, name: 'node1', secondsOf: () => 1_600_000_000 }),
  ];
  const file = join(directory, 'rib.mrt');
  writeFileSync(file, Buffer.concat(records));
  const text = execFileSync('bgpdump', ['-m', '-u', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return { records, lines: text.trimEnd().split('\n') };
}

const everything = { within: [prefix('0.0.0.0/0')], never: [] };
const pods = prefix('10.65.1.0/24');

test('RFC 6396 §4.3: who told a prefix, with its attributes and since when', () => {
  const peer = peerOf();
  const one = new OneSpeaker();
  one.configure({ peers: [peer], importPolicy: everything });
  one.establish(peer);
  one.hear(peer, announce(attributesOf({ nextHop: v4('10.0.0.7') }), pods));
  const { records, lines } = dump(one);
  const record = records.find((bytes) => Buffer.from(bytes).toString('hex').includes('180a4101'));
  expect(record?.[7]).toBe(2); // RIB_IPV4_UNICAST
  expect(Buffer.from(record ?? []).toString('hex')).toContain((1_600_000_000).toString(16));
  expect(lines.filter((line) => line.includes('10.65.1.0/24'))).toEqual([
    expect.stringMatching(
      /^TABLE_DUMP2\|1700000000\|B\|[\d.]+\|\d+\|10\.65\.1\.0\/24\|[\d ]*\|IGP\|10\.0\.0\.7\|/,
    ),
  ]);
});

test('RFC 8050 §4: paths that a neighbour numbers keep their numbers', () => {
  const peer = peerOf({ addPath: { receive: true } });
  const one = new OneSpeaker();
  one.configure({ peers: [peer], importPolicy: everything });
  one.establish(peer, ipv4(7), peer.families, [
    { kind: 'addPath', families: [{ family: 'ipv4-unicast', receive: false, send: true }] },
  ]);
  const told = (nextHop: string, id: number) =>
    updateOf({
      announced: [
        {
          family: 'ipv4-unicast',
          attributes: attributesOf({ nextHop: v4(nextHop) }),
          prefixes: [pods],
          pathIds: [id],
        },
      ],
    });
  one.hear(peer, told('10.0.0.7', 5));
  one.hear(peer, told('10.0.0.8', 6));
  const record = dump(one).records.find((bytes) => bytes[7] === 8); // RIB_IPV4_UNICAST_ADDPATH
  const hex = Buffer.from(record ?? new Uint8Array(0)).toString('hex');
  expect(hex).toContain('00015f5e100000000005');
  expect(hex).toContain('00015f5e100000000006');
});

test('a speaker that is nobody yet has no dump', () => {
  expect([...tableDump(new OneSpeaker().speaker, { at: 0, name: '', secondsOf: () => 0 })]).toEqual([]);
});
