/** What rules can tell endpoints, addresses and nodes apart by, and what of that an endpoint satisfies. */
import type { Prefix } from '../../lib/net.ts';
import type { Labels } from '../../model/meta.ts';
import type { PortMatch } from '../../model/policy.ts';
import { formatSelector, matchesSelector, type Selector } from '../../model/selector.ts';
import type { Cluster } from '../cluster.ts';
import type { Known } from '../known.ts';
import type { Entity, Policy, Rule } from '../policy.ts';
import { convertProfile } from '../profiles.ts';
import { failsafesOf } from './failsafes.ts';

/** What rules can tell things apart by. */
export interface Criteria {
  readonly selectors: readonly Selector[];
  readonly nets: readonly Prefix[];
  /** Of nodes. */
  readonly nodes: readonly Selector[];
  /** Names of ports. */
  readonly names: ReadonlySet<string>;
  /** Labels that the selectors name. */
  readonly keys: readonly string[];
  /** Which selectors the values of these labels satisfy, as found before. */
  readonly seen: Map<string, string>;
}

export const rulesOf = ({ ingress, egress }: Policy): readonly Rule[] => [...ingress, ...egress];
const sidesOf = ({ source, destination }: Rule): readonly Entity[] => [source, destination];

export function criteriaOf(policies: readonly Policy[], clusters: readonly Cluster[]): Criteria {
  const rules = [...policies.flatMap(rulesOf), ...profileRules(clusters)];
  const sides = rules.flatMap(sidesOf);
  const selectors = new Map(
    [
      ...policies.map(({ selector }) => selector),
      ...sides.flatMap(({ selector, notSelector }) => [selector, notSelector]),
    ].flatMap((selector) => (selector === undefined ? [] : [[formatSelector(selector), selector] as const])),
  );
  const nets = [
    ...sides.flatMap(({ nets: own = [], notNets = [] }) => [...own, ...notNets]),
    ...failsafesOf(clusters).flatMap(({ net }) => net ?? []),
    ...clusters.flatMap(({ networkSets }) => networkSets.flatMap((set) => set.nets)),
  ];
  return {
    selectors: [...selectors.values()],
    nets: [...new Set(nets)],
    nodes: sides.flatMap(({ nodes }) => nodes ?? []),
    names: namesIn(rules),
    keys: [...new Set([...selectors.values()].flatMap(keysOf))],
    seen: new Map(),
  };
}

/** What host endpoints fall back to. */
export const profileRules = (clusters: readonly Cluster[]): readonly Rule[] =>
  clusters
    .filter(({ hostEndpoints }) => hostEndpoints.length > 0)
    .flatMap(({ profiles }) => profiles)
    .map(convertProfile)
    .flatMap(({ ingress, egress }) => [...ingress, ...egress]);

export const portsIn = (rules: readonly Rule[]): readonly PortMatch[] =>
  rules.flatMap(({ destination }) => [...(destination.ports ?? []), ...(destination.notPorts ?? [])]);

export const namesIn = (rules: readonly Rule[]): ReadonlySet<string> =>
  new Set(portsIn(rules).flatMap((port) => ('name' in port ? [port.name] : [])));

/** Which selectors it satisfies, and its ports that rules name. */
export const signatureOf = (known: Known, criteria: Criteria): string =>
  `${satisfiedBy(known.labels, criteria)} ${known.ports
    .filter(({ name }) => criteria.names.has(name))
    .map(({ name, protocol, port }) => `${name}/${protocol}/${port}`)
    .sort()
    .join(' ')}`;

/** Looked up by the labels that selectors name at all: most pods share those. */
function satisfiedBy(labels: Labels, { selectors, keys, seen }: Criteria): string {
  const bag = JSON.stringify(keys.map((key) => (Object.hasOwn(labels, key) ? labels[key] : null)));
  const before = seen.get(bag);
  if (before !== undefined) return before;
  const bits = selectors.map((selector) => (matchesSelector(selector, labels) ? '1' : '0')).join('');
  seen.set(bag, bits);
  return bits;
}

const keysOf = (selector: Selector): readonly string[] =>
  'key' in selector
    ? [selector.key]
    : selector.kind === 'not'
      ? keysOf(selector.of)
      : selector.kind === 'and' || selector.kind === 'or'
        ? selector.of.flatMap(keysOf)
        : [];
