/**
 * One NetworkPolicy in one direction → one chain of accept rules and the sets they need.
 *
 * The chain knows the policy and nothing of the pods it selects, so all of them share it: what depends on the
 * pod, such as the number of a named port on ingress, is in sets. A packet no rule accepts goes on to the next
 * policy, and after the last one to the endpoint's drop.
 */
import { type IpVersion, lengthOf, versionOf } from '../../src/lib/net.ts';
import type {
  NetworkPolicy,
  PolicyPeer,
  PolicyPort,
  PolicyRule,
  Protocol,
} from '../../src/model/resource.ts';
import type { Chain, Match, PortRange, Rule, Side } from './model.ts';
import { commentOf, objectName } from './name.ts';
import {
  type BlockPeer,
  type NamedPort,
  type PodPeer,
  type PodScope,
  podSet,
  portSet,
  rangeSet,
  type SetSpec,
  scopeOf,
} from './pod-set.ts';
import { merged, prefixOfSpan, spanOf, without } from './span.ts';

export type Direction = 'Ingress' | 'Egress';
export const directions: readonly Direction[] = ['Ingress', 'Egress'];

const versions: readonly IpVersion[] = [4, 6];
const protocols: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

export interface CompiledPolicy {
  readonly chain: Chain;
  /** Each at most once. */
  readonly sets: readonly SetSpec[];
}

/** Who may be at the other end; blocks are already one match for each family. */
type Peer =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'pods'; readonly scope: PodScope }
  | ({ readonly kind: 'block'; readonly version: IpVersion } & Piece);

/** What may be asked for. */
type Service =
  | { readonly kind: 'numbered'; readonly matches: readonly Match[] }
  | { readonly kind: 'named'; readonly port: NamedPort };

/** Matches that belong together and the sets they name. */
interface Piece {
  readonly matches: readonly Match[];
  readonly sets: readonly SetSpec[];
}

export const policyChainName = (direction: Direction, namespace: string, name: string): string =>
  objectName(direction.toLowerCase(), `${namespace}/${name}`, `${namespace}/${name}`);

export function compilePolicy(policy: NetworkPolicy, direction: Direction): CompiledPolicy {
  const namespace = policy.meta.namespace ?? '';
  const pieces: { readonly piece: Piece; readonly comment: string }[] = [];
  const rules = direction === 'Ingress' ? policy.ingress : policy.egress;
  for (const [index, rule] of rules.entries()) {
    const comment = commentOf(
      `${namespace}/${policy.meta.name}`,
      ` ${direction.toLowerCase()} rule ${index + 1}`,
    );
    for (const piece of compileRule(rule, direction, namespace)) pieces.push({ piece, comment });
  }
  const sets = new Map(pieces.flatMap(({ piece }) => piece.sets).map((spec) => [spec.decl.name, spec]));
  return {
    chain: {
      name: policyChainName(direction, namespace, policy.meta.name),
      rules: pieces.map(
        ({ piece, comment }): Rule => ({ matches: piece.matches, verdict: { kind: 'accept' }, comment }),
      ),
    },
    sets: [...sets.values()],
  };
}

function compileRule(rule: PolicyRule, direction: Direction, namespace: string): readonly Piece[] {
  const side: Side = direction === 'Ingress' ? 'source' : 'destination';
  const services = servicesOf(rule.ports ?? []);
  return peersOf(rule.peers ?? [], side, namespace).flatMap((peer) =>
    services.flatMap((service) =>
      service.kind === 'numbered'
        ? piecesOf(peer, side).map(({ matches, sets }) => ({
            matches: [...matches, ...service.matches],
            sets,
          }))
        : namedPieces(peer, service.port, direction),
    ),
  );
}

/** No peers, absent or empty, means everyone; a list of blocks that leaves no address means nobody. */
function peersOf(peers: readonly PolicyPeer[], side: Side, namespace: string): readonly Peer[] {
  if (peers.length === 0) return [{ kind: 'anyone' }];
  const pods = peers.filter((peer): peer is PodPeer => peer.kind === 'pods');
  const blocks = peers.filter((peer): peer is BlockPeer => peer.kind === 'ipBlock');
  const scopes = new Map(
    pods.map((peer) => scopeOf(peer, namespace)).map((scope) => [podSet(scope, 4).decl.name, scope]),
  );
  return [
    ...[...scopes.values()].map((scope): Peer => ({ kind: 'pods', scope })),
    ...versions.flatMap((version) => blockPeers(blocks, side, version)),
  ];
}

/** All blocks of a rule are one lookup: an interval set, or a plain match if they come to one prefix. */
function blockPeers(blocks: readonly BlockPeer[], side: Side, version: IpVersion): readonly Peer[] {
  const own = blocks.filter(({ cidr }) => versionOf(cidr) === version);
  const spans = merged(
    own.flatMap(({ cidr, except }) =>
      without(spanOf(cidr), except.filter((hole) => versionOf(hole) === version).map(spanOf)),
    ),
  );
  const [only] = spans;
  if (only === undefined) return [];
  const prefix = spans.length === 1 ? prefixOfSpan(version, only) : undefined;
  if (prefix === undefined) {
    const spec = rangeSet(spans, version);
    return [
      {
        kind: 'block',
        version,
        matches: [{ kind: 'addressSet', side, version, set: spec.decl.name }],
        sets: [spec],
      },
    ];
  }
  const match: Match =
    lengthOf(prefix) === 0 ? { kind: 'version', version } : { kind: 'prefix', side, prefix };
  return [{ kind: 'block', version, matches: [match], sets: [] }];
}

/** No ports, absent or empty, means everything, whatever its protocol. */
function servicesOf(ports: readonly PolicyPort[]): readonly Service[] {
  if (ports.length === 0) return [{ kind: 'numbered', matches: [] }];
  return protocols.flatMap((protocol) => {
    const own = ports.filter((port) => port.protocol === protocol);
    const names = new Set(
      own.flatMap(({ port, endPort }) => (typeof port === 'string' && endPort === undefined ? [port] : [])),
    );
    return [
      ...numberedService(own, protocol),
      ...[...names].map((name): Service => ({ kind: 'named', port: { name, protocol } })),
    ];
  });
}

function numberedService(ports: readonly PolicyPort[], protocol: Protocol): readonly Service[] {
  if (ports.some(({ port, endPort }) => port === undefined && endPort === undefined)) {
    return [{ kind: 'numbered', matches: [{ kind: 'protocol', protocol }] }];
  }
  const spans = merged(
    ports.flatMap(({ port, endPort }) => {
      const last = endPort ?? port;
      return typeof port === 'number' && typeof last === 'number' && port <= last
        ? [{ first: BigInt(port), last: BigInt(last) }]
        : []; // the API server refuses such a port; it allows nothing
    }),
  );
  const ranges = spans.map(({ first, last }): PortRange => ({ first: Number(first), last: Number(last) }));
  return ranges.length === 0 ? [] : [{ kind: 'numbered', matches: [{ kind: 'ports', protocol, ranges }] }];
}

/** The peer alone, in as many rules as it needs: one for each family if it is looked up in sets. */
function piecesOf(peer: Peer, side: Side): readonly Piece[] {
  switch (peer.kind) {
    case 'anyone':
      return [{ matches: [], sets: [] }];
    case 'block':
      return [{ matches: peer.matches, sets: peer.sets }];
    case 'pods':
      return versions.map((version) => {
        const spec = podSet(peer.scope, version);
        return { matches: [{ kind: 'addressSet', side, version, set: spec.decl.name }], sets: [spec] };
      });
  }
}

/**
 * A named port is a property of the destination pod: on ingress one of ours, on egress a pod of the peer, which
 * takes one lookup for both. A destination that is no pod has no named ports.
 */
function namedPieces(peer: Peer, port: NamedPort, direction: Direction): readonly Piece[] {
  const wanted = peer.kind === 'block' ? [peer.version] : versions;
  return wanted.flatMap((version) => {
    const scope: PodScope =
      direction === 'Ingress' ? { kind: 'local' } : peer.kind === 'pods' ? peer.scope : { kind: 'every' };
    const ports = portSet(scope, port, version);
    const lookup: Piece = { matches: [{ kind: 'portSet', version, set: ports.decl.name }], sets: [ports] };
    if (direction === 'Egress' && peer.kind === 'pods') return [lookup];
    const side: Side = direction === 'Ingress' ? 'source' : 'destination';
    return piecesOf(peer, side)
      .filter(({ matches }) => matches.every((match) => !('version' in match) || match.version === version))
      .map(({ matches, sets }) => ({
        matches: [...matches, ...lookup.matches],
        sets: [...sets, ...lookup.sets],
      }));
  });
}
