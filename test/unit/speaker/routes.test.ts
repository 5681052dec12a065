import { describe, expect, test } from 'vitest';
import {
  advertisedRoutes,
  peerStatuses,
  receivedRoutes,
  routes,
  withheldRoutes,
} from '../../../bgp/speaker/report.ts';
import { neighboursNamed } from '../../../bgp/status/named.ts';
import { asn, type Ipv4, ipv4, type Prefix, prefix4 } from '../../../src/lib/net.ts';
import { announce, fibOf, notificationsOf, OneSpeaker, of, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const tor1 = peerOf({ key: 'tor1', name: 'ToR1' });
const tor2 = peerOf({ key: 'tor2', name: 'ToR2', address: address('192.0.2.2'), peerAsn: asn(64998) });
const node = peerOf({ key: 'node', name: 'Node', address: address('192.0.2.12'), peerAsn: asn(64512) });
const at = prefix('10.2.0.0/24');
const via1 = attributesOf({ asPath: sequence(64999) });
const via2 = attributesOf({ asPath: sequence(64998), nextHop: address('192.0.2.2') });

function running(): OneSpeaker {
  const one = new OneSpeaker();
  one.configure({ peers: [tor1, tor2, node] });
  one.establish(tor1, ipv4(1));
  one.establish(tor2, ipv4(2));
  one.establish(node, ipv4(3));
  for (const peer of [tor1, tor2, node]) one.drain(peer);
  return one;
}

describe('a session that comes up', () => {
  test('RFC 4724 §2: is told all we have, then End-of-RIB of each family', () => {
    const one = new OneSpeaker();
    one.configure({ peers: [tor1], origins: [prefix('10.1.0.0/24'), prefix('fd00:1::/64')] });
    const effects = one.establish(tor1);
    expect(of(effects, 'codec').map(({ context }) => context.peerType)).toEqual(['ebgp']);
    expect(one.drain(tor1)).toEqual([
      '+10.1.0.0/24 via 192.0.2.100',
      '+fd00:1::/64 via 2001:db8::100',
      'end of ipv4-unicast',
      'end of ipv6-unicast',
    ]);
  });

  test('RFC 4760 §8: is told only the families both sides offered', () => {
    const one = new OneSpeaker();
    one.configure({ peers: [tor1], origins: [prefix('10.1.0.0/24'), prefix('fd00:1::/64')] });
    one.establish(tor1, ipv4(7), ['ipv6-unicast']);
    expect(one.drain(tor1)).toEqual(['+fd00:1::/64 via 2001:db8::100', 'end of ipv6-unicast']);
  });
});

describe('a session that goes down', () => {
  test('takes all its routes with it, at once, and those of others come in their place', () => {
    const one = running();
    one.hear(tor1, announce(via1, at, prefix('10.3.0.0/24')));
    one.hear(tor2, announce({ ...via2, asPath: sequence(64998, 64998) }, at));
    one.drain(node);
    expect(fibOf(one.lose(tor1))).toEqual(['10.2.0.0/24 via 192.0.2.2', '10.3.0.0/24 gone']);
    expect(one.drain(node)).toEqual(['-10.3.0.0/24', '+10.2.0.0/24 via 192.0.2.2']);
  });

  test('leaves nothing behind for the next one', () => {
    const one = running();
    one.hear(tor1, announce(via1, at));
    one.lose(tor1);
    expect(one.drain(tor1)).toEqual([]);
    expect(peerStatuses(one.speaker)[0]).toMatchObject({
      prefixesReceived: 0,
      prefixesAccepted: 0,
      prefixesAdvertised: 0,
      lastError: 'connection reset',
    });
    one.tell({ kind: 'timer', timer: { owner: 'peer', peer: 'tor1', name: 'connectRetry' } });
    one.establish(tor1, ipv4(1));
    expect(one.drain(tor1)).toEqual([
      '+10.1.0.0/24 via 192.0.2.100',
      'end of ipv4-unicast',
      'end of ipv6-unicast',
    ]);
  });
});

describe('kernel routes', () => {
  test('lead over every equal path, ascending, each next hop once', () => {
    const one = running();
    one.configure({ decision: { relaxAsPath: true } });
    one.hear(tor2, announce(via2, at));
    expect(fibOf(one.hear(tor1, announce(via1, at)))).toEqual(['10.2.0.0/24 via 192.0.2.1 192.0.2.2']);
    expect(fibOf(one.hear(tor1, updateOf({ withdrawn: [at] })))).toEqual(['10.2.0.0/24 via 192.0.2.2']);
  });

  test('are not written again when only the reason of the choice changed', () => {
    const one = running();
    one.hear(tor1, announce(via1, at));
    expect(fibOf(one.hear(tor1, announce({ ...via1, med: 5 }, at)))).toEqual([]);
    expect(fibOf(one.hear(tor1, announce({ ...via1, med: 5 }, at)))).toEqual([]);
  });

  test('RFC 4271 §4.3: a prefix both withdrawn and announced in one UPDATE is announced', () => {
    const one = running();
    one.hear(tor1, announce(via1, at));
    const both = { ...announce({ ...via1, nextHop: address('192.0.2.9') }, at), withdrawn: [at] };
    expect(fibOf(one.hear(tor1, both))).toEqual(['10.2.0.0/24 via 192.0.2.9']);
  });

  test('never come from a family that was not negotiated', () => {
    const one = new OneSpeaker();
    one.configure({ peers: [tor1] });
    one.establish(tor1, ipv4(1), ['ipv4-unicast']);
    const six = attributesOf({ asPath: sequence(64999), nextHop: address('2001:db8::1') });
    expect(fibOf(one.hear(tor1, announce(six, prefix('fd00:2::/64'))))).toEqual([]);
    expect(peerStatuses(one.speaker)[0]?.prefixesReceived).toBe(0);
  });
});

describe('telling a neighbour', () => {
  test('is asked for once, and again while there is more than one batch', () => {
    const one = running();
    const many = Array.from(
      { length: 9000 },
      (_, index): Prefix => prefix4((v4('10.128.0.0') + index * 256) as Ipv4, 24),
    );
    const asked = of(one.hear(tor1, announce(via1, ...many)), 'wantWrite');
    // Whether there is anything to say to the one that told them is seen when it is asked.
    expect(asked.map(({ peer }) => peer)).toEqual(expect.arrayContaining(['node', 'tor2']));
    expect(of(one.hear(tor1, updateOf({ withdrawn: many.slice(0, 1) })), 'wantWrite')).toEqual([]);
    const first = one.tell({ kind: 'writable', peer: 'node', side: 'outgoing' });
    expect(of(first, 'wantWrite').map(({ peer }) => peer)).toEqual(['node']);
    const prefixes = of(first, 'send').flatMap(({ message }) =>
      message.kind === 'update' ? message.announced.flatMap((announcement) => announcement.prefixes) : [],
    );
    expect(prefixes.length).toBeGreaterThan(1000);
    expect(prefixes.length).toBeLessThan(9000);
    expect(one.drain(node)).toHaveLength(8999 - prefixes.length);
  });

  test('happens only when it was asked for, and on the connection it was asked for', () => {
    const one = running();
    expect(one.tell({ kind: 'writable', peer: 'node', side: 'outgoing' })).toEqual([]);
    one.hear(tor1, announce(via1, at));
    expect(one.tell({ kind: 'writable', peer: 'node', side: 'incoming' })).toEqual([]);
    expect(one.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.1']);
  });

  test('RFC 2918 §4: a Route Refresh has us say one family again', () => {
    const one = running();
    one.hear(tor1, announce(via1, at));
    one.drain(node);
    one.hear(node, { kind: 'routeRefresh', subtype: 'request', family: 'ipv6-unicast' });
    expect(one.drain(node)).toEqual([]);
    one.hear(node, { kind: 'routeRefresh', subtype: 'request', family: undefined });
    expect(one.drain(node)).toEqual([]);
    one.hear(node, { kind: 'routeRefresh', subtype: 'request', family: 'ipv4-unicast' });
    expect(one.drain(node)).toEqual(['+10.1.0.0/24 via 192.0.2.100', '+10.2.0.0/24 via 192.0.2.1']);
  });
});

test('RFC 7606 §8: malformed UPDATEs are logged, ever more rarely, so that a neighbour cannot flood the log', () => {
  const one = running();
  const flawed = updateOf({
    flaws: [{ remedy: 'treat-as-withdraw', why: 'ORIGIN has length 2 (RFC 7606 §7.1)' }],
  });
  const logged = Array.from({ length: 100 }, () => of(one.hear(tor1, flawed), 'log')).flat();
  expect(logged).toHaveLength(7);
  expect(logged[0]).toEqual({
    kind: 'log',
    level: 'warn',
    message:
      'malformed UPDATE, number 1 of this session: ORIGIN has length 2 (RFC 7606 §7.1) (treat-as-withdraw)',
    fields: { peer: 'ToR1', address: 'tor1', as: 64999 },
  });
});

describe('what an earlier life left in the kernel', () => {
  const waiting = (): OneSpeaker => {
    const one = new OneSpeaker();
    one.configure({ peers: [tor1, tor2] });
    one.establish(tor1, ipv4(1));
    one.establish(tor2, ipv4(2));
    return one;
  };
  const endOf = (family: 'ipv4-unicast' | 'ipv6-unicast') => updateOf({ endOfRib: family });

  test('RFC 4724 §4.1: may be swept once every neighbour has told all of every family, and only once', () => {
    const one = waiting();
    const heard = [
      one.hear(tor1, endOf('ipv4-unicast')),
      one.hear(tor1, endOf('ipv6-unicast')),
      one.hear(tor2, endOf('ipv6-unicast')),
      one.hear(tor2, endOf('ipv4-unicast')),
      one.hear(tor2, endOf('ipv4-unicast')),
    ];
    expect(heard.map((effects) => of(effects, 'settled').length)).toEqual([0, 0, 0, 1, 0]);
  });

  test('or when they were waited for long enough, which is logged with their names', () => {
    const one = waiting();
    one.hear(tor1, endOf('ipv4-unicast'));
    one.hear(tor1, endOf('ipv6-unicast'));
    const effects = one.tell({ kind: 'timer', timer: { owner: 'speaker', name: 'settle' } });
    expect(of(effects, 'settled')).toHaveLength(1);
    expect(of(effects, 'log').map(({ message }) => message)).toEqual([
      'no longer waiting for the routes of ToR2',
    ]);
  });

  test('is waited for 30 s at most', () => {
    const effects = new OneSpeaker().configure({ peers: [tor1] });
    expect(of(effects, 'startTimer')).toContainEqual({
      kind: 'startTimer',
      timer: { owner: 'speaker', name: 'settle' },
      after: 30_000,
    });
  });

  test('is not judged before there is a configuration', () => {
    const one = new OneSpeaker();
    expect(one.tell({ kind: 'configure', config: undefined })).toEqual([]);
    expect(of(one.configure({ peers: [] }), 'settled')).toHaveLength(1);
  });
});

describe('stopping', () => {
  test('RFC 4486 §4: tells everyone of the administrative shutdown (6/2), and takes no kernel route back', () => {
    const one = running();
    one.hear(tor1, announce(via1, at));
    const effects = one.tell({ kind: 'stop', why: 'SIGTERM' });
    expect(notificationsOf(effects)).toEqual(['tor1: 6/2', 'tor2: 6/2', 'node: 6/2']);
    expect(of(effects, 'close').map(({ peer }) => peer)).toEqual(
      expect.arrayContaining(['tor1', 'tor2', 'node']),
    );
    expect(fibOf(effects)).toEqual([]);
    expect(effects.at(-1)).toEqual({ kind: 'stopped' });
    expect(one.configure({ peers: [] })).toEqual([]);
  });
});

describe('what is shown', () => {
  test('each path with why it is best or not, each rejected route with why', () => {
    const one = running();
    one.hear(tor1, announce({ ...via1, communities: [0xfde8_0064] }, at, prefix('192.168.0.0/24')));
    one.hear(tor2, announce({ ...via2, asPath: sequence(64998, 1) }, at));
    expect(
      routes(one.speaker).map((route) => `${route.prefix} ${route.from} ${route.best} ${route.reason}`),
    ).toEqual([
      '10.1.0.0/24 local true the only path',
      '10.2.0.0/24 ToR1 true shorter AS path than 1 other',
      '10.2.0.0/24 ToR2 false longer AS path than the best',
    ]);
    const [found] = neighboursNamed(one.speaker, 'ToR1');
    if (found === undefined) throw new Error('ToR1 is a neighbour');
    expect(receivedRoutes(one.speaker, found)).toEqual([
      {
        prefix: '10.2.0.0/24',
        nextHop: '192.0.2.1',
        from: 'ToR1',
        best: true,
        multipath: false,
        origin: 'igp',
        asPath: '64999',
        communities: ['65000:100'],
        reason: 'shorter AS path than 1 other',
      },
      expect.objectContaining({
        prefix: '192.168.0.0/24',
        best: false,
        reason: "not accepted: not inside any IP pool or node's pod CIDR",
      }),
    ]);
    expect(routes(one.speaker)[2]?.asPath).toBe('64998 1');
    one.drain(tor1);
    expect(advertisedRoutes(one.speaker, found)).toMatchObject([
      {
        prefix: '10.1.0.0/24',
        from: 'local',
        asPath: '64512',
        nextHop: '192.0.2.100',
        reason: 'our best path',
      },
    ]);
    expect(withheldRoutes(one.speaker, found)).toMatchObject([
      { prefix: '10.2.0.0/24', reason: 'not advertised: learned from this neighbour' },
    ]);
  });

  test('RFC 7911 §3: each path a neighbour is told has its own number, and says whose it is', () => {
    const all = peerOf({ ...node, addPath: { send: 'all' } });
    const one = new OneSpeaker();
    one.configure({ peers: [tor1, tor2, all] });
    one.establish(tor1, ipv4(1));
    one.establish(tor2, ipv4(2));
    one.establish(
      all,
      ipv4(3),
      ['ipv4-unicast'],
      [{ kind: 'addPath', families: [{ family: 'ipv4-unicast', receive: true, send: false }] }],
    );
    one.hear(tor1, announce(via1, at));
    one.hear(tor2, announce({ ...via2, asPath: sequence(64998, 1) }, at));
    one.drain(all);
    const [found] = neighboursNamed(one.speaker, 'Node');
    if (found === undefined) throw new Error('no Node');
    const shown = advertisedRoutes(one.speaker, found).filter((route) => route.prefix === '10.2.0.0/24');
    expect(shown).toMatchObject([
      { from: 'ToR1', best: true, reason: 'our best path' },
      { from: 'ToR2', best: false, reason: 'told beside our best path' },
    ]);
    expect(new Set(shown.map(({ pathId }) => pathId)).size).toBe(2);
    expect(shown.every(({ pathId }) => pathId !== undefined && pathId > 0)).toBe(true);
  });

  test('equal paths as multipath', () => {
    const one = running();
    one.configure({ decision: { relaxAsPath: true } });
    one.hear(tor1, announce(via1, at));
    one.hear(tor2, announce(via2, at));
    expect(routes(one.speaker).slice(1)).toMatchObject([
      { from: 'ToR1', best: true, multipath: false, reason: 'lower BGP identifier than 1 other' },
      {
        from: 'ToR2',
        best: false,
        multipath: true,
        reason: 'as good as the best and used beside it; higher BGP identifier than the best',
      },
    ]);
  });

  test('counts and facts of each session', () => {
    const one = running();
    one.hear(tor1, announce(via1, at, prefix('192.168.0.0/24')));
    one.drain(node);
    expect(peerStatuses(one.speaker)).toMatchObject([
      {
        name: 'ToR1',
        address: '192.0.2.1',
        state: 'Established',
        peerId: '0.0.0.1',
        holdTimeSeconds: 90,
        prefixesReceived: 2,
        prefixesAccepted: 1,
        prefixesAdvertised: 1,
      },
      { name: 'ToR2' },
      { name: 'Node', prefixesAdvertised: 2 },
    ]);
  });
});

test('work for one change costs in proportion to that change: one route among many touches one', () => {
  const one = running();
  const many = Array.from(
    { length: 20_000 },
    (_, index): Prefix => prefix4((v4('10.128.0.0') + index * 256) as Ipv4, 24),
  );
  one.hear(tor1, announce(via1, ...many));
  for (const peer of [tor2, node]) one.drain(peer);
  const effects = one.hear(tor1, announce({ ...via1, nextHop: address('192.0.2.9') }, ...many.slice(0, 1)));
  expect(fibOf(effects)).toEqual(['10.128.0.0/24 via 192.0.2.9']);
  expect(one.drain(node)).toEqual(['+10.128.0.0/24 via 192.0.2.9']);
});

describe('the kernel', () => {
  test('is asked for routes in runs that lead to one place, in the order of the decisions', () => {
    const one = running();
    const [first, second] = [prefix('10.3.0.0/24'), prefix('10.4.0.0/24')];
    expect(of(one.hear(tor1, announce(via1, at, first, second)), 'fib')).toMatchObject([
      { prefixes: [at, first, second], nextHops: [via1.nextHop] },
    ]);
    one.hear(tor2, announce({ ...via2, asPath: sequence(64998, 64998) }, first));
    expect(fibOf(one.lose(tor1))).toEqual([
      '10.2.0.0/24 gone',
      '10.3.0.0/24 via 192.0.2.2',
      '10.4.0.0/24 gone',
    ]);
  });

  test('is asked for nothing where nobody writes to it, and neighbours are told all the same', () => {
    const one = new OneSpeaker({ writesKernel: false });
    one.configure({ peers: [tor1, tor2] });
    one.establish(tor1, ipv4(1));
    one.establish(tor2, ipv4(2));
    one.drain(tor2);
    expect(of(one.hear(tor1, announce(via1, at)), 'fib')).toEqual([]);
    expect(one.drain(tor2)).toEqual(['+10.2.0.0/24 via 192.0.2.100']);
  });
});
