/** What a check of a policy is given and what it says. */
import type { Direction } from '../../model/policy.ts';
import type { Cluster } from '../cluster.ts';
import type { Known } from '../known.ts';
import type { Policy, Rule, Unconverted } from '../policy.ts';

export interface Linted {
  readonly policy: Policy;
  readonly unconverted: readonly Unconverted[];
  /** The object says itself which directions it is for; false: they were derived of its rules. */
  readonly saysTypes: boolean;
}

export interface Said {
  /** Path in the object, e.g. ["spec", "egress", "2"]. */
  readonly at: readonly string[];
  readonly what: string;
  readonly fix: string;
}

export interface World {
  readonly cluster: Cluster;
  /** Pods, network sets and host endpoints; absent: this is no cluster as it runs, so who is missing says nothing. */
  readonly known?: readonly Known[];
}

export type Check = (linted: Linted, world: World) => readonly Said[];

export const directions = ['Ingress', 'Egress'] as const;

export const rulesOf = (policy: Policy, direction: Direction): readonly Rule[] =>
  direction === 'Ingress' ? policy.ingress : policy.egress;

export const fieldOf = (direction: Direction): readonly ['spec', 'ingress' | 'egress'] => [
  'spec',
  direction === 'Ingress' ? 'ingress' : 'egress',
];

export const ruleAt = (direction: Direction, { number }: Rule): readonly string[] => [
  ...fieldOf(direction),
  String(number - 1),
];

interface Placed {
  readonly direction: Direction;
  readonly rule: Rule;
  /** Those before it. */
  readonly earlier: readonly Rule[];
}

export const everyRule = (policy: Policy): readonly Placed[] =>
  directions.flatMap((direction) =>
    rulesOf(policy, direction).map((rule, index, rules) => ({
      direction,
      rule,
      earlier: rules.slice(0, index),
    })),
  );

export const isKubernetes = ({ kind }: Policy): boolean =>
  kind === 'KubernetesNetworkPolicy' || kind === 'StagedKubernetesNetworkPolicy';
