/**
 * What in a policy is likely not what its author meant. Each finding says the object, the field, why it is odd and what to do;
 * a policy with no finding may still be wrong, and one with findings may be right.
 */
import type { Cluster } from './cluster.ts';
import { knownHost, knownNetworkSet, knownPod } from './known.ts';
import { aroundChecks } from './lint/around.ts';
import type { Linted, Said } from './lint/check.ts';
import { shapeChecks } from './lint/shape.ts';

export interface Finding extends Said {
  /** The policy's id. */
  readonly object: string;
  readonly check: string;
}

const checks = { ...shapeChecks, ...aroundChecks };

/**
 * @param cluster  with what is linted in it
 * @param isWhole  true: it is a cluster as it runs, so what selects nothing in it is worth telling
 */
export function lint(linted: readonly Linted[], cluster: Cluster, isWhole: boolean): readonly Finding[] {
  const known = [
    ...cluster.pods
      .filter(({ hostNetwork, finished }) => !hostNetwork && !finished)
      .map((pod) => knownPod(cluster, pod)),
    ...cluster.networkSets.map((set) => knownNetworkSet(cluster, set)),
    ...cluster.hostEndpoints.map((endpoint) => knownHost(cluster, endpoint)),
  ];
  const world = { cluster, ...(isWhole ? { known } : {}) };
  return linted.flatMap((one) =>
    Object.entries(checks).flatMap(([check, find]) =>
      distinct(find(one, world)).map((said) => ({ object: one.policy.id, check, ...said })),
    ),
  );
}

/** A rule of the object may have become several here, which say the same. */
function distinct(said: readonly Said[]): readonly Said[] {
  const byText = new Map(said.map((one) => [`${one.at.join('.')} ${one.what}`, one]));
  return [...byText.values()];
}
