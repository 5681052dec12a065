/** Nodes that peer by BGPPeers, seen from every one of them: what any two work out by themselves fits together. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PeerConfig } from '../../../bgp/config.ts';
import { intentOf } from '../../../bgp/intent.ts';
import { formatAddress, formatIpv4 } from '../../../src/lib/net.ts';
import type { BgpPeer, Labels, Node, Resource } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, node, nodeConfiguration, nodePeer } from '../../support/resources.ts';
import { as } from '../../support/wire.ts';

/** Few values, so that selectors often match and peers often meet. */
const labels = fc.constantFrom<Labels>({}, { rr: 'true' }, { rack: 'a' }, { rack: 'a', rr: 'true' });
const annotations = fc
  .record({
    asn: fc.constantFrom(undefined, '65001', '65002'),
    cluster: fc.constantFrom(undefined, undefined, '244.0.0.1', '244.0.0.2'),
  })
  .map(
    ({ asn, cluster }): Labels => ({
      ...(asn === undefined ? {} : { 'projectcalico.org/ASNumber': asn }),
      ...(cluster === undefined ? {} : { 'projectcalico.org/RouteReflectorClusterID': cluster }),
    }),
  );
/** Each has addresses of its own: nodes that share one are told as a clash. */
const nodes = fc
  .array(fc.record({ labels, annotations, family: fc.constantFrom('4', '46', '6') }), {
    minLength: 2,
    maxLength: 5,
  })
  .map((list) =>
    list.map(({ family, ...over }, index) =>
      node(`node${index + 1}`, {
        ...over,
        ips: [
          ...(family.includes('4') ? [`10.0.0.${index + 1}`] : []),
          ...(family.includes('6') ? [`fd00::${index + 1}`] : []),
        ],
      }),
    ),
  );
const selector = fc.constantFrom('all()', 'has(rr)', '!has(rr)', "rack == 'a'", 'has(nothing)');
const scope = fc.oneof(
  fc.constant({}),
  fc.record({ node: fc.constantFrom('node1', 'node2', 'node9') }),
  fc.record({ nodeSelector: selector }),
);
const more = fc
  .record({
    localAsNumber: fc.constantFrom(undefined, undefined, as(65100)),
    created: fc.constantFrom(undefined, '2030-01-01T00:00:00Z', '2031-01-01T00:00:00Z'),
    reversePeering: fc.constantFrom(undefined, undefined, 'Manual' as const),
    holdTimeMs: fc.constantFrom(undefined, undefined, 9000),
  })
  .map((given): Partial<BgpPeer> => Object.fromEntries(Object.entries(given).filter(([, one]) => one)));
const peers = fc
  .array(
    fc.record({
      at: fc.oneof(
        selector.map((peerSelector) => ({ peerSelector })),
        fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::2', '192.0.2.1').map((ip) => ({ ip })),
      ),
      scope,
      more,
      asNumber: fc.constantFrom(64512, 65001, 65002),
      port: fc.constantFrom(undefined, undefined, 179, 1790),
    }),
    { maxLength: 4 },
  )
  .map((list) =>
    list.map(({ at, scope: where, more: also, asNumber, port }, index) =>
      'ip' in at
        ? bgpPeer(`peer${index}`, at.ip, {
            ...where,
            asNumber,
            ...(port === undefined ? {} : { port }),
            more: also,
          })
        : nodePeer(`peer${index}`, at.peerSelector, { ...where, more: also }),
    ),
  );
const overrides = fc.constantFrom<readonly Resource[]>(
  [],
  [nodeConfiguration('node2', { listenPort: 1790 })],
);
const cluster: fc.Arbitrary<Cluster> = fc
  .record({ nodes, peers, mesh: fc.boolean(), overrides })
  .map(({ nodes: list, peers: explicit, mesh, overrides: own }) => ({
    nodes: list,
    all: [...list, ...explicit, ...own, bgpConfiguration({ mesh })] as readonly Resource[],
  }));

type Cluster = { readonly nodes: readonly Node[]; readonly all: readonly Resource[] };

const portOf = ({ meta }: Node, all: readonly Resource[]): number =>
  all.find((one) => one.kind === 'BGPConfiguration' && one.meta.name === `node.${meta.name}`) === undefined
    ? 179
    : 1790;

/** The session is with that node: another port of its address is somebody else. */
const isWith = (peer: PeerConfig, other: Node, all: readonly Resource[]): boolean =>
  other.internalIps.includes(peer.address) && peer.port === portOf(other, all);

interface Pair {
  readonly names: readonly [string, string];
  readonly session: PeerConfig;
  /** At the other node: the one with our address there. */
  readonly end: PeerConfig | undefined;
  /** A problem of either speaks of both. */
  readonly isSaid: boolean;
}

function pairsOf({ nodes: list, all }: Cluster): readonly Pair[] {
  const intents = new Map(list.map(({ meta }) => [meta.name, intentOf(meta.name, all)]));
  const between = (one: Node, other: Node): readonly Pair[] => {
    const [mine, theirs] = [intents.get(one.meta.name), intents.get(other.meta.name)];
    const problems = [...(mine?.problems ?? []), ...(theirs?.problems ?? [])];
    const isSaid = problems.some(({ what }) =>
      [one, other].every(({ meta }) => what.includes(`Node/${meta.name}`)),
    );
    const sessions = mine?.config?.peers.filter((peer) => isWith(peer, other, all)) ?? [];
    return sessions.map((session) => ({
      names: [one.meta.name, other.meta.name],
      session,
      end: theirs?.config?.peers.find((peer) => peer.address === session.localAddress),
      isSaid,
    }));
  };
  return list.flatMap((one) => list.flatMap((other) => (one === other ? [] : between(one, other))));
}

const fits = ({ session, end }: Pair): boolean =>
  end !== undefined && end.peerAsn === session.localAsn && end.localAsn === session.peerAsn;

test('every session between two nodes is there at both ends and each expects of the other what that says, or a problem names them', () => {
  fc.assert(
    fc.property(cluster, (value) => {
      expect(pairsOf(value).filter((pair) => !pair.isSaid && !fits(pair))).toEqual([]);
    }),
    { numRuns: 1000 },
  );
});

const clusterOf = (one: Node | undefined): string | undefined =>
  one?.meta.annotations['projectcalico.org/RouteReflectorClusterID'];

test('RFC 4456: who reflects has a cluster id, and its clients are iBGP neighbours without one or with another', () => {
  fc.assert(
    fc.property(cluster, ({ nodes: list, all }) => {
      for (const one of list) {
        const { config } = intentOf(one.meta.name, all);
        if (config === undefined) continue;
        const own = clusterOf(one);
        expect(config.clusterId === undefined ? undefined : formatIpv4(config.clusterId)).toBe(own);
        for (const peer of config.peers) {
          const other = list.find((each) => isWith(peer, each, all));
          const mayBe = own !== undefined && peer.peerAsn === peer.localAsn && clusterOf(other) !== own;
          expect([peer.name, peer.isClient ?? false]).toEqual([peer.name, mayBe]);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('nodes that reflect are not in the mesh, neither way', () => {
  fc.assert(
    fc.property(cluster, ({ nodes: list, all }) => {
      for (const one of list) {
        const mesh = (intentOf(one.meta.name, all).config?.peers ?? []).filter(
          ({ origin }) => origin === 'node-to-node mesh',
        );
        const reflectors = [one, ...list.filter((other) => mesh.some((peer) => isWith(peer, other, all)))];
        if (mesh.length > 0) expect(reflectors.map(clusterOf)).toEqual(reflectors.map(() => undefined));
      }
    }),
    { numRuns: 300 },
  );
});

test('no session is with oneself, no two have one key, and the order of resources changes nothing', () => {
  const shuffled = cluster.chain((value) =>
    fc.tuple(fc.constant(value), fc.shuffledSubarray([...value.all], { minLength: value.all.length })),
  );
  fc.assert(
    fc.property(shuffled, ([{ nodes: list, all }, order]) => {
      for (const { meta, internalIps } of list) {
        const intent = intentOf(meta.name, all);
        expect(intentOf(meta.name, order)).toEqual(intent);
        const sessions = intent.config?.peers ?? [];
        expect(new Set(sessions.map(({ key }) => key)).size).toBe(sessions.length);
        for (const { address } of sessions)
          expect(internalIps.map(formatAddress)).not.toContain(formatAddress(address));
      }
    }),
    { numRuns: 300 },
  );
});
