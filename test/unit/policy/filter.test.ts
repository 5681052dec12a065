import { describe, expect, test } from 'vitest';
import type { Filters } from '../../../bgp/config.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import { compileGuard, compileImport } from '../../../bgp/policy/import.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn } from '../../../src/lib/net.ts';
import type { FilterRule, MatchOperator } from '../../../src/model/bgp-filter.ts';
import { configOf, peerOf, routeOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const filtersOf = (list: keyof Filters, ...rules: readonly Partial<FilterRule>[]): Filters => ({
  exportV4: [],
  importV4: [],
  exportV6: [],
  importV6: [],
  [list]: rules.map((rule, index) => ({
    action: 'Accept',
    operations: [],
    ...rule,
    name: `BGPFilter/f ${list}[${index}]`,
  })),
});
const to = (cidr: string, operator: MatchOperator = 'In'): Partial<FilterRule> => ({
  prefix: {
    cidr: prefix(cidr),
    operator,
    least: Number(cidr.split('/')[1]),
    most: cidr.includes(':') ? 128 : 32,
  },
});

const config = configOf({
  connected: [prefix('192.0.2.0/24')],
  importPolicy: {
    within: [prefix('10.0.0.0/8')],
    never: [prefix('10.1.0.0/24')],
    blocks: [prefix('10.9.0.0/26')],
    services: [prefix('10.96.0.0/16')],
  },
});

function imported(
  where: string,
  filters: Filters,
  attributes: Partial<PathAttributes> = {},
  peerAsn = 64_999,
): PathAttributes | string {
  const peer = peerOf({ filters, peerAsn: asn(peerAsn) });
  const rule = compileImport(config, peer, compileGuard(config));
  const nextHop = where.includes(':') ? address('2001:db8::1') : v4('192.0.2.1');
  const found = rule(
    prefix(where),
    routeOf({ type: peerAsn === 64_512 ? 'ibgp' : 'ebgp' }, { nextHop, ...attributes }),
  );
  return found.ok ? found.value.attributes : found.error;
}

describe('an import rule that accepts', () => {
  test('lets in what lies in no pool', () => {
    expect(imported('203.0.113.0/24', filtersOf('importV4', to('203.0.113.0/24')))).toBeTypeOf('object');
    expect(imported('2001:db8:9::/64', filtersOf('importV6', {}))).toBeTypeOf('object');
    expect(imported('203.0.113.0/24', filtersOf('importV6', {}))).toMatch(/^not inside any IP pool/);
  });

  const dangers: readonly (readonly [string, string, Partial<FilterRule>])[] = [
    ['0.0.0.0/0', 'a default route is never accepted', to('0.0.0.0/0', 'Equal')],
    ['::/0', 'a default route is never accepted', to('::/0', 'Equal')],
    ['10.1.0.0/25', 'lies inside our own pod CIDR 10.1.0.0/24', to('10.1.0.0/24')],
    ['10.9.0.0/27', 'lies inside our own block 10.9.0.0/26', to('10.9.0.0/27', 'Equal')],
    ['10.96.0.0/24', 'lies inside 10.96.0.0/16, addresses of Services', to('10.96.0.0/20')],
    [
      '192.0.2.128/25',
      'lies inside 192.0.2.0/24, a network of this node itself',
      to('192.0.2.128/25', 'Equal'),
    ],
    ['127.0.0.0/8', '127.0.0.0/8 is loopback', to('127.0.0.0/8')],
    ['169.254.0.0/16', '169.254.0.0/16 is link-local', to('169.254.0.0/16', 'Equal')],
    ['fe80::/64', 'fe80::/64 is link-local', to('fe80::/10')],
  ];
  test.each(dangers)('lets in %s only if it speaks of that space itself', (where, reason, exact) => {
    const list = where.includes(':') ? 'importV6' : 'importV4';
    const all = where.includes(':') ? '::/0' : '0.0.0.0/0';
    for (const broad of [{}, to(all), to(where.includes(':') ? 'fd00::/8' : '9.0.0.0/8', 'NotIn')]) {
      const told = imported(where, filtersOf(list, broad));
      expect(told).toEqual(expect.stringContaining(reason));
      expect(told).toMatch(/; only a rule with .* lets it in$/);
    }
    expect(imported(where, filtersOf(list, exact))).toBeTypeOf('object');
  });

  test('RFC 4271 §9.1.2, §6.3: helps no loop and no next hop that cannot be', () => {
    const all = filtersOf('importV4', {});
    expect(imported('10.2.0.0/24', all, { asPath: sequence(64_512) })).toMatch(/^loop/);
    expect(imported('10.2.0.0/24', all, { nextHop: v4('127.0.0.1') })).toMatch(/loopback$/);
  });
});

test('what a filter rejects is rejected by name, though it lies in a pool', () => {
  const filters = filtersOf('importV4', to('10.3.0.0/16'), { ...to('10.2.0.0/16'), action: 'Reject' });
  expect(imported('10.2.0.0/24', filters)).toBe('rejected by BGPFilter/f importV4[1]');
  expect(imported('10.3.0.0/24', filters)).toBeTypeOf('object');
  expect(imported('10.4.0.0/24', filters)).toBeTypeOf('object');
});

describe('RFC 8326 §4.1: GRACEFUL_SHUTDOWN', () => {
  const leaving = { communities: [0xffff_0000] };
  test('gives a route from another AS LOCAL_PREF 0, and keeps the community', () => {
    expect(imported('10.2.0.0/24', filtersOf('importV4'), leaving)).toMatchObject({
      ...leaving,
      localPref: 0,
    });
  });
  test('leaves what our own AS said of it', () => {
    const internal = { ...leaving, localPref: 300 };
    expect(imported('10.2.0.0/24', filtersOf('importV4'), internal, 64_512)).toMatchObject(internal);
  });
  test('gives way to a filter that sets a priority', () => {
    const filters = filtersOf('importV4', { operations: [{ kind: 'setPriority', priority: 7 }] });
    expect(imported('10.2.0.0/24', filters, leaving)).toMatchObject({ localPref: 2_147_483_640 });
  });
});

describe('prefixAdvertisements', () => {
  const asked = configOf({
    communities: [
      { cidr: prefix('10.0.0.0/8'), communities: [{ kind: 'standard', value: 1 }] },
      { cidr: prefix('10.2.0.0/16'), communities: [{ kind: 'large', parts: [1, 2, 3] }] },
    ],
  });
  const told = (where: string, filters?: Filters, attributes: Partial<PathAttributes> = {}): unknown => {
    const peer = peerOf(filters === undefined ? {} : { filters });
    const rule = compileExport(asked, peer, { families: ['ipv4-unicast'] });
    const path = routeOf({ key: 'local', type: 'local' }, { nextHop: v4('192.0.2.100'), ...attributes });
    const found = rule(prefix(where), path);
    return found.ok ? [found.value.communities, found.value.largeCommunities] : found.error;
  };
  test('of every prefix that holds the route count', () => {
    expect(told('10.2.0.0/24')).toEqual([[1], [[1, 2, 3]]]);
    expect(told('10.3.0.0/24')).toEqual([[1], undefined]);
    expect(told('192.0.2.0/24')).toEqual([undefined, undefined]);
  });
  test('add no community twice', () => {
    expect(told('10.3.0.0/24', undefined, { communities: [1, 2] })).toEqual([[1, 2], undefined]);
  });
  test('do not touch what a filter accepted', () => {
    expect(told('10.2.0.0/24', filtersOf('exportV4', to('10.2.0.0/16')))).toEqual([undefined, undefined]);
  });
});

describe('RFC 7999 §3.3: what carries BLACKHOLE', () => {
  const marked = { communities: [0xffff_029a] };
  const agreed = { community: { kind: 'standard', value: 0xffff_029a } } as const;
  const none = 'carries the community BLACKHOLE, and no rule that accepts it names that community';
  test('is not taken without a rule that names the community', () => {
    expect(imported('10.2.0.7/32', filtersOf('importV4'), marked)).toBe(none);
    expect(imported('10.2.0.7/32', filtersOf('importV4', {}), marked)).toBe(none);
    expect(imported('10.2.0.7/32', filtersOf('importV4', to('10.2.0.0/24')), marked)).toBe(none);
  });
  test('is taken by such a rule, and then stays in the AS (§3.2)', () => {
    expect(imported('10.2.0.7/32', filtersOf('importV4', agreed), marked)).toMatchObject({
      communities: [0xffff_029a, 0xffff_ff01],
    });
    expect(imported('203.0.113.7/32', filtersOf('importV4', agreed), marked)).toBeTypeOf('object');
  });
  test('is no way around the guard', () => {
    expect(imported('0.0.0.0/0', filtersOf('importV4', agreed), marked)).toMatch(/^a default route/);
    expect(imported('10.1.0.7/32', filtersOf('importV4', agreed), marked)).toMatch(/^lies inside our own/);
  });
  test('may be rejected by it like anything else', () => {
    const reject = { ...agreed, action: 'Reject' } as const;
    expect(imported('10.2.0.7/32', filtersOf('importV4', reject), marked)).toMatch(/^rejected by/);
  });
});

test('a MED that a rule for an eBGP neighbour sets is told, and one that came with the route is not', () => {
  const told = (...operations: FilterRule['operations']): unknown => {
    const peer = peerOf({ key: 'other', filters: filtersOf('exportV4', { operations }) });
    const rule = compileExport(configOf(), peer, { families: ['ipv4-unicast'] });
    const result = rule(prefix('10.2.0.0/24'), routeOf({ type: 'ibgp' }, { med: 7 }));
    return result.ok && result.value.med;
  };
  expect(told()).toBeUndefined();
  expect(told({ kind: 'setMed', value: 50 })).toBe(50);
  expect(told({ kind: 'setMed', value: 0 })).toBe(0);
});
