/**
 * Networks by seed: a cluster that is a mesh or has route reflectors, top-of-rack routers of other ASes around it, and
 * what may happen to them. The same seed gives the same network and the same history.
 */
import type { Filters, NamedRule, PeerConfig, SpeakerConfig } from '../../bgp/config.ts';
import {
  type Address,
  addressAt,
  asn,
  formatAddress,
  type Ipv4,
  type Ipv6,
  ipv4,
  ipv6,
  type Prefix,
} from '../../src/lib/net.ts';
import { BgpNetwork, type Host } from '../support/bgp-network.ts';
import { address, prefix, v6 } from '../support/wire.ts';
import type { Neighbourship } from './oracle.ts';

type Pick = (below: number) => number;
type Kind = 'reflector' | 'node' | 'tor';

interface Router {
  readonly index: number;
  readonly kind: Kind;
  readonly host: Host;
}

export interface Fabric {
  readonly net: BgpNetwork;
  readonly routers: readonly Router[];
  readonly pick: Pick;
}

const cluster = asn(64512);
const pools = [prefix('10.0.0.0/8'), prefix('fd00::/16')];
const at = (index: number): Ipv4 => addressAt(address('192.0.2.1'), index) as Ipv4;
const at6 = (index: number): Ipv6 => ipv6(v6('2001:db8::1') + BigInt(index));

/** Of one router, but for the last two, which anyone may announce. */
const blocks = (index: number): readonly Prefix[] => [
  prefix(`10.${index}.0.0/26`),
  prefix(`10.${index}.1.0/26`),
  prefix(`fd00:${index}::/64`),
  prefix('10.200.0.1/32'),
  prefix('fd00:200::1/128'),
];

export function build(seed: number): Fabric {
  const net = new BgpNetwork(seed, () => {});
  net.costs = new Map();
  const pick: Pick = (below) => Math.floor(net.random() * below);
  const kinds: Kind[] = [
    ...Array.from({ length: pick(3) }, (): Kind => 'reflector'),
    ...Array.from({ length: 2 + pick(3) }, (): Kind => 'node'),
    ...Array.from({ length: pick(3) }, (): Kind => 'tor'),
  ];
  const configs = kinds.map(
    (kind, index): SpeakerConfig => ({
      asn: kind === 'tor' ? asn(65000 + index) : cluster,
      routerId: at(index),
      listenPort: 179,
      ownAddress: { ipv4: at(index), ipv6: at6(index) },
      origins: someOf(blocks(index), pick),
      peers: [],
      importPolicy: { within: pools, never: [] },
      exportDeny: [],
      decision: { relaxAsPath: true },
      ...(kind === 'reflector' ? { clusterId: ipv4(1 + pick(2)) } : {}),
    }),
  );
  const routers = kinds.map(
    (kind, index): Router => ({
      index,
      kind,
      host: net.add(`${kind}${index}`, at(index), configs[index] as SpeakerConfig),
    }),
  );
  const fabric = { net, routers, pick };
  for (const a of routers)
    for (const b of routers) if (a.index < b.index && meets(a, b, fabric)) join(a, b, pick);
  return fabric;
}

/** Reflectors with all of the cluster, nodes among themselves without one, ToRs with some nodes and with each other. */
function meets(a: Router, b: Router, { routers, pick }: Fabric): boolean {
  const hasReflector = routers.some(({ kind }) => kind === 'reflector');
  if (a.kind === 'tor' || b.kind === 'tor') return a.kind !== 'reflector' && pick(3) > 0;
  return a.kind === 'reflector' || !hasReflector;
}

function join(a: Router, b: Router, pick: Pick): void {
  const [ofA, ofB] = [peerOf(a, b, pick), peerOf(b, a, pick)];
  a.host.config = { ...a.host.config, peers: [...a.host.config.peers, ofA] };
  b.host.config = { ...b.host.config, peers: [...b.host.config.peers, ofB] };
}

function peerOf(self: Router, other: Router, pick: Pick): PeerConfig {
  const send = ([undefined, 'all', 2] as const)[pick(3)];
  return {
    key: `${formatAddress(other.host.address)} 179`,
    name: other.host.name,
    origin: 'global',
    address: other.host.address,
    port: 179,
    peerAsn: other.host.config.asn,
    localAsn: self.host.config.asn,
    holdTimeMs: 90_000,
    connectRetryMs: 5_000,
    ...(pick(2) === 0 ? {} : { restartTimeMs: 60_000 }),
    families: pick(5) === 0 ? ['ipv4-unicast'] : ['ipv4-unicast', 'ipv6-unicast'],
    ...(self.kind === 'reflector' && other.kind === 'node' ? { isClient: true } : {}),
    ...(pick(2) === 0
      ? {}
      : {
          addPath: {
            ...(pick(2) === 0 ? {} : { receive: true as const }),
            ...(send === undefined ? {} : { send }),
          },
        }),
  };
}

const someOf = <T>(all: readonly T[], pick: Pick): T[] => all.filter(() => pick(2) === 0);

/** Sessions that stand when all is quiet: both ends run, are configured, and the path between them is whole. */
export function sessionsOf({ net, routers }: Fabric): Neighbourship[] {
  const running = routers.map(({ host }) => host).filter(({ speaker }) => speaker !== undefined);
  return running.flatMap((self) =>
    self.config.peers.flatMap((here): Neighbourship[] => {
      const other = running.find((one) => one.address === here.address);
      const there = other?.config.peers.find((back) => back.address === self.address);
      if (other === undefined || there === undefined || net.isCut(self, other)) return [];
      return [{ self: self.config, other: other.config, here, there }];
    }),
  );
}

const addressesOf = ({ config: { ownAddress } }: Host): readonly Address[] =>
  [ownAddress.ipv4, ownAddress.ipv6].filter((one) => one !== undefined);

type Disturbance = (fabric: Fabric) => void;

function some<T>(all: readonly T[], pick: Pick): T {
  const one = all[pick(all.length)];
  if (one === undefined) throw new Error('there is nothing to choose from');
  return one;
}

function somePair({ routers, pick }: Fabric): readonly [Host, Host] {
  const first = pick(routers.length);
  const second = (first + 1 + pick(routers.length - 1)) % routers.length;
  return [(routers[first] as Router).host, (routers[second] as Router).host];
}

const someHost = ({ routers, pick }: Fabric): Host => some(routers, pick).host;

function change({ net }: Fabric, host: Host, part: Partial<SpeakerConfig>): void {
  net.configure(host, { ...host.config, ...part });
}

/** Changes how a host is configured for one neighbour of its; nothing happens if it has none. */
function changePeer(fabric: Fabric, how: (peer: PeerConfig) => PeerConfig): void {
  const host = someHost(fabric);
  const { peers } = host.config;
  if (peers.length === 0) return;
  const chosen = some(peers, fabric.pick);
  change(fabric, host, { peers: peers.map((peer) => (peer === chosen ? how(peer) : peer)) });
}

function without<T extends object, K extends keyof T>(record: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = record;
  return rest;
}

const rules: readonly NamedRule[] = [
  { name: 'one', action: 'Reject', operations: [], prefix: exactly('10.200.0.1/32') },
  { name: 'remote', action: 'Reject', operations: [], source: 'RemotePeers' },
  {
    name: 'longer',
    action: 'Accept',
    prefix: exactly('10.200.0.1/32'),
    operations: [{ kind: 'prependAsPath', asns: [asn(64999), asn(64999)] }],
  },
  {
    name: 'marked',
    action: 'Accept',
    operations: [{ kind: 'addCommunity', community: { kind: 'standard', value: 64512 * 65536 + 7 } }],
  },
  {
    name: 'kept inside',
    action: 'Accept',
    prefix: exactly('fd00:200::1/128'),
    operations: [{ kind: 'addCommunity', community: { kind: 'standard', value: 0xffff_ff01 } }],
  },
];

function exactly(text: string): NonNullable<NamedRule['prefix']> {
  const cidr = prefix(text);
  const least = Number(text.split('/')[1]);
  return { cidr, operator: 'Equal', least, most: least };
}

const someFilters = (pick: Pick): Filters => {
  const list = (): readonly NamedRule[] => someOf(rules, (below) => Math.min(1, pick(below * 2)));
  return { exportV4: list(), exportV6: list(), importV4: list(), importV6: list() };
};

export const disturbances: readonly Disturbance[] = [
  (fabric) => fabric.net.cut(...somePair(fabric)),
  (fabric) => fabric.net.heal(...somePair(fabric)),
  (fabric) => fabric.net.breakConnections(...somePair(fabric)),
  (fabric) => fabric.net.crash(someHost(fabric)),
  (fabric) => fabric.net.stop(someHost(fabric)),
  (fabric) => fabric.net.start(someHost(fabric)),
  ({ net, pick }) => {
    net.writeDelay = pick(2) === 0 ? 20 : 3000;
  },
  ({ net, pick }) => {
    net.latency = pick(2) === 0 ? 20 : 1500;
  },
  (fabric) => {
    const { host, index } = some(fabric.routers, fabric.pick);
    change(fabric, host, { origins: someOf(blocks(index), fabric.pick) });
  },
  (fabric) => changePeer(fabric, (peer) => ({ ...peer, filters: someFilters(fabric.pick) })),
  (fabric) => changePeer(fabric, (peer) => without(peer, 'filters') as PeerConfig),
  (fabric) =>
    changePeer(fabric, (peer) =>
      peer.addPath === undefined
        ? { ...peer, addPath: { receive: true, send: 'all' } }
        : (without(peer, 'addPath') as PeerConfig),
    ),
  (fabric) => {
    const host = someHost(fabric);
    const { drain, ...rest } = host.config;
    fabric.net.configure(
      host,
      drain === undefined ? { ...rest, drain: fabric.pick(2) === 0 ? 'shutdown' : 'withdrawn' } : rest,
    );
  },
  ({ net, routers, pick }) => {
    const address = some(addressesOf(some(routers, pick).host), pick);
    net.cost(address, ([undefined, 0, 10, 20] as const)[pick(4)]);
  },
  ({ net, routers, pick }) => {
    const { host } = some(routers, pick);
    const { peers } = host.config;
    if (peers.length > 0) net.reset(host, some(peers, pick).key, some(['hard', 'softIn', 'softOut'], pick));
  },
  (fabric) =>
    changePeer(fabric, (peer) => (peer.isClient ? (without(peer, 'isClient') as PeerConfig) : peer)),
  (fabric) => {
    const host = someHost(fabric);
    if (host.config.clusterId !== undefined) change(fabric, host, { clusterId: ipv4(1 + fabric.pick(3)) });
  },
];

/** Everyone runs, and every path is whole and costs nothing. */
export function mend({ net, routers }: Fabric): void {
  for (const { host } of routers) {
    net.start(host);
    for (const other of routers) net.heal(host, other.host);
    for (const address of addressesOf(host)) net.cost(address, 0);
  }
}
