/** MRT records, read by Debian's bgpdump. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ribAttributes } from '../../../bgp/monitor/attributes.ts';
import {
  messageRecord,
  peerIndexTable,
  ribRecord,
  stateChangeRecord,
  type Wire,
} from '../../../bgp/monitor/mrt.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { encodeUpdates } from '../../../bgp/wire/update-encode.ts';
import { as, context, hexOf, prefix, v4, v6 } from '../../support/wire.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-mrt-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A line for each route or event. */
function read(records: readonly Uint8Array[]): readonly string[] {
  const file = join(directory, 'records.mrt');
  writeFileSync(file, Buffer.concat(records));
  return execFileSync('bgpdump', ['-m', '-u', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .trimEnd()
    .split('\n');
}

const at = 1_700_000_000;
const attributes: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [as(65000), as(4_200_000_001)] }],
  nextHop: v4('172.30.0.1'),
  med: 7,
  localPref: 120,
  communities: [0xfc000001],
};
const attributes6: PathAttributes = { ...attributes, nextHop: v6('fd00::1') };
const peers = [
  { bgpId: v4('10.0.0.9'), address: v4('0.0.0.0'), asn: as(64512) },
  { bgpId: v4('10.0.0.1'), address: v4('172.30.0.1'), asn: as(65000) },
  { bgpId: v4('10.0.0.2'), address: v6('fd00::1'), asn: as(4_200_000_000) },
];
const index = peerIndexTable(at, v4('10.0.0.9'), 'node1', peers);
const [p4, p6] = [prefix('10.65.0.0/24'), prefix('fd00:65::/48')];
const of4 = ribAttributes(attributes, 'ipv4-unicast', p4) ?? new Uint8Array(0);
const of6 = ribAttributes(attributes6, 'ipv6-unicast', p6) ?? new Uint8Array(0);

test('RFC 6396 §4.3: a dump of IPv4 and IPv6 says who told what, with which attributes', () => {
  const lines = read([
    index,
    ribRecord(at, 'ipv4-unicast', 0, p4, [
      { peer: 1, since: at, attributes: of4 },
      { peer: 2, since: at, attributes: of4 },
    ]),
    ribRecord(at, 'ipv6-unicast', 1, p6, [{ peer: 2, since: at, attributes: of6 }]),
  ]);
  expect(lines).toEqual([
    'TABLE_DUMP2|1700000000|B|172.30.0.1|65000|10.65.0.0/24|65000 4200000001|IGP|172.30.0.1|120|7|64512:1|NAG|||',
    'TABLE_DUMP2|1700000000|B|fd00::1|4200000000|10.65.0.0/24|65000 4200000001|IGP|172.30.0.1|120|7|64512:1|NAG|||',
    'TABLE_DUMP2|1700000000|B|fd00::1|4200000000|fd00:65::/48|65000 4200000001|IGP|fd00::1|120|7|64512:1|NAG|||',
  ]);
});

test('RFC 6396 §4.3.4: of MP_REACH_NLRI a dump has the length of the next hop and the next hop alone', () => {
  expect(hexOf(of6)).toContain(`800e1110${'fd000000000000000000000000000001'}`);
  expect(hexOf(of6)).not.toContain('fd0000650000');
});

test('RFC 8050 §4.2: entries with path identifiers have a subtype of their own, and four octets more', () => {
  const entry = { peer: 1, since: at, attributes: of4 };
  const plain = ribRecord(at, 'ipv4-unicast', 0, p4, [entry]);
  const withId = ribRecord(at, 'ipv4-unicast', 0, p4, [{ ...entry, pathId: 0x0badcafe }]);
  expect(withId.byteLength).toBe(plain.byteLength + 4);
  expect([plain[7], withId[7]]).toEqual([2, 8]);
  expect(hexOf(withId)).toContain(`0001${at.toString(16)}0badcafe`);
  const lines = read([index, ribRecord(at, 'ipv4-unicast', 0, p4, [{ ...entry, pathId: 5 }])]);
  expect(lines[0]).toContain('10.65.0.0/24');
});

const wire: Wire = {
  peerAsn: as(65000),
  localAsn: as(64512),
  peerAddress: v4('172.30.0.1'),
  localAddress: v4('172.30.0.11'),
};
const wire6: Wire = { ...wire, peerAddress: v6('fd00::1'), localAddress: undefined };
const update = (isAs4: boolean): Uint8Array =>
  encodeUpdates(
    {
      withdrawn: [],
      announced: [
        {
          family: 'ipv4-unicast',
          attributes: {
            origin: 'igp',
            asPath: [{ kind: 'sequence', asns: [as(65000)] }],
            nextHop: v4('172.30.0.1'),
          },
          prefixes: [p4],
        },
      ],
    },
    context({ fourOctetAs: isAs4 }),
  )[0] ?? new Uint8Array(0);

test('RFC 6396 §4.4: messages are read back, of sessions with AS numbers in two octets and in four', () => {
  const lines = read([
    messageRecord(at, wire, update(true), { isAs4: true, addPath: false }),
    messageRecord(at, wire, update(false), { isAs4: false, addPath: false }),
    messageRecord(at, wire6, update(true), { isAs4: true, addPath: false }),
  ]);
  expect(lines).toEqual([
    'BGP4MP|1700000000|A|172.30.0.1|65000|10.65.0.0/24|65000|IGP|172.30.0.1|0|0||NAG|||',
    'BGP4MP|1700000000|A|172.30.0.1|65000|10.65.0.0/24|65000|IGP|172.30.0.1|0|0||NAG|||',
    'BGP4MP|1700000000|A|fd00::1|65000|10.65.0.0/24|65000|IGP|172.30.0.1|0|0||NAG|||',
  ]);
});

test('RFC 6396 §4.4.4: a change of state has the numbers of the RFC', () => {
  expect(
    read([
      stateChangeRecord(at, wire, 'OpenConfirm', 'Established'),
      stateChangeRecord(at, wire6, 'Established', 'Idle'),
    ]),
  ).toEqual(['BGP4MP|1700000000|STATE|172.30.0.1|65000|5|6', 'BGP4MP|1700000000|STATE|fd00::1|65000|6|1']);
});

test('RFC 8050 §3: messages with path identifiers have subtypes of their own', () => {
  const subtype = (isAs4: boolean, addPath: boolean): number | undefined =>
    messageRecord(at, wire, update(true), { isAs4, addPath })[7];
  expect([subtype(false, false), subtype(true, false), subtype(false, true), subtype(true, true)]).toEqual([
    1, 4, 8, 9,
  ]);
});
