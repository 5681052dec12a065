import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cluster, snapshotOf } from '../../../src/policy/cluster.ts';
import type { Connection } from '../../../src/policy/connection.ts';
import { connectionOf } from '../../../src/policy/meet.ts';
import { applied } from '../../../src/policy/preview/apply.ts';
import { type Change, preview } from '../../../src/policy/preview.ts';
import { verdict } from '../../../src/policy/verdict.ts';
import { pairsOf, type Who } from '../../../src/policy/who.ts';
import {
  clusterPolicy,
  globalPolicy,
  namespacedPolicy,
  resourcesOf,
  world,
} from '../../support/arbitrary-policy.ts';
import { policy as kubernetesPolicy } from '../../support/clusters.ts';

const policies = fc.oneof(kubernetesPolicy, namespacedPolicy, globalPolicy, clusterPolicy);

const podsOf = ({ pods }: Cluster): readonly Who[] =>
  pods
    .filter(({ hostNetwork, finished, ips }) => !hostNetwork && !finished && ips.length > 0)
    .map((pod) => ({
      label: `${pod.meta.namespace}/${pod.meta.name}`,
      addresses: pod.ips,
      spot: { kind: 'workload', pod },
    }));

const ports = [1, 79, 80, 81, 82, 443, 444, 445, 65535];

interface Asked {
  readonly name: string;
  readonly connection: Connection;
}

/** Every pod to every other, by TCP and UDP. */
const everyPair = (cluster: Cluster): readonly Asked[] => {
  const all = podsOf(cluster);
  const pairs = all.flatMap((from) => all.filter((to) => to !== from).map((to) => [from, to] as const));
  return pairs.flatMap(([from, to]) =>
    pairsOf(from, to).flatMap((addresses) =>
      [6, 17].flatMap((protocol) =>
        ports.map((port) => ({
          name: `${from.label} > ${to.label}`,
          connection: connectionOf(cluster, from, to, addresses, { protocol, port }),
        })),
      ),
    ),
  );
};

/** "shop/a > shop/b true": it is allowed afterwards and was not before, or the other way round. */
const namesIn = ({ from, to, allowed }: Change): readonly string[] =>
  from.flatMap((source) =>
    to.filter((name) => name !== source).map((destination) => `${source} > ${destination} ${allowed}`),
  );

test('a preview names every pair of pods whose verdict changes, and no other', () => {
  let changed = 0;
  fc.assert(
    fc.property(world({ policies: 2, policy: policies }), policies, (all, next) => {
      const before = resourcesOf(all);
      const after = applied(before, [next], false);
      const [old, now] = [snapshotOf(before).cluster, snapshotOf(after).cluster];
      const result = preview(before, after);
      if (!result.ok) return expect.unreachable(result.error);
      const found = new Set(
        everyPair(now).flatMap(({ name, connection }) => {
          const { allowed } = verdict(now, connection);
          return verdict(old, connection).allowed === allowed ? [] : [`${name} ${allowed}`];
        }),
      );
      changed += found.size;
      const { changes } = result.value;
      const said = new Set(changes.flatMap(namesIn));
      for (const one of found) expect(said).toContain(one);
      // A change of other protocols only was not asked for here, nor what is outside.
      const asked = new Set(everyPair(now).map(({ name }) => name));
      const sure = changes.filter(({ traffic }) => /^(TCP|UDP)|^everything/.test(traffic)).flatMap(namesIn);
      for (const one of sure) if (asked.has(one.replace(/ (true|false)$/, ''))) expect(found).toContain(one);
    }),
    { numRuns: 60 },
  );
  expect(changed).toBeGreaterThan(5);
});
