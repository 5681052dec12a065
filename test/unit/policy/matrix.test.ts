/** Who is told what, as one table: where a route comes from × whom it would go to, for nodes and for route reflectors. */
import { describe, expect, test } from 'vitest';
import type { PeerConfig, Role, SpeakerConfig } from '../../../bgp/config.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import type { Settled } from '../../../bgp/policy/group.ts';
import { exportReasons, reasonOf } from '../../../bgp/policy/reasons.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, type Ipv6, type Prefix, scoped } from '../../../src/lib/net.ts';
import { attributesOf, configOf, peerOf, routeOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4, v6 } from '../../support/wire.ts';

const at = prefix('10.2.0.0/24');
const at6 = prefix('fd00:2::/64');
const both: Settled = { families: ['ipv4-unicast', 'ipv6-unicast'] };

interface Given {
  readonly config?: Partial<SpeakerConfig>;
  readonly settled?: Settled;
  readonly where?: Prefix;
}

function told(peer: PeerConfig, path: Path, given: Given = {}): PathAttributes | string {
  const { settled = both, where = at } = given;
  const rule = compileExport(configOf(given.config), peer, settled);
  const result = rule(where, path);
  expect(rule(where, path)).toEqual(result);
  if (!result.ok) expect(reasonOf(result.error, exportReasons)?.code).toBeTypeOf('string');
  return result.ok ? result.value : result.error;
}

const internal = asn(64512);
const neighbours = {
  node: peerOf({ key: 'node', address: address('192.0.2.12'), peerAsn: internal }),
  client: peerOf({ key: 'client', address: address('192.0.2.13'), peerAsn: internal, isClient: true }),
  tor: peerOf({ key: 'tor' }),
} as const;
const learned = { localPref: 100, nextHop: v4('192.0.2.20') } as const;
const sources = {
  local: routeOf({ key: 'local', type: 'local' }, { nextHop: v4('192.0.2.100') }),
  node: routeOf({ key: 'n2', type: 'ibgp', bgpId: v4('192.0.2.22') }, learned),
  client: routeOf({ key: 'c2', type: 'ibgp', bgpId: v4('192.0.2.23'), isClient: true }, learned),
  tor: routeOf({ key: 't2', type: 'ebgp' }, { nextHop: v4('192.0.2.2'), asPath: sequence(65010) }),
} as const;

/** '=': with the next hop it had; 'self': with our own; 'reflected': with it and RFC 4456's attributes; else why not. */
const cells: Readonly<
  Record<
    keyof typeof sources,
    Readonly<Record<keyof typeof neighbours, readonly [plain: string, reflector: string]>>
  >
> = {
  local: { node: ['self', 'self'], client: ['self', 'self'], tor: ['self', 'self'] },
  node: {
    node: [
      'learned by iBGP, and nothing is reflected',
      'learned by iBGP, and neither side is a client of this route reflector',
    ],
    client: ['learned by iBGP, and nothing is reflected', 'reflected'],
    tor: ['self', 'self'],
  },
  client: {
    node: ['learned by iBGP, and nothing is reflected', 'reflected'],
    client: ['learned by iBGP, and nothing is reflected', 'reflected'],
    tor: ['self', 'self'],
  },
  tor: { node: ['=', '='], client: ['=', '='], tor: ['self', 'self'] },
};

const names = <K extends string>(table: Readonly<Record<K, unknown>>): K[] => Object.keys(table) as K[];
const clusterId = v4('192.0.2.50');

function shown(found: PathAttributes | string, path: Path): string {
  if (typeof found === 'string') return found;
  if (found.clusterList !== undefined) {
    expect(found).toEqual({ ...path.attributes, originatorId: path.source.bgpId, clusterList: [clusterId] });
    return 'reflected';
  }
  if (found.nextHop === v4('192.0.2.100')) return 'self';
  expect(found.nextHop).toBe(path.attributes.nextHop);
  return '=';
}

describe('RFC 4456 §6: from source to neighbour, without and with a cluster ID of our own', () => {
  for (const from of names(sources))
    for (const to of names(neighbours))
      test(`${from} to ${to}`, () => {
        const [plain, reflector] = cells[from][to];
        expect(shown(told(neighbours[to], sources[from]), sources[from])).toBe(plain);
        expect(shown(told(neighbours[to], sources[from], { config: { clusterId } }), sources[from])).toBe(
          reflector,
        );
      });
});

describe('RFC 4456 §8: a reflected route', () => {
  const config = { clusterId };
  test('keeps the ORIGINATOR_ID it has, and gets our cluster in front', () => {
    const again = routeOf(sources.client.source, {
      ...learned,
      originatorId: v4('192.0.2.99'),
      clusterList: [v4('192.0.2.51')],
    });
    expect(told(neighbours.node, again, { config })).toMatchObject({
      originatorId: v4('192.0.2.99'),
      clusterList: [clusterId, v4('192.0.2.51')],
    });
  });
  test('keeps next hop, MED, LOCAL_PREF and AS path (§10)', () => {
    const path = routeOf(sources.client.source, {
      ...learned,
      med: 7,
      localPref: 70,
      asPath: sequence(65001),
    });
    expect(told(neighbours.client, path, { config })).toEqual({
      ...path.attributes,
      originatorId: v4('192.0.2.23'),
      clusterList: [clusterId],
    });
  });
  test('does not go round in our own cluster', () => {
    const round = routeOf(sources.client.source, { ...learned, clusterList: [clusterId] });
    expect(told(neighbours.node, round, { config })).toBe('our own cluster is in its CLUSTER_LIST already');
  });
  test('leaves the AS without both', () => {
    const path = routeOf(sources.client.source, {
      ...learned,
      originatorId: v4('192.0.2.9'),
      clusterList: [v4('192.0.2.8')],
    });
    expect(told(neighbours.tor, path, { config })).toEqual(
      attributesOf({ asPath: sequence(64512), nextHop: v4('192.0.2.100') }),
    );
  });
});

describe('RFC 9234 §5: Only to Customer on the way out, by our own role', () => {
  const rows: readonly (readonly [Role, bare: number | undefined, marked: number | undefined])[] = [
    ['provider', 64512, 65001],
    ['rs', 64512, 65001],
    ['peer', 64512, undefined],
    ['customer', undefined, undefined],
    ['rs-client', undefined, undefined],
  ];
  const withheld = 'is for customers only, as AS 65001 said, and this neighbour is none (RFC 9234)';
  test.each(rows)('%s', (own, bare, marked) => {
    const peer = { ...neighbours.tor, role: { own } };
    for (const from of names(sources)) {
      const plain = told(peer, sources[from]);
      expect(typeof plain === 'object' && plain.otc).toBe(bare);
      const path = routeOf(sources[from].source, { ...sources[from].attributes, otc: asn(65001) });
      const carried = told(peer, path);
      if (marked === undefined) expect(carried).toBe(withheld);
      else expect(carried).toMatchObject({ otc: marked });
    }
  });
  test('inside the AS it is passed on, whatever the role', () => {
    const path = routeOf(sources.tor.source, { ...sources.tor.attributes, otc: asn(65001) });
    expect(told({ ...neighbours.node, role: { own: 'customer' } }, path)).toMatchObject({ otc: 65001 });
  });
});

describe('RFC 6996 §4: private AS numbers towards another AS', () => {
  const path = routeOf(sources.tor.source, {
    nextHop: v4('192.0.2.2'),
    asPath: sequence(65010, 4_200_000_001, 3356, 64_512 + 1),
  });
  test.each([
    [undefined, [64512, 65010, 4_200_000_001, 3356, 64_513]],
    ['remove', [64512, 3356]],
    ['replace', [64512, 64512, 64512, 3356, 64512]],
  ] as const)('%s', (privateAs, asns) => {
    const peer = { ...neighbours.tor, ...(privateAs === undefined ? {} : { privateAs }) };
    expect(told(peer, path)).toMatchObject({ asPath: sequence(...asns) });
    expect(told({ ...neighbours.node, privateAs: 'remove' }, path)).toMatchObject({
      asPath: path.attributes.asPath,
    });
  });
  test('a path of nothing else is ours alone then, and public ones stay as they are', () => {
    const peer = { ...neighbours.tor, privateAs: 'remove' } as const;
    expect(told(peer, sources.tor)).toMatchObject({ asPath: sequence(64512) });
    const open = routeOf(sources.tor.source, { nextHop: v4('192.0.2.2'), asPath: sequence(3356, 65535) });
    expect(told(peer, open)).toMatchObject({ asPath: sequence(64512, 3356, 65535) });
  });
});

describe('RFC 8326 §4: before a node or a session is shut down', () => {
  const mark = 0xffff_0000;
  test('a draining node marks what it originates and, to another AS, all it tells; inside it makes its own the least preferred', () => {
    const config = { drain: 'shutdown', clusterId } as const;
    for (const from of names(sources))
      expect(told(neighbours.tor, sources[from], { config })).toMatchObject({ communities: [mark] });
    expect(told(neighbours.node, sources.local, { config })).toMatchObject({
      communities: [mark],
      localPref: 0,
    });
    for (const from of ['client', 'tor'] as const) {
      const found = told(neighbours.node, sources[from], { config });
      expect(found).toMatchObject({ localPref: 100 });
      expect(found).not.toHaveProperty('communities');
    }
  });
  test('then withdraws what it originates, and goes on reflecting and passing on', () => {
    const config = { drain: 'withdrawn', clusterId } as const;
    for (const to of names(neighbours))
      expect(told(neighbours[to], sources.local, { config })).toBe(
        'this node is drained, so what it originates is withdrawn',
      );
    expect(told(neighbours.node, sources.client, { config })).toBeTypeOf('object');
    expect(told(neighbours.tor, sources.node, { config })).toMatchObject({ communities: [mark] });
  });
  test('gracefulShutdown of a neighbour marks all it is told, and inside the AS makes it the least preferred', () => {
    for (const from of names(sources)) {
      expect(told({ ...neighbours.tor, gracefulShutdown: true }, sources[from])).toMatchObject({
        communities: [mark],
      });
      const inside = told({ ...neighbours.client, gracefulShutdown: true }, sources[from], {
        config: { clusterId },
      });
      expect(inside).toMatchObject({ communities: [mark], localPref: 0 });
    }
  });
});

describe('RFC 8212: requirePolicy', () => {
  const config = { requirePolicy: true } as const;
  const why = 'no filter says what this eBGP neighbour may be told (RFC 8212)';
  test('tells an eBGP neighbour without an export filter nothing', () => {
    for (const from of names(sources)) expect(told(neighbours.tor, sources[from], { config })).toBe(why);
    const filters = { exportV4: [], importV4: [], exportV6: [], importV6: [] };
    const rule = { name: 'f', action: 'Accept', operations: [] } as const;
    const one = { ...neighbours.tor, filters: { ...filters, exportV4: [rule] } };
    expect(told(one, sources.local, { config })).toBeTypeOf('object');
    const own6 = routeOf(sources.local.source, { nextHop: address('2001:db8::100') });
    expect(told(one, own6, { config, where: at6 })).toBe(why);
  });
  test('asks nothing inside the AS', () => {
    expect(told(neighbours.node, sources.local, { config })).toBeTypeOf('object');
  });
});

test('RFC 9494 §4.3: a long-lived stale route is told only to who knows of such routes', () => {
  const stale = routeOf(sources.tor.source, { ...sources.tor.attributes, communities: [0xffff_0006] });
  const knows = { ...both, longLived: [] };
  for (const to of ['node', 'tor'] as const) {
    expect(told(neighbours[to], stale)).toBe(
      'is long-lived stale, and this neighbour does not know of such routes (RFC 9494)',
    );
    expect(told(neighbours[to], stale, { settled: knows })).toMatchObject({ communities: [0xffff_0006] });
  }
});

describe('RFC 8950 §4 and RFC 2545 §3: next hops of the other family and of one link', () => {
  const agreed: Settled = { ...both, codec: { extendedNextHop: new Set(['ipv4-unicast']) } };
  const only6 = { ownAddress: { ipv6: v6('2001:db8::100') } };
  const link = scoped(address('fe80::1') as Ipv6, 3);
  const unnumbered = peerOf({
    key: 'u',
    address: scoped(address('fe80::2') as Ipv6, 3),
    interface: 'eth0',
    localAddress: link,
  });
  const over6 = routeOf(sources.tor.source, { asPath: sequence(65010), nextHop: address('2001:db8::9') });
  const overLink = routeOf(sources.tor.source, {
    asPath: sequence(65010),
    nextHop: scoped(address('fe80::9') as Ipv6, 4),
  });
  const hop = (peer: PeerConfig, path: Path, given: Given = {}): unknown => {
    const found = told(peer, path, given);
    return typeof found === 'string' ? found : { nextHop: found.nextHop, linkLocal: found.linkLocal };
  };
  const none = 'we have no address of its family to name as next hop';

  test('an IPv4 prefix of a node without an IPv4 address has our IPv6 one, if that was agreed', () => {
    const path = routeOf(sources.node.source, { nextHop: v4('192.0.2.20') });
    expect(hop(neighbours.tor, path, { config: only6 })).toBe(none);
    expect(hop(neighbours.tor, path, { config: only6, settled: agreed })).toEqual({
      nextHop: v6('2001:db8::100'),
    });
    expect(hop(neighbours.tor, path, { settled: agreed })).toEqual({ nextHop: v4('192.0.2.100') });
  });
  test('over one link we name our link-local address there, beside the global one for IPv6 prefixes', () => {
    expect(hop(unnumbered, sources.local, { settled: agreed })).toEqual({ nextHop: link });
    const own6 = routeOf(sources.local.source, { nextHop: address('2001:db8::100') });
    expect(hop(unnumbered, own6, { where: at6 })).toEqual({ nextHop: v6('2001:db8::100'), linkLocal: link });
    const only4 = { ownAddress: { ipv4: v4('192.0.2.100') } };
    expect(hop(unnumbered, own6, { where: at6, config: only4 })).toEqual({ nextHop: link, linkLocal: link });
  });
  test('an IPv6 next hop of an IPv4 prefix is kept inside the AS where that was agreed, and else is ourselves', () => {
    expect(hop(neighbours.node, over6, { settled: agreed })).toEqual({ nextHop: address('2001:db8::9') });
    expect(hop(neighbours.node, over6)).toEqual({ nextHop: v4('192.0.2.100') });
  });
  test("a link-local next hop is another's link, so nobody else is told it", () => {
    for (const peer of [neighbours.node, { ...neighbours.tor, nextHopMode: 'keep' } as const])
      expect(hop(peer, overLink, { settled: agreed })).toEqual({ nextHop: v4('192.0.2.100') });
    expect(hop(neighbours.node, overLink, { where: at6 })).toEqual({ nextHop: v6('2001:db8::100') });
  });
  test('RFC 4271 §5.1.3: a neighbour is never told its own address as next hop', () => {
    const path = routeOf(sources.tor.source, { asPath: sequence(65010), nextHop: v4('192.0.2.12') });
    expect(hop(neighbours.node, path)).toEqual({ nextHop: v4('192.0.2.100') });
  });
});
