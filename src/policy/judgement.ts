/** What the oracle answers: at each end, direction and stage, where it looked and what decided. */
import type { ProtoPort } from '../model/felix-fields.ts';
import type { Direction } from '../model/policy.ts';
import type { Policy, Rule, TierFacts } from './policy.ts';

/** Where policies are asked: `forward` is what a host endpoint's interface only passes on. */
export type Moment = 'untracked' | 'preDnat' | 'normal' | 'forward';

export interface RuleLook {
  readonly rule: Rule;
  readonly held: boolean;
}

export interface PolicyLook {
  readonly policy: Policy;
  /** In order, up to the one that decided. */
  readonly rules: readonly RuleLook[];
}

export interface TierLook {
  readonly tier: TierFacts;
  /** Those that select the endpoint in this direction, in order, up to the one that decided. */
  readonly policies: readonly PolicyLook[];
  /** `next`: this tier leaves it to the ones after it. */
  readonly outcome: 'allow' | 'deny' | 'next';
}

export type Reason =
  | { readonly kind: 'rule'; readonly tier: string; readonly policy: Policy; readonly rule: Rule }
  /** The end of a tier: `policies` isolate the endpoint and none has a rule for the packet. */
  | { readonly kind: 'unmatched'; readonly tier: string; readonly policies: readonly Policy[] }
  /** No policy decided; `rule` absent: the profile of a namespace, which allows everything. */
  | { readonly kind: 'profile'; readonly profile: string; readonly rule?: Rule }
  /** A host endpoint lists a profile that is not there: closed. */
  | { readonly kind: 'missingProfile'; readonly profile: string }
  /** No policy and no profile of the host endpoint decided: closed. */
  | { readonly kind: 'noProfile' }
  /** This stage has nothing to say; later ones judge. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'established' }
  /** A pod always reaches itself. */
  | { readonly kind: 'itself' }
  | { readonly kind: 'failsafe'; readonly failsafe: ProtoPort }
  /** A host always reaches its own workloads. */
  | { readonly kind: 'ownHost' }
  /** A workload to its own host, after its egress policy. */
  | { readonly kind: 'endpointToHost'; readonly action: 'Accept' | 'Drop' }
  /** IPv6 neighbour discovery of a workload with its host. */
  | { readonly kind: 'neighbours' }
  /** A pod of the host network is the host: policies of pods do not apply. */
  | { readonly kind: 'hostNetwork' }
  | { readonly kind: 'unknownPod' };

/** What one end says at one moment. */
export interface Judgement {
  readonly end: 'source' | 'destination';
  readonly direction: Direction;
  readonly moment: Moment;
  /** "pod shop/web-1", "host endpoint node1-eth0". */
  readonly who: string;
  readonly allowed: boolean;
  readonly because: Reason;
  readonly tiers: readonly TierLook[];
}
