/** Arbitrary small clusters for properties: few names and labels, so that things meet. */
import fc from 'fast-check';
import { type Address, ipv4, ipv6, type Prefix, parseAddress, prefixOf } from '../../src/lib/net.ts';
import { interfaceName, type LocalEndpoint } from '../../src/model/endpoint.ts';
import type { LabelRequirement, LabelSelector } from '../../src/model/labels.ts';
import type {
  ContainerPort,
  Namespace,
  NetworkPolicy,
  Pod,
  PolicyPeer,
  PolicyPort,
  PolicyRule,
  Protocol,
} from '../../src/model/resource.ts';

export const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`the test wrote a wrong address: ${text}`);
  return parsed;
};

const protocol = fc.constantFrom<Protocol[]>('TCP', 'UDP', 'SCTP');
export const namespaceName = fc.constantFrom('red', 'blue', 'green');
const labelKey = fc.constantFrom('app', 'tier');
const labelValue = fc.constantFrom('a', 'b', '');
export const labels = fc.dictionary(labelKey, labelValue);
export const portName = fc.constantFrom('web', 'dns');
const portNumber = fc.constantFrom(79, 80, 81, 82, 443, 65535);

const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
  fc.record({
    key: labelKey,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.array(labelValue, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key: labelKey, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
);

export const selector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    fc.dictionary(labelKey, labelValue, { maxKeys: 1 }),
  ),
  matchExpressions: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    fc.array(requirement, { maxLength: 2 }),
  ),
});

/** Pods live in 10.0.0.0/28 and fd00::/124; a few strangers near by and far away. */
const poolAddress = (version: 4 | 6, index: number): Address =>
  version === 4 ? ipv4(0x0a000000 + index) : ipv6((0xfd00n << 112n) + BigInt(index));

const outside = [
  '10.0.0.14',
  '10.0.0.200',
  '192.0.2.1',
  '255.255.255.255',
  'fd00::e',
  '2001:db8::1',
  'fe80::1',
].map(address);

export const prefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .record({ index: fc.nat(15), length: fc.constantFrom(0, 8, 28, 29, 30, 31, 32) })
    .map(({ index, length }) => prefixOf(poolAddress(4, index), length)),
  fc
    .record({ index: fc.nat(15), length: fc.constantFrom(0, 16, 124, 125, 127, 128) })
    .map(({ index, length }) => prefixOf(poolAddress(6, index), length)),
);

const peer: fc.Arbitrary<PolicyPeer> = fc.oneof(
  fc.record({
    kind: fc.constant('ipBlock' as const),
    cidr: prefix,
    except: fc.array(prefix, { maxLength: 3 }),
  }),
  fc.record(
    { kind: fc.constant('pods' as const), namespaceSelector: selector, podSelector: selector },
    { requiredKeys: ['kind'] },
  ),
);

const port: fc.Arbitrary<PolicyPort> = fc.oneof(
  fc.record({ protocol }),
  fc.record({ protocol, port: portNumber }),
  fc.record({ protocol, port: portName }),
  fc.record({ protocol, port: portNumber, endPort: portNumber }),
  fc.record({ protocol, port: portName, endPort: portNumber }), // refused by the schema: must allow nothing
);

const rule: fc.Arbitrary<PolicyRule> = fc.record(
  { peers: fc.array(peer, { maxLength: 3 }), ports: fc.array(port, { maxLength: 3 }) },
  { requiredKeys: [] },
);

const directions = fc.constantFrom<NetworkPolicy['policyTypes'][]>(
  ['Ingress'],
  ['Egress'],
  ['Ingress', 'Egress'],
);

export const policy: fc.Arbitrary<NetworkPolicy> = fc
  .record({
    name: fc.constantFrom('one', 'two', 'three'),
    namespace: namespaceName,
    podSelector: selector,
    policyTypes: directions,
    ingress: fc.array(rule, { maxLength: 3 }),
    egress: fc.array(rule, { maxLength: 3 }),
  })
  .map(({ name, namespace, ...rest }) => ({
    kind: 'NetworkPolicy',
    meta: { name, namespace, labels: {}, annotations: {} },
    ...rest,
  }));

export const namespace: fc.Arbitrary<Namespace> = fc.record({ name: namespaceName, labels }).map((row) => ({
  kind: 'Namespace',
  meta: {
    name: row.name,
    labels: { ...row.labels, 'kubernetes.io/metadata.name': row.name },
    annotations: {},
  },
}));

const containerPort: fc.Arbitrary<ContainerPort> = fc.record(
  { name: portName, protocol, port: portNumber },
  { requiredKeys: ['protocol', 'port'] },
);

/** A pod, and what the CNI server says if it is one of ours. */
export interface Placed {
  readonly pod: Pod;
  readonly endpoint?: LocalEndpoint;
}

interface Slot {
  readonly index: number;
  readonly addresses: readonly Address[];
}

const sometimes = (outOf: number): fc.Arbitrary<boolean> => fc.nat(outOf - 1).map((draw) => draw === 0);

/** @param addresses  what it has; its status may not say so yet if it is local */
const placedAt = ({ index, addresses }: Slot): fc.Arbitrary<Placed> =>
  fc
    .record({
      namespace: namespaceName,
      labels,
      ports: fc.array(containerPort, { maxLength: 3 }),
      local: fc.boolean(),
      hostNetwork: sometimes(8),
      deleting: sometimes(8),
      finished: sometimes(8),
      isStatusLate: sometimes(3),
    })
    .map(({ namespace: ns, local, isStatusLate, labels: own, ...rest }) => {
      const name = `pod-${index}`;
      const isLocal = local && !rest.hostNetwork;
      const pod: Pod = {
        kind: 'Pod',
        meta: { name, namespace: ns, labels: own, annotations: {} },
        ips: isLocal && isStatusLate ? [] : addresses,
        ...rest,
      };
      if (!isLocal) return { pod };
      const endpoint = {
        id: `id-${index}`,
        namespace: ns,
        pod: name,
        interface: interfaceName(ns, name),
        addresses,
      };
      return { pod, endpoint };
    });

/** Of one family or both. */
const addressesAt = (index: number): fc.Arbitrary<readonly Address[]> =>
  fc.constantFrom(
    [poolAddress(4, index)],
    [poolAddress(6, index)],
    [poolAddress(4, index), poolAddress(6, index)],
  );

/** Each pod has addresses of its own, as in a sane cluster. */
export const placedPods: fc.Arbitrary<readonly Placed[]> = fc
  .tuple(
    ...[0, 1, 2, 3, 4, 5].map((index) =>
      addressesAt(index + 1).chain((addresses) => placedAt({ index, addresses })),
    ),
  )
  .chain((all) => fc.subarray(all, { minLength: 1 }));

/** A pod that may claim any pod's addresses, as happens while one replaces another. */
export const restlessPod: fc.Arbitrary<Placed> = fc
  .tuple(fc.nat(3), fc.nat(3))
  .chain(([index, at]) => addressesAt(at).chain((addresses) => placedAt({ index, addresses })));

export const outsider: fc.Arbitrary<Address> = fc.constantFrom(...outside);
