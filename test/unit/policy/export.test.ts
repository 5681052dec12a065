import { describe, expect, test } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../../bgp/config.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import type { Family, PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, type Prefix } from '../../../src/lib/net.ts';
import { attributesOf, configOf, peerOf, routeOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4, v6 } from '../../support/wire.ts';

const at = prefix('10.2.0.0/24');
const at6 = prefix('fd00:2::/64');
const tor = peerOf();
const node = peerOf({ address: address('192.0.2.12'), peerAsn: asn(64512) });
const both: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];

interface Given {
  readonly config?: SpeakerConfig;
  readonly families?: readonly Family[];
  readonly where?: Prefix;
}

function told(peer: PeerConfig, path: Path, given: Given = {}): PathAttributes | string {
  const { config = configOf(), families = both, where = at } = given;
  const rule = compileExport(config, peer, { families });
  const exported = rule(where, path);
  expect(rule(where, path)).toEqual(exported);
  return exported.ok ? exported.value : exported.error;
}

const nextHopTold = (peer: PeerConfig, path: Path, given: Given = {}): unknown => {
  const result = told(peer, path, given);
  return typeof result === 'string' ? result : result.nextHop;
};

const own = routeOf({ key: 'local', type: 'local' }, { nextHop: v4('192.0.2.100') });
const byIbgp = (part: Partial<PathAttributes> = {}): Path =>
  routeOf({ key: 'node3', type: 'ibgp' }, { localPref: 100, nextHop: v4('192.0.2.13'), ...part });
const byEbgp = (part: Partial<PathAttributes> = {}): Path =>
  routeOf({ key: 'other ToR', type: 'ebgp' }, { asPath: sequence(65010), nextHop: v4('192.0.2.2'), ...part });

describe('what we originate', () => {
  test('RFC 4271 §5.1.5: goes to iBGP with an empty AS path, our address and LOCAL_PREF 100', () => {
    expect(told(node, own)).toEqual(attributesOf({ nextHop: v4('192.0.2.100'), localPref: 100 }));
  });
  test('RFC 4271 §5.1.2 b 1: goes to eBGP with our AS alone, our address and no LOCAL_PREF', () => {
    expect(told(tor, own)).toEqual(attributesOf({ nextHop: v4('192.0.2.100'), asPath: sequence(64512) }));
  });
  test('shows a neighbour the AS that it alone knows us by', () => {
    expect(told(peerOf({ localAsn: asn(65001) }), own)).toMatchObject({ asPath: sequence(65001) });
  });
});

describe('what we learned by iBGP', () => {
  test('RFC 4271 §9.2: is not told to iBGP', () => {
    expect(told(node, byIbgp())).toBe('learned by iBGP, and nothing is reflected');
  });
  test('goes to eBGP without what belongs to our AS', () => {
    const path = byIbgp({ med: 5, originatorId: ipv4(1), clusterList: [ipv4(2)], communities: [1] });
    expect(told(tor, path)).toEqual(
      attributesOf({ asPath: sequence(64512), nextHop: v4('192.0.2.100'), communities: [1] }),
    );
  });
});

describe('what we learned by eBGP', () => {
  test('goes to iBGP as it came, with LOCAL_PREF', () => {
    const path = byEbgp({ med: 5 });
    expect(told(node, path)).toEqual({ ...path.attributes, localPref: 100 });
  });
  test('RFC 4271 §5.1.4: goes to another AS with ours in front and without the MED we were given', () => {
    expect(told(tor, byEbgp({ med: 5 }))).toEqual(
      attributesOf({ asPath: sequence(64512, 65010), nextHop: v4('192.0.2.100') }),
    );
  });
  test('RFC 4271 §9.1.2: is not told to a neighbour whose AS its path holds, who would drop it as a loop', () => {
    const through = byEbgp({ asPath: sequence(65010, Number(tor.peerAsn)) });
    expect(told(tor, through)).toBe("its path holds the neighbour's AS already");
    expect(told(node, through)).toMatchObject({ asPath: sequence(65010, Number(tor.peerAsn)) });
  });
  test('is never told to whom we have it from', () => {
    const path = routeOf({ key: tor.key, type: 'ebgp' }, { asPath: sequence(64999) });
    expect(told(tor, path)).toBe('learned from this neighbour');
  });
});

describe('RFC 4271 §5.1.2: our AS goes in front', () => {
  test('of a set as a sequence of its own', () => {
    const set = { kind: 'set', asns: [asn(1), asn(2)] } as const;
    expect(told(tor, byEbgp({ asPath: [set] }))).toMatchObject({ asPath: [...sequence(64512), set] });
  });
  test('of a full sequence of 255 likewise', () => {
    const full = sequence(...new Array<number>(255).fill(7));
    expect(told(tor, byEbgp({ asPath: full }))).toMatchObject({ asPath: [...sequence(64512), ...full] });
  });
});

describe('RFC 4271 §5.1.3 2: the next hop towards eBGP', () => {
  const onLan = configOf({ connected: [prefix('192.0.2.0/24'), prefix('2001:db8::/64')] });
  test('is kept if the neighbour shares a connected subnet with it', () => {
    expect(nextHopTold(tor, byIbgp(), { config: onLan })).toBe(v4('192.0.2.13'));
  });
  test('is ourselves if we do not know the subnets', () => {
    expect(nextHopTold(tor, byIbgp())).toBe(v4('192.0.2.100'));
  });
  test('is ourselves if the neighbour is elsewhere', () => {
    const far = peerOf({ address: address('198.51.100.1') });
    expect(nextHopTold(far, byIbgp(), { config: onLan })).toBe(v4('192.0.2.100'));
  });
  test('is ourselves if it lies on another of our links', () => {
    const two = configOf({ connected: [prefix('192.0.2.0/28'), prefix('192.0.2.128/25')] });
    expect(nextHopTold(tor, byIbgp({ nextHop: v4('192.0.2.200') }), { config: two })).toBe(v4('192.0.2.100'));
  });
  test('is our address on the network shared with the neighbour, not that of the node, where the session is from there', () => {
    const near = peerOf({ sharedAddress: address('192.0.2.77') });
    const onLoopback = configOf({
      ownAddress: { ipv4: v4('10.0.0.11') },
      connected: [prefix('192.0.2.0/24')],
    });
    const ours = routeOf({ key: 'local', type: 'local' }, { nextHop: v4('10.0.0.11') });
    expect(nextHopTold(near, ours, { config: onLoopback })).toBe(v4('192.0.2.77'));
    expect(nextHopTold(tor, ours, { config: onLoopback })).toBe(v4('10.0.0.11'));
    expect(nextHopTold(near, ours, { where: at6 })).not.toBe(v4('192.0.2.77'));
  });
  test('is kept for IPv6 over an IPv4 session where both families of our address share the link', () => {
    const path = byIbgp({ nextHop: address('2001:db8::13') });
    expect(nextHopTold(tor, path, { config: onLan, where: at6 })).toBe(address('2001:db8::13'));
    expect(nextHopTold(tor, path, { where: at6 })).toBe(address('2001:db8::100'));
  });
  test('is as nextHopMode has it, inside the AS and towards another', () => {
    const learned = byEbgp();
    for (const peer of [tor, node]) {
      expect(nextHopTold({ ...peer, nextHopMode: 'self' }, learned, { config: onLan })).toBe(
        v4('192.0.2.100'),
      );
      expect(nextHopTold({ ...peer, nextHopMode: 'keep' }, learned)).toBe(v4('192.0.2.2'));
    }
    const only6 = configOf({ ownAddress: { ipv6: v6('2001:db8::100') } });
    expect(told({ ...node, nextHopMode: 'self' }, learned, { config: only6 })).toBe(
      'we have no address of its family to name as next hop',
    );
  });
  test('is ourselves for what a pod of this node told, whoever is told, for nobody else reaches the pod', () => {
    const byPod = routeOf(
      { key: 'pod', type: 'ebgp', isWorkload: true },
      { asPath: sequence(64600), nextHop: v4('192.0.2.2') },
    );
    for (const peer of [tor, node, { ...node, isClient: true as const }])
      expect(nextHopTold(peer, byPod, { config: onLan })).toBe(v4('192.0.2.100'));
    expect(nextHopTold({ ...node, nextHopMode: 'keep' }, byPod)).toBe(v4('192.0.2.2'));
  });
  test('cannot be ourselves without an address of the family', () => {
    const only4 = configOf({ ownAddress: { ipv4: v4('192.0.2.100') } });
    const path = byIbgp({ nextHop: address('2001:db8::13') });
    expect(told(tor, path, { config: only4, where: at6 })).toBe(
      'we have no address of its family to name as next hop',
    );
  });
});

describe('RFC 1997: the well-known communities', () => {
  test.each([
    ['NO_EXPORT', 0xffffff01, true],
    ['NO_ADVERTISE', 0xffffff02, false],
    ['NO_EXPORT_SUBCONFED', 0xffffff03, true],
  ])('%s', (name, community, goesToIbgp) => {
    const path = byEbgp({ communities: [1, community] });
    expect(told(tor, path)).toBe(`carries the community ${name}`);
    expect(typeof told(node, path) === 'object').toBe(goesToIbgp);
  });
});

test('RFC 4360 §6: non-transitive extended communities stay in the AS', () => {
  const extendedCommunities = [0x0002_0001_0000_0001n, 0x4002_0001_0000_0001n];
  expect(told(tor, byEbgp({ extendedCommunities }))).toMatchObject({
    extendedCommunities: [0x0002_0001_0000_0001n],
  });
  expect(told(tor, byEbgp({ extendedCommunities: [0x4002_0001_0000_0001n] }))).not.toHaveProperty(
    'extendedCommunities',
  );
  expect(told(node, byEbgp({ extendedCommunities }))).toMatchObject({ extendedCommunities });
});

test('RFC 4271 §5: unknown attributes go on only if transitive, with Partial set', () => {
  const body = Uint8Array.of(1);
  const unknown = [
    { code: 98, flags: 0x80, body },
    { code: 99, flags: 0xc0, body },
  ];
  for (const peer of [tor, node]) {
    expect(told(peer, byEbgp({ unknown }))).toMatchObject({ unknown: [{ code: 99, flags: 0xe0, body }] });
  }
});

test('what filters let in from outside the pools, a default route say, is told on by filters only', () => {
  const rules = [{ name: 'all', action: 'Accept' as const, operations: [] }];
  const filters = { exportV4: rules, importV4: [], exportV6: [], importV6: [] };
  for (const text of ['0.0.0.0/0', '203.0.113.0/24']) {
    const where = prefix(text);
    const no = "not inside any IP pool or node's pod CIDR, and no filter accepts it";
    expect(told(tor, byIbgp(), { where })).toBe(no);
    expect(told(node, byEbgp(), { where })).toBe(no);
    expect(told(tor, own, { where })).toBeTypeOf('object');
    expect(told({ ...tor, filters }, byIbgp(), { where })).toBeTypeOf('object');
    const config = configOf({ importPolicy: { within: [where], never: [] } });
    expect(told(tor, byIbgp(), { where, config })).toBeTypeOf('object');
  }
});

test('a prefix inside a pool whose export is disabled is told to nobody', () => {
  const config = configOf({ exportDeny: [prefix('10.2.0.0/16')] });
  expect(told(tor, own, { config })).toBe('inside 10.2.0.0/16, whose export is disabled');
  expect(told(node, own, { config })).toBe('inside 10.2.0.0/16, whose export is disabled');
  expect(typeof told(tor, own, { config, where: prefix('10.3.0.0/24') })).toBe('object');
});

test('a family the session did not negotiate is not told', () => {
  expect(told(tor, own, { families: ['ipv6-unicast'] })).toBe('its address family is not negotiated');
});
