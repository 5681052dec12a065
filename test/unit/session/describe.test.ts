import { expect, test } from 'vitest';
import { describeDown } from '../../../bgp/session/describe.ts';
import type { DownReason } from '../../../bgp/session/event.ts';
import { bench, bring, notification, openMessage } from '../../support/peer.ts';

const last = (effects: ReturnType<ReturnType<typeof bench>['step']>): string => {
  const reasons = effects.flatMap((one): DownReason[] =>
    one.kind === 'down' || one.kind === 'failed' ? [one.reason] : [],
  );
  return reasons.map(describeDown).join('; ');
};

test('a wrong AS reads as what was said, what was expected, and by whom', () => {
  const peer = bench();
  bring(peer, 'outgoing', 'OpenSent');
  expect(last(peer.receive('outgoing', openMessage({ asField: 65002, capabilities: [] })))).toBe(
    'the neighbour says it is AS 65002 but BGPPeer expects 65001; we closed with OPEN message error, bad peer AS (2/2)',
  );
});

test('a NOTIFICATION of the neighbour reads with what it means for us', () => {
  expect(describeDown({ kind: 'notificationReceived', notification: notification(2, 2) })).toBe(
    'the neighbour closed the session with OPEN message error, bad peer AS (2/2): it expects another AS number from us',
  );
  expect(describeDown({ kind: 'notificationReceived', notification: notification(6, 2) })).toBe(
    'the neighbour closed the session with cease, administrative shutdown (6/2)',
  );
});

test('silence reads as how long it lasted', () => {
  const peer = bench();
  bring(peer, 'outgoing', 'Established');
  expect(last(peer.step({ kind: 'TimerExpires', timer: 'hold-outgoing' }))).toBe(
    'nothing came from the neighbour for 30 s; we closed with hold timer expired (4/0)',
  );
  const mute = bench();
  bring(mute, 'outgoing', 'OpenSent');
  expect(last(mute.step({ kind: 'TimerExpires', timer: 'hold-outgoing' }))).toContain('sent no OPEN');
});

test('an unexpected message reads as what came and when', () => {
  const peer = bench();
  bring(peer, 'outgoing', 'OpenSent');
  expect(last(peer.receive('outgoing', { kind: 'keepalive' }))).toBe(
    'the neighbour sent a KEEPALIVE before its OPEN; we closed with finite state machine error, unexpected message in OpenSent (5/1)',
  );
});

test('TCP failures and stops read as they came', () => {
  expect(describeDown({ kind: 'tcpFailed', why: 'refused' })).toBe('refused');
  expect(describeDown({ kind: 'stopped', why: 'the node is going away' })).toBe('the node is going away');
});
