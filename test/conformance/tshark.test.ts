/** What we write, read by Wireshark's dissector: nothing in it may be malformed, and the values must be those we meant. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodeMessage } from '../../bgp/wire/codec.ts';
import type { Capability, CodecContext, Family, Message, PathAttributes } from '../../bgp/wire/message.ts';
import { cease } from '../../bgp/wire/notification.ts';
import {
  encodeAnnouncement,
  encodeUpdates,
  encodeWithdrawals,
  endOfRib,
} from '../../bgp/wire/update-encode.ts';
import { ipv4, type Prefix, prefix4 } from '../../src/lib/net.ts';
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
  otc: as(64512),
  unknown: [{ flags: 0xc0, code: 254, body: Uint8Array.of(1, 2, 3) }],
};
const full6: PathAttributes = { ...full, nextHop: v6('2001:db8::1'), linkLocal: v6('fe80::1') };
const thousands = Array.from({ length: 3000 }, (_, index) => prefix4(ipv4(0x0a000000 + index * 256), 24));
const capabilities: readonly Capability[] = [
  { kind: 'multiprotocol', family: 'ipv4-unicast' },
  { kind: 'multiprotocol', family: 'ipv6-unicast' },
  { kind: 'routeRefresh' },
  { kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 6 }] },
  { kind: 'extendedMessage' },
  { kind: 'role', role: 'customer' },
  {
    kind: 'gracefulRestart',
    isRestarting: true,
    isNotification: true,
    restartTime: 120,
    families: [
      { family: 'ipv4-unicast', isForwarding: true },
      { family: 'ipv6-unicast', isForwarding: false },
    ],
  },
  { kind: 'fourOctetAs', asn: as(200000) },
  {
    kind: 'addPath',
    families: [
      { family: 'ipv4-unicast', receive: true, send: true },
      { family: 'ipv6-unicast', receive: true, send: false },
    ],
  },
  { kind: 'enhancedRouteRefresh' },
  {
    kind: 'longLivedGracefulRestart',
    families: [{ family: 'ipv4-unicast', isForwarding: true, staleTime: 86400 }],
  },
];
const openOf = (list: readonly Capability[]): Message => ({
  kind: 'open',
  version: 4,
  asField: 23456,
  holdTime: 90,
  bgpId: v4('10.0.0.1'),
  capabilities: list,
});

type Named = readonly [what: string, frame: Uint8Array];
const named = (what: string, frames: readonly Uint8Array[]): readonly Named[] =>
  frames.map((frame, index) => [`${what} ${index}`, frame]);

const both = new Set(['ipv4-unicast', 'ipv6-unicast'] as const);
const some4 = [prefix('10.1.0.0/16'), prefix('10.1.0.0/16'), prefix('10.2.0.0/15')];
const some6 = [prefix('fd01::/48'), prefix('fd01::/48'), prefix('fd02:1::/64')];

/** Every kind of message there is, as one session that negotiated `ctx` may send it. */
function everything(ctx: CodecContext): readonly Named[] {
  const announce = (family: Family, attributes: PathAttributes, prefixes: readonly Prefix[]) =>
    encodeAnnouncement({ family, attributes, prefixes, pathIds: prefixes.map((_, index) => index + 1) }, ctx);
  return [
    ...capabilities.flatMap((one) => named(one.kind, [encodeMessage(openOf([one]), ctx)])),
    ...named('every capability', [encodeMessage(openOf(capabilities), ctx)]),
    ...named('KEEPALIVE', [encodeMessage({ kind: 'keepalive' }, ctx)]),
    ...named('IPv4', announce('ipv4-unicast', full, some4)),
    ...named('many IPv4', announce('ipv4-unicast', full, thousands)),
    ...named('IPv6', announce('ipv6-unicast', full6, some6)),
    ...named('IPv6 over link-local', announce('ipv6-unicast', { ...full, nextHop: v6('fe80::1') }, some6)),
    ...named(
      'withdrawn',
      encodeUpdates(
        { withdrawn: [...some4, ...some6], withdrawnIds: [1, 2, 3, 4, 5, 6], announced: [] },
        ctx,
      ),
    ),
    ...named('many withdrawn', encodeWithdrawals('ipv4-unicast', thousands, ctx)),
    ...named('End-of-RIB', [endOfRib('ipv4-unicast'), endOfRib('ipv6-unicast')]),
    ...(['request', 'begin', 'end'] as const).flatMap((subtype) =>
      named(subtype, [encodeMessage({ kind: 'routeRefresh', subtype, family: 'ipv6-unicast' }, ctx)]),
    ),
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap((subcode) =>
      named(`Cease ${subcode}`, [encodeMessage(cease(subcode, 'back at ten'), ctx)]),
    ),
    ...[...refusals].flatMap(([code, subcode]) =>
      named(`NOTIFICATION ${code}/${subcode}`, [
        encodeMessage({ kind: 'notification', code, subcode, data: new Uint8Array(0) }, ctx),
      ]),
    ),
  ];
}
const refusals = [
  [1, 1],
  [2, 11],
  [3, 10],
  [4, 0],
  [5, 3],
  [7, 1],
] as const;

/** What tshark objects to: a malformed field, or an expert remark above a note (0x400000); "what: remark". */
function objections(messages: readonly Named[], fourOctetAs: boolean): readonly string[] {
  const fields = ['bgp.type', '_ws.malformed', '_ws.expert.severity', '_ws.expert.message'];
  const lines = dissect(
    messages.map(([, frame]) => frame),
    fields,
    fourOctetAs,
  );
  expect(lines).toHaveLength(messages.length);
  return lines.flatMap((line, index) =>
    /^[1-5]\|\|(2097152|4194304|1048576|,)*\|/.test(line) ? [] : [`${messages[index]?.[0]}: ${line}`],
  );
}

test.each([
  ['four-octet AS numbers', true, context({ peerType: 'ibgp' })],
  ['two-octet AS numbers', false, context({ peerType: 'ibgp', fourOctetAs: false })],
  ['an external neighbour', true, context()],
  ['add-path', true, context({ peerType: 'ibgp', addPathSend: both })],
])('tshark finds nothing malformed in what we send to %s', (_what, fourOctetAs, ctx) => {
  expect(objections(everything(ctx), fourOctetAs)).toEqual([]);
});

test('RFC 8950 §3: tshark finds nothing malformed in IPv4 routes over IPv6 next hops', () => {
  const frames = ['2001:db8::1', 'fe80::1'].flatMap((hop) =>
    [new Set<Family>(), both].flatMap((addPathSend) =>
      encodeAnnouncement(
        { family: 'ipv4-unicast', attributes: { ...full6, nextHop: v6(hop) }, prefixes: some4 },
        context({ extendedNextHop: both, addPathSend }),
      ),
    ),
  );
  expect(objections(named('IPv4 over IPv6', frames), true)).toEqual([]);
});

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

test('RFC 7911 §3, RFC 8950 §3: tshark reads the Path Identifiers and the IPv6 next hop of IPv4 routes', () => {
  // It knows neither RFC 9072 nor RFC 8654: unit tests alone hold those.
  const fields = [
    'bgp.nlri_path_id',
    'bgp.nlri_prefix',
    'bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6',
    'bgp.mp_reach_nlri_ipv4_prefix',
  ];
  const frames = [
    ...encodeAnnouncement(
      { family: 'ipv4-unicast', attributes: full, prefixes: some4, pathIds: [7, 8, 0xffffffff] },
      context({ addPathSend: both }),
    ),
    ...encodeAnnouncement(
      { family: 'ipv4-unicast', attributes: full6, prefixes: [prefix('10.1.0.0/16')] },
      context({ extendedNextHop: both }),
    ),
  ];
  expect(dissect(frames, fields, true)).toEqual([
    '7,8,4294967295|10.1.0.0,10.1.0.0,10.2.0.0||',
    '||2001:db8::1|10.1.0.0',
  ]);
});
