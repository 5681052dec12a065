import { describe, expect, test } from 'vitest';
import type { PeerConfig, Role, SpeakerConfig } from '../../../bgp/config.ts';
import { compileGuard, compileImport } from '../../../bgp/policy/import.ts';
import { importReasons, reasonOf } from '../../../bgp/policy/reasons.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, type Ipv6, type Prefix, scoped } from '../../../src/lib/net.ts';
import { configOf, peerOf, routeOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const at = prefix('10.2.0.0/24');
const sound: Partial<PathAttributes> = { asPath: sequence(64999) };

function verdict(
  where: Prefix,
  attributes: Partial<PathAttributes>,
  config: SpeakerConfig = configOf(),
  peer: PeerConfig = peerOf(),
): string {
  const type = peer.peerAsn === peer.localAsn ? 'ibgp' : 'ebgp';
  const rule = compileImport(config, peer, compileGuard(config));
  const path = routeOf({ type }, attributes);
  const first = rule(where, path);
  expect(rule(where, path)).toEqual(first);
  return first.ok ? 'accepted' : first.error;
}

/** The attributes as they count here, or why not. */
function taken(
  where: Prefix,
  attributes: Partial<PathAttributes>,
  config: SpeakerConfig = configOf(),
  peer: PeerConfig = peerOf(),
): PathAttributes | string {
  const rule = compileImport(config, peer, compileGuard(config));
  const found = rule(where, routeOf({ type: peer.peerAsn === peer.localAsn ? 'ibgp' : 'ebgp' }, attributes));
  if (!found.ok) expect(reasonOf(found.error, importReasons)?.code).toBeTypeOf('string');
  return found.ok ? found.value.attributes : found.error;
}

test('a route inside a pool with a sound next hop is accepted', () => {
  expect(verdict(at, sound)).toBe('accepted');
  expect(verdict(prefix('fd00:2::/64'), { ...sound, nextHop: address('2001:db8::1') })).toBe('accepted');
});

describe('RFC 4271 §9.1.2: our own AS anywhere in the AS path is a loop', () => {
  const paths: readonly (readonly [string, PathAttributes['asPath']])[] = [
    ['first', sequence(64512, 64999)],
    ['last', sequence(64999, 64512)],
    ['in a set', [...sequence(64999), { kind: 'set', asns: [asn(1), asn(64512)] }]],
  ];
  test.each(paths)('%s', (_where, asPath) => {
    expect(verdict(at, { asPath })).toBe('loop: our own AS 64512 is in its AS path');
    const internal = peerOf({ peerAsn: asn(64512) });
    expect(verdict(at, { asPath }, configOf(), internal)).toBe('loop: our own AS 64512 is in its AS path');
  });

  test('and so is the AS we show this neighbour alone', () => {
    const peer = peerOf({ localAsn: asn(65001) });
    expect(verdict(at, { asPath: sequence(64999, 65001) }, configOf(), peer)).toBe(
      'loop: our own AS 65001 is in its AS path',
    );
  });
});

test('RFC 4271 §9.1.2: our own AS may stand in the path as often as the peer is allowed, and no more', () => {
  const peer = peerOf({ allowedOwnAs: 2 });
  expect(verdict(at, { asPath: sequence(64999, 64512, 64512) }, configOf(), peer)).toBe('accepted');
  expect(verdict(at, { asPath: sequence(64512, 64999, 64512, 64512) }, configOf(), peer)).toBe(
    'loop: our own AS 64512 is in its AS path 3 times, and 2 are allowed',
  );
});

test('RFC 4456 §8: a route that we originated and a reflector returns is a loop', () => {
  expect(verdict(at, { originatorId: v4('192.0.2.100') })).toBe('loop: ORIGINATOR_ID is our own identifier');
});

describe('RFC 4271 §6.3: a next hop must be a host someone else can be', () => {
  test.each([
    ['0.0.0.0', 'next hop 0.0.0.0 is no host of any network'],
    ['127.0.0.1', 'next hop 127.0.0.1 is loopback'],
    ['169.254.1.1', 'next hop 169.254.1.1 is link-local'],
    ['224.0.0.5', 'next hop 224.0.0.5 is multicast'],
    ['255.255.255.255', 'next hop 255.255.255.255 is reserved'],
    ['192.0.2.100', 'next hop 192.0.2.100 is our own address'],
    ['2001:db8::100', 'next hop 2001:db8::100 is our own address'],
  ])('%s', (nextHop, why) => {
    expect(verdict(at, { ...sound, nextHop: address(nextHop) })).toBe(why);
  });
  test.each([
    ['::', 'next hop :: is unspecified'],
    ['::1', 'next hop ::1 is loopback'],
    ['fe80::1', 'next hop fe80::1 is link-local'],
    ['ff02::1', 'next hop ff02::1 is multicast'],
    ['::ffff:192.0.2.1', 'next hop ::ffff:192.0.2.1 is an IPv4 address in IPv6 form'],
    ['2001:db8::100', 'next hop 2001:db8::100 is our own address'],
    ['192.0.2.1', 'next hop is of the other address family'],
  ])('%s', (nextHop, why) => {
    expect(verdict(prefix('fd00:2::/64'), { ...sound, nextHop: address(nextHop) })).toBe(why);
  });
});

describe('only what lies in the cluster is accepted', () => {
  test.each([
    ['0.0.0.0/0', 'a default route is never accepted'],
    ['::/0', 'a default route is never accepted'],
    ['192.168.0.0/16', "not inside any IP pool or node's pod CIDR"],
    ['8.0.0.0/7', "not inside any IP pool or node's pod CIDR"],
    ['10.1.0.0/24', 'lies inside our own pod CIDR 10.1.0.0/24'],
    ['10.1.0.7/32', 'lies inside our own pod CIDR 10.1.0.0/24'],
    ['10.1.0.0/16', 'accepted'],
    ['10.0.0.0/8', 'accepted'],
  ])('%s: %s', (text, why) => {
    const where = prefix(text);
    const nextHop = address(typeof where === 'number' ? '192.0.2.1' : '2001:db8::1');
    expect(verdict(where, { ...sound, nextHop })).toBe(why);
  });

  test('not even a default route that the policy would hold', () => {
    const all = configOf({ importPolicy: { within: [prefix('0.0.0.0/0')], never: [] } });
    expect(verdict(prefix('0.0.0.0/0'), sound, all)).toBe('a default route is never accepted');
    expect(verdict(prefix('203.0.113.0/24'), sound, all)).toBe('accepted');
  });
});

describe('with blocks instead of pod CIDRs', () => {
  const blocks = configOf({
    importPolicy: {
      within: [prefix('10.0.0.0/8')],
      never: [],
      blocks: [prefix('10.1.0.0/26'), prefix('10.1.9.9/32')],
    },
  });
  const ours = "lies inside our own block 10.1.0.0/26, of which only single addresses can be another node's";

  test.each([
    ['10.1.0.0/26', ours],
    ['10.1.0.32/27', ours],
    ['10.1.0.7/32', 'accepted'],
    ['10.1.0.64/26', 'accepted'],
    [
      '10.1.9.9/32',
      "lies inside our own block 10.1.9.9/32, of which only single addresses can be another node's",
    ],
  ])('%s: %s', (text, why) => {
    expect(verdict(prefix(text), sound, blocks)).toBe(why);
  });
});

describe('addresses of Services', () => {
  const serving = (...services: string[]): SpeakerConfig =>
    configOf({
      importPolicy: {
        within: [prefix('10.2.0.0/16'), prefix('10.96.0.0/12')],
        never: [],
        services: services.map(prefix),
      },
    });
  const withheld = (range: string): string =>
    `lies inside ${range}, addresses of Services, which every node answers for itself`;

  test('are not taken from a neighbour, in a pool or not', () => {
    expect(verdict(prefix('10.96.0.0/12'), sound, serving('10.96.0.0/12'))).toBe(withheld('10.96.0.0/12'));
    expect(verdict(prefix('10.96.0.7/32'), sound, serving('10.96.0.0/12'))).toBe(withheld('10.96.0.0/12'));
    expect(verdict(prefix('192.0.2.7/32'), sound, serving('192.0.2.0/24'))).toBe(withheld('192.0.2.0/24'));
  });

  test('named too widely do not keep out the pods', () => {
    expect(verdict(at, sound, serving('10.0.0.0/8'))).toBe('accepted');
    expect(verdict(at, sound, serving('0.0.0.0/0'))).toBe('accepted');
  });
});

test('RFC 8950 §3: an IPv4 prefix may have an IPv6 next hop, of which the codec knows whether it was agreed', () => {
  expect(verdict(at, { ...sound, nextHop: address('2001:db8::1') })).toBe('accepted');
});

describe('link-local next hops', () => {
  const link = scoped(address('fe80::9') as Ipv6, 7);
  const at6 = prefix('fd00:2::/64');
  test('are a way together with their link', () => {
    expect(verdict(at6, { ...sound, nextHop: link })).toBe('accepted');
    expect(verdict(at, { ...sound, nextHop: link })).toBe('accepted');
  });
  test('RFC 2545 §3: win over the global one that comes with them', () => {
    expect(taken(at6, { ...sound, nextHop: address('2001:db8::1'), linkLocal: link })).toMatchObject({
      nextHop: link,
    });
    const bare = address('fe80::9') as Ipv6;
    expect(taken(at6, { ...sound, nextHop: address('2001:db8::1'), linkLocal: bare })).toMatchObject({
      nextHop: address('2001:db8::1'),
    });
  });
  test('of IPv4 are a way if they are the neighbour itself', () => {
    const near = peerOf({ address: address('169.254.1.1') });
    expect(taken(at, { ...sound, nextHop: v4('169.254.1.1') }, configOf(), near)).toBeTypeOf('object');
    expect(taken(at, { ...sound, nextHop: v4('169.254.1.2') }, configOf(), near)).toBe(
      'next hop 169.254.1.2 is link-local',
    );
  });
});

test('RFC 4456 §8: a route that our own cluster has reflected before is a loop', () => {
  const reflector = configOf({ clusterId: v4('192.0.2.50') });
  const clusterList = [v4('192.0.2.49'), v4('192.0.2.50')];
  const internal = peerOf({ peerAsn: asn(64512) });
  const path = { asPath: sequence(65001), clusterList };
  expect(verdict(at, path, reflector, internal)).toBe('loop: our own cluster is in its CLUSTER_LIST');
  expect(verdict(at, path, configOf(), internal)).toBe('accepted');
});

test('RFC 9774 §3: a path with an AS_SET is not accepted', () => {
  const set = { kind: 'set', asns: [asn(1), asn(2)] } as const;
  expect(verdict(at, { asPath: [...sequence(64999), set] })).toBe(
    'its AS path holds an AS_SET, which RFC 9774 forbids',
  );
});

describe('RFC 9234 §5: Only to Customer on the way in, by our own role', () => {
  const by = (own: Role): PeerConfig => peerOf({ role: { own } });
  const leak = (whose: string): string => `leak: ${whose} tells what AS 65001 told for customers only`;
  const rows: readonly (readonly [
    Role,
    bare: number | undefined,
    foreign: string | number,
    theirs: string | number,
  ])[] = [
    [
      'provider',
      undefined,
      leak('a customer'),
      'leak: a customer tells what AS 64999 told for customers only',
    ],
    [
      'rs',
      undefined,
      leak('a client of this route server'),
      'leak: a client of this route server tells what AS 64999 told for customers only',
    ],
    ['peer', 64999, leak('a peer'), 64999],
    ['customer', 64999, 65001, 64999],
    ['rs-client', 64999, 65001, 64999],
  ];
  const otc = (found: PathAttributes | string): unknown => (typeof found === 'string' ? found : found.otc);
  test.each(rows)('%s', (own, bare, foreign, theirs) => {
    expect(otc(taken(at, sound, configOf(), by(own)))).toBe(bare);
    expect(otc(taken(at, { ...sound, otc: asn(65001) }, configOf(), by(own)))).toBe(foreign);
    expect(otc(taken(at, { ...sound, otc: asn(64999) }, configOf(), by(own)))).toBe(theirs);
  });
  test('without a role, or inside the AS, it is passed on as it is', () => {
    expect(otc(taken(at, { ...sound, otc: asn(65001) }))).toBe(65001);
    const internal = peerOf({ peerAsn: asn(64512), role: { own: 'provider' } });
    expect(otc(taken(at, { asPath: sequence(65001), otc: asn(65001) }, configOf(), internal))).toBe(65001);
  });
});

describe('RFC 8212: requirePolicy', () => {
  const strict = configOf({ requirePolicy: true });
  const filters = { exportV4: [], importV4: [], exportV6: [], importV6: [] };
  const why = 'no filter says what may come from this eBGP neighbour (RFC 8212)';
  test('refuses all from an eBGP neighbour without a filter of this direction and family', () => {
    expect(verdict(at, sound, strict)).toBe(why);
    expect(verdict(at, sound, strict, peerOf({ filters }))).toBe(why);
    const some = { ...filters, importV6: [{ name: 'f', action: 'Accept', operations: [] }] } as const;
    expect(verdict(at, sound, strict, peerOf({ filters: some }))).toBe(why);
  });
  test('asks nothing of a neighbour inside the AS, nor where a filter says something', () => {
    const internal = peerOf({ peerAsn: asn(64512) });
    expect(verdict(at, { asPath: sequence(65001) }, strict, internal)).toBe('accepted');
    const other = {
      ...filters,
      importV4: [{ name: 'f', action: 'Reject', source: 'RemotePeers', peerType: 'iBGP', operations: [] }],
    } as const;
    expect(verdict(at, sound, strict, peerOf({ filters: other }))).toBe('accepted');
  });
});

describe('RFC 4271 §6.3: the first AS of an eBGP neighbour’s path', () => {
  const stranger = { ...sound, asPath: sequence(65001, 64999) };
  const strict = peerOf({ enforceFirstAs: true });
  test('is not looked at where nobody asks for it: route servers are not in the path', () => {
    expect(verdict(at, stranger)).toBe('accepted');
  });
  test('must be its own with enforceFirstAS', () => {
    expect(verdict(at, { ...sound, asPath: sequence(64999, 65001) }, configOf(), strict)).toBe('accepted');
    expect(verdict(at, stranger, configOf(), strict)).toBe(
      "its AS path begins with AS 65001, not with the neighbour's own AS 64999",
    );
    expect(verdict(at, { ...sound, asPath: [] }, configOf(), strict)).toContain('begins with no AS');
    expect(reasonOf(verdict(at, stranger, configOf(), strict), importReasons)?.code).toBe('first-as');
  });
  test('is nobody’s inside the AS', () => {
    const internal = peerOf({ peerAsn: asn(64512), enforceFirstAs: true });
    expect(verdict(at, { ...sound, asPath: [] }, configOf(), internal)).toBe('accepted');
  });
});

describe('RFC 8326 §4: graceful shutdown', () => {
  const leaving = { ...sound, communities: [0xffff_0000], localPref: 200 };
  test('of a neighbour in another AS makes its routes the least preferred', () => {
    expect(taken(at, leaving)).toMatchObject({ localPref: 0 });
  });
  test('inside the AS is for the sender to say by LOCAL_PREF', () => {
    const internal = peerOf({ peerAsn: asn(64512) });
    expect(taken(at, { ...leaving, asPath: [] }, configOf(), internal)).toMatchObject({ localPref: 200 });
  });
  test('of the session itself, by gracefulShutdown, does so to all that comes over it, and marks it', () => {
    for (const peerAsn of [asn(64512), asn(64999)])
      expect(
        taken(
          at,
          { asPath: sequence(65001), localPref: 200 },
          configOf(),
          peerOf({ peerAsn, gracefulShutdown: true }),
        ),
      ).toMatchObject({ localPref: 0, communities: [0xffff_0000] });
  });
});

describe("the API server's address", () => {
  const guarded = configOf({
    importPolicy: { within: [prefix('10.0.0.0/8')], never: [], protected: [prefix('10.5.0.1/32')] },
  });
  test('is never taken away, though it lies in a pool', () => {
    expect(verdict(prefix('10.5.0.1/32'), sound, guarded)).toBe(
      "takes away the API server's address 10.5.0.1/32",
    );
    expect(verdict(prefix('10.5.0.0/24'), sound, guarded)).toBe('accepted');
  });
});

test("a network of this node that lies in a pool is the node's own, but pods that lie in such a network are pods", () => {
  const flat = (pool: string): SpeakerConfig =>
    configOf({
      connected: [prefix('10.7.0.0/24')],
      importPolicy: { within: [prefix(pool)], never: [] },
    });
  expect(verdict(prefix('10.7.0.0/25'), sound, flat('10.0.0.0/8'))).toBe(
    'lies inside 10.7.0.0/24, a network of this node itself',
  );
  expect(verdict(prefix('10.7.0.64/26'), sound, flat('10.7.0.64/26'))).toBe('accepted');
});

test('every reason is told apart by how it reads', () => {
  const flat = configOf({
    connected: [prefix('10.7.0.0/24')],
    importPolicy: {
      within: [prefix('10.0.0.0/8')],
      never: [prefix('10.1.0.0/24')],
      blocks: [prefix('10.9.0.0/26')],
      services: [prefix('10.96.0.0/16')],
      protected: [prefix('10.5.0.1/32')],
    },
  });
  const codeOf = (where: string, attributes: Partial<PathAttributes> = sound): string | undefined =>
    reasonOf(verdict(prefix(where), attributes, flat), importReasons)?.code;
  expect(codeOf('10.7.0.0/25')).toBe('own-network');
  expect(codeOf('10.96.0.0/24')).toBe('services');
  expect(codeOf('10.1.0.0/25')).toBe('own-pods');
  expect(codeOf('10.9.0.0/27')).toBe('own-block');
  expect(codeOf('10.5.0.1/32')).toBe('api-server');
  expect(codeOf('0.0.0.0/0')).toBe('default-route');
  expect(codeOf('203.0.113.0/24')).toBe('not-ours');
  expect(codeOf('10.2.0.0/24', { asPath: sequence(64512) })).toBe('as-loop');
  expect(codeOf('10.2.0.0/24', { nextHop: v4('127.0.0.1') })).toBe('next-hop');
  expect(codeOf('10.2.0.0/24', { communities: [0xffff_029a] })).toBe('blackhole');
});
