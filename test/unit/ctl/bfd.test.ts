/** BFD in `tortiectl bgp peer NAME`. */
import { expect, test } from 'vitest';
import { peerText } from '../../../src/ctl/peer.ts';
import type { BfdStatus, PeerDetail } from '../../../src/model/status.ts';

const none = { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 };
const peer: PeerDetail = {
  name: 'Global_172_30_0_1',
  address: '172.30.0.1',
  port: 179,
  type: 'global',
  state: 'Active',
  since: '2026-11-21T08:00:00.000Z',
  localAsn: 64512,
  peerAsn: 65000,
  families: ['ipv4-unicast'],
  prefixesReceived: 0,
  prefixesAccepted: 0,
  prefixesAdvertised: 0,
  proposed: { holdTimeSeconds: 90, connectRetrySeconds: 5 },
  timers: [],
  messages: { sent: none, received: none },
  refused: {},
  repaired: 0,
  connections: { made: 0, lost: 0 },
};
const asked = { minTxMs: 100, minRxMs: 100, multiplier: 3 };
const silent: BfdStatus = {
  state: 'Down',
  since: '2026-11-21T08:00:00.000Z',
  kind: 'multihop',
  strict: true,
  diagnostic: 'no diagnostic',
  configured: asked,
  packets: { sent: 7, received: 0, discarded: 0 },
  downs: 0,
  hint: 'the neighbour refuses BFD: nothing listens there',
};
const blockOf = (bfd: BfdStatus | undefined): string | undefined =>
  peerText(bfd === undefined ? peer : { ...peer, bfd })
    .split('\n\n')
    .find((block) => block.startsWith('BFD'));

test('what was agreed and why it went down', () => {
  const up: BfdStatus = {
    ...silent,
    state: 'Up',
    kind: 'single hop',
    strict: false,
    diagnostic: 'control detection time expired',
    neighbour: { ...asked, minTxMs: 200, state: 'Up', diagnostic: 'no diagnostic' },
    transmitMs: 100,
    detectionMs: 600,
    downs: 2,
    lastDown: { at: '2026-11-21T09:00:00.000Z', what: 'no BFD packet came for 600 ms' },
  };
  const { hint: _, ...whole } = up;
  expect(blockOf(whole)).toBe(`BFD
  state      Up since 2026-11-21T08:00:00.000Z, single hop
  we ask     send every 100 ms, receive every 100 ms, multiplier 3
  it asks    send every 200 ms, receive every 100 ms, multiplier 3
  it says    Up, no diagnostic
  we say     control detection time expired
  agreed     a packet every 100 ms, failed after 600 ms of silence
  packets    7 sent, 0 received, 0 discarded
  went down  2 times, last: no BFD packet came for 600 ms (at 2026-11-21T09:00:00.000Z)`);
});

test('why it is not up', () => {
  expect(blockOf(silent)).toContain('state       Down since 2026-11-21T08:00:00.000Z, multihop, strict');
  expect(blockOf(silent)).toContain('why not up  the neighbour refuses BFD: nothing listens there');
});

test('a neighbour without BFD has no word of it', () => {
  expect(blockOf(undefined)).toBeUndefined();
});
