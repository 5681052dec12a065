/** A packet from end to end, as the oracle is asked about it. */
import type { Address } from '../lib/net.ts';
import type { HostEndpoint } from '../model/policy.ts';
import type { Pod } from '../model/resource.ts';

/** What an end of a connection is, if it is ours to judge. */
export type Spot =
  /** `pod` absent: an endpoint whose pod is not known, which is closed. */
  | { readonly kind: 'workload'; readonly pod?: Pod; readonly node?: string }
  /** A process of the host itself; `endpoint` where the interface the packet takes has one. */
  | { readonly kind: 'host'; readonly node: string; readonly endpoint?: HostEndpoint };

export interface End {
  readonly address: Address;
  /** Of protocols that have ports. */
  readonly port?: number;
  /** Absent: somewhere outside. */
  readonly spot?: Spot;
  /** Of a workload: the host endpoint of its node's interface that the packet crosses. */
  readonly via?: HostEndpoint;
}

/** A packet on its way from one end to the other. */
export interface Connection {
  readonly from: End;
  /** After a Service's or a floating address was translated. */
  readonly to: End;
  /** Before that; absent: it was not. */
  readonly dialled?: { readonly address: Address; readonly port?: number };
  /** IANA number. */
  readonly protocol: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  /** Of a connection that was let through before. */
  readonly established?: boolean;
}
