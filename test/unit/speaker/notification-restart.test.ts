/** RFC 8538: what is kept of a neighbour after a NOTIFICATION, or silence. */
import { expect, test } from 'vitest';
import { peerStatuses } from '../../../bgp/speaker/report.ts';
import type { Capability, NotificationMessage } from '../../../bgp/wire/message.ts';
import { ipv4 } from '../../../src/lib/net.ts';
import { announce, OneSpeaker } from '../../support/one-speaker.ts';
import { attributesOf, peerOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const peer = peerOf({ restartTimeMs: 120_000, notificationRestart: true });
const theirs = (isNotification: boolean): Capability => ({
  kind: 'gracefulRestart',
  isRestarting: false,
  isNotification,
  restartTime: 60,
  families: [{ family: 'ipv4-unicast', isForwarding: true }],
});

/** How many routes are kept after a session that taught one ends so. */
function kept(isAgreed: boolean, end: NotificationMessage | 'silence'): number {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer] });
  speaker.establish(peer, ipv4(7), peer.families, [theirs(isAgreed)]);
  speaker.hear(peer, announce(attributesOf({ nextHop: address('192.0.2.1') }), prefix('10.2.0.0/24')));
  if (end === 'silence')
    speaker.tell({ kind: 'timer', timer: { owner: 'peer', peer: peer.key, name: 'hold-outgoing' } });
  else speaker.hear(peer, end);
  return peerStatuses(speaker.speaker)[0]?.keptRoutes ?? 0;
}
const cease = (subcode: number, ...data: number[]): NotificationMessage => ({
  kind: 'notification',
  code: 6,
  subcode,
  data: Uint8Array.from(data),
});

test('RFC 8538 §4: where both set N, routes are kept after a NOTIFICATION and after silence', () => {
  expect(kept(true, cease(6))).toBe(1);
  expect(kept(true, 'silence')).toBe(1);
});

test('RFC 8538 §3: a hard reset ends that', () => {
  expect(kept(true, cease(9, 6, 2))).toBe(0);
});

test('RFC 4724 §4: without N of both, a NOTIFICATION and silence end the routes too', () => {
  expect(kept(false, cease(6))).toBe(0);
  expect(kept(false, 'silence')).toBe(0);
});
