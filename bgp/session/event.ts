/**
 * What a peer is told and what it asks for: the door between one neighbour's machine and the rest of the speaker.
 *
 * A peer owns up to two transport connections, the one it opened and the one it accepted (RFC 4271 §6.8); `side`
 * tells them apart. While the accepted one is there, a second that is accepted counts as 'outgoing' (RFC 4724 §4.2).
 * Names follow RFC 4271 §8.1 where it has one.
 */
import type { Asn, Ipv4, Millis } from '../../src/lib/net.ts';
import type {
  Capability,
  CodecContext,
  Family,
  GracefulRestart,
  Message,
  NotificationMessage,
  OpenMessage,
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
  | { readonly kind: 'notificationSent'; readonly notification: NotificationMessage; readonly why: string }
  | { readonly kind: 'notificationReceived'; readonly notification: NotificationMessage }
  | { readonly kind: 'tcpFailed'; readonly why: string }
  | { readonly kind: 'stopped'; readonly why: string };

export type PeerEvent =
  | { readonly kind: 'ManualStart' }
  /** Cease with this subcode (RFC 4486); `why` goes to the log. */
  | { readonly kind: 'ManualStop'; readonly subcode: number; readonly why: string }
  /** Our connect() succeeded, or we accepted one; the peer decides what becomes of it. */
  | { readonly kind: 'TcpConnected'; readonly side: Side }
  | { readonly kind: 'TcpFails'; readonly side: Side; readonly why: string }
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
}
