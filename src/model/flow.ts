/** GET /flows and GET /connections of felix.sock. JSON-safe. */
import type { Action, Direction } from './policy.ts';

/** Why a packet is dropped whatever policies say. */
export type DropReason =
  /** Its source is not an address of the pod. */
  | 'reversePath'
  /** Its interface is a workload's by name, and of no pod that is known. */
  | 'unknownInterface'
  /** Connection tracking takes it for part of no connection. */
  | 'invalid'
  /** From a pod, it could pass for a tunnel between nodes. */
  | 'vxlan'
  | 'ipip'
  /** From a pod to its host: defaultEndpointToHostAction. */
  | 'hostClosed'
  /** To an address of the ranges of Services that no Service has: serviceLoopPrevention. */
  | 'serviceLoop'
  /** Of an endpoint whose pod is not known yet. */
  | 'unknownPod'
  /** The kernel refused the rules that would have judged it. */
  | 'refused';

/** One end of a packet or of a connection, as the node knows it. */
export interface FlowEnd {
  readonly address: string;
  readonly port?: number;
  /** "pod shop/front", "node node1", "HostEndpoint node1-eth0", "NetworkSet shop/partners"; absent: nobody the cluster knows. */
  readonly who?: string;
  /** Of this host, where the packet was seen. */
  readonly interface?: string;
  /** Whose interface that is, if it is not `who`: "pod shop/front". */
  readonly owner?: string;
}

/** A packet that a rule reported. */
export interface FlowRecord {
  /** Grows by one with each record; a reader asks for what comes after the last it has. */
  readonly seq: number;
  /** ISO 8601, wall clock. */
  readonly at: string;
  /** Ingress: it was judged at the destination's end. */
  readonly direction: Direction;
  readonly action: Action;
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
  /** IANA number. */
  readonly protocol: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /** Names of those that are set, e.g. "SYN" or "SYN,ACK". */
  readonly tcpFlags?: string;
  /** Absent: of no tier (profiles of a host endpoint). */
  readonly tier?: string;
  /** "NetworkPolicy shop/allow-web"; absent: the end of the tier. */
  readonly policy?: string;
  /** From 1, of the policy. */
  readonly rule?: number;
  /** Of the end of a tier: the policies that were asked before, so that it came to it. */
  readonly isolatedBy?: readonly string[];
  /** Of no policy and no tier. */
  readonly dropped?: DropReason;
  /** The rule is gone since, so nobody can say which it was. */
  readonly unknownRule?: true;
}

export interface Flows {
  /** Ascending by `seq`. */
  readonly flows: readonly FlowRecord[];
  /** Ask for what follows with ?after= this. */
  readonly next: number;
  /** Since the start: records that newer ones pushed out, and packets that were reported and not read. */
  readonly forgotten: number;
  readonly lost: number;
  /** Why nothing is heard at present; absent: we listen. */
  readonly deaf?: string;
}

/** Connections of one kind that connection tracking of a node knows now: those that differ in their source port only are one. */
export interface SeenConnections {
  readonly source: string;
  /** Once translated: who answers. */
  readonly destination: string;
  /** IANA number. */
  readonly protocol: number;
  /** Of the destination. */
  readonly port?: number;
  readonly count: number;
}

export interface Connections {
  readonly node: string;
  readonly connections: readonly SeenConnections[];
  /** Kinds that are too many to be told. */
  readonly more: number;
}
