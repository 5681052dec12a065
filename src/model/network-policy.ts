/** networking.k8s.io/v1 NetworkPolicy. */
import type { Prefix } from '../lib/net.ts';
import type { LabelSelector } from './labels.ts';
import type { Meta } from './meta.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Absent and empty are told apart where the API does. */
export interface NetworkPolicy {
  readonly kind: 'NetworkPolicy';
  readonly meta: Meta;
  readonly podSelector: LabelSelector;
  /** After defaulting: Ingress always unless only Egress is listed; Egress if listed, or unlisted and egress rules exist. */
  readonly policyTypes: readonly ('Ingress' | 'Egress')[];
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
}

/** One ingress or egress rule: any of `peers` (absent: everyone) on any of `ports` (absent: every port). */
export interface PolicyRule {
  readonly peers?: readonly PolicyPeer[];
  readonly ports?: readonly PolicyPort[];
}

export type PolicyPeer =
  | { readonly kind: 'ipBlock'; readonly cidr: Prefix; readonly except: readonly Prefix[] }
  | {
      readonly kind: 'pods';
      /** Absent: the policy's own namespace. */
      readonly namespaceSelector?: LabelSelector;
      /** Absent: every pod of those namespaces. */
      readonly podSelector?: LabelSelector;
    };

export interface PolicyPort {
  readonly protocol: Protocol;
  /** Absent: every port of the protocol. A string is a named port. */
  readonly port?: number | string;
  /** Inclusive end of a range that starts at a numeric `port`. */
  readonly endPort?: number;
}
