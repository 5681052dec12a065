/** Our UPDATE in the form of ExaBGP's JSON, every number as text, so that the two can be compared whole. */
import type { AsPathSegment, PathAttributes, UpdateMessage } from '../../bgp/wire/message.ts';
import { formatAddress, formatIpv4, formatPrefix, ipv4, type Prefix, versionOf } from '../../src/lib/net.ts';
import type { ExaBody } from './bgp-cases.ts';

const familyNames = { 4: 'ipv4 unicast', 6: 'ipv6 unicast' } as const;
const elements: Record<AsPathSegment['kind'], string> = {
  set: 'as-set',
  sequence: 'as-sequence',
  confedSequence: 'confed-sequence',
  confedSet: 'confed-set',
};
/** ExaBGP writes a Path Identifier as an address. */
const nlri = (prefix: Prefix, id: number | undefined) =>
  present({
    nlri: formatPrefix(prefix),
    'path-information': id === undefined ? undefined : formatIpv4(ipv4(id)),
  });
const texts = (values: readonly (number | bigint)[]): string[] => values.map(String);

/** Leaves out what is absent. */
const present = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

function attributeForm(attributes: PathAttributes): Record<string, unknown> {
  const { aggregator, asPath } = attributes;
  return present({
    origin: attributes.origin,
    'as-path':
      asPath.length === 0
        ? undefined
        : Object.fromEntries(
            asPath.map(({ kind, asns }, index) => [index, { element: elements[kind], value: texts(asns) }]),
          ),
    med: attributes.med?.toString(),
    'local-preference': attributes.localPref?.toString(),
    'atomic-aggregate': attributes.atomicAggregate,
    aggregator: aggregator && `${aggregator.asn}:${formatIpv4(aggregator.address)}`,
    community: attributes.communities?.map((value) => texts([Math.floor(value / 65536), value % 65536])),
    'originator-id': attributes.originatorId === undefined ? undefined : formatIpv4(attributes.originatorId),
    'cluster-list': attributes.clusterList?.map(formatIpv4),
    'extended-community': attributes.extendedCommunities?.map(String),
    'large-community': attributes.largeCommunities?.map(texts),
  });
}

/** What both sides can say: attributes (if a route carries them), announcements and withdrawals of our families. */
export interface Form {
  readonly attribute: Readonly<Record<string, unknown>>;
  readonly announce: Readonly<Record<string, unknown>>;
  readonly withdraw: Readonly<Record<string, unknown>>;
}

const nameOf = (prefix: Prefix): string => familyNames[versionOf(prefix)];

function grouped<T, R>(
  items: readonly T[],
  keyOf: (item: T) => string,
  render: (group: readonly T[]) => R,
): Record<string, R> {
  const groups = Object.groupBy(items, keyOf);
  return Object.fromEntries(Object.entries(groups).map(([key, group]) => [key, render(group ?? [])]));
}

export function formOf(update: UpdateMessage): Form {
  const announced = update.announced.flatMap(({ attributes, prefixes, pathIds }) =>
    prefixes.map((prefix, index) => ({
      prefix,
      id: pathIds?.[index],
      hop: formatAddress(attributes.nextHop),
    })),
  );
  const announce = grouped(
    announced,
    ({ prefix }) => nameOf(prefix),
    (family) =>
      grouped(
        family,
        ({ hop }) => hop,
        (list) => list.map(({ prefix, id }) => nlri(prefix, id)),
      ),
  );
  const gone = update.withdrawn.map((prefix, index) => ({ prefix, id: update.withdrawnIds?.[index] }));
  const withdraw = grouped(
    gone,
    ({ prefix }) => nameOf(prefix),
    (list) => list.map(({ prefix, id }) => nlri(prefix, id)),
  );
  const [first] = update.announced;
  return { attribute: first === undefined ? {} : attributeForm(first.attributes), announce, withdraw };
}

/** What their decoder shows besides: the next hop apart, and attributes we hold only raw. */
const besides = new Set(['next-hop', 'bgp-prefix-sid', 'tunnel-encap', 'extended-community-ipv6']);

const ourFamilies = <T>(byFamily: Readonly<Record<string, T>> = {}): Record<string, T> =>
  Object.fromEntries(
    Object.entries(byFamily).filter(([family]) => Object.values<string>(familyNames).includes(family)),
  );

export function formOfExa(body: ExaBody): Form {
  const announce = ourFamilies(body.announce);
  const carried = Object.keys(announce).length > 0 ? (body.attribute ?? {}) : {};
  const attribute = Object.fromEntries(
    Object.entries(carried)
      .filter(([name]) => !besides.has(name))
      .map(([name, value]) => [
        name,
        name === 'extended-community' ? (value as { value: string }[]).map((each) => each.value) : value,
      ]),
  );
  return { attribute, announce, withdraw: ourFamilies(body.withdraw) };
}
