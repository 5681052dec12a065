/**
 * The policy resources of projectcalico.org/v3 and policy.networking.k8s.io, as typed values.
 *
 * What a rule means is the same for all of them once `src/policy` has made Policies of them; here each kind still says
 * what its API says. Defaults are filled in.
 */
import type { Address, Prefix } from '../lib/net.ts';
import type { LabelSelector } from './labels.ts';
import type { Meta } from './meta.ts';
import type { NetworkPolicy } from './network-policy.ts';
import type { Selector } from './selector.ts';

export type Direction = 'Ingress' | 'Egress';
export type Action = 'Allow' | 'Deny' | 'Pass' | 'Log';

/** Inclusive; first <= last. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Of `ports` and `notPorts`: numbers, or the name that a destination endpoint gives one of its ports. */
export type PortMatch = PortRange | { readonly name: string };

/** 0..254; a code only with its type. */
export interface IcmpMatch {
  readonly type: number;
  readonly code?: number;
}

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
}

/** EntityRule: everything it names must hold. */
export interface CalicoEntity {
  /** Absent: any address. Empty after parsing never happens: the API's empty list is absent. */
  readonly nets?: readonly Prefix[];
  readonly notNets?: readonly Prefix[];
  readonly selector?: Selector;
  readonly notSelector?: Selector;
  /** Over namespace labels; `global()` alone means: in no namespace. */
  readonly namespaceSelector?: Selector;
  readonly serviceAccounts?: { readonly names: readonly string[]; readonly selector?: Selector };
  readonly services?: ServiceRef;
  readonly ports?: readonly PortMatch[];
  readonly notPorts?: readonly PortMatch[];
}

export interface CalicoRule {
  readonly action: Action;
  readonly ipVersion?: 4 | 6;
  /** IANA protocol number: TCP 6, UDP 17, SCTP 132, ICMP 1, ICMPv6 58, UDPLite 136. */
  readonly protocol?: number;
  readonly notProtocol?: number;
  readonly icmp?: IcmpMatch;
  readonly notIcmp?: IcmpMatch;
  readonly source: CalicoEntity;
  readonly destination: CalicoEntity;
  /** metadata.annotations, for people. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface CalicoPolicySpec {
  /** Default "default". */
  readonly tier: string;
  /** Absent: last. */
  readonly order?: number;
  /** Default all(). */
  readonly selector: Selector;
  readonly serviceAccountSelector?: Selector;
  /** After defaulting. */
  readonly types: readonly Direction[];
  readonly ingress: readonly CalicoRule[];
  readonly egress: readonly CalicoRule[];
  /** performanceHints has AssumeNeededOnEveryNode. */
  readonly onEveryNode: boolean;
}

export interface GlobalPolicySpec extends CalicoPolicySpec {
  readonly namespaceSelector?: Selector;
  readonly doNotTrack: boolean;
  readonly preDnat: boolean;
  readonly applyOnForward: boolean;
}

export type StagedAction = 'Set' | 'Delete' | 'Learn' | 'Ignore';

/** projectcalico.org/v3 NetworkPolicy; the kind's name here tells it from Kubernetes' own. */
export interface CalicoNetworkPolicy extends CalicoPolicySpec {
  readonly kind: 'CalicoNetworkPolicy';
  readonly meta: Meta;
}

export interface GlobalNetworkPolicy extends GlobalPolicySpec {
  readonly kind: 'GlobalNetworkPolicy';
  readonly meta: Meta;
}

export interface StagedNetworkPolicy extends CalicoPolicySpec {
  readonly kind: 'StagedNetworkPolicy';
  readonly meta: Meta;
  readonly stagedAction: StagedAction;
}

export interface StagedGlobalNetworkPolicy extends GlobalPolicySpec {
  readonly kind: 'StagedGlobalNetworkPolicy';
  readonly meta: Meta;
  readonly stagedAction: StagedAction;
}

export interface StagedKubernetesNetworkPolicy extends Omit<NetworkPolicy, 'kind'> {
  readonly kind: 'StagedKubernetesNetworkPolicy';
  readonly stagedAction: StagedAction;
}

export interface Tier {
  readonly kind: 'Tier';
  readonly meta: Meta;
  /** Absent: last. "default" 1,000,000, "kube-admin" 1,000, "kube-baseline" 10,000,000, fixed. */
  readonly order?: number;
  /** What becomes of a packet that policies of the tier select an endpoint for and none decides. Default Deny. */
  readonly defaultAction: 'Deny' | 'Pass';
  /** metadata.deletionTimestamp is set: it waits for its last policy to go, and counts until then. */
  readonly deleting?: true;
}

/** The tiers that every cluster has, whether or not somebody wrote them; nothing of them can be changed. */
export const standardTiers: Readonly<
  Record<string, { readonly order: number; readonly defaultAction: Tier['defaultAction'] }>
> = {
  'kube-admin': { order: 1000, defaultAction: 'Pass' },
  default: { order: 1_000_000, defaultAction: 'Deny' },
  'kube-baseline': { order: 10_000_000, defaultAction: 'Pass' },
};

interface NetworkSetOf<Kind> {
  readonly kind: Kind;
  readonly meta: Meta;
  /** Without duplicates, as written. */
  readonly nets: readonly Prefix[];
}

/** Addresses outside the cluster with labels; meta.namespace tells NetworkSet from GlobalNetworkSet too. */
export type NetworkSet = NetworkSetOf<'NetworkSet'> | NetworkSetOf<'GlobalNetworkSet'>;

/** A port of a host that rules may call by name. */
export interface EndpointPort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}

export interface HostEndpoint {
  readonly kind: 'HostEndpoint';
  readonly meta: Meta;
  readonly node: string;
  /** '*': all interfaces of the host's own; absent: the one that has an address of `expectedIps`. */
  readonly interfaceName?: string;
  readonly expectedIps: readonly Address[];
  /** Names of Profiles, in order. */
  readonly profiles: readonly string[];
  readonly ports: readonly EndpointPort[];
}

export interface Profile {
  readonly kind: 'Profile';
  readonly meta: Meta;
  readonly ingress: readonly CalicoRule[];
  readonly egress: readonly CalicoRule[];
  /** Endpoints with this profile have these labels, where their own do not say otherwise. */
  readonly labelsToApply: Readonly<Record<string, string>>;
}

/** v1 ServiceAccount: its labels are inherited by its pods. */
export interface ServiceAccount {
  readonly kind: 'ServiceAccount';
  readonly meta: Meta;
}

/** One of the subject's or a peer's ways to say pods. */
export type ClusterPolicyPods =
  | { readonly kind: 'namespaces'; readonly namespaceSelector: LabelSelector }
  | {
      readonly kind: 'pods';
      readonly namespaceSelector: LabelSelector;
      readonly podSelector: LabelSelector;
    };

export type ClusterPolicyPeer =
  | ClusterPolicyPods
  /** Egress only: the nodes' own addresses. */
  | { readonly kind: 'nodes'; readonly nodeSelector: LabelSelector }
  /** Egress only. */
  | { readonly kind: 'networks'; readonly networks: readonly Prefix[] }
  /** What the API has and we do not do, in words: the rule cannot be converted. */
  | { readonly kind: 'unsupported'; readonly what: string };

export type ClusterPolicyProtocol =
  | {
      readonly kind: 'numbered';
      /** IANA number. */
      readonly protocol: number;
      /** Absent: every port. */
      readonly ports?: PortRange;
    }
  /** destinationNamedPort. */
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'unsupported'; readonly what: string };

export interface ClusterPolicyRule {
  readonly name?: string;
  readonly action: 'Accept' | 'Deny' | 'Pass';
  /** Any of them. */
  readonly peers: readonly ClusterPolicyPeer[];
  /** Any of them; absent: everything. */
  readonly protocols?: readonly ClusterPolicyProtocol[];
}

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy. */
export interface ClusterNetworkPolicy {
  readonly kind: 'ClusterNetworkPolicy';
  readonly meta: Meta;
  readonly tier: 'Admin' | 'Baseline';
  /** 0..1000, lower first. */
  readonly priority: number;
  readonly subject: ClusterPolicyPods;
  readonly ingress: readonly ClusterPolicyRule[];
  readonly egress: readonly ClusterPolicyRule[];
}

export type PolicyResource =
  | CalicoNetworkPolicy
  | GlobalNetworkPolicy
  | StagedNetworkPolicy
  | StagedGlobalNetworkPolicy
  | StagedKubernetesNetworkPolicy
  | Tier
  | NetworkSet
  | HostEndpoint
  | Profile
  | ServiceAccount
  | ClusterNetworkPolicy;
