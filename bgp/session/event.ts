/**
 * What a peer is told and what it asks for: the door between one neighbour's machine and the rest of the speaker.
 *
 * A peer owns up to two transport connections, the one it opened and the one it accepted (RFC 4271 §6.8); `side`
 * tells them apart. While the accepted one is there, a second that is accepted counts as 'outgoing' (RFC 4724 §4.2).
 * Names follow RFC 4271 §8.1 where it has one.
 */
import type { Asn, Ipv4, Millis } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import type {
  Capability,
  CodecContext,
  Family,
  GracefulRestart,
  Message,
  NotificationMessage,
  OpenMessage,
  Role,
  WireError,
} from '../wire/message.ts';

export type Side = 'outgoing' | 'incoming';

/**
 * `forgive` runs in a session that follows protocol errors: when it has lasted, they are forgotten. `collision` bounds
 * how long one connection waits for the OPEN of the other, or for a sign that the other is gone.
 */
export type PeerTimer =
  | 'connectRetry'
  | 'idleHold'
  | 'forgive'
  | 'collision'
  | `hold-${Side}`
  | `keepalive-${Side}`;

/** Why a session ended or never came up, in data; `describeDown` turns it into one sentence. */
export type DownReason =
  /** `received`: the OPEN it answers, if it answers one: the AS, role or hold time that was refused. */
  | {
      readonly kind: 'notificationSent';
      readonly notification: NotificationMessage;
      readonly why: string;
      readonly received?: OpenMessage;
    }
  /** `sent`: our OPEN, if it may be what was refused. */
  | {
      readonly kind: 'notificationReceived';
      readonly notification: NotificationMessage;
      readonly sent?: OpenMessage;
    }
  /** `errno`: the kernel's name for it, e.g. ECONNREFUSED; absent: the neighbour closed, or none came. */
  | { readonly kind: 'tcpFailed'; readonly why: string; readonly errno?: string }
  /** `notification`: what was sent, if the connection had got so far. */
  | { readonly kind: 'stopped'; readonly why: string; readonly notification?: NotificationMessage };

/** What BFD says of the path to the neighbour (RFC 5880 §6.8.1). */
export type BfdState = 'up' | 'down' | 'adminDown';

export type PeerEvent =
  | { readonly kind: 'ManualStart' }
  /** Cease with this subcode (RFC 4486); `why` goes to the log. */
  | { readonly kind: 'ManualStop'; readonly subcode: number; readonly why: string }
  /**
   * The session ends with this NOTIFICATION, and is tried again after `pauseMs`; never: not before a ManualStop and
   * ManualStart, or another `maxPrefix`; absent: as after any failure. Nothing happens without a connection.
   */
  | {
      readonly kind: 'AutomaticStop';
      readonly notification: NotificationMessage;
      readonly why: string;
      readonly pauseMs?: number | 'never';
    }
  /** Timers follow at once; what is in the OPEN counts from the next one on. */
  | { readonly kind: 'Configured'; readonly config: PeerConfig }
  | { readonly kind: 'Bfd'; readonly state: BfdState }
  /** RFC 9687 §3.2: bytes waited for the whole send hold time and the neighbour's TCP took none. */
  | { readonly kind: 'SendStalled'; readonly side: Side }
  /** Our connect() succeeded, or we accepted one; the peer decides what becomes of it. */
  | { readonly kind: 'TcpConnected'; readonly side: Side }
  | { readonly kind: 'TcpFails'; readonly side: Side; readonly why: string; readonly errno?: string }
  | { readonly kind: 'Message'; readonly side: Side; readonly message: Message }
  | { readonly kind: 'WireError'; readonly side: Side; readonly error: WireError }
  | { readonly kind: 'TimerExpires'; readonly timer: PeerTimer };

export type PeerEffect =
  | { readonly kind: 'connect' }
  | { readonly kind: 'send'; readonly side: Side; readonly message: Message }
  /** Flush what was sent, then close. */
  | { readonly kind: 'close'; readonly side: Side }
  | { readonly kind: 'startTimer'; readonly timer: PeerTimer; readonly after: Millis }
  | { readonly kind: 'stopTimer'; readonly timer: PeerTimer }
  /** Established: routes may flow on this side's connection. */
  | { readonly kind: 'up'; readonly side: Side; readonly negotiated: Negotiated }
  /** No longer Established: every route learned goes. Only ever follows an `up`. */
  | { readonly kind: 'down'; readonly reason: DownReason }
  /** The session did not come up this time; for status and log. */
  | { readonly kind: 'failed'; readonly reason: DownReason }
  /** An UPDATE or ROUTE-REFRESH of an Established session, for the RIBs. */
  | { readonly kind: 'deliver'; readonly message: Message };

/** What OPEN × OPEN settled (RFC 4271 §6.2, RFC 5492, RFC 6793). */
export interface Negotiated {
  readonly peerAsn: Asn;
  readonly peerId: Ipv4;
  readonly holdTimeMs: number;
  readonly keepaliveTimeMs: number;
  readonly families: readonly Family[];
  readonly fourOctetAs: boolean;
  readonly routeRefresh: boolean;
  readonly codec: CodecContext;
  readonly sent: OpenMessage;
  readonly received: OpenMessage;
  readonly peerCapabilities: readonly Capability[];
  /** Both sides said so (RFC 4724); absent: routes go when the session does. */
  readonly gracefulRestart?: GracefulRestart;
  /** Both sides set N: after a NOTIFICATION or silence too routes are kept, unless it is a hard reset (RFC 8538 §4). */
  readonly isNotificationRestart?: boolean;
  /** What the neighbour said of families both have (RFC 9494); absent: nothing outlives the restart time. */
  readonly longLived?: readonly LongLived[];
  /** Ours, and the neighbour's if it stated one (RFC 9234); absent: none is configured, or the session is internal. */
  readonly role?: { readonly own: Role; readonly peer: Role | undefined };
}

export interface LongLived {
  readonly family: Family;
  /** F: it still forwarded when it said so. */
  readonly isForwarding: boolean;
  readonly staleTimeMs: number;
}
