/** One side of a rule, for one family: which packets it means. */
import type { IpVersion } from '../../src/lib/net.ts';
import { versionOf } from '../../src/lib/net.ts';
import type { PortMatch } from '../../src/model/policy.ts';
import type { Selector } from '../../src/model/selector.ts';
import type { Entity } from '../../src/policy/policy.ts';
import { allOf, anyOf, type Choice, everything, noneOf, type Option, piece } from './choice.ts';
import type { PortRange, Side } from './model.ts';
import {
  endpointsSet,
  type NamedPort,
  namedPortSet,
  netsSet,
  networksSet,
  nodesSet,
  serviceSet,
} from './sets.ts';
import { inPrefix, merged, mergedPorts, prefixOfSpan, type Span, spanOf, without } from './span.ts';
import type { SetSpec } from './spec.ts';

/** What the rest of the rule and the policy say that matters to a side. */
export interface EntityContext {
  readonly side: Side;
  readonly version: IpVersion;
  /** IANA number the rule names; absent: none. */
  readonly protocol?: number;
  /** The side is always an endpoint of this node. */
  readonly isOwn: boolean;
  /** No packet may be meant by two pieces. */
  readonly once: boolean;
  readonly hasNetworks: (selector: Selector) => boolean;
  /** Some endpoint has an address of this family; else no set of endpoints ever has a member. */
  readonly hasEndpoints: boolean;
}

const noSelector: Selector = { kind: 'all' };

/** Protocols whose header begins with a source and a destination port: TCP, UDP, DCCP, SCTP, UDP-Lite. */
const withPorts: readonly number[] = [6, 17, 33, 132, 136];

export function entityChoice(entity: Entity, context: EntityContext): Choice {
  const { notSelector, service, nodes, ports, notPorts } = entity;
  return allOf([
    netsChoice(entity, context),
    ...(notSelector === undefined ? [] : [noneOf(selectorOptions(notSelector, context))]),
    ...(nodes === undefined
      ? []
      : [anyOf([addressOption(nodesSet(nodes, context.version), context)], false)]),
    ...(service === undefined ? [] : [serviceChoice(service, context)]),
    whoAndPorts(entity, ports, context),
    ...(notPorts === undefined ? [] : [notPortsChoice(entity, notPorts, context)]),
  ]);
}

/** All nets less all notNets of the family: one lookup, and nothing to look up if they come to all or to nothing. */
function netsChoice({ nets, notNets = [] }: Entity, { side, version }: EntityContext): Choice {
  const spansOf = (prefixes: Entity['nets']): readonly Span[] =>
    (prefixes ?? []).filter((prefix) => versionOf(prefix) === version).map(spanOf);
  const isMeant = nets !== undefined;
  const holes = spansOf(notNets);
  // With nets: what they leave. Without: what is left out, turned around.
  const spans = merged(isMeant ? spansOf(nets).flatMap((span) => without(span, holes)) : holes);
  const [first] = spans;
  if (first === undefined) return isMeant ? [] : everything;
  const prefix = spans.length === 1 ? prefixOfSpan(version, first) : undefined;
  const match = prefix === undefined ? undefined : inPrefix(prefix, side);
  if (match?.kind === 'version') return isMeant ? [piece([match])] : [];
  if (match?.kind === 'prefix') return [piece([isMeant ? match : { ...match, not: true }])];
  const spec = netsSet(spans, version);
  const option: Option = { match: { kind: 'addressSet', side, version, set: spec.decl.name }, sets: [spec] };
  return isMeant ? anyOf([option], false) : noneOf([option]);
}

const addressOption = (spec: SetSpec, { side, version }: EntityContext): Option => ({
  match: { kind: 'addressSet', side, version, set: spec.decl.name },
  sets: [spec],
});

const portOption = (spec: SetSpec, { side, version }: EntityContext): Option => ({
  match: { kind: 'portSet', side, version, set: spec.decl.name },
  sets: [spec],
});

/** Endpoints and single addresses of network sets; and wider networks, where there are any. */
const selectorOptions = (selector: Selector, context: EntityContext): readonly Option[] => [
  ...(context.hasEndpoints ? [addressOption(endpointsSet(selector, context.version), context)] : []),
  ...(context.hasNetworks(selector) ? [addressOption(networksSet(selector, context.version), context)] : []),
];

/** As a destination the backend's port too, which its own header says; as a source it may send from any. */
function serviceChoice(service: NonNullable<Entity['service']>, context: EntityContext): Choice {
  const { side, version } = context;
  const option =
    side === 'destination'
      ? portOption(serviceSet('servicePorts', service, version), context)
      : addressOption(serviceSet('serviceAddresses', service, version), context);
  return anyOf([option], false);
}

/** A named port is an endpoint's that satisfies the selector, so it needs no second look at who that is. */
function whoAndPorts({ selector }: Entity, ports: Entity['ports'], context: EntityContext): Choice {
  const who = selector === undefined ? everything : anyOf(selectorOptions(selector, context), context.once);
  if (ports === undefined) return who;
  const { numbered, named } = portOptions(selector, ports, context);
  if (context.once) return allOf([who, anyOf([...numbered, ...named], true)]);
  return [...allOf([who, anyOf(numbered, false)]), ...anyOf(named, false)];
}

interface PortOptions {
  readonly numbered: readonly Option[];
  readonly named: readonly Option[];
}

function portOptions(
  selector: Selector | undefined,
  ports: readonly PortMatch[],
  context: EntityContext,
): PortOptions {
  const { side, version, protocol, isOwn } = context;
  const ranges = mergedPorts(ports.filter((port): port is PortRange => 'first' in port));
  const names = new Set(ports.flatMap((port) => ('name' in port ? [port.name] : [])));
  const protocols = withPorts.filter((each) => protocol === undefined || each === protocol);
  const named = protocols.length === 0 || !context.hasEndpoints ? [] : [...names];
  return {
    numbered:
      ranges.length === 0
        ? []
        : protocols.map((each) => ({
            match: isWhole(ranges)
              ? { kind: 'protocol', protocol: each }
              : { kind: 'ports', side, protocol: each, ranges },
            sets: [],
          })),
    named: named.map((name) => {
      const port: NamedPort = {
        selector: selector ?? noSelector,
        name,
        ...(protocol === undefined ? {} : { protocol }),
        ...(isOwn ? { local: true } : {}),
      };
      return portOption(namedPortSet(port, version), context);
    }),
  };
}

const isWhole = ([range]: readonly PortRange[]): boolean => range?.first === 0 && range.last === 0xffff;

/** A packet without ports has none of them. */
function notPortsChoice(
  { selector }: Entity,
  notPorts: readonly PortMatch[],
  context: EntityContext,
): Choice {
  const { numbered, named } = portOptions(selector, notPorts, context);
  return allOf([notNumbered(numbered), noneOf(named)]);
}

/** `ports` turned around still asks for its protocol, so every protocol that has ports comes by itself, and the others together. */
function notNumbered(numbered: readonly Option[]): Choice {
  const [only] = numbered;
  if (only === undefined) return everything;
  if (numbered.length === 1) return noneOf([only]);
  const protocols = numbered.flatMap(({ match }) => ('protocol' in match ? [match.protocol] : []));
  return [
    ...numbered.filter(({ match }) => match.kind === 'ports').flatMap((each) => noneOf([each])),
    piece(protocols.map((protocol) => ({ kind: 'protocol', protocol, not: true }))),
  ];
}
