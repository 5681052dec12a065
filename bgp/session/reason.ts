/** Why a connection ends, as data: the NOTIFICATION it ends with, the reason recorded, and whether it earns a pause. */
import { assert } from '../../src/lib/result.ts';
import type { BgpState } from '../../src/model/status.ts';
import { ceaseReasons, errorCodes, fsmErrors } from '../wire/iana.ts';
import type { NotificationMessage } from '../wire/message.ts';
import type { DownReason, Negotiated } from './event.ts';
import type { FsmEvent, FsmNotify } from './fsm.ts';

const bare = (code: number, subcode: number): NotificationMessage => ({
  kind: 'notification',
  code,
  subcode,
  data: new Uint8Array(0),
});

/** RFC 6608 §3: the subcode names the state. A state that sends no FSM error has none. */
const fsmSubcodes: Partial<Record<BgpState, number>> = {
  OpenSent: fsmErrors.openSent,
  OpenConfirm: fsmErrors.openConfirm,
  Established: fsmErrors.established,
};

/** The NOTIFICATION a row sends before the connection goes. `found`: the one that came with the event. */
export function notificationFor(
  state: BgpState,
  notify: FsmNotify | undefined,
  found: NotificationMessage | undefined,
): NotificationMessage | undefined {
  if (notify === undefined) return undefined;
  if (notify === 'holdExpired') return bare(errorCodes.holdTimerExpired, 0);
  if (notify === 'sendHoldExpired') return bare(errorCodes.sendHoldTimerExpired, 0);
  if (notify === 'fsmError') return bare(errorCodes.fsm, fsmSubcodes[state] ?? 0);
  assert(found !== undefined, 'this event brings the NOTIFICATION to send');
  return found;
}

/** What ends a session for good, so that nobody may keep its routes (RFC 8538 §3.1); the others are over soon. */
const hardCeases: ReadonlySet<number> = new Set([
  ceaseReasons.maxPrefixes,
  ceaseReasons.administrativeShutdown,
  ceaseReasons.peerDeconfigured,
  ceaseReasons.administrativeReset,
  ceaseReasons.bfdDown,
]);

/** Where a NOTIFICATION would be taken for a restart, one that must not be goes inside a Hard Reset (RFC 8538 §3.1). */
export function hardened(
  notification: NotificationMessage,
  negotiated: Negotiated | undefined,
): NotificationMessage {
  const { code, subcode, data } = notification;
  if (negotiated?.isNotificationRestart !== true || code !== errorCodes.cease || !hardCeases.has(subcode))
    return notification;
  return {
    kind: 'notification',
    code: errorCodes.cease,
    subcode: ceaseReasons.hardReset,
    data: Uint8Array.of(code, subcode, ...data),
  };
}

const isHardReset = ({ code, subcode }: NotificationMessage): boolean =>
  code === errorCodes.cease && subcode === ceaseReasons.hardReset;

/**
 * Whether the neighbour's routes may be kept after a session that ended so, if graceful restart was agreed: after a
 * broken connection (RFC 4724 §4.2), and if both said N after anything but a hard reset (RFC 8538 §4).
 */
export function keepsRoutes(reason: DownReason, negotiated: Negotiated): boolean {
  if (reason.kind === 'tcpFailed') return true;
  return (
    negotiated.isNotificationRestart === true &&
    reason.notification !== undefined &&
    !isHardReset(reason.notification)
  );
}

const unexpected: Partial<Record<FsmEvent, string>> = {
  BGPOpen: 'a second OPEN',
  BGPOpenMsgErr: 'a second OPEN',
  KeepAliveMsg: 'a KEEPALIVE',
  UpdateMsg: 'an UPDATE',
  UpdateMsgErr: 'an UPDATE',
  RouteRefreshMsg: 'a ROUTE-REFRESH',
};

const notYet: Partial<Record<BgpState, string>> = {
  OpenSent: 'before its OPEN',
  OpenConfirm: 'before it confirmed our OPEN',
  Established: 'in a session that is up',
};

/** In words, why a NOTIFICATION of our own is sent. */
export function whySent(state: BgpState, event: FsmEvent, negotiated: Negotiated | undefined): string {
  if (event === 'HoldTimer_Expires')
    return negotiated === undefined
      ? 'the neighbour accepted the connection but sent no OPEN'
      : `nothing came from the neighbour for ${negotiated.holdTimeMs / 1000} s`;
  if (event === 'SendHoldTimer_Expires')
    return 'the neighbour has read nothing for so long that it must be dead, though its TCP is not';
  if (event === 'OpenCollisionDump') return 'another connection to the neighbour took its place';
  return `the neighbour sent ${unexpected[event] ?? `nothing that explains ${event}`} ${notYet[state] ?? ''}`;
}

/** In words, why TCP is gone, for events that bring no words of their own. */
export const whyTcpFailed = (event: FsmEvent): string =>
  event === 'ConnectRetryTimer_Expires'
    ? 'the neighbour does not answer our connection attempts'
    : 'the connection was lost';

const isNotification = (
  reason: DownReason,
): reason is DownReason & { readonly notification: NotificationMessage } =>
  reason.kind === 'notificationSent' || reason.kind === 'notificationReceived';

export const isCollision = (reason: DownReason): boolean =>
  isNotification(reason) &&
  reason.notification.code === errorCodes.cease &&
  reason.notification.subcode === ceaseReasons.connectionCollision;

/** A neighbour that ceases for these means to be left alone for a while; the others are restarts and races. */
const lastingCeases: ReadonlySet<number> = new Set([ceaseReasons.maxPrefixes, ceaseReasons.outOfResources]);

/**
 * Whether the next try waits for the idle hold: yes for what will happen again unless someone mends it (errors in
 * messages), no for what passes (silence, restarts, collisions, TCP).
 */
export function isPenalised(reason: DownReason): boolean {
  if (!isNotification(reason)) return false;
  const { code, subcode } = reason.notification;
  if (code === errorCodes.holdTimerExpired || code === errorCodes.sendHoldTimerExpired) return false;
  if (code === errorCodes.cease) return reason.kind === 'notificationReceived' && lastingCeases.has(subcode);
  return true;
}
