/** BMP messages, read by Wireshark's dissector: nothing malformed, and the values are those we meant. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  initiation,
  type Monitored,
  peerDown,
  peerUp,
  routeMonitoring,
  statistics,
  termination,
} from '../../../bgp/monitor/bmp.ts';
import { encodeMessage } from '../../../bgp/wire/codec.ts';
import type { OpenMessage } from '../../../bgp/wire/message.ts';
import { cease } from '../../../bgp/wire/notification.ts';
import { encodeUpdates } from '../../../bgp/wire/update-encode.ts';
import { pcapOf } from '../../support/pcap.ts';
import { as, context, hexOf, prefix, v4, v6 } from '../../support/wire.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-bmp-'));
afterAll(() => rmSync(directory, { recursive: true }));

function dissect(frames: readonly Uint8Array[], ...fields: readonly string[]): readonly string[] {
  const file = join(directory, 'sent.pcap');
  writeFileSync(file, pcapOf(frames));
  const args = [
    '-r',
    file,
    '-d',
    'tcp.port==179,bmp',
    '-T',
    'fields',
    '-E',
    'separator=|',
    '-E',
    'aggregator=,',
  ];
  const asked = [...args, ...fields.flatMap((field) => ['-e', field])];
  return execFileSync('tshark', asked, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    .trimEnd()
    .split('\n');
}

const peer: Monitored = { type: 0, address: v4('172.30.0.1'), asn: as(65000), bgpId: v4('10.0.0.1') };
const peer6: Monitored = { ...peer, address: v6('fd00::1') };
const loc: Monitored = { type: 3, address: v4('0.0.0.0'), asn: as(64512), bgpId: v4('10.0.0.9') };
const ctx = context();
const open: OpenMessage = {
  kind: 'open',
  version: 4,
  asField: 65000,
  holdTime: 90,
  bgpId: v4('10.0.0.1'),
  capabilities: [{ kind: 'multiprotocol', family: 'ipv4-unicast' }, { kind: 'routeRefresh' }],
};
const opens = { sent: encodeMessage(open, ctx), received: encodeMessage(open, ctx) };
const [update = new Uint8Array(0)] = encodeUpdates(
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
        prefixes: [prefix('10.65.0.0/24')],
      },
    ],
  },
  ctx,
);
const at = 1_700_000_000_250;
const ends = { localAddress: v4('172.30.0.11'), localPort: 179, remotePort: 40001 };
const notification = encodeMessage(cease(2, 'back at ten'), ctx);

const all: readonly Uint8Array[] = [
  initiation('node1', 'Tortie 0.1.0'),
  peerUp(peer, at, ends, opens),
  peerUp(peer6, at, { ...ends, localAddress: v6('fd00::2') }, opens),
  peerUp(loc, at, { localAddress: undefined, localPort: 0, remotePort: 0 }, opens),
  routeMonitoring(peer, at, update),
  routeMonitoring(loc, at, update),
  statistics(peer, at, { received: 7, chosen: 5_000_000_000, repaired: 2 }),
  peerDown(peer, at, { kind: 'notificationSent', notification }),
  peerDown(peer, at, { kind: 'notificationReceived', notification }),
  peerDown(peer, at, { kind: 'closedByUs', fsmEvent: 10 }),
  peerDown(peer, at, { kind: 'closedByPeer' }),
  peerDown(peer6, at, { kind: 'deconfigured' }),
  termination('tortie bgp was asked to stop'),
];

test('RFC 7854 §4: nothing we write of any type is malformed', () => {
  expect(dissect(all, '_ws.malformed', '_ws.expert.severity')).toEqual(all.map(() => '|'));
  expect(dissect(all, 'bmp.type')).toEqual('4 3 3 3 0 0 1 2 2 2 2 2 5'.split(' '));
  expect(dissect(all, 'bmp.length')).toEqual(all.map(({ byteLength }) => String(byteLength)));
});

test('RFC 7854 §4.2: a per-peer header names the peer, its AS, its identifier and the moment', () => {
  const [, up, up6, upLoc] = dissect(
    all,
    'bmp.peer.type',
    'bmp.peer.ip.addr',
    'bmp.peer.ipv6.addr',
    'bmp.peer.asn',
    'bmp.peer.id',
    'bmp.peer.timestamp.sec',
    'bmp.peer.timestamp.msec',
  );
  expect(up).toBe('0|172.30.0.1||65000|10.0.0.1|1700000000|250000');
  expect(up6).toBe('0||fd00::1|65000|10.0.0.1|1700000000|250000');
  expect(upLoc).toBe('3|0.0.0.0||64512|10.0.0.9|1700000000|250000');
});

test('RFC 7854 §4.10: Peer Up carries both ends and both OPENs whole', () => {
  const [, up] = dissect(
    all,
    'bmp.peer.up.port.local',
    'bmp.peer.up.port.remote',
    'bgp.type',
    'bgp.open.holdtime',
  );
  expect(up).toBe('179|40001|1,1|90,90');
});

test('RFC 7854 §4.6: Route Monitoring carries the UPDATE as it came', () => {
  const [, , , , monitored = new Uint8Array(0)] = all;
  expect(hexOf(monitored).endsWith(hexOf(update))).toBe(true);
  expect(monitored.byteLength).toBe(6 + 42 + update.byteLength);
});

test('RFC 7854 §4.9: Peer Down says which side ended the session, and how', () => {
  const reasons = dissect(all.slice(7, 12), 'bmp.peer.down.reason');
  expect(reasons).toEqual(['1', '3', '2', '4', '5']);
});

test('RFC 7854 §4.8: gauges have 64 bits', () => {
  const [, , , , , , stats] = dissect(
    all,
    'bmp.stats.type',
    'bmp.stats.data.routes_loc_rib',
    'bmp.stats.data.update_treat',
  );
  expect(stats).toBe('7,8,11|5000000000|2');
  expect(hexOf(all[6] ?? new Uint8Array(0))).toContain((5_000_000_000).toString(16).padStart(16, '0'));
});
