import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AddPath, PeerConfig, Role } from '../../../bgp/config.ts';
import { bgpStateOf, type PeerState, stepByTable, stepPeer } from '../../../bgp/session/peer.ts';
import type { Family } from '../../../bgp/wire/message.ts';
import { asn, ipv4, millis } from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { virtualClock } from '../../support/clock.ts';
import { peerConfig, updateMessage } from '../../support/peer.ts';
import { type Node, type PeerNet, peerNet } from '../../support/peer-net.ts';

const sides = ['outgoing', 'incoming'] as const;
const established = (peer: PeerState) => sides.filter((side) => peer[side].state === 'Established');

/** What must never be seen of a peer, at any moment of any history. */
const never: Readonly<Record<string, (node: Node) => boolean>> = {
  'two connections are Established': ({ peer }) => established(peer).length > 1,
  'up and down do not alternate': ({ history }) =>
    history.some((kind, index) => kind !== (index % 2 === 0 ? 'up' : 'down')),
  'a timer runs without its connection': ({ peer }) =>
    sides.some(
      (side) =>
        (peer.timers.has(`hold-${side}`) || peer.timers.has(`keepalive-${side}`)) &&
        ['Idle', 'Connect', 'Active'].includes(peer[side].state),
    ),
  'a timer runs unknown to the peer': ({ peer, timers }) =>
    [...timers.keys()].some((timer) => !peer.timers.has(timer)),
  'an UPDATE does what the table does not say': ({ peer }) =>
    established(peer).some((side) => {
      const event = { kind: 'Message', side, message: updateMessage } as const;
      const [way, table] = [stepPeer, stepByTable].map((step) =>
        step(peer, event, { random: seededRandom(1) }),
      );
      return !isDeepStrictEqual(way, table);
    }),
};

function checkAlways(net: PeerNet): void {
  for (const [what, isSeen] of Object.entries(never))
    for (const node of [net.a, net.b]) if (isSeen(node)) throw new Error(what);
}

const trouble = fc.record({
  at: fc.integer({ min: 0, max: 60_000 }),
  what: fc.constantFrom<'reset' | 'silence' | 'restart a' | 'restart b'>(
    'reset',
    'silence',
    'restart a',
    'restart b',
  ),
});

/** What a configuration may ask for beside the plain protocol. */
const options: fc.Arbitrary<Partial<PeerConfig>> = fc.record(
  {
    connect: fc.constantFrom('passive', 'active'),
    families: fc.subarray<Family>(['ipv4-unicast', 'ipv6-unicast'], { minLength: 1 }),
    addPath: fc.constantFrom<AddPath>({ receive: true }, { send: 'all' }, { receive: true, send: 2 }),
    extendedNextHop: fc.constant<true>(true),
    role: fc.record({ own: fc.constantFrom<Role>('provider', 'rs', 'peer') }),
    restartTimeMs: fc.constant(120_000),
    notificationRestart: fc.constant<true>(true),
    longLivedMs: fc.constant(600_000),
    keepaliveTimeMs: fc.constant(2000),
    peerAsns: fc.constant([]),
  },
  { requiredKeys: ['families'] },
);

/** Two that can meet at all: one of them dials, the other takes it, and each has the role across from the other's. */
function fitting(
  { a, b }: Readonly<Record<'a' | 'b', Partial<PeerConfig>>>,
  ibgp: boolean,
): Readonly<Record<'a' | 'b', Partial<PeerConfig>>> {
  const across = {
    provider: 'customer',
    rs: 'rs-client',
    peer: 'peer',
    customer: 'provider',
    'rs-client': 'rs',
  };
  const role = a.role && b.role && { own: across[a.role.own] as Role };
  const { connect: ofB, role: _, ...rest } = b;
  const connect = a.connect === undefined ? ofB : undefined;
  const learned = ({ peerAsns, ...one }: Partial<PeerConfig>): Partial<PeerConfig> =>
    ibgp || peerAsns === undefined ? one : { ...one, peerAsns, peerAsn: asn(0) };
  return {
    a: learned(a),
    b: learned({
      ...rest,
      ...(connect === undefined ? {} : { connect }),
      ...(role === undefined ? {} : { role }),
    }),
  };
}

const history = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  /** From a LAN to a satellite; the longest is such that OPENs of both connections cross in any order. */
  delayMs: fc.constantFrom<number>(0, 1, 50, 700, 3000),
  lag: fc.integer({ min: 0, max: 3000 }),
  refused: fc.constantFrom<number>(0, 0.3),
  unanswered: fc.constantFrom<number>(0, 0.3),
  troubles: fc.array(trouble, { maxLength: 6 }),
  ids: fc.constantFrom<readonly [number, number]>([1, 2], [2, 1], [7, 7]),
  ibgp: fc.boolean(),
  hold: fc.constantFrom<readonly [number, number]>([30, 90], [9, 0], [90, 30]),
  options: fc.record({ a: options, b: options }),
});
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

function run({
  seed,
  delayMs,
  lag,
  refused,
  unanswered,
  troubles,
  ids,
  ibgp,
  hold,
  options: asked,
}: History) {
  const clock = virtualClock();
  const [asA, asB] = ibgp ? [64512, 64512] : [64512, 64513];
  const more = fitting(asked, ibgp);
  const end = (own: number, their: number, id: number, holdTime: number, given: Partial<PeerConfig>) => ({
    config: peerConfig({ localAsn: asn(own), peerAsn: asn(their), holdTimeMs: holdTime * 1000, ...given }),
    local: { asn: asn(own), routerId: ipv4(id), restart: { isRestarting: false, isForwarding: true } },
  });
  const ends = {
    a: end(asA, asB, ids[0], hold[0], more.a),
    b: end(asB, asA, ids[1], hold[1], more.b),
  };
  const net = peerNet(clock, seed, ends, checkAlways);
  net.weather = { delayMs, refused, unanswered };
  net.tell('a', { kind: 'ManualStart' });
  clock.after(millis(lag), () => net.tell('b', { kind: 'ManualStart' }));
  for (const { at, what } of troubles)
    clock.after(millis(at), () => {
      if (what === 'reset' || what === 'silence') return net.breakAll(what);
      const name = what === 'restart a' ? 'a' : 'b';
      if (!net[name].peer.started) return;
      net.tell(name, { kind: 'ManualStop', subcode: 2, why: 'restart' });
      net.tell(name, { kind: 'ManualStart' });
    });
  clock.advance(60_000);
  net.weather = { delayMs, refused: 0, unanswered: 0 };
  clock.advance(1_500_000);
  return { net, clock };
}

test('RFC 4271 §6.8: after any trouble two peers end with one and the same connection and agree on everything', () => {
  fc.assert(
    fc.property(history, (given) => {
      // Two that share identifier and AS refuse each other, and a silent break under hold time 0 is never noticed.
      fc.pre(!(given.ibgp && given.ids[0] === given.ids[1]));
      fc.pre(!(given.hold.includes(0) && given.troubles.some(({ what }) => what === 'silence')));
      const { a: left, b: right } = given.options;
      fc.pre(left.families?.some((family) => right.families?.includes(family)) === true);
      const { net } = run(given);
      const [a, b] = [net.a, net.b];
      expect([bgpStateOf(a.peer), bgpStateOf(b.peer)]).toEqual(['Established', 'Established']);
      const [sideA, sideB] = [established(a.peer)[0] ?? 'outgoing', established(b.peer)[0] ?? 'outgoing'];
      expect(Object.keys(a.links)).toEqual([sideA]);
      expect(Object.keys(b.links)).toEqual([sideB]);
      expect(a.links[sideA]).toBe(b.links[sideB]);
      const [ofA, ofB] = [a.peer[sideA], b.peer[sideB]];
      if (!('negotiated' in ofA && 'negotiated' in ofB)) throw new Error('both are Established');
      expect(ofA.negotiated.holdTimeMs).toBe(ofB.negotiated.holdTimeMs);
      expect(new Set(ofA.negotiated.families)).toEqual(new Set(ofB.negotiated.families));
      const { addPathSend: sentByA, addPathReceive: readByA, ...codecA } = ofA.negotiated.codec;
      const { addPathSend: sentByB, addPathReceive: readByB, ...codecB } = ofB.negotiated.codec;
      expect(codecA).toEqual(codecB);
      expect([sentByA, sentByB]).toEqual([readByB, readByA]);
      for (const { peer, timers } of [a, b]) {
        const side = established(peer)[0];
        const expected = given.hold.includes(0) ? [] : [`hold-${side}`, `keepalive-${side}`];
        expect([...peer.timers].sort()).toEqual(expected.sort());
        expect([...timers.keys()].sort()).toEqual(expected);
      }
    }),
    { numRuns: 200 },
  );
});

const plain = { a: { families: ['ipv4-unicast'] }, b: { families: ['ipv4-unicast'] } } as const;

test('RFC 4271 §6.8: two peers that dial each other at once come up without a session lost to the collision', () => {
  const calm = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    delayMs: fc.constantFrom<number>(0, 1, 50, 300),
    lag: fc.integer({ min: 0, max: 300 }),
    ids: fc.constantFrom<readonly [number, number]>([1, 2], [2, 1]),
  });
  fc.assert(
    fc.property(calm, (given) => {
      const { net } = run({
        ...given,
        refused: 0,
        unanswered: 0,
        troubles: [],
        ibgp: true,
        hold: [30, 90],
        options: plain,
      });
      expect([net.a.history, net.b.history]).toEqual([['up'], ['up']]);
    }),
    { numRuns: 500 },
  );
});

test('two peers that share identifier and AS never come up and do not busy themselves', () => {
  const clock = virtualClock();
  const end = {
    config: peerConfig({ localAsn: asn(64512), peerAsn: asn(64512) }),
    local: { asn: asn(64512), routerId: ipv4(7) },
  };
  let steps = 0;
  const net = peerNet(clock, 3, { a: end, b: end }, () => {
    steps += 1;
  });
  net.tell('a', { kind: 'ManualStart' });
  net.tell('b', { kind: 'ManualStart' });
  clock.advance(3_600_000);
  expect(net.a.history).toEqual([]);
  // An hour: attempts to dial are at least 15 s apart after the first few, and cost a handful of steps each.
  expect(steps).toBeLessThan(3000);
});

test('stopped peers leave nothing running', () => {
  fc.assert(
    fc.property(history, (given) => {
      const { net, clock } = run({ ...given, troubles: given.troubles.slice(0, 2) });
      for (const name of ['a', 'b'] as const)
        net.tell(name, { kind: 'ManualStop', subcode: 2, why: 'the end' });
      clock.advance(60_000);
      for (const { peer, links, timers } of [net.a, net.b]) {
        expect(bgpStateOf(peer)).toBe('Idle');
        expect(peer.timers.size).toBe(0);
        expect(timers.size).toBe(0);
        expect(Object.keys(links)).toEqual([]);
      }
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 50 },
  );
});
