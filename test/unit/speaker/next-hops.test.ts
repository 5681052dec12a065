/** The speaker where the kernel tells how next hops are reached: RFC 4271 §9.1.2.1 and §9.1.2.2 e. */
import { describe, expect, test } from 'vitest';
import type { Filters, NamedRule } from '../../../bgp/config.ts';
import type { SpeakerEvent } from '../../../bgp/speaker/event.ts';
import type { Answer } from '../../../bgp/speaker/reach.ts';
import { receivedRoutes, routes } from '../../../bgp/speaker/report.ts';
import { step } from '../../../bgp/speaker.ts';
import { asn, type Ipv4, ipv4, millis, prefix4 } from '../../../src/lib/net.ts';
import { announce, fibOf, OneSpeaker, of, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const tor1 = peerOf({ key: 'tor1', name: 'ToR1' });
const tor2 = peerOf({ key: 'tor2', name: 'ToR2', address: address('192.0.2.2') });
const node = peerOf({ key: 'node', name: 'Node', address: address('192.0.2.12'), peerAsn: asn(64512) });
const at = prefix('10.2.0.0/24');
const [one, two] = [v4('192.0.2.1'), v4('192.0.2.2')];
const via = (nextHop: Ipv4) => attributesOf({ asPath: sequence(64999), nextHop });

function running(): OneSpeaker {
  const speaker = new OneSpeaker({ tracksNextHops: true });
  speaker.configure({ peers: [tor1, tor2, node], origins: [] });
  for (const [index, peer] of [tor1, tor2, node].entries()) {
    speaker.establish(peer, ipv4(index + 1));
    speaker.drain(peer);
  }
  return speaker;
}
const answer = (speaker: OneSpeaker, ...changes: Answer[]) => speaker.tell({ kind: 'nextHops', changes });

test('a next hop is asked for once, and its routes are used when the answer has come', () => {
  const speaker = running();
  const first = speaker.hear(tor1, announce(via(one), at));
  expect(of(first, 'track').map(({ nextHops }) => nextHops)).toEqual([[one]]);
  expect(fibOf(first)).toEqual([]);
  expect(of(speaker.hear(tor1, announce(via(one), prefix('10.3.0.0/24'))), 'track')).toEqual([]);
  expect(speaker.drain(node)).toEqual([]);
  const effects = answer(speaker, [one, 0]);
  expect(fibOf(effects)).toEqual(['10.2.0.0/24 via 192.0.2.1', '10.3.0.0/24 via 192.0.2.1']);
  expect(speaker.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.1', '+10.3.0.0/24 via 192.0.2.1']);
  expect(fibOf(answer(speaker, [one, 0]))).toEqual([]);
});

describe('RFC 4271 §9.1.2.1: a path whose next hop is unreachable', () => {
  test('gives way to another, is told to nobody, and says why', () => {
    const speaker = running();
    speaker.hear(tor1, announce(via(one), at));
    speaker.hear(tor2, announce({ ...via(two), asPath: sequence(64999, 1) }, at));
    answer(speaker, [one, 0], [two, 0]);
    speaker.drain(node);
    expect(fibOf(answer(speaker, [one, undefined]))).toEqual(['10.2.0.0/24 via 192.0.2.2']);
    expect(speaker.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.2']);
    const told = speaker.speaker.neighbours.get('tor1');
    expect(told && receivedRoutes(speaker.speaker, told)[0]?.reason).toBe(
      'not eligible: no route of this node leads to its next hop 192.0.2.1',
    );
    expect(fibOf(answer(speaker, [two, undefined]))).toEqual(['10.2.0.0/24 gone']);
    expect(speaker.drain(node)).toEqual(['-10.2.0.0/24']);
    expect(fibOf(answer(speaker, [one, 5]))).toEqual(['10.2.0.0/24 via 192.0.2.1']);
  });
});

test('RFC 4271 §9.1.2.2 e: the nearer next hop wins, and as near ones share the load', () => {
  const speaker = running();
  speaker.hear(tor1, announce(via(one), at));
  speaker.hear(tor2, announce(via(two), at));
  expect(fibOf(answer(speaker, [one, 20], [two, 10]))).toEqual(['10.2.0.0/24 via 192.0.2.2']);
  expect(fibOf(answer(speaker, [one, 10]))).toEqual(['10.2.0.0/24 via 192.0.2.1 192.0.2.2']);
  expect(fibOf(answer(speaker, [one, 5]))).toEqual(['10.2.0.0/24 via 192.0.2.1']);
  const [best, other] = routes(speaker.speaker);
  expect([best?.nextHop, other?.reason]).toEqual([
    '192.0.2.1',
    'its next hop costs more than that of the best',
  ]);
});

test('an answer for a next hop that nobody asked for changes nothing', () => {
  const speaker = running();
  expect(answer(speaker, [v4('192.0.2.99'), 1])).toEqual([]);
});

test('next hops that no path has any more are given up once they are many', () => {
  const speaker = running();
  const untracked = new Set<unknown>();
  for (let n = 0; n < 1000; n += 1) {
    const nextHop = ipv4(v4('198.51.100.0') + n);
    const where = prefix4(ipv4(v4('10.0.0.0') + n * 256), 24);
    const heard = speaker.hear(tor1, announce(via(nextHop), where));
    answer(speaker, [nextHop, 0]);
    for (const { nextHops } of of(heard, 'untrack')) for (const gone of nextHops) untracked.add(gone);
    if (n > 0) speaker.hear(tor1, updateOf({ withdrawn: [where] }));
  }
  expect(untracked.size).toBeGreaterThan(700);
  expect(untracked.has(v4('198.51.100.0'))).toBe(false);
  expect(fibOf(answer(speaker, [v4('198.51.100.0'), undefined]))).toEqual(['10.0.0.0/24 gone']);
});

test('routes of an earlier life are not swept while a next hop is not known', () => {
  const speaker = new OneSpeaker({ tracksNextHops: true });
  speaker.configure({ peers: [tor1], origins: [] });
  speaker.establish(tor1, ipv4(1));
  speaker.hear(tor1, announce(via(one), at));
  const ends = tor1.families.flatMap((endOfRib) => speaker.hear(tor1, updateOf({ endOfRib })));
  expect(of(ends, 'settled')).toEqual([]);
  const effects = answer(speaker, [one, 0]);
  expect(effects.map(({ kind }) => kind).filter((kind) => kind === 'fib' || kind === 'settled')).toEqual([
    'fib',
    'settled',
  ]);
});

describe('decision options', () => {
  test('take effect at once, on every prefix', () => {
    const speaker = new OneSpeaker();
    const other = peerOf({ key: 'tor2', address: address('192.0.2.2'), peerAsn: asn(64998) });
    speaker.configure({ peers: [tor1, other], origins: [] });
    speaker.establish(tor1, ipv4(1));
    speaker.establish(other, ipv4(2));
    speaker.hear(tor1, announce(via(one), at));
    expect(fibOf(speaker.hear(other, announce({ ...via(two), asPath: sequence(64998) }, at)))).toEqual([]);
    expect(fibOf(speaker.configure({ decision: { relaxAsPath: true } }))).toEqual([
      '10.2.0.0/24 via 192.0.2.1 192.0.2.2',
    ]);
    expect(fibOf(speaker.configure({ decision: { relaxAsPath: true, ebgpPaths: 1 } }))).toEqual([
      '10.2.0.0/24 via 192.0.2.1',
    ]);
  });
});

test('RFC 7999 §3.3: what carries BLACKHOLE and was accepted is dropped by the kernel, and told to nobody outside', () => {
  const rule = {
    name: 'BGPFilter/f importV4[0]',
    action: 'Accept',
    community: { kind: 'standard', value: 0xffff_029a },
    operations: [],
  } as const;
  const filters = { exportV4: [], importV4: [rule], exportV6: [], importV6: [] };
  const speaker = new OneSpeaker();
  speaker.configure({
    peers: [
      { ...tor1, filters },
      { ...tor2, peerAsn: asn(64998) },
    ],
    origins: [],
  });
  speaker.establish(tor1, ipv4(1));
  speaker.establish({ ...tor2, peerAsn: asn(64998) }, ipv4(2));
  speaker.drain(tor2);
  const marked = { ...via(one), communities: [0xffff_029a] };
  expect(fibOf(speaker.hear(tor1, announce(marked, prefix('10.2.0.7/32'))))).toEqual([
    '10.2.0.7/32 blackhole',
  ]);
  expect(speaker.drain(tor2)).toEqual([]);
  expect(fibOf(speaker.hear(tor1, announce(via(one), prefix('10.2.0.7/32'))))).toEqual([
    '10.2.0.7/32 via 192.0.2.1',
  ]);
});

describe('a BGPFilter rule that names an interface', () => {
  const rule = (list: string, link: string, action: 'Accept' | 'Reject'): NamedRule => ({
    name: `BGPFilter/f ${list}[0]`,
    action,
    link,
    operations: [],
  });
  const none: Filters = { exportV4: [], importV4: [], exportV6: [], importV6: [] };
  const reasons = ({ speaker }: OneSpeaker, key = 'tor1') => {
    const neighbour = speaker.neighbours.get(key);
    return neighbour === undefined ? [] : receivedRoutes(speaker, neighbour).map(({ reason }) => reason);
  };

  test('lets in by the link of the next hop once it is known, and judges anew when that is another', () => {
    const filters = { ...none, importV4: [rule('importV4', 'eth1', 'Reject')] };
    const speaker = running();
    speaker.configure({ peers: [{ ...tor1, filters }, tor2, node] });
    const heard = speaker.hear(tor1, announce(via(one), at));
    expect(of(heard, 'track').map(({ nextHops }) => nextHops)).toEqual([[one]]);
    expect(reasons(speaker)).toEqual([
      'not accepted: rejected by BGPFilter/f importV4[0], which asks for the link of its next hop, and no link is known',
    ]);
    expect(fibOf(answer(speaker, [one, 0, ['eth0']]))).toEqual(['10.2.0.0/24 via 192.0.2.1']);
    expect(speaker.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.1']);
    expect(fibOf(answer(speaker, [one, 0, ['eth1']]))).toEqual(['10.2.0.0/24 gone']);
    expect(speaker.drain(node)).toEqual(['-10.2.0.0/24']);
    expect(reasons(speaker)).toEqual(['not accepted: rejected by BGPFilter/f importV4[0]']);
    expect(fibOf(answer(speaker, [one, 0, ['eth0', 'eth2']]))).toEqual(['10.2.0.0/24 via 192.0.2.1']);
    expect(fibOf(answer(speaker, [one, undefined]))).toEqual(['10.2.0.0/24 gone']);
  });

  test('tells by the link of the next hop, untells when that is another, and what is ours has no link', () => {
    const filters = { ...none, exportV4: [rule('exportV4', '*.calico', 'Reject')] };
    const speaker = running();
    speaker.configure({ peers: [tor1, tor2, { ...node, filters }], origins: [prefix('10.1.0.0/24')] });
    speaker.hear(tor1, announce(via(one), at));
    expect(speaker.drain(node)).toEqual([expect.stringContaining('+10.1.0.0/24')]);
    answer(speaker, [one, 0, ['eth0']]);
    expect(speaker.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.1']);
    expect(of(answer(speaker, [one, 0, ['vxlan.calico']]), 'fib')).toEqual([]);
    expect(speaker.drain(node)).toEqual(['-10.2.0.0/24']);
    answer(speaker, [one, 0, ['eth0']]);
    expect(speaker.drain(node)).toEqual(['+10.2.0.0/24 via 192.0.2.1']);
  });

  test('judges all of a large table, however often links change meanwhile', () => {
    const filters = { ...none, importV4: [rule('importV4', 'eth1', 'Reject')] };
    const speaker = running();
    speaker.configure({ peers: [{ ...tor1, filters }, tor2, node] });
    const many = Array.from({ length: 9000 }, (_, n) => prefix4(ipv4(v4('10.0.0.0') + n * 256), 24));
    speaker.hear(tor1, announce(via(one), ...many));
    let now = 1000;
    const turn = (event: SpeakerEvent): boolean => {
      now += 1;
      return step(speaker.speaker, event, millis(now)).some(({ kind }) => kind === 'continue');
    };
    let isGoingOn = turn({ kind: 'nextHops', changes: [[one, 0, ['eth0']]] });
    expect(isGoingOn).toBe(true);
    for (const link of ['eth1', 'eth0', 'eth1']) turn({ kind: 'nextHops', changes: [[one, 0, [link]]] });
    for (let turns = 0; isGoingOn; turns += 1) {
      expect(turns).toBeLessThan(20);
      isGoingOn = turn({ kind: 'continue' });
    }
    expect(speaker.speaker.locRib.size).toBe(0);
    expect(speaker.speaker.neighbours.get('tor1')?.adjRibIn.acceptedSize).toBe(0);
  });

  test('where nobody asks the kernel, says so of what it would have to decide', () => {
    const filters = { ...none, importV4: [rule('importV4', 'eth1', 'Accept')] };
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [{ ...tor1, filters }], origins: [] });
    speaker.establish(tor1, ipv4(1));
    speaker.hear(tor1, announce(via(one), at));
    expect(reasons(speaker)).toEqual([expect.stringContaining('no link is known')]);
  });

  test('keeps routes of an earlier life until what it lets in is judged', () => {
    const filters = { ...none, importV4: [rule('importV4', 'eth1', 'Reject')] };
    const speaker = new OneSpeaker({ tracksNextHops: true });
    speaker.configure({ peers: [{ ...tor1, filters }], origins: [] });
    speaker.establish(tor1, ipv4(1));
    speaker.hear(tor1, announce(via(one), at));
    const ends = tor1.families.flatMap((endOfRib) => speaker.hear(tor1, updateOf({ endOfRib })));
    expect(of(ends, 'settled')).toEqual([]);
    const effects = answer(speaker, [one, 0, ['eth0']]);
    expect(effects.map(({ kind }) => kind).filter((kind) => kind === 'fib' || kind === 'settled')).toEqual([
      'fib',
      'settled',
    ]);
  });
});
