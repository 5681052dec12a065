import fc from 'fast-check';
import { expect, test } from 'vitest';
import { felixFields } from '../../../src/model/felix-fields.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { type Cluster, snapshotOf } from '../../../src/policy/cluster.ts';
import type { Connection } from '../../../src/policy/connection.ts';
import { connectionOf, nodeOf } from '../../../src/policy/meet.ts';
import { applied } from '../../../src/policy/preview/apply.ts';
import { type Change, preview } from '../../../src/policy/preview.ts';
import { verdict } from '../../../src/policy/verdict.ts';
import { pairsOf, type Who } from '../../../src/policy/who.ts';
import {
  clusterPolicy,
  globalPolicy,
  namespacedPolicy,
  nodeAddresses,
  resourcesOf,
  world,
} from '../../support/arbitrary-policy.ts';
import { policy as kubernetesPolicy } from '../../support/clusters.ts';

const policies = fc.oneof(kubernetesPolicy, namespacedPolicy, globalPolicy, clusterPolicy);

/** Pods and hosts. */
const endsOf = ({ pods, nodes }: Cluster): readonly Who[] => [
  ...pods
    .filter(({ hostNetwork, finished, ips }) => !hostNetwork && !finished && ips.length > 0)
    .map(
      (pod): Who => ({
        label: `${pod.meta.namespace}/${pod.meta.name}`,
        addresses: pod.ips,
        spot: { kind: 'workload', pod },
      }),
    ),
  ...nodes.map(
    ({ meta: { name }, internalIps }): Who => ({
      label: `host ${name}`,
      addresses: internalIps,
      spot: { kind: 'host', node: name },
    }),
  ),
];

const { failsafeInboundHostPorts: inbound, failsafeOutboundHostPorts: outbound } = felixFields;
const ports = [
  ...new Set([...inbound.usual, ...outbound.usual].map(({ port }) => port)),
  ...[1, 79, 80, 81, 82, 443, 444, 445, 65535],
];

interface Asked {
  readonly name: string;
  readonly connection: Connection;
}

/** Every pod and host to every other, by TCP and UDP. */
const everyPair = (cluster: Cluster): readonly Asked[] => {
  const all = endsOf(cluster);
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
const namesIn =
  (cluster: Cluster) =>
  ({ from, to, allowed, nodes }: Change): readonly string[] => {
    const places = new Map(endsOf(cluster).map((who) => [who.label, nodeOf(who)]));
    const isMeant = (source: string, destination: string): boolean => {
      const [here, there] = [places.get(source), places.get(destination)];
      const isSame = here !== undefined && here === there;
      return source !== destination && (nodes === undefined || (nodes === 'same') === isSame);
    };
    return from.flatMap((source) =>
      to
        .filter((destination) => isMeant(source, destination))
        .map((destination) => `${source} > ${destination} ${allowed}`),
    );
  };

/** A world, and its like where the other node has a host endpoint of the same kind too. */
const grouped = fc
  .tuple(world({ policies: 2, policy: policies, hosts: true }), fc.boolean())
  .map(([all, isBoth]): readonly Resource[] => {
    const before = resourcesOf(all);
    const twins = before.flatMap((each): readonly Resource[] =>
      each.kind === 'HostEndpoint'
        ? [
            {
              ...each,
              meta: { ...each.meta, name: 'there-host' },
              node: 'there',
              expectedIps: nodeAddresses.there,
            },
          ]
        : [],
    );
    return isBoth ? [...before, ...twins] : before;
  });

test('a preview names every pair of pods and hosts whose verdict changes, and no other', () => {
  let changed = 0;
  fc.assert(
    fc.property(grouped, policies, (before, next) => {
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
      const said = new Set(changes.flatMap(namesIn(now)));
      for (const one of found) expect(said).toContain(one);
      // A change of other protocols only was not asked for here, nor what is outside.
      const asked = new Set(everyPair(now).map(({ name }) => name));
      const sure = changes
        .filter(({ traffic }) => /^(TCP|UDP)|^everything/.test(traffic))
        .flatMap(namesIn(now));
      for (const one of sure) if (asked.has(one.replace(/ (true|false)$/, ''))) expect(found).toContain(one);
    }),
    { numRuns: 80 },
  );
  expect(changed).toBeGreaterThan(5);
});
