/** A DownReason as one sentence for log and status: what happened in words, then who said it and its numbers. */
import { describeNotification } from '../wire/describe-notification.ts';
import type { DownReason } from './event.ts';

/** What a NOTIFICATION from the neighbour means for us, where its name alone does not say. */
const meanings: Readonly<Record<string, string>> = {
  '2/2': 'it expects another AS number from us',
  '2/3': 'it does not take our BGP Identifier; another router may have the same',
  '2/6': 'it does not take our hold time',
  '2/11': 'its role does not go with ours (RFC 9234)',
  '8/0': 'it could send us nothing for its send hold time',
  '2/7': 'it wants an address family or a feature we do not offer',
  '4/0': 'it heard nothing from us for its hold time',
  '6/3': 'it no longer has us as a neighbour',
  '6/5': 'it does not know us as a neighbour, or refuses us for now',
};

function meaningOf({ notification, sent }: DownReason & { readonly kind: 'notificationReceived' }) {
  const name = `${notification.code}/${notification.subcode}`;
  if (sent !== undefined && name === '2/6') return `it does not take our hold time of ${sent.holdTime} s`;
  return meanings[name];
}

/**
 * One sentence without a full stop, for example "the neighbour says it is AS 65002 but BGPPeer expects 65001; we
 * closed with OPEN message error, bad peer AS (2/2)".
 */
export function describeDown(reason: DownReason): string {
  if (reason.kind === 'tcpFailed' || reason.kind === 'stopped') return reason.why;
  const { notification } = reason;
  const named = describeNotification(notification);
  if (reason.kind === 'notificationSent') return `${reason.why.replace(/\.$/, '')}; we closed with ${named}`;
  const meaning = meaningOf(reason);
  const closed = `the neighbour closed the session with ${named}`;
  return meaning === undefined ? closed : `${closed}: ${meaning}`;
}
