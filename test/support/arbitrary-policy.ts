/**
 * Arbitrary small clusters with policies of every kind, and packets for them: few names, labels and addresses, so that things
 * meet. Everything is what the API would let in, but for what it says it leaves out.
 *
 * Left out: named ports of sources.
 */
import fc from 'fast-check';
import type { Address, Prefix } from '../../src/lib/net.ts';
import { lengthOf, versionOf } from '../../src/lib/net.ts';
import type {
  Action,
  CalicoEntity,
  CalicoNetworkPolicy,
  CalicoPolicySpec,
  CalicoRule,
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyPods,
  ClusterPolicyProtocol,
  ClusterPolicyRule,
  Direction,
  GlobalNetworkPolicy,
  HostEndpoint,
  NetworkSet,
  PortMatch,
  PortRange,
  Profile,
  ServiceAccount,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
} from '../../src/model/policy.ts';
import type { Node, Pod, Resource } from '../../src/model/resource.ts';
import type { Selector } from '../../src/model/selector.ts';
import type { EndpointSlice } from '../../src/model/service.ts';
import type { Convertible } from '../../src/policy/convert.ts';
import {
  address,
  policy as kubernetesPolicy,
  selector as labelSelector,
  labels,
  namespace,
  namespaceName,
  outsider,
  type Placed,
  placedPods,
  portName,
  prefix,
} from './clusters.ts';

/** Optional fields: each there so many times out of a hundred. */
const maybe = <T>(percent: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(undefined) }, { weight: percent, arbitrary });

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** Without the fields that are undefined. */
const present = <T extends object>(value: T): Partial<Present<T>> =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<Present<T>>;

const metaOf = (name: string, own: Readonly<Record<string, string>> = {}, ns?: string) => ({
  name,
  labels: own,
  annotations: {},
  ...(ns === undefined ? {} : { namespace: ns }),
});

const accountName = fc.constantFrom('web', 'db');
const key = fc.constantFrom('app', 'app', 'tier', 'missing', 'projectcalico.org/namespace');
const value = fc.constantFrom('a', 'b', '', 'red');

const leaf: fc.Arbitrary<Selector> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('equals' as const, 'notEquals' as const), key, value }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('contains' as const, 'startsWith' as const, 'endsWith' as const),
      key,
      value,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('in' as const, 'notIn' as const),
      key,
      values: fc.uniqueArray(value, { maxLength: 2 }).map((all) => all.toSorted()),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('has' as const), key }) },
);

/** Without `global()`, which a selector of endpoints may not have. */
export const selector: fc.Arbitrary<Selector> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Selector>({ kind: 'all' }) },
  { weight: 5, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: leaf.map((of): Selector => ({ kind: 'not', of })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(leaf, { minLength: 2, maxLength: 3 }))
      .map(([kind, of]): Selector => ({ kind, of })),
  },
);

const namespaceSelector: fc.Arbitrary<Selector> = fc.oneof(
  { weight: 5, arbitrary: selector },
  { weight: 1, arbitrary: fc.constant<Selector>({ kind: 'global' }) },
);

const range: fc.Arbitrary<PortRange> = fc.oneof(
  fc.constantFrom(79, 80, 81, 443).map((port) => ({ first: port, last: port })),
  fc.constantFrom({ first: 79, last: 80 }, { first: 81, last: 444 }, { first: 1, last: 65535 }),
);
const named: fc.Arbitrary<PortMatch> = portName.map((name) => ({ name }));

/** Of one family, without the whole of it where it is negated. */
const nets = (family: 4 | 6, negated: boolean): fc.Arbitrary<readonly Prefix[]> =>
  fc.array(
    prefix.filter((each) => versionOf(each) === family && !(negated && lengthOf(each) === 0)),
    { minLength: 1, maxLength: 3 },
  );

const service = fc.record({ namespace: namespaceName, name: fc.constantFrom('front', 'back') });

/** What the side of a rule may have for this protocol and family. */
const entity = (
  side: 'source' | 'destination',
  family: 4 | 6,
  ports: 'numbered' | 'named' | 'none',
): fc.Arbitrary<CalicoEntity> => {
  const one: fc.Arbitrary<PortMatch> =
    side === 'source' ? range : ports === 'named' ? named : fc.oneof({ weight: 3, arbitrary: range }, named);
  const list = fc.array(one, { minLength: 1, maxLength: 3 });
  const has = ports === 'none' || (ports === 'named' && side === 'source') ? 0 : 35;
  const plain = fc
    .record({
      nets: maybe(25, nets(family, false)),
      notNets: maybe(15, nets(family, true)),
      selector: maybe(30, selector),
      notSelector: maybe(15, selector),
      namespaceSelector: maybe(20, namespaceSelector),
      serviceAccounts: maybe(
        10,
        fc
          .record({
            names: fc.uniqueArray(accountName, { maxLength: 2 }),
            selector: maybe(50, selector),
          })
          .map(({ names, selector: own }) => ({ names, ...(own === undefined ? {} : { selector: own }) })),
      ),
      ports: maybe(has, list),
      notPorts: maybe(has === 0 ? 0 : 15, list),
    })
    .map((fields): CalicoEntity => present(fields));
  return fc.oneof(
    { weight: 9, arbitrary: plain },
    {
      weight: 1,
      arbitrary: fc
        .record({ services: service, ports: maybe(side === 'source' ? has : 0, list) })
        .map((fields): CalicoEntity => present(fields)),
    },
  );
};

const withPorts = [6, 17, 132];
const icmpOf = { 4: 1, 6: 58 } as const;
const icmpMatch = fc.oneof(
  fc.constantFrom(8, 128, 3).map((type) => ({ type })),
  fc.record({ type: fc.constantFrom(8, 128, 3), code: fc.constantFrom(0, 1) }),
);

const protocolPart = (
  family: 4 | 6,
): fc.Arbitrary<Pick<CalicoRule, 'protocol' | 'notProtocol' | 'icmp' | 'notIcmp'>> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    { weight: 6, arbitrary: fc.constantFrom(...withPorts).map((protocol) => ({ protocol })) },
    { weight: 1, arbitrary: fc.constantFrom(6, 17, 47).map((notProtocol) => ({ notProtocol })) },
    { weight: 1, arbitrary: icmpMatch.map((icmp) => ({ protocol: icmpOf[family], icmp })) },
    { weight: 1, arbitrary: icmpMatch.map((notIcmp) => ({ protocol: icmpOf[family], notIcmp })) },
  );

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.constant('Allow') },
  { weight: 3, arbitrary: fc.constant('Deny') },
  { weight: 2, arbitrary: fc.constant('Pass') },
  { weight: 1, arbitrary: fc.constant('Log') },
);

const rule: fc.Arbitrary<CalicoRule> = fc.constantFrom(4 as const, 6 as const).chain((family) =>
  protocolPart(family).chain((part) => {
    const ports =
      part.protocol !== undefined && withPorts.includes(part.protocol)
        ? 'numbered'
        : part.protocol === undefined && part.notProtocol === undefined
          ? 'named'
          : 'none';
    return fc
      .record({
        action,
        version: maybe(10, fc.constant(family)),
        source: entity('source', family, ports),
        destination: entity('destination', family, ports),
      })
      .map(
        ({ action: does, version, source, destination }): CalicoRule => ({
          action: does,
          ...(version === undefined ? {} : { ipVersion: version }),
          ...part,
          source,
          destination,
          annotations: {},
        }),
      );
  }),
);

const types = fc.constantFrom<(readonly Direction[])[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress']);
const tierName = fc.constantFrom('default', 'default', 'first', 'second', 'unwritten', 'kube-admin');
const order = maybe(70, fc.constantFrom(1, 2, 1000, 1000.5));

const spec: fc.Arbitrary<CalicoPolicySpec> = fc
  .record({
    tier: tierName,
    order,
    selector,
    serviceAccountSelector: maybe(8, selector),
    types,
    ingress: fc.array(rule, { maxLength: 3 }),
    egress: fc.array(rule, { maxLength: 3 }),
    onEveryNode: fc.boolean(),
  })
  .map(({ order: own, serviceAccountSelector, ...rest }) => ({
    ...rest,
    ...(own === undefined ? {} : { order: own }),
    ...(serviceAccountSelector === undefined ? {} : { serviceAccountSelector }),
  }));

const policyName = fc.constantFrom('one', 'two', 'three');
const stagedAction = fc.constantFrom('Set' as const, 'Delete' as const, 'Learn' as const, 'Ignore' as const);

/** A policy in a namespace names Services of it, where it names no other. */
export const namespacedPolicy: fc.Arbitrary<CalicoNetworkPolicy> = fc
  .record({ name: policyName, namespace: namespaceName, spec })
  .map(({ name, namespace: ns, spec: own }) => ({
    kind: 'CalicoNetworkPolicy',
    meta: metaOf(name, {}, ns),
    ...own,
  }));

const stages = {
  normal: { doNotTrack: false, preDnat: false },
  untracked: { doNotTrack: true, preDnat: false },
  preDnat: { doNotTrack: false, preDnat: true },
} as const;

/** @param stage  the flags; preDnat has ingress rules only, and both special stages are applyOnForward, as the API wants */
const globalOf = (stage: keyof typeof stages): fc.Arbitrary<GlobalNetworkPolicy> =>
  fc
    .record({ name: policyName, spec, place: maybe(20, namespaceSelector), applyOnForward: fc.boolean() })
    .map(
      ({ name, spec: own, place, applyOnForward }): GlobalNetworkPolicy => ({
        kind: 'GlobalNetworkPolicy',
        meta: metaOf(stage === 'normal' ? name : `${name}-${stage.toLowerCase()}`),
        ...own,
        ...(stage === 'preDnat' ? { types: ['Ingress'], egress: [] } : {}),
        ...(place === undefined ? {} : { namespaceSelector: place }),
        ...stages[stage],
        applyOnForward: stage !== 'normal' || applyOnForward,
      }),
    );

/** Of workloads and hosts, where packets are judged in the usual place. */
export const globalPolicy = globalOf('normal');
/** Before connection tracking or translation; says something to host endpoints only. */
export const earlyPolicy = fc.oneof(globalOf('untracked'), globalOf('preDnat'));

export const stagedPolicy: fc.Arbitrary<
  StagedNetworkPolicy | StagedGlobalNetworkPolicy | StagedKubernetesNetworkPolicy
> = fc.oneof(
  fc.tuple(namespacedPolicy, stagedAction).map(
    ([own, staged]): StagedNetworkPolicy => ({
      ...own,
      kind: 'StagedNetworkPolicy',
      stagedAction: staged,
    }),
  ),
  fc.tuple(globalPolicy, stagedAction).map(
    ([own, staged]): StagedGlobalNetworkPolicy => ({
      ...own,
      kind: 'StagedGlobalNetworkPolicy',
      stagedAction: staged,
    }),
  ),
  fc.tuple(kubernetesPolicy, stagedAction).map(
    ([own, staged]): StagedKubernetesNetworkPolicy => ({
      ...own,
      kind: 'StagedKubernetesNetworkPolicy',
      stagedAction: staged,
    }),
  ),
);

const clusterPods: fc.Arbitrary<ClusterPolicyPods> = fc.oneof(
  fc.record({ kind: fc.constant('namespaces' as const), namespaceSelector: labelSelector }),
  fc.record({
    kind: fc.constant('pods' as const),
    namespaceSelector: labelSelector,
    podSelector: labelSelector,
  }),
);

const clusterPeer = (direction: Direction): fc.Arbitrary<ClusterPolicyPeer> =>
  direction === 'Ingress'
    ? fc.oneof({ weight: 9, arbitrary: clusterPods }, unsupportedPeer)
    : fc.oneof(
        { weight: 6, arbitrary: clusterPods },
        {
          weight: 2,
          arbitrary: fc.record({ kind: fc.constant('nodes' as const), nodeSelector: labelSelector }),
        },
        {
          weight: 3,
          arbitrary: fc.record({
            kind: fc.constant('networks' as const),
            networks: fc.array(prefix, { minLength: 1, maxLength: 3 }),
          }),
        },
        { weight: 1, arbitrary: unsupportedPeer },
      );

const unsupportedPeer = fc.constant({ kind: 'unsupported' as const, what: 'domainNames' });

const clusterProtocol: fc.Arbitrary<ClusterPolicyProtocol> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(...withPorts).map((protocol) => ({ kind: 'numbered' as const, protocol })),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('numbered' as const),
      protocol: fc.constantFrom(...withPorts),
      ports: range,
    }),
  },
  { weight: 2, arbitrary: portName.map((name) => ({ kind: 'named' as const, name })) },
);

const clusterRule = (direction: Direction): fc.Arbitrary<ClusterPolicyRule> =>
  fc
    .record({
      action: fc.constantFrom('Accept' as const, 'Deny' as const, 'Pass' as const),
      peers: fc.array(clusterPeer(direction), { minLength: 1, maxLength: 3 }),
      protocols: maybe(60, fc.array(clusterProtocol, { minLength: 1, maxLength: 3 })),
    })
    .map(({ action: does, peers, protocols }) => ({
      action: does,
      peers,
      ...(protocols === undefined ? {} : { protocols }),
    }));

export const clusterPolicy: fc.Arbitrary<ClusterNetworkPolicy> = fc
  .record({
    name: policyName,
    tier: fc.constantFrom('Admin' as const, 'Baseline' as const),
    priority: fc.constantFrom(0, 1, 1000),
    subject: clusterPods,
    ingress: fc.array(clusterRule('Ingress'), { maxLength: 2 }),
    egress: fc.array(clusterRule('Egress'), { maxLength: 2 }),
  })
  .map(({ name, ...rest }) => ({ kind: 'ClusterNetworkPolicy', meta: metaOf(name), ...rest }));

/** Every kind, enforced ones most often. */
export const anyPolicy: fc.Arbitrary<Convertible> = fc.oneof(
  { weight: 3, arbitrary: kubernetesPolicy },
  { weight: 4, arbitrary: namespacedPolicy },
  { weight: 4, arbitrary: globalPolicy },
  { weight: 2, arbitrary: clusterPolicy },
  { weight: 1, arbitrary: earlyPolicy },
  { weight: 2, arbitrary: stagedPolicy },
);

const tier = (name: string): fc.Arbitrary<Tier> =>
  fc
    .record({
      order: maybe(80, fc.constantFrom(1, 500, 2_000_000)),
      defaultAction: fc.constantFrom('Deny' as const, 'Pass' as const),
    })
    .map(({ order: own, defaultAction }) => ({
      kind: 'Tier',
      meta: metaOf(name),
      ...(own === undefined ? {} : { order: own }),
      defaultAction,
    }));

const networkSet: fc.Arbitrary<NetworkSet> = fc
  .record({
    name: fc.constantFrom('s', 't'),
    own: labels,
    nets: fc.array(prefix, { maxLength: 3 }),
    ns: maybe(50, namespaceName),
  })
  .map(
    ({ name, own, nets: members, ns }): NetworkSet =>
      ns === undefined
        ? { kind: 'GlobalNetworkSet', meta: metaOf(name, own), nets: members }
        : { kind: 'NetworkSet', meta: metaOf(name, own, ns), nets: members },
  );

const account: fc.Arbitrary<ServiceAccount> = fc
  .record({ name: accountName, ns: namespaceName, own: labels })
  .map(({ name, ns, own }) => ({ kind: 'ServiceAccount', meta: metaOf(name, own, ns) }));

const profile: fc.Arbitrary<Profile> = fc
  .record({
    name: fc.constantFrom('open', 'odd'),
    ingress: fc.array(rule, { maxLength: 2 }),
    egress: fc.array(rule, { maxLength: 2 }),
    labelsToApply: labels,
  })
  .map(({ name, ...rest }) => ({ kind: 'Profile', meta: metaOf(name), ...rest }));

/** The nodes there are: local pods are on the first. */
const nodeNames = ['here', 'there'] as const;
export const nodeAddresses = {
  here: ['172.16.0.1', 'fd01::1'].map(address),
  there: ['172.16.0.2', 'fd01::2'].map(address),
} as const;

const node = (name: (typeof nodeNames)[number]): fc.Arbitrary<Node> =>
  labels.map((own) => ({
    kind: 'Node',
    meta: metaOf(name, own),
    podCidrs: [],
    internalIps: nodeAddresses[name],
    taints: [],
    unschedulable: false,
    ready: true,
    deleting: false,
  }));

const hostEndpoint: fc.Arbitrary<HostEndpoint> = fc
  .record({
    own: labels,
    profiles: fc.uniqueArray(fc.constantFrom('open', 'odd', 'projectcalico-default-allow', 'not-there'), {
      maxLength: 2,
    }),
    interfaceName: fc.constantFrom('eth0', '*'),
    ports: fc.array(
      fc.record({ name: portName, protocol: fc.constantFrom(...withPorts), port: fc.constantFrom(80, 81) }),
      { maxLength: 2 },
    ),
  })
  .map(({ own, ...rest }) => ({
    kind: 'HostEndpoint',
    meta: metaOf('here-host', own),
    node: 'here',
    expectedIps: nodeAddresses.here,
    ...rest,
  }));

const slice = (pods: readonly Placed[]): fc.Arbitrary<EndpointSlice> =>
  fc
    .record({
      service,
      family: fc.constantFrom(4 as const, 6 as const),
      members: fc.subarray([...pods]),
      ready: fc.boolean(),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
      port: fc.constantFrom(80, 443, undefined),
      hasPorts: fc.boolean(),
    })
    .map(
      ({ service: ref, family, members, ready, protocol, port, hasPorts }): EndpointSlice => ({
        kind: 'EndpointSlice',
        meta: metaOf(`${ref.name}-${family}`, {}, ref.namespace),
        service: ref.name,
        family,
        endpoints: members
          .map((placed) => addressesOf(placed).filter((each) => versionOf(each) === family))
          .filter((addresses) => addresses.length > 0)
          .map((addresses) => ({ addresses, ready, serving: ready, terminating: false })),
        ports: hasPorts || port !== undefined ? [{ protocol, ...(port === undefined ? {} : { port }) }] : [],
      }),
    );

/** What a pod has: its endpoint's word counts before its status is written. */
const addressesOf = ({ pod, endpoint }: Placed): readonly Address[] => endpoint?.addresses ?? pod.ips;

export interface World {
  /** Those with an endpoint are on the node "here", the others on "there". */
  readonly placed: readonly Placed[];
  /** Everything but pods. */
  readonly others: readonly Resource[];
  readonly policies: readonly Convertible[];
  readonly hostEndpoint?: HostEndpoint;
  /** Addresses of nobody's, some in network sets. */
  readonly strangers: readonly Address[];
}

const unique = <
  T extends { readonly kind: string; readonly meta: { readonly name: string; readonly namespace?: string } },
>(
  all: fc.Arbitrary<T>,
  maxLength: number,
): fc.Arbitrary<T[]> =>
  fc.uniqueArray(all, {
    maxLength,
    selector: ({ kind, meta }) => `${kind}/${meta.namespace ?? ''}/${meta.name}`,
  });

const onNode = (placed: Placed, serviceAccount: string): Placed => ({
  ...placed,
  pod: { ...placed.pod, nodeName: placed.endpoint === undefined ? 'there' : 'here', serviceAccount },
});

export interface WorldShape {
  /** Default 6. */
  readonly policies?: number;
  /** Which; default `anyPolicy`. */
  readonly policy?: fc.Arbitrary<Convertible>;
  /** With a host endpoint: half of the time, or always; default false. */
  readonly hosts?: boolean | 'always';
}

export const world = ({
  policies = 6,
  policy = anyPolicy,
  hosts = false,
}: WorldShape = {}): fc.Arbitrary<World> =>
  fc
    .tuple(placedPods, fc.array(accountName, { minLength: 6, maxLength: 6 }))
    .map(([pods, accounts]) => pods.map((each, index) => onNode(each, accounts[index] ?? 'web')))
    .chain((placed) =>
      fc
        .record({
          namespaces: fc.uniqueArray(namespace, {
            selector: ({ meta }) => meta.name,
            minLength: 2,
            maxLength: 3,
          }),
          accounts: unique(account, 3),
          sets: unique(networkSet, 3),
          tiers: fc.tuple(maybe(80, tier('first')), maybe(80, tier('second'))),
          profiles: unique(profile, 2),
          slices: unique(slice(placed), 2),
          nodes: fc.tuple(node('here'), node('there')),
          policies: unique(policy, policies),
          hostEndpoint:
            hosts === false ? fc.constant(undefined) : maybe(hosts === 'always' ? 100 : 50, hostEndpoint),
          strangers: fc.uniqueArray(outsider, { maxLength: 3 }),
        })
        .map(
          ({
            namespaces,
            accounts,
            sets,
            tiers,
            profiles,
            slices,
            nodes,
            hostEndpoint: host,
            ...rest
          }): World => ({
            placed,
            others: [
              ...namespaces,
              ...accounts,
              ...sets,
              ...tiers.filter((each) => each !== undefined),
              ...profiles,
              ...slices,
              ...nodes,
              ...(host === undefined ? [] : [host]),
            ],
            policies: rest.policies,
            strangers: rest.strangers,
            ...(host === undefined ? {} : { hostEndpoint: host }),
          }),
        ),
    );

/** What the API server would show once every status is written. */
export const settled = (placed: Placed): Pod => ({ ...placed.pod, ips: addressesOf(placed) });

/** Every resource of it, with settled pods: what `snapshotOf` and a store are given. */
export const resourcesOf = ({ placed, others, policies }: World): readonly Resource[] => [
  ...others,
  ...policies,
  ...placed.map(settled),
];

/** What is sent; the ends are the test's. */
export interface Asked {
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly port?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** ICMP is made ICMPv6 by `askedOf` where the addresses are. */
export const asked: fc.Arbitrary<Asked> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      protocol: fc.constantFrom(...withPorts),
      sourcePort: fc.constantFrom(80, 40000),
      port: fc.constantFrom(1, 79, 80, 81, 82, 443, 444, 65535),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      protocol: fc.constant(1),
      icmp: fc.record({ type: fc.constantFrom(8, 128, 3), code: fc.constantFrom(0, 1) }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ protocol: 47 }) },
);

export const askedOf = (what: Asked, family: 4 | 6): Asked =>
  what.icmp === undefined ? what : { ...what, protocol: icmpOf[family] };

/** One who may send or receive. */
export interface WorldEnd {
  readonly address: Address;
  readonly placed?: Placed;
}

export const endsOf = (all: World): readonly WorldEnd[] => [
  ...all.placed.flatMap((placed) => addressesOf(placed).map((each) => ({ address: each, placed }))),
  ...all.strangers.map((each) => ({ address: each })),
  ...nodeAddresses.there.map((each) => ({ address: each })),
];

/** Every pair of ends of one family, and each thing to ask. */
export function* meetings(
  all: World,
  questions: readonly Asked[],
): Generator<readonly [from: WorldEnd, to: WorldEnd, what: Asked]> {
  const ends = endsOf(all);
  for (const from of ends)
    for (const to of ends)
      if (versionOf(from.address) === versionOf(to.address))
        for (const what of questions) yield [from, to, askedOf(what, versionOf(from.address))];
}
