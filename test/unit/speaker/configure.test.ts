import { describe, expect, test, vi } from 'vitest';
import type { Filters, PeerConfig } from '../../../bgp/config.ts';
import { peerStatuses, receivedRoutes, routes } from '../../../bgp/speaker/report.ts';
import { neighboursNamed } from '../../../bgp/status/named.ts';
import { asn } from '../../../src/lib/net.ts';
import { announce, fibOf, notificationsOf, OneSpeaker, of } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4, v6 } from '../../support/wire.ts';

const tor = peerOf({ key: 'tor', name: 'ToR' });
const node = peerOf({ key: 'node', name: 'Node', address: address('192.0.2.12'), peerAsn: asn(64512) });
const at = prefix('10.2.0.0/24');
const fromTor = attributesOf({ asPath: sequence(64999) });

/** Both sessions up and all told. */
function running(): OneSpeaker {
  const one = new OneSpeaker();
  one.configure({ peers: [tor, node] });
  for (const peer of [tor, node]) {
    one.establish(peer);
    one.drain(peer);
  }
  return one;
}

const statesOf = (one: OneSpeaker): readonly string[] =>
  peerStatuses(one.speaker).map(({ name, state }) => `${name} ${state}`);

const bothUp = ['ToR Established', 'Node Established'];

test('a configured neighbour is dialled, and one more disturbs no other', () => {
  const one = new OneSpeaker();
  expect(of(one.configure({ peers: [tor] }), 'connect').map(({ peer }) => peer)).toEqual(['tor']);
  one.establish(tor);
  const effects = one.configure({ peers: [tor, node] });
  expect(of(effects, 'connect').map(({ peer }) => peer)).toEqual(['node']);
  expect(of(effects, 'close')).toEqual([]);
});

test('becoming a client of this reflector, and being one no longer, ends no session: routes are told and taken back', () => {
  const one = new OneSpeaker();
  const inside = (last: number, more: Partial<PeerConfig> = {}): PeerConfig =>
    peerOf({
      key: `n${last}`,
      name: `N${last}`,
      address: address(`192.0.2.${last}`),
      peerAsn: asn(64512),
      ...more,
    });
  const [left, right] = [inside(21), inside(22)];
  one.configure({ clusterId: v4('244.0.0.1'), peers: [left, right] });
  for (const [index, peer] of [left, right].entries()) {
    one.establish(peer, v4(`192.0.2.${21 + index}`));
    one.drain(peer);
  }
  one.hear(left, announce(attributesOf({ asPath: [], nextHop: address('192.0.2.21') }), at));
  expect(one.drain(right)).toEqual([]);
  const effects = one.configure({ peers: [{ ...left, isClient: true }, right] });
  expect([notificationsOf(effects), one.drain(right)]).toEqual([[], ['+10.2.0.0/24 via 192.0.2.21']]);
  expect(notificationsOf(one.configure({ peers: [left, right] }))).toEqual([]);
  expect(one.drain(right)).toEqual(['-10.2.0.0/24']);
});

test('the same configuration again changes nothing', () => {
  const one = running();
  expect(one.configure({ peers: [{ ...tor }, { ...node }] })).toEqual([]);
});

test('RFC 4486 §4: a neighbour no longer configured is told so (6/3), and its routes go', () => {
  const one = running();
  one.hear(tor, announce(fromTor, at));
  const effects = one.configure({ peers: [node] });
  expect(notificationsOf(effects)).toEqual(['tor: 6/3']);
  expect(of(effects, 'close').map(({ peer }) => peer)).toEqual(['tor']);
  expect(fibOf(effects)).toEqual(['10.2.0.0/24 gone']);
  expect(statesOf(one)).toEqual(['Node Established']);
});

describe('a session ends only if what it was made of has changed', () => {
  const gentle: readonly (readonly [string, Partial<PeerConfig>])[] = [
    ['name', { name: 'another' }],
    ['hold time', { holdTimeMs: 30_000 }],
    ['keepalive time', { keepaliveTimeMs: 1000 }],
    ['connect retry time', { connectRetryMs: 1000 }],
    ['kind', { origin: 'node specific' }],
    ['restart time', { restartTimeMs: 60_000 }],
    [
      'limit of what it may tell',
      { maxPrefix: { 'ipv4-unicast': { most: 9, warnPercent: 80, action: 'cease' } } },
    ],
    ['BFD', { bfd: { minTxMs: 300, minRxMs: 300, multiplier: 3 } }],
    ['way to connect', { connect: 'passive' }],
    ['way to connect, the other way', { connect: 'active' }],
    ['gateway', { reachableBy: address('192.0.2.7') }],
  ];
  test.each(gentle)('not with its %s', (_what, part) => {
    const one = running();
    const effects = one.configure({ peers: [{ ...tor, ...part }, node] });
    expect(effects.filter(({ kind }) => kind !== 'startTimer')).toEqual([
      { kind: 'statusChanged', peer: 'tor' },
    ]);
    const [neighbour] = neighboursNamed(one.speaker, 'tor');
    expect([neighbour?.config, neighbour?.peer.config]).toEqual([
      { ...tor, ...part },
      { ...tor, ...part },
    ]);
    expect(statesOf(one).map((line) => line.split(' ')[1])).toEqual(['Established', 'Established']);
  });

  const harsh: readonly (readonly [string, Partial<PeerConfig>])[] = [
    ["neighbour's AS", { peerAsn: asn(65000) }],
    ['local AS', { localAsn: asn(65000) }],
    ['families', { families: ['ipv4-unicast'] }],
    ['source address', { localAddress: v4('192.0.2.100') }],
    ['address', { address: address('192.0.2.99') }],
    ['port', { port: 1790 }],
    ['TTL security', { ttlSecurity: 1 }],
    ['role', { role: { own: 'customer' } }],
    ['add-path', { addPath: { receive: true } }],
    ['long-lived restart', { longLivedMs: 60_000 }],
  ];
  test.each(harsh)('RFC 4486 §4: with its %s (6/6), and is dialled anew', (_what, part) => {
    const one = running();
    const effects = one.configure({ peers: [{ ...tor, ...part }, node] });
    expect(notificationsOf(effects)).toEqual(['tor: 6/6']);
    expect(of(effects, 'connect').map(({ peer }) => peer)).toEqual(['tor']);
    expect(statesOf(one)).toEqual(['ToR Connect', 'Node Established']);
  });

  test('and each with our own AS or BGP Identifier', () => {
    for (const part of [{ asn: asn(64513) }, { routerId: v4('192.0.2.99') }]) {
      const one = running();
      expect(notificationsOf(one.configure(part))).toEqual(['tor: 6/6', 'node: 6/6']);
      expect(statesOf(one)).toEqual(['ToR Connect', 'Node Connect']);
    }
  });
});

test('a state is shown with the moment it was entered, whatever happened since', () => {
  const one = running();
  const since = (): number | undefined => peerStatuses(one.speaker)[0]?.since;
  const up = since();
  one.hear(tor, { kind: 'keepalive' });
  one.hear(tor, announce(fromTor, at));
  expect(since()).toBe(up);
  one.lose(tor);
  expect(since()).toBe(one.now);
});

describe('policies are asked again without disturbing a session', () => {
  test('a route rejected before is taken once a pool holds it, and leaves with the pool', () => {
    const one = running();
    const outside = prefix('172.16.0.0/24');
    expect(fibOf(one.hear(tor, announce(fromTor, outside)))).toEqual([]);
    const { importPolicy } = one.config;
    const wider = { ...importPolicy, within: [...importPolicy.within, prefix('172.16.0.0/12')] };
    expect(fibOf(one.configure({ importPolicy: wider }))).toEqual(['172.16.0.0/24 via 192.0.2.1']);
    expect(one.drain(node)).toEqual(['+172.16.0.0/24 via 192.0.2.1']);
    expect(fibOf(one.configure({ importPolicy }))).toEqual(['172.16.0.0/24 gone']);
    expect(one.drain(node)).toEqual(['-172.16.0.0/24']);
    expect(statesOf(one)).toEqual(bothUp);
  });

  test('a pool whose export is disabled is withdrawn from the neighbours, and told again after', () => {
    const one = running();
    one.configure({ exportDeny: [prefix('10.1.0.0/16')] });
    expect(one.drain(tor)).toEqual(['-10.1.0.0/24']);
    one.configure({ exportDeny: [] });
    expect(one.drain(tor)).toEqual(['+10.1.0.0/24 via 192.0.2.100']);
  });

  const rule = { action: 'Accept', operations: [], name: 'BGPFilter/f' } as const;
  const none = { exportV4: [], importV4: [], exportV6: [], importV6: [] };

  test('a filter that comes, changes and goes is asked of what a neighbour told before', () => {
    const one = running();
    const outside = prefix('172.16.0.0/24');
    one.hear(tor, announce(fromTor, outside, at));
    one.drain(node);
    const withRules = (...importV4: Filters['importV4']): PeerConfig => ({
      ...tor,
      filters: { ...none, importV4 },
    });
    const to = (cidr: string) => ({
      prefix: { cidr: prefix(cidr), operator: 'In', least: 0, most: 32 } as const,
    });
    const follow = (peer: PeerConfig): unknown => [
      fibOf(one.configure({ peers: [peer, node] })),
      one.drain(node),
    ];
    expect(follow(withRules({ ...rule, ...to('172.16.0.0/12') }))).toEqual([
      ['172.16.0.0/24 via 192.0.2.1'],
      [], // it is in no pool, and so for this node alone
    ]);
    expect(follow(withRules({ ...rule, ...to('10.0.0.0/8'), action: 'Reject' }))).toEqual([
      ['172.16.0.0/24 gone', '10.2.0.0/24 gone'],
      ['-10.2.0.0/24'],
    ]);
    expect(follow(tor)).toEqual([['10.2.0.0/24 via 192.0.2.1'], ['+10.2.0.0/24 via 192.0.2.1']]);
    expect(statesOf(one)).toEqual(bothUp);
  });

  test('what an import filter changes is what others are told; the received route is shown as it came', () => {
    const one = running();
    const importV4: Filters['importV4'] = [{ ...rule, operations: [{ kind: 'setPriority', priority: 7 }] }];
    one.configure({ peers: [{ ...tor, filters: { ...none, importV4 } }, node] });
    one.hear(tor, announce(fromTor, at));
    const [shown] = neighboursNamed(one.speaker, 'tor');
    expect(shown && receivedRoutes(one.speaker, shown)).toMatchObject([
      { best: true, reason: 'the only path' },
    ]);
    expect(shown && receivedRoutes(one.speaker, shown)[0]).not.toHaveProperty('localPref');
    expect(routes(one.speaker)).toContainEqual(
      expect.objectContaining({ prefix: '10.2.0.0/24', localPref: 2_147_483_640 }),
    );
  });

  test('an export filter takes back and gives again; communities for prefixes are told at once', () => {
    const one = running();
    const exportV4: Filters['exportV4'] = [{ ...rule, action: 'Reject' }];
    one.configure({ peers: [{ ...tor, filters: { ...none, exportV4 } }, node] });
    expect(one.drain(tor)).toEqual(['-10.1.0.0/24']);
    expect(one.drain(node)).toEqual([]);
    one.configure({ peers: [tor, node] });
    expect(one.drain(tor)).toEqual(['+10.1.0.0/24 via 192.0.2.100']);
    one.configure({
      communities: [{ cidr: prefix('10.0.0.0/8'), communities: [{ kind: 'standard', value: 1 }] }],
    });
    expect(one.drain(tor)).toEqual(['+10.1.0.0/24 via 192.0.2.100']);
    expect(statesOf(one)).toEqual(bothUp);
  });

  test('nextHopMode, and how often our own AS may stand in a path, are asked anew', () => {
    const one = running();
    const looped = attributesOf({ asPath: sequence(64999, 64512) });
    expect(fibOf(one.hear(tor, announce(looped, at)))).toEqual([]);
    const before = one.drain(node);
    expect(fibOf(one.configure({ peers: [{ ...tor, allowedOwnAs: 1 }, node] }))).toEqual([
      '10.2.0.0/24 via 192.0.2.1',
    ]);
    expect([before, one.drain(node)]).toEqual([[], ['+10.2.0.0/24 via 192.0.2.1']]);
    one.configure({
      peers: [
        { ...tor, allowedOwnAs: 1 },
        { ...node, nextHopMode: 'self' },
      ],
    });
    expect(one.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.100']);
    expect(statesOf(one)).toEqual(bothUp);
  });

  test('a subnet that becomes known changes the next hop told', () => {
    const one = running();
    one.hear(node, announce(attributesOf({ nextHop: address('192.0.2.12'), localPref: 100 }), at));
    expect(one.drain(tor)).toEqual(['+10.2.0.0/24 via 192.0.2.100']);
    one.configure({ connected: [prefix('192.0.2.0/24')] });
    expect(one.drain(tor)).toEqual(['+10.2.0.0/24 via 192.0.2.12']);
  });
});

describe('what we originate follows the configuration', () => {
  test('added and removed prefixes are told and withdrawn, and are never kernel routes', () => {
    const one = running();
    const effects = one.configure({ origins: [prefix('10.9.0.0/24'), prefix('fd00:9::/64')] });
    expect(fibOf(effects)).toEqual([]);
    expect(one.drain(tor)).toEqual([
      '-10.1.0.0/24',
      '+10.9.0.0/24 via 192.0.2.100',
      '+fd00:9::/64 via 2001:db8::100',
    ]);
  });

  test('our own new address is told as the next hop', () => {
    const one = running();
    one.configure({ ownAddress: { ipv4: v4('192.0.2.55'), ipv6: v6('2001:db8::55') } });
    expect(one.drain(node)).toEqual(['+10.1.0.0/24 via 192.0.2.55']);
  });

  test('a family in which we have no address is not originated', () => {
    const one = running();
    one.configure({
      origins: [prefix('10.1.0.0/24'), prefix('fd00:9::/64')],
      ownAddress: { ipv4: v4('192.0.2.100') },
    });
    expect(one.drain(tor)).toEqual([]);
  });

  test('a prefix that becomes ours is no kernel route any more, and is one again when it is not', () => {
    const one = running();
    one.hear(tor, announce(fromTor, at));
    expect(fibOf(one.configure({ origins: [at] }))).toEqual(['10.2.0.0/24 gone']);
    expect(fibOf(one.configure({ origins: [] }))).toEqual(['10.2.0.0/24 via 192.0.2.1']);
  });
});

test('without a configuration nobody is spoken to and nothing is left', () => {
  const one = running();
  one.hear(tor, announce(fromTor, at));
  const effects = one.tell({ kind: 'configure', config: undefined });
  expect(notificationsOf(effects)).toEqual(['tor: 6/3', 'node: 6/3']);
  expect(fibOf(effects)).toEqual(['10.2.0.0/24 gone']);
  expect(one.speaker.locRib.size).toBe(0);
});

test('a neighbour that comes costs nothing of what we originate; a prefix that comes, itself alone', () => {
  const speaker = new OneSpeaker();
  const many = Array.from({ length: 1000 }, (_, index) => prefix(`10.9.${index >> 8}.${index & 255}/32`));
  speaker.configure({ origins: many, peers: [peerOf()] });
  const { locRib } = speaker.speaker;
  const touch = vi.spyOn(locRib, 'touch');
  speaker.configure({ origins: [...many], peers: [peerOf(), peerOf({ address: address('192.0.2.9') })] });
  expect(touch).not.toHaveBeenCalled();
  speaker.configure({ origins: [...many.slice(1), prefix('10.8.0.0/24')] });
  expect(touch).toHaveBeenCalledTimes(2);
  expect(locRib.size).toBe(1000);
});

test('that a neighbour still is away is said once; what else is wrong with it, and that a session ends, each time', () => {
  const one = new OneSpeaker();
  one.configure({ peers: [tor] });
  const fails = (why: string): readonly string[] =>
    of(
      one.tell({ kind: 'transport', peer: 'tor', event: { kind: 'TcpFails', side: 'outgoing', why } }),
      'log',
    ).map(({ level, message }) => `${level} ${message}`);
  const again = (): void =>
    void one.tell({ kind: 'timer', timer: { owner: 'peer', peer: 'tor', name: 'connectRetry' } });
  expect(fails('it refuses')).toEqual(['warn session did not come up: it refuses']);
  again();
  expect(fails('it refuses')).toEqual(['debug session did not come up: it refuses']);
  again();
  expect(fails('it does not answer')).toEqual(['warn session did not come up: it does not answer']);
  for (const _ of [1, 2]) {
    again();
    one.establish(tor);
    expect(fails('it is lost')).toContain('warn session is down: it is lost');
  }
});
