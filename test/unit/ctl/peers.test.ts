/** The neighbours of a node as people read them. */
import { expect, test } from 'vitest';
import { peerText } from '../../../src/ctl/peer.ts';
import { peersText } from '../../../src/ctl/peers.ts';
import type { PeerDetail } from '../../../src/model/status.ts';

const now = new Date(2026, 10, 21, 12, 0, 0);
const none = { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 };

const up: PeerDetail = {
  name: 'Global_172_30_0_1',
  resource: 'tor',
  address: '172.30.0.1',
  port: 179,
  type: 'global',
  state: 'Established',
  since: new Date(2026, 10, 21, 8, 0, 0).toISOString(),
  localAsn: 64512,
  peerAsn: 65000,
  peerId: '172.30.0.1',
  families: ['ipv4-unicast'],
  holdTimeSeconds: 9,
  keepaliveSeconds: 3,
  prefixesReceived: 3,
  prefixesAccepted: 2,
  prefixesAdvertised: 1,
  password: 'passwords/tor',
  ttlSecurity: 1,
  proposed: { holdTimeSeconds: 90, connectRetrySeconds: 5 },
  timers: [{ name: 'hold-outgoing', seconds: 7 }],
  messages: { sent: { ...none, open: 1, keepalive: 40 }, received: { ...none, open: 1, update: 2 } },
  refused: { '1/3': 2 },
  repaired: 0,
  connections: { made: 1, lost: 0 },
  openSent: {
    asn: 64512,
    routerId: '172.30.0.11',
    holdTimeSeconds: 90,
    capabilities: ['ipv4-unicast', 'route refresh'],
  },
  openReceived: { asn: 65000, routerId: '172.30.0.1', holdTimeSeconds: 9, capabilities: ['ipv4-unicast'] },
};
const { holdTimeSeconds: _1, keepaliveSeconds: _2, peerId: _3, openReceived: _4, ...rest } = up;
const down: PeerDetail = {
  ...rest,
  name: 'Global_172_30_0_2',
  address: '172.30.0.2',
  port: 1179,
  state: 'Active',
  lastError: '172.30.0.2 port 1179 does not answer (ETIMEDOUT)',
  notificationSent: { at: '2026-11-21T08:00:00.000Z', what: 'OPEN message error, bad peer AS (2/2)' },
};

test('a table of all, and why each session that is down is so', () => {
  expect(peersText([up, down], { wide: false, now })).toBe(
    `NEIGHBOUR             AS     STATE        SINCE     IN  ACCEPTED  OUT
172.30.0.1            65000  Established  08:00:00  3   2         1
172.30.0.2 port 1179  65000  Active       08:00:00  3   2         1

172.30.0.2 port 1179 is down: 172.30.0.2 port 1179 does not answer (ETIMEDOUT).`,
  );
  expect(peersText([up], { wide: true, now })).toContain(
    'Global_172_30_0_1  ipv4-unicast  9s    3            41',
  );
  expect(peersText([], { wide: false, now })).toBe('No neighbours.');
});

test('one that is a pod is shown by its name too', () => {
  const pod: PeerDetail = {
    ...up,
    name: 'Local_Workload_10_244_1_5',
    address: '10.244.1.5',
    workload: 'shop/router',
  };
  expect(peersText([pod], { wide: false, now })).toContain('10.244.1.5 (Pod shop/router)');
  expect(peerText(pod)).toMatch(
    /^Local_Workload_10_244_1_5, 10\.244\.1\.5 \(Pod shop\/router\): Established/,
  );
});

test('one that is up: what each side offered, what was agreed, what passed', () => {
  const text = peerText(up);
  for (const line of [
    '  by             tor (global)',
    '  password       of Secret passwords/tor',
    '  TTL security   1 hops at most',
    '  hold time  9 s',
    '  hold-outgoing  7',
    'AS            64512          65000',
    'capabilities  ipv4-unicast   ipv4-unicast',
    '              route refresh',
    'KEEPALIVE      40    0',
    '  refused with 1/3  2',
  ])
    expect(text.split('\n')).toContain(line);
});

test('one that is down says why, and the last NOTIFICATION in words', () => {
  const text = peerText(down);
  expect(text).toContain('Why: 172.30.0.2 port 1179 does not answer (ETIMEDOUT).');
  expect(text).toContain(
    'last NOTIFICATION sent  OPEN message error, bad peer AS (2/2) (at 2026-11-21T08:00:00.000Z)',
  );
  expect(text).toContain('AS            64512          -');
});
