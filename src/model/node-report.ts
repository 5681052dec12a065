/**
 * What each node says of itself in the API: CalicoNodeStatus (projectcalico.org/v3) named as the node, compact enough for
 * thousands of nodes. `tortie bgp` writes `status.bgp` and `status.tortie.bgp`, `tortie felix` writes `status.tortie.felix`; each merges
 * only its own, when it changed, and not more than once in ten seconds.
 * JSON-safe, and no longer than a few kilobytes: lists are cut, counts are whole.
 */
import type { BgpState } from './bgp-state.ts';
import type { Meta } from './meta.ts';

export interface CalicoNodeStatus {
  readonly kind: 'CalicoNodeStatus';
  readonly meta: Meta;
  /** spec.node */
  readonly node: string;
  readonly report: NodeReport;
}

export interface NodeReport {
  readonly bgp?: BgpReport;
  readonly felix?: FelixReport;
}

interface DaemonReport {
  readonly version: string;
  /** ISO 8601: when this was written; for a reader to tell how old it is. */
  readonly at: string;
  readonly inSync: boolean;
  /** In words, at most ten. */
  readonly problems: readonly string[];
}

export interface BgpReport extends DaemonReport {
  readonly asn?: number;
  readonly routerId?: string;
  readonly sessions: SessionCounts & {
    /** Of these, those over IPv6; absent: none. */
    readonly v6?: SessionCounts;
  };
  /** Every session of a BGPPeer, and those of the mesh that are not Established; at most fifty. */
  readonly peers: readonly SessionReport[];
  /** Prefixes this node originates. */
  readonly originated: readonly string[];
  readonly kernel: { readonly installed: number; readonly pending: number };
  /** Nodes waiting with the startup taint whose pod routes this node has in its kernel. */
  readonly sees: readonly string[];
}

export interface SessionCounts {
  readonly established: number;
  readonly total: number;
}

export interface SessionReport {
  /** metadata.name of the BGPPeer, or of the other node. */
  readonly name: string;
  readonly address: string;
  readonly type: 'node-to-node mesh' | 'global' | 'node specific';
  readonly asn: number;
  readonly state: BgpState;
  readonly since: string;
  readonly received: number;
  readonly accepted: number;
  readonly advertised: number;
  readonly lastError?: string;
}

export interface FelixReport extends DaemonReport {
  readonly dataplane: 'waiting' | 'in-sync' | 'failing';
  readonly lastError?: string;
  readonly endpoints: { readonly ready: number; readonly total: number };
}

/** Kubernetes' own condition, as on a Pod. */
export interface Condition {
  readonly type: 'Ready' | 'Accepted' | 'Allocatable';
  readonly status: 'True' | 'False' | 'Unknown';
  /** One word in camel case, for programs. */
  readonly reason: string;
  /** One sentence, for people. */
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** The startup taint's key: a node added with it gets pods only when its routes are seen elsewhere and its policy is in. */
export const startupTaint = 'node.tortie.io/agent-not-ready';
