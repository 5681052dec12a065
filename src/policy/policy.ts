/**
 * One form for every policy: what Kubernetes' NetworkPolicy and ClusterNetworkPolicy, and Calico's own kinds, staged or not,
 * come to (`convert/`). The oracle (`verdict.ts`), the calculation and the compiler of rules read this and nothing else.
 *
 * Selectors are over *effective labels* (`labels.ts`): the endpoint's own, `projectcalico.org/namespace`, `…/serviceaccount`
 * and `…/orchestrator`, its namespace's as `pcns.KEY` and its service account's as `pcsa.KEY`. So a policy's namespace, a
 * namespaceSelector and a service-account selector are parts of one selector.
 */
import type { Prefix } from '../lib/net.ts';
import type { Action, Direction, IcmpMatch, PortMatch, ServiceRef } from '../model/policy.ts';
import type { Selector } from '../model/selector.ts';

/** The policy kinds, by the names people know. */
export type PolicyKind =
  | 'KubernetesNetworkPolicy'
  | 'NetworkPolicy'
  | 'GlobalNetworkPolicy'
  | 'ClusterNetworkPolicy'
  | 'StagedKubernetesNetworkPolicy'
  | 'StagedNetworkPolicy'
  | 'StagedGlobalNetworkPolicy';

/** One side of a packet. Everything that is there must hold; what is absent does not look at the packet. */
export interface Entity {
  /** In one of them; an empty list is nowhere. */
  readonly nets?: readonly Prefix[];
  readonly notNets?: readonly Prefix[];
  /** The address is of an endpoint, or in a network set, that satisfies this. */
  readonly selector?: Selector;
  /** The address is of no endpoint, and in no network set, that satisfies this. */
  readonly notSelector?: Selector;
  /** As a destination: address, protocol and port are a backend's of the Service; as a source: the address is. */
  readonly service?: ServiceRef;
  /** The address is a node's own, of a node whose labels satisfy this. */
  readonly nodes?: Selector;
  /** One of them. A name stands for the port that a destination endpoint satisfying `selector` gives that name. */
  readonly ports?: readonly PortMatch[];
  readonly notPorts?: readonly PortMatch[];
}

export interface Rule {
  readonly action: Action;
  readonly version?: 4 | 6;
  /** IANA number. */
  readonly protocol?: number;
  readonly notProtocol?: number;
  readonly icmp?: IcmpMatch;
  readonly notIcmp?: IcmpMatch;
  readonly source: Entity;
  readonly destination: Entity;
  /**
   * Which rule of the object, as a person counts, from 1. Several rules may come of one rule of the object: a Kubernetes rule
   * becomes one for each peer and protocol.
   */
  readonly number: number;
  /** What the object calls it. */
  readonly name?: string;
}

/** Where in a packet's way the policy is asked. */
export type Stage =
  /** Workloads, and host endpoints for what ends or begins at the host. */
  | 'normal'
  /** Host endpoints only: before connection tracking, both ways. */
  | 'untracked'
  /** Host endpoints only, ingress: before a destination is translated. */
  | 'preDnat';

export interface Policy {
  /** Kind and name in one text, e.g. "NetworkPolicy shop/allow-web", "GlobalNetworkPolicy deny-all": unique. */
  readonly id: string;
  readonly kind: PolicyKind;
  readonly namespace?: string;
  readonly name: string;
  readonly tier: string;
  /** Infinity: last. */
  readonly order: number;
  /** The endpoints it applies to. Kinds in a namespace have the namespace in it. */
  readonly selector: Selector;
  readonly types: readonly Direction[];
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
  readonly stage: Stage;
  /** Of host endpoints: also for what is forwarded through them. */
  readonly onForward: boolean;
  /** Present: only told of, never enforced. */
  readonly staged?: 'Set' | 'Delete' | 'Learn' | 'Ignore';
  /** In the kernel even where it selects no local endpoint. */
  readonly onEveryNode: boolean;
}

/** What a tier is for the calculation; tiers that policies name and nobody defines come last and are `defined: false`. */
export interface TierFacts {
  readonly name: string;
  /** Infinity: last. */
  readonly order: number;
  readonly defaultAction: 'Deny' | 'Pass';
  readonly defined: boolean;
}

/** Something of an object that could not be done as written, and what is done instead. Shown on the object. */
export interface Unconverted {
  /** Path in the object, e.g. ["spec", "egress", "2"]. */
  readonly at: readonly string[];
  readonly what: string;
  /** What is done instead. */
  readonly instead: 'denies everything' | 'allows nothing' | 'is ignored';
}

export interface Converted {
  /** Absent: the object as a whole counts as not there. */
  readonly policy?: Policy;
  readonly unconverted: readonly Unconverted[];
}

/**
 * Of two policies of one tier, which is asked first: by order, then by name, namespace and kind.
 * @returns  negative: a first
 */
export function comparePolicies(
  a: Pick<Policy, 'order' | 'name' | 'namespace' | 'kind'>,
  b: Pick<Policy, 'order' | 'name' | 'namespace' | 'kind'>,
): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  const [left, right] = [a, b].map(({ name, namespace = '', kind }) => `${name}/${namespace}/${kind}`);
  return left === right ? 0 : (left ?? '') < (right ?? '') ? -1 : 1;
}

/** Of two tiers, which is asked first: defined ones, then by order, then by name. */
export function compareTiers(a: TierFacts, b: TierFacts): number {
  if (a.defined !== b.defined) return a.defined ? -1 : 1;
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}
