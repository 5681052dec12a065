/**
 * The door of the whole wing: what the speaker is told, and what it asks for. Plain data both ways.
 *
 * A connection is named by its peer's `PeerConfig.key` and its side. After the effect `close` the doer says nothing
 * more about that connection: no message, no failure, no `writable`.
 */
import type { Address, Millis, Prefix } from '../../src/lib/net.ts';
import type { SpeakerConfig } from '../config.ts';
import type { BfdState, PeerEvent, PeerTimer, Side } from '../session/event.ts';
import type { CodecContext, Message } from '../wire/message.ts';
import type { KernelRoute } from './kernel-route.ts';
import type { Answer } from './reach.ts';

/** Timers are named by owner and name; starting one replaces the running one of that name. */
export type SpeakerTimer =
  | { readonly owner: 'peer'; readonly peer: string; readonly name: PeerTimer }
  /** Bounds how long routes of a neighbour that restarts are kept (RFC 4724 §4.2). */
  | { readonly owner: 'stale'; readonly peer: string; readonly name: 'stale' }
  /** Bounds how long a neighbour that tells its routes again may take (RFC 7313 §4.2). */
  | { readonly owner: 'refresh'; readonly peer: string; readonly name: 'refresh' }
  /** Bounds how long a fresh speaker waits for its neighbours before `settled`. */
  | { readonly owner: 'speaker'; readonly name: 'settle' };

/** What a transport can tell of one connection, in the session's own words. */
export type TransportEvent = Extract<
  PeerEvent,
  { readonly kind: 'TcpConnected' | 'TcpFails' | 'Message' | 'WireError' | 'SendStalled' }
>;

export type SpeakerEvent =
  /** The whole of what we should be now; undefined: this node cannot speak, so nobody is spoken to. */
  | { readonly kind: 'configure'; readonly config: SpeakerConfig | undefined }
  | { readonly kind: 'transport'; readonly peer: string; readonly event: TransportEvent }
  | { readonly kind: 'timer'; readonly timer: SpeakerTimer }
  /**
   * Somebody from inside the range of `DynamicPeers.key` `dynamic` has dialled; TcpConnected of `peer` follows, the key of
   * the neighbour it becomes (`dynamicKey`). Said at each connection, of one that is known too.
   */
  | { readonly kind: 'arrived'; readonly dynamic: string; readonly peer: string; readonly address: Address }
  /**
   * Somebody asks for it: hard: Cease 6/4 with `why` as its text, then from the start, all capabilities offered again;
   * softIn: the neighbour is asked to tell all again (RFC 2918), or if it cannot, import policy is asked again of what it
   * told; softOut: it is told all again.
   */
  | {
      readonly kind: 'reset';
      readonly peer: string;
      readonly how: 'hard' | 'softIn' | 'softOut';
      readonly why: string;
    }
  /** BFD's state of the path to this neighbour changed; `why` in words. Heard of a peer that is not there yet, too. */
  | { readonly kind: 'bfd'; readonly peer: string; readonly state: BfdState; readonly why: string }
  /** How tracked next hops are reached from now on. */
  | { readonly kind: 'nextHops'; readonly changes: readonly Answer[] }
  /** Answers the effect of that name. */
  | { readonly kind: 'continue' }
  /** Answers `wantWrite`: the connection can take bytes now. */
  | { readonly kind: 'writable'; readonly peer: string; readonly side: Side }
  /**
   * Cease, Administrative Shutdown (RFC 4486, 6/2) to everyone; kernel routes stay. Nothing is heard after it.
   * `isRestart`: connections close without a word, so that neighbours which agreed to keep our routes.
   */
  | { readonly kind: 'stop'; readonly why: string; readonly isRestart?: boolean };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type SpeakerEffect =
  /** Dial `PeerConfig.address` and `port` of this peer; answer TcpConnected or TcpFails on side 'outgoing'. */
  | { readonly kind: 'connect'; readonly peer: string }
  /** An UPDATE may be more than fits one message: write it with `encodeUpdates`. */
  | { readonly kind: 'send'; readonly peer: string; readonly side: Side; readonly message: Message }
  /** Flush what was sent, then close; a connect still under way is given up. */
  | { readonly kind: 'close'; readonly peer: string; readonly side: Side }
  /** The session is up: UPDATEs of this connection are read and written so from here on. */
  | { readonly kind: 'codec'; readonly peer: string; readonly side: Side; readonly context: CodecContext }
  /**
   * From here on: SendStalled, once bytes have waited `after` on this connection without the neighbour's TCP taking any
   * (RFC 9687 §3.2). Ends with the connection.
   */
  | { readonly kind: 'watchSend'; readonly peer: string; readonly side: Side; readonly after: Millis }
  /** Answer `nextHops` once for each of these, and again whenever it is reached otherwise, until it is untracked. */
  | { readonly kind: 'track'; readonly nextHops: readonly Address[] }
  | { readonly kind: 'untrack'; readonly nextHops: readonly Address[] }
  /** Large tables are being worked on: answer `continue` once, after what waits already. */
  | { readonly kind: 'continue' }
  /** There are routes to send: answer `writable` once, when the connection can take bytes. */
  | { readonly kind: 'wantWrite'; readonly peer: string; readonly side: Side }
  | { readonly kind: 'startTimer'; readonly timer: SpeakerTimer; readonly after: Millis }
  | { readonly kind: 'stopTimer'; readonly timer: SpeakerTimer }
  /** The learned route the kernel should have for each of these. What we originate ourselves is never one. */
  | { readonly kind: 'fib'; readonly prefixes: readonly Prefix[]; readonly nextHops: KernelRoute }
  /**
   * Once per life: every configured peer has told all it knows (End-of-RIB), or the wait for them is over. Before it,
   * routes of ours that an earlier life left in the kernel must not be swept.
   */
  | { readonly kind: 'settled' }
  | {
      readonly kind: 'log';
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, string | number>>;
    }
  /** A peer's state, name or counts may read differently now. */
  | { readonly kind: 'statusChanged'; readonly peer: string }
  /** Follows the last effect of `stop`. */
  | { readonly kind: 'stopped' };
