/** What is said on felix.sock of one flow that is tried and followed through the kernel: `tortiectl policy why --live`. */
import type { Action, Direction } from './policy.ts';

/** POST /trace: which packets. All that is there must hold; answers to them are followed too. */
export interface TraceRequest {
  readonly version: 4 | 6;
  /** IANA number: 1, 6, 17 or 58. */
  readonly protocol: number;
  /** Addresses as text. */
  readonly source?: string;
  readonly destination?: string;
  /** Of TCP and UDP; 1..65535. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of an echo; 0..65535. */
  readonly icmpId?: number;
  /** After so long it ends by itself. */
  readonly forMs: number;
}

export interface TraceStarted {
  readonly id: string;
}

/** What a rule of ours is for. */
export interface TraceDecision {
  readonly direction: Direction;
  readonly action: Action;
  /** Absent: of no tier (profiles of a host endpoint). */
  readonly tier?: string;
  /** `Policy.id`; absent: the end of the tier. */
  readonly policy?: string;
  readonly rule?: number;
  /** Of the end of a tier: the policies that were asked before. */
  readonly asked?: readonly string[];
}

/** The head of a packet as it came to a base chain. */
export interface TraceHead {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** One step of a packet, as the kernel told it. */
export interface TraceStep {
  /** Which packet, in the order they came: the same for all its steps between two links. */
  readonly packet: string;
  /** there: of who was asked about; back: of the answer. */
  readonly way: 'there' | 'back';
  /** "inet", "ip", "ip6". */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Of a base chain. */
  readonly hook?: string;
  readonly priority?: number;
  /** The rule is one that Tortie wrote. */
  readonly own: boolean;
  /** rule: one that held; return: a chain's end; policy: a base chain's end. */
  readonly type: 'rule' | 'return' | 'policy';
  /** accept, drop, continue, jump, goto, return, queue, stolen; unknown: another one. */
  readonly verdict: string;
  /** Chain that is gone on with. */
  readonly target?: string;
  /** Of the rule. */
  readonly handle?: number;
  readonly comment?: string;
  /** As nft prints it; not of our own table. */
  readonly text?: string;
  readonly decision?: TraceDecision;
  /** What the rule has counted, when the trace began and when it ended; absent: it does not count, or was not read. */
  readonly packetsBefore?: number;
  readonly packetsAfter?: number;
  /** Names of interfaces; with `head` on the first step in a base chain. */
  readonly in?: string;
  readonly out?: string;
  readonly head?: TraceHead;
}

/** GET /trace?id=ID, which ends it. */
export interface TraceReport {
  readonly node: string;
  /** How many packets came by, of those asked about and of answers: also where no rule looked at them. */
  readonly packets: { readonly there: number; readonly back: number };
  readonly steps: readonly TraceStep[];
  /** There were more steps than are kept, or than the kernel could tell. */
  readonly cut: boolean;
}

/** POST /probe: from a pod of this node, or from the node itself. */
export interface ProbeRequest {
  readonly from: 'host' | { readonly namespace: string; readonly pod: string };
  /** Addresses as text. */
  readonly source: string;
  readonly to: string;
  /** IANA number: 1, 6, 17 or 58. */
  readonly protocol: number;
  /** Of TCP and UDP. */
  readonly port?: number;
  readonly sourcePort?: number;
  /** Of an echo. */
  readonly icmpId?: number;
  readonly withinMs: number;
}

/** An ICMP error that somebody sent because of the probe. */
export interface IcmpError {
  readonly from: string;
  readonly type: number;
  readonly code: number;
}

export interface ProbeOutcome {
  /** connected, refused: TCP; answered: UDP and echo; error: see `icmp` or `why`; unsent: it never left its socket. */
  readonly kind: 'connected' | 'refused' | 'answered' | 'silent' | 'error' | 'unsent';
  readonly afterMs: number;
  readonly icmp?: IcmpError;
  /** errno. */
  readonly why?: string;
}
