import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Resource } from '../../../src/model/resource.ts';
import { snapshotOf } from '../../../src/policy/cluster.ts';
import type { Connection, End } from '../../../src/policy/connection.ts';
import { isPolicy } from '../../../src/policy/convert.ts';
import type { Judgement } from '../../../src/policy/judgement.ts';
import { pendingVerdict, verdict } from '../../../src/policy/verdict.ts';
import {
  type Asked,
  anyPolicy,
  asked,
  globalPolicy,
  meetings,
  namespacedPolicy,
  resourcesOf,
  settled,
  stagedPolicy,
  type World,
  type WorldEnd,
  world,
} from '../../support/arbitrary-policy.ts';
import { policy as kubernetesPolicy } from '../../support/clusters.ts';
import { verdict as kubernetesVerdict } from '../../support/kubernetes-verdict.ts';

const questions = fc.array(asked, { minLength: 1, maxLength: 3 });

/** The pods that a snapshot has, so that an end of a connection is one of them. */
const podsOf = (all: World) => new Map(all.placed.map((placed) => [placed, settled(placed)]));
type Pods = ReturnType<typeof podsOf>;

const resourcesWith = (all: World, pods: Pods): readonly Resource[] => [
  ...all.others,
  ...all.policies,
  ...pods.values(),
];

const endOf = ({ address, placed }: WorldEnd, pods: Pods, port: number | undefined): End => {
  const pod = placed === undefined ? undefined : pods.get(placed);
  return {
    address,
    ...(pod === undefined ? {} : { spot: { kind: 'workload' as const, pod } }),
    ...(port === undefined ? {} : { port }),
  };
};

const connectionOf = (from: WorldEnd, to: WorldEnd, what: Asked, pods: Pods): Connection => ({
  from: endOf(from, pods, what.sourcePort),
  to: endOf(to, pods, what.port),
  protocol: what.protocol,
  ...(what.icmp === undefined ? {} : { icmp: what.icmp }),
});

function connectionsOf(all: World, what: readonly Asked[], pods: Pods): readonly Connection[] {
  return [...meetings(all, what)].map(([from, to, each]) => connectionOf(from, to, each, pods));
}

/** What every end says, without the way there. */
const said = (judgements: readonly Judgement[]) =>
  judgements.map(({ who, direction, moment, allowed }) => ({ who, direction, moment, allowed }));

test('the order in which a cluster is told changes no verdict', () => {
  fc.assert(
    fc.property(world(), questions, fc.infiniteStream(fc.nat(1000)), (all, what, keys) => {
      const pods = podsOf(all);
      const told = resourcesWith(all, pods);
      const shuffled = told
        .map((resource) => ({ resource, key: keys.next().value }))
        .sort((a, b) => Number(a.key) - Number(b.key))
        .map(({ resource }) => resource);
      const [one, other] = [snapshotOf(told).cluster, snapshotOf(shuffled).cluster];
      for (const connection of connectionsOf(all, what, pods))
        expect(said(verdict(other, connection).judgements)).toEqual(
          said(verdict(one, connection).judgements),
        );
    }),
    { numRuns: 40 },
  );
});

test('a staged policy changes no verdict that counts', () => {
  fc.assert(
    fc.property(world(), stagedPolicy, questions, (all, staged, what) => {
      const pods = podsOf(all);
      const told = resourcesWith(all, pods);
      const [without, beside] = [snapshotOf(told).cluster, snapshotOf([...told, staged]).cluster];
      for (const connection of connectionsOf(all, what, pods)) {
        const [before, after] = [verdict(without, connection), verdict(beside, connection)];
        expect(said(after.judgements)).toEqual(said(before.judgements));
      }
    }),
    { numRuns: 40 },
  );
});

test('what is staged, once done, has the verdict that was pending', () => {
  let different = 0;
  fc.assert(
    fc.property(
      world({ policy: fc.oneof(namespacedPolicy, globalPolicy) }),
      namespacedPolicy,
      questions,
      (all, next, what) => {
        const pods = podsOf(all);
        const told = resourcesWith(all, pods);
        const staged: Resource = { ...next, kind: 'StagedNetworkPolicy', stagedAction: 'Set' };
        const done = told.filter(
          (each) =>
            each.kind !== 'CalicoNetworkPolicy' ||
            each.meta.name !== next.meta.name ||
            each.meta.namespace !== next.meta.namespace,
        );
        const pending = snapshotOf([...told, staged]).cluster;
        const after = snapshotOf([...done, next]).cluster;
        for (const connection of connectionsOf(all, what, pods)) {
          const expected = verdict(after, connection).allowed;
          expect(pendingVerdict(pending, connection).allowed).toBe(expected);
          if (verdict(pending, connection).allowed !== expected) different += 1;
        }
      },
    ),
    { numRuns: 60 },
  );
  expect(different).toBeGreaterThan(10);
});

test('a policy that only passes, first in a tier of its own, changes no verdict', () => {
  fc.assert(
    fc.property(world(), questions, (all, what) => {
      const pods = podsOf(all);
      const told = resourcesWith(all, pods);
      const pass = { action: 'Pass' as const, source: {}, destination: {}, annotations: {} };
      const added: readonly Resource[] = [
        {
          kind: 'Tier',
          meta: { name: 'pass', labels: {}, annotations: {} },
          order: 0,
          defaultAction: 'Deny',
        },
        {
          kind: 'GlobalNetworkPolicy',
          meta: { name: 'pass', labels: {}, annotations: {} },
          tier: 'pass',
          selector: { kind: 'all' },
          types: ['Ingress', 'Egress'],
          ingress: [pass],
          egress: [pass],
          onEveryNode: false,
          doNotTrack: false,
          preDnat: false,
          applyOnForward: false,
        },
      ];
      const [without, beside] = [snapshotOf(told).cluster, snapshotOf([...told, ...added]).cluster];
      for (const connection of connectionsOf(all, what, pods))
        expect(verdict(beside, connection).allowed).toBe(verdict(without, connection).allowed);
    }),
    { numRuns: 40 },
  );
});

test('Log rules decide nothing', () => {
  fc.assert(
    fc.property(world(), questions, (all, what) => {
      const pods = podsOf(all);
      const { cluster } = snapshotOf(resourcesWith(all, pods));
      const silent = {
        ...cluster,
        policies: cluster.policies.map((policy) => ({
          ...policy,
          ingress: policy.ingress.filter(({ action }) => action !== 'Log'),
          egress: policy.egress.filter(({ action }) => action !== 'Log'),
        })),
      };
      for (const connection of connectionsOf(all, what, pods))
        expect(verdict(silent, connection).allowed).toBe(verdict(cluster, connection).allowed);
    }),
    { numRuns: 40 },
  );
});

function expectReason({ because, allowed, tiers }: Judgement): void {
  const last = tiers.at(-1);
  if (because.kind === 'rule') {
    expect(last?.policies.at(-1)?.policy).toBe(because.policy);
    expect(last?.policies.at(-1)?.rules.at(-1)).toEqual({ rule: because.rule, held: true });
    expect(allowed).toBe(because.rule.action === 'Allow');
  }
  if (because.kind === 'unmatched') {
    expect(last?.policies.map(({ policy }) => policy)).toEqual(because.policies);
    expect(allowed).toBe(false);
  }
  if (because.kind === 'profile') expect(last?.outcome ?? 'next').toBe('next');
}

test('the reason is where the way ends, and the way was walked in order', () => {
  const reasons = new Map<string, number>();
  fc.assert(
    fc.property(world(), questions, (all, what) => {
      const pods = podsOf(all);
      const { cluster } = snapshotOf(resourcesWith(all, pods));
      const judgements = connectionsOf(all, what, pods).flatMap(
        (connection) => verdict(cluster, connection).judgements,
      );
      for (const judgement of judgements) {
        const { kind } = judgement.because;
        reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
        expect(judgement.tiers.slice(0, -1).every(({ outcome }) => outcome === 'next')).toBe(true);
        expectReason(judgement);
      }
    }),
    { numRuns: 60 },
  );
  // The worlds are worth asking.
  for (const kind of ['rule', 'unmatched', 'profile', 'itself'])
    expect(reasons.get(kind) ?? 0).toBeGreaterThan(20);
});

const names = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' } as const;
const nameOf = (protocol: number) =>
  protocol === 6 || protocol === 17 || protocol === 132 ? names[protocol] : ('other' as const);

test('a cluster with Kubernetes policies only is judged as the Kubernetes API says', () => {
  const seen = { allowed: 0, denied: 0 };
  fc.assert(
    fc.property(world({ policy: kubernetesPolicy }), questions, (all, what) => {
      const pods = podsOf(all);
      const { cluster } = snapshotOf(resourcesWith(all, pods));
      const old = {
        pods: cluster.pods,
        namespaces: cluster.namespaces,
        policies: all.policies.filter((each) => each.kind === 'NetworkPolicy'),
      };
      for (const [from, to, each] of meetings(all, what)) {
        const ends = [from, to].map(({ address, placed }) => {
          const pod = placed === undefined ? undefined : pods.get(placed);
          return { address, ...(pod === undefined ? {} : { pod }) };
        });
        const [source, destination] = ends;
        if (source === undefined || destination === undefined) return expect.unreachable();
        const { egress, ingress } = verdict(cluster, connectionOf(from, to, each, pods));
        expect({ egress, ingress }).toEqual(
          kubernetesVerdict(old, {
            from: source,
            to: destination,
            protocol: nameOf(each.protocol),
            port: each.port ?? 0,
          }),
        );
        seen[egress && ingress ? 'allowed' : 'denied'] += 1;
      }
    }),
    { numRuns: 200 },
  );
  expect(Math.min(seen.allowed, seen.denied)).toBeGreaterThan(1000);
});

test('every policy of any kind converts, with rules numbered as a person counts', () => {
  fc.assert(
    fc.property(anyPolicy, (resource) => {
      expect(isPolicy(resource)).toBe(true);
      const { cluster } = snapshotOf([resource]);
      for (const policy of cluster.policies)
        for (const [rules, written] of [
          [policy.ingress, resource.ingress],
          [policy.egress, resource.egress],
        ] as const)
          for (const { number } of rules) expect(number >= 1 && number <= written.length).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('what a world is told is what its snapshot has', () => {
  fc.assert(
    fc.property(world(), (all) => {
      expect(snapshotOf(resourcesOf(all)).cluster.policies).toHaveLength(all.policies.length);
    }),
    { numRuns: 20 },
  );
});
