/** What we write, read by Wireshark's dissector: nothing in it may be malformed, and the values must be those we meant. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodeMessage } from '../../bgp/wire/codec.ts';
import type { Message, PathAttributes } from '../../bgp/wire/message.ts';
import { cease } from '../../bgp/wire/notification.ts';
import { encodeAnnouncement, encodeWithdrawals, endOfRib } from '../../bgp/wire/update-encode.ts';
import { ipv4, prefix4 } from '../../src/lib/net.ts';
import { pcapOf } from '../support/pcap.ts';
import { as, context, prefix, v4, v6 } from '../support/wire.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-tshark-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** One line of the wanted fields for each packet. */
function dissect(frames: readonly Uint8Array[], fields: readonly string[], fourOctetAs: boolean): string[] {
  const file = join(directory, 'sent.pcap');
  writeFileSync(file, pcapOf(frames));
  const output = execFileSync(
    'tshark',
    [
      '-r',
      file,
      '-o',
      `bgp.asn_len:${fourOctetAs ? 4 : 2} octet`,
      '-T',
      'fields',
      '-E',
      'separator=|',
      '-E',
      'aggregator=,',
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return output.trimEnd().split('\n');
}

const ibgp = context({ peerType: 'ibgp' });
const full: PathAttributes = {
  origin: 'incomplete',
  asPath: [
    { kind: 'sequence', asns: [as(64512), as(200000)] },
    { kind: 'set', asns: [as(65001), as(65002)] },
  ],
  nextHop: v4('10.0.0.1'),
  med: 7,
  localPref: 100,
  atomicAggregate: true,
  aggregator: { asn: as(200000), address: v4('10.0.0.9') },
  communities: [0xfc000001, 0xffffff01],
  originatorId: v4('10.0.0.3'),
  clusterList: [v4('10.0.0.4')],
  extendedCommunities: [0x0002fc0000000001n],
  largeCommunities: [[64512, 1, 2]],
};
const full6: PathAttributes = { ...full, nextHop: v6('2001:db8::1'), linkLocal: v6('fe80::1') };
const thousands = Array.from({ length: 3000 }, (_, index) => prefix4(ipv4(0x0a000000 + index * 256), 24));
const open: Message = {
  kind: 'open',
  version: 4,
  asField: 23456,
  holdTime: 90,
  bgpId: v4('10.0.0.1'),
  capabilities: [
    { kind: 'multiprotocol', family: 'ipv4-unicast' },
    { kind: 'multiprotocol', family: 'ipv6-unicast' },
    { kind: 'routeRefresh' },
    { kind: 'fourOctetAs', asn: as(200000) },
  ],
};

const everything = (ctx = ibgp): Uint8Array[] => [
  encodeMessage(open, ctx),
  encodeMessage({ kind: 'keepalive' }, ctx),
  ...encodeAnnouncement({ family: 'ipv4-unicast', attributes: full, prefixes: thousands }, ctx),
  ...encodeAnnouncement(
    { family: 'ipv6-unicast', attributes: full6, prefixes: [prefix('fd01::/48'), prefix('::/0')] },
    ctx,
  ),
  ...encodeWithdrawals('ipv4-unicast', thousands, ctx),
  ...encodeWithdrawals('ipv6-unicast', [prefix('fd01::/48')], ctx),
  endOfRib('ipv4-unicast'),
  endOfRib('ipv6-unicast'),
  encodeMessage({ kind: 'routeRefresh', subtype: 'request', family: 'ipv6-unicast' }, ctx),
  encodeMessage(cease(2, 'back at ten'), ctx),
];

test.each([true, false])(
  'tshark finds nothing malformed in what we send, four-octet AS numbers: %s',
  (fourOctetAs) => {
    const frames = everything(context({ peerType: 'ibgp', fourOctetAs }));
    const lines = dissect(frames, ['bgp.type', '_ws.malformed', '_ws.expert.severity'], fourOctetAs);
    expect(lines).toHaveLength(frames.length);
    // a type for each message; no malformed field; no expert remark above a note (0x400000)
    expect(lines.filter((line) => !/^[1-5]\|\|(2097152|4194304|1048576|,)*$/.test(line))).toEqual([]);
  },
);

test('tshark reads the values we meant', () => {
  const fields = [
    'bgp.update.path_attribute.origin',
    'bgp.update.path_attribute.as_path_segment.as4',
    'bgp.update.path_attribute.next_hop',
    'bgp.update.path_attribute.multi_exit_disc',
    'bgp.update.path_attribute.local_pref',
    'bgp.update.path_attribute.originator_id',
    'bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6',
    'bgp.nlri_prefix',
    'bgp.mp_reach_nlri_ipv6_prefix',
  ];
  const frames = [
    ...encodeAnnouncement(
      { family: 'ipv4-unicast', attributes: full, prefixes: [prefix('10.1.0.0/16')] },
      ibgp,
    ),
    ...encodeAnnouncement(
      { family: 'ipv6-unicast', attributes: full6, prefixes: [prefix('fd01::/48')] },
      ibgp,
    ),
  ];
  expect(dissect(frames, fields, true)).toEqual([
    '2|64512,200000,65001,65002|10.0.0.1|7|100|10.0.0.3||10.1.0.0|',
    '2|64512,200000,65001,65002||7|100|10.0.0.3|2001:db8::1||fd01::',
  ]);
});
