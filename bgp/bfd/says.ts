/** What the main thread and the BFD worker say to each other: plain data that a message port copies. */
import type { BfdParameters, RemoteSide } from './machine.ts';
import type { BfdState } from './packet.ts';
import type { WantedSession } from './wanted.ts';

export type ToWorker =
  /** The whole of what there should be. */
  | { readonly kind: 'configure'; readonly sessions: readonly WantedSession[] }
  /** Every session goes to AdminDown; answered by `stopped` when the neighbours know, or after a while. */
  | { readonly kind: 'stop' };

export type FromWorker =
  /** It is there. @param isRealtime  its deadlines hold whatever else the machine does */
  | { readonly kind: 'started'; readonly scheduling: string; readonly isRealtime: boolean }
  /** A session has changed its state. */
  | {
      readonly kind: 'state';
      readonly from: BfdState;
      readonly byAdmin: boolean;
      /** A phrase. */
      readonly why: string;
      readonly report: SessionReport;
    }
  /** Every second while there are sessions. */
  | { readonly kind: 'reports'; readonly reports: readonly SessionReport[]; readonly health: Health }
  | { readonly kind: 'stopped' };

export interface SessionReport {
  readonly key: string;
  readonly state: BfdState;
  /** RFC 5880 §4.1. */
  readonly diagnostic: number;
  readonly myDiscriminator: number;
  readonly remote: RemoteSide;
  readonly parameters: BfdParameters;
  /** Agreed; undefined: nothing is sent periodically. */
  readonly transmitUs: number | undefined;
  /** Agreed; undefined: the neighbour was never heard. */
  readonly detectionUs: number | undefined;
  readonly sent: number;
  readonly received: number;
  /** From the neighbour's address, but not heard. */
  readonly discarded: number;
  /** Why the last of these was not. */
  readonly lastDiscard: string | undefined;
  /** Why nothing can be sent, one sentence; undefined: it can. */
  readonly failure: string | undefined;
}

export interface Health {
  /** A transmission was late by so much at worst since the report before, in ms. */
  readonly worstLatenessMs: number;
  /** Datagrams nobody wanted: malformed, of no session, or dropped by the kernel (TTL, no room). */
  readonly discarded: number;
  readonly dropped: number;
  /** Ports that cannot be listened to, one sentence each. */
  readonly failures: readonly string[];
}
