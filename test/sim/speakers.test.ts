/**
 * Whole clusters in virtual time: nodes in an iBGP mesh, a ToR by eBGP, and whatever a network can do to them. The seed
 * is in each test's name; `SIM_SEED=n` runs that one alone, `SIM_SEEDS=n` as many new ones.
 */
import { expect, test } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../bgp/config.ts';
import { advertisedRoutes, peerStatuses, receivedRoutes } from '../../bgp/speaker/report.ts';
import {
  addressAt,
  asn,
  contains,
  formatAddress,
  formatPrefix,
  ipv4,
  ipv6,
  type Prefix,
} from '../../src/lib/net.ts';
import { BgpNetwork, familyAddress, type Host } from '../support/bgp-network.ts';
import { address, prefix, v4, v6 } from '../support/wire.ts';

const pools = [prefix('10.0.0.0/8'), prefix('fd00::/16')];
const connected = [prefix('192.0.2.0/24'), prefix('2001:db8::/64')];

/** Node i may originate 10.i.0.0/24 … 10.i.3.0/24 and fd00:i::/64 …; so a prefix tells its owner. */
const block = (index: number, part: number): Prefix =>
  part % 2 === 0 ? prefix(`10.${index}.${part}.0/24`) : prefix(`fd00:${index}:0:${part}::/64`);

interface Cluster {
  readonly net: BgpNetwork;
  readonly nodes: readonly Host[];
  readonly tor: Host;
}

function peer(self: number, other: number): PeerConfig {
  const isTor = self === 0 || other === 0;
  const at = addressAt(address('192.0.2.100'), other);
  return {
    key: `${formatAddress(at)} 179`,
    name: other === 0 ? 'ToR' : `node${other}`,
    origin: isTor ? 'global' : 'node-to-node mesh',
    address: at,
    port: 179,
    peerAsn: asn(other === 0 ? 64999 : 64512),
    localAsn: asn(self === 0 ? 64999 : 64512),
    holdTimeMs: 90_000,
    connectRetryMs: 5_000,
    restartTimeMs: 120_000,
    // Towards the ToR every path of a prefix goes both ways; what it holds must come out the same.
    ...(isTor ? { addPath: { receive: true, send: 'all' } } : {}),
    families: ['ipv4-unicast', 'ipv6-unicast'],
  };
}

function config(self: number, count: number, origins: readonly Prefix[]): SpeakerConfig {
  const everyone = Array.from({ length: count + 1 }, (_, index) => index);
  return {
    asn: asn(self === 0 ? 64999 : 64512),
    routerId: ipv4(v4('192.0.2.100') + self),
    listenPort: 179,
    ownAddress: { ipv4: ipv4(v4('192.0.2.100') + self), ipv6: ipv6(v6('2001:db8::100') + BigInt(self)) },
    origins,
    peers: everyone.filter((other) => other !== self).map((other) => peer(self, other)),
    importPolicy: { within: pools, never: origins },
    exportDeny: [],
    connected,
  };
}

function build(seed: number, count: number): Cluster {
  const hosts: Host[] = [];
  const net = new BgpNetwork(seed, (host, at, nextHops) => {
    // The law of every moment: a route leads to the node that owns the prefix, or there is none.
    const owner = hosts.find((_, index) => index > 0 && contains(ownRange(index, at), at));
    const right = owner && familyAddress(owner, at);
    expect(nextHops, `${host.name} sends ${formatPrefix(at)} astray, seed ${seed}`).toEqual([right]);
    expect(owner).not.toBe(host);
  });
  for (let index = 0; index <= count; index += 1) {
    const origins = index === 0 ? [] : [block(index, 0), block(index, 1)];
    const at = addressAt(address('192.0.2.100'), index);
    hosts.push(net.add(index === 0 ? 'tor' : `node${index}`, at, config(index, count, origins)));
  }
  const [tor, ...nodes] = hosts;
  if (tor === undefined) throw new Error('a cluster has a ToR');
  return { net, nodes, tor };
}

const ownRange = (index: number, at: Prefix): Prefix =>
  typeof at === 'number' ? prefix(`10.${index}.0.0/16`) : prefix(`fd00:${index}::/32`);

/** What each host's Loc-RIB must hold: prefix and next hop, 'local' for its own. */
function oracle({ net, nodes, tor }: Cluster, host: Host): Map<string, string> {
  const speaks = (a: Host, b: Host): boolean =>
    a.speaker !== undefined && b.speaker !== undefined && a !== b && !net.isCut(a, b);
  const hears = (owner: Host): boolean =>
    speaks(owner, host) ||
    // Nodes tell the ToR what the others told them, with the owner as next hop; among themselves they do not.
    (host === tor && nodes.some((between) => speaks(owner, between) && speaks(between, tor)));
  const expected = new Map<string, string>();
  for (const owner of nodes) {
    if (owner !== host && !hears(owner)) continue;
    for (const at of owner.config.origins) {
      const nextHop = familyAddress(owner, at);
      expected.set(
        formatPrefix(at),
        owner === host || nextHop === undefined ? 'local' : formatAddress(nextHop),
      );
    }
  }
  return expected;
}

const locRib = ({ speaker }: Host): Map<string, string> =>
  new Map(
    [...(speaker?.locRib.prefixes() ?? [])].map((at) => {
      const [best] = speaker?.locRib.choice(at) ?? [];
      const isLocal = best?.source.type === 'local';
      return [
        formatPrefix(at),
        isLocal || best === undefined ? 'local' : formatAddress(best.attributes.nextHop),
      ];
    }),
  );

const kernel = (host: Host): Map<string, string> =>
  new Map(
    [...host.kernel].map(([at, nextHops]) => [formatPrefix(at), nextHops.map(formatAddress).join(' ')]),
  );

const byPrefix = (entries: Map<string, string>): readonly (readonly [string, string])[] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

function check(cluster: Cluster, seed: number): void {
  const { net, nodes, tor } = cluster;
  for (const host of [...nodes, tor]) {
    if (host.speaker === undefined) continue;
    const expected = oracle(cluster, host);
    const where = `${host.name}, seed ${seed}`;
    expect(byPrefix(locRib(host)), `Loc-RIB of ${where}`).toEqual(byPrefix(expected));
    const learned = new Map([...expected].filter(([, nextHop]) => nextHop !== 'local'));
    expect(byPrefix(kernel(host)), `kernel of ${where}`).toEqual(byPrefix(learned));
    expect(host.settled, `${where} has settled`).toBe(true);
    for (const status of peerStatuses(host.speaker)) {
      const other = [...net.hosts.values()].find((each) => formatAddress(each.address) === status.address);
      const isReachable = other?.speaker !== undefined && !net.isCut(host, other);
      expect(status.state === 'Established', `${where} to ${status.name}: ${status.lastError}`).toBe(
        isReachable,
      );
      if (isReachable) checkTold(host, other, where);
    }
  }
}

/** What one says it told is what the other says it heard: prefix, next hop and AS path. */
function checkTold(host: Host, other: Host, where: string): void {
  if (host.speaker === undefined || other.speaker === undefined) return;
  const find = (one: Host, two: Host) =>
    [...(one.speaker?.neighbours.values() ?? [])].find(({ config: each }) => each.address === two.address);
  const there = find(host, other);
  const back = find(other, host);
  if (there === undefined || back === undefined) throw new Error('they do not know each other');
  const facts = (routes: ReturnType<typeof advertisedRoutes>): readonly string[] =>
    routes.map((route) => `${route.prefix} via ${route.nextHop} path ${route.asPath}`);
  expect(facts(receivedRoutes(other.speaker, back)), `${where} told ${other.name}`).toEqual(
    facts(advertisedRoutes(host.speaker, there)),
  );
}

/** Every number that was given out has come back. */
function expectEmpty({ name, speaker }: Host, seed: number): void {
  if (speaker === undefined) throw new Error(`${name} is down`);
  const { locRib, told, jobs } = speaker;
  const { routes } = locRib;
  const left = { routes: routes.size, nets: routes.nets.size, paths: routes.paths.size };
  expect({ ...left, chosen: locRib.size, told: told.size, jobs: jobs.size }, `${name}, seed ${seed}`).toEqual(
    {
      routes: 0,
      nets: 0,
      paths: 0,
      chosen: 0,
      told: 0,
      jobs: 0,
    },
  );
}

type Disturbance = (cluster: Cluster, pick: (below: number) => number) => void;

const somePair = ({ nodes, tor }: Cluster, pick: (below: number) => number): readonly [Host, Host] => {
  const hosts = [tor, ...nodes];
  const first = pick(hosts.length);
  const second = (first + 1 + pick(hosts.length - 1)) % hosts.length;
  const [a, b] = [hosts[first], hosts[second]];
  if (a === undefined || b === undefined) throw new Error('no such host');
  return [a, b];
};

const someNode = ({ nodes }: Cluster, pick: (below: number) => number): readonly [Host, number] => {
  const index = pick(nodes.length);
  const host = nodes[index];
  if (host === undefined) throw new Error('no such node');
  return [host, index + 1];
};

const disturbances: readonly Disturbance[] = [
  (cluster, pick) => cluster.net.cut(...somePair(cluster, pick)),
  (cluster, pick) => cluster.net.heal(...somePair(cluster, pick)),
  (cluster, pick) => cluster.net.breakConnections(...somePair(cluster, pick)),
  (cluster, pick) => cluster.net.crash(someNode(cluster, pick)[0]),
  (cluster, pick) => cluster.net.stop(someNode(cluster, pick)[0]),
  (cluster, pick) => cluster.net.start(someNode(cluster, pick)[0]),
  (cluster, pick) => {
    cluster.net.writeDelay = pick(2) === 0 ? 20 : 3000;
  },
  (cluster, pick) => {
    cluster.net.latency = pick(2) === 0 ? 20 : 1500;
  },
  (cluster, pick) => {
    const [host, index] = someNode(cluster, pick);
    const origins = [0, 1, 2, 3].filter(() => pick(2) === 0).map((part) => block(index, part));
    cluster.net.configure(host, { ...host.config, origins, importPolicy: { within: pools, never: origins } });
  },
];

const only = process.env['SIM_SEED'];
const fresh = Array.from({ length: Number(process.env['SIM_SEEDS'] ?? 1) }, () =>
  Math.floor(Math.random() * 2 ** 31),
);
const seeds = only === undefined ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, ...fresh] : [Number(only)];

test.each(seeds)(
  'at quiet every Loc-RIB and kernel is as the cluster is, whatever happened before (seed %i)',
  (seed) => {
    const cluster = build(seed, 2 + (seed % 4));
    const { net, nodes, tor } = cluster;
    const pick = (below: number): number => Math.floor(net.random() * below);
    for (const host of [tor, ...nodes]) {
      net.start(host);
      net.pass(pick(3000));
    }
    for (let turn = 0; turn < 40; turn += 1) {
      disturbances[pick(disturbances.length)]?.(cluster, pick);
      net.pass(pick(2) === 0 ? pick(2000) : pick(60_000));
    }
    net.latency = 20;
    net.writeDelay = 20;
    net.pass(400_000);
    check(cluster, seed);

    for (const host of [tor, ...nodes]) {
      net.start(host);
      for (const other of [tor, ...nodes]) net.heal(host, other);
    }
    net.pass(400_000);
    check(cluster, seed);

    for (const host of [tor, ...nodes]) net.idle(host);
    net.pass(10_000);
    for (const host of [tor, ...nodes]) expectEmpty(host, seed);
  },
);

test('a mesh of four with a ToR is complete within seconds, and a withdrawn block is gone everywhere', () => {
  const cluster = build(1, 4);
  const { net, nodes, tor } = cluster;
  for (const host of [tor, ...nodes]) net.start(host);
  net.pass(10_000);
  check(cluster, 1);
  const [node1] = nodes;
  if (node1 === undefined) throw new Error('there is a first node');
  expect(locRib(tor).size).toBe(8);
  net.configure(node1, { ...node1.config, origins: [], importPolicy: { within: pools, never: [] } });
  net.pass(1000);
  check(cluster, 1);
  expect(locRib(tor).size).toBe(6);
});

test('after kill -9 and a restart the kernel never lacks a route and none is wrong', () => {
  const cluster = build(1, 3);
  const { net, nodes, tor } = cluster;
  for (const host of [tor, ...nodes]) net.start(host);
  net.pass(10_000);
  const [node1] = nodes;
  if (node1 === undefined) throw new Error('there is a first node');
  const before = byPrefix(kernel(node1));
  expect(before).toHaveLength(4);
  net.crash(node1);
  for (let moment = 0; moment < 200; moment += 1) {
    if (moment === 50) net.start(node1);
    net.pass(200);
    expect(byPrefix(kernel(node1))).toEqual(before);
  }
  check(cluster, 1);
});
