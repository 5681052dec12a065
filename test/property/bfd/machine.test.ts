import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  agreedDetectionUs,
  agreedTransmitUs,
  type BfdParameters,
  stepSession,
} from '../../../bgp/bfd/machine.ts';
import { bfdStates, type ControlPacket, decodePacket, encodePacket } from '../../../bgp/bfd/packet.ts';
import { millis } from '../../../src/lib/net.ts';
import { type BfdEnd, BfdPair } from '../../support/bfd-pair.ts';

const interval = fc.constantFrom(10_000, 50_000, 100_000, 300_000, 1_000_000, 2_000_000);
const parameters: fc.Arbitrary<BfdParameters> = fc.record({
  minTxUs: interval,
  minRxUs: interval,
  multiplier: fc.integer({ min: 1, max: 6 }),
});
const pairs = fc.record({
  a: parameters,
  b: parameters,
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  delayMs: fc.constantFrom(0, 1, 4),
});
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const packets: fc.Arbitrary<ControlPacket> = fc.record({
  diagnostic: fc.integer({ min: 0, max: 31 }),
  state: fc.constantFrom(...bfdStates),
  poll: fc.boolean(),
  final: fc.boolean(),
  isIndependent: fc.boolean(),
  demand: fc.boolean(),
  multiplier: fc.integer({ min: 1, max: 255 }),
  myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  desiredMinTxUs: uint32,
  requiredMinRxUs: uint32,
  requiredMinEchoRxUs: uint32,
});

const detectionMs = ({ session }: BfdEnd): number => (agreedDetectionUs(session) ?? 0) / 1000;
const downs = ({ changes }: BfdEnd) => changes.filter(({ from }) => from === 'up');

test('RFC 5880 §4.1: what is encoded is decoded to the same packet', () => {
  fc.assert(
    fc.property(packets, (packet) => {
      expect(decodePacket(encodePacket(packet))).toEqual({ ok: true, value: packet });
    }),
  );
});

test('RFC 5880 §6.8.6: any octets are a packet or a reason to discard them, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const decoded = decodePacket(bytes);
      if (!decoded.ok) expect(decoded.error).not.toBe('');
      else expect(encodePacket(decoded.value).slice(4, 24)).toEqual(bytes.slice(4, 24));
    }),
    { numRuns: 2000 },
  );
});

test('RFC 5880 §6.2: two ends reach Up through any loss short of a third, and stay there once nothing is lost', () => {
  fc.assert(
    fc.property(pairs, fc.double({ min: 0, max: 0.3, noNaN: true }), (options, loss) => {
      const pair = new BfdPair(options).start();
      pair.loss = loss;
      for (let second = 0; second < 600 && !pair.isUp; second += 1) pair.clock.advance(1000);
      pair.loss = 0;
      pair.clock.advance(30_000);
      const [inA, inB] = [pair.a.changes.length, pair.b.changes.length];
      expect(pair.isUp).toBe(true);
      pair.clock.advance(60_000);
      expect([pair.a.changes.length, pair.b.changes.length]).toEqual([inA, inB]);
    }),
    { numRuns: 150 },
  );
});

test('RFC 5880 §6.8.4: where nothing is lost nothing goes down, whatever is asked of the intervals meanwhile', () => {
  const change = fc.record({
    after: fc.integer({ min: 0, max: 5000 }),
    end: fc.constantFrom('a' as const, 'b' as const),
    wanted: parameters,
  });
  fc.assert(
    fc.property(pairs, fc.array(change, { maxLength: 12 }), (options, changes) => {
      const pair = new BfdPair(options).start();
      pair.clock.advance(20_000);
      expect(pair.isUp).toBe(true);
      for (const { after, end, wanted } of changes) {
        pair.clock.advance(after);
        pair[end].tell({ kind: 'configure', wanted });
      }
      pair.clock.advance(30_000);
      for (const end of [pair.a, pair.b]) expect(downs(end)).toEqual([]);
      const [a, b] = [pair.a.session, pair.b.session];
      for (const [own, theirs] of [
        [a, b],
        [b, a],
      ] as const) {
        expect(own.polling).toBe('none');
        expect(agreedTransmitUs(own)).toBe(Math.max(own.wanted.minTxUs, theirs.wanted.minRxUs));
        expect(agreedDetectionUs(own)).toBe(
          theirs.wanted.multiplier * Math.max(own.wanted.minRxUs, theirs.wanted.minTxUs),
        );
      }
    }),
    { numRuns: 200 },
  );
});

test('RFC 5880 §6.8.4: a cut is seen by who hears nothing within its detection time, by the other as soon as it is told', () => {
  fc.assert(
    fc.property(
      pairs,
      fc.constantFrom('a to b' as const, 'b to a' as const, 'both' as const),
      (options, cut) => {
        const pair = new BfdPair(options).start();
        pair.clock.advance(30_000);
        const at = pair.clock.now();
        const within = { a: detectionMs(pair.a), b: detectionMs(pair.b) };
        pair.cut = cut;
        pair.clock.advance(within.a + within.b + 100);
        const delay = options.delayMs;
        for (const [end, name, deaf] of [
          [pair.a, 'a', cut !== 'a to b'],
          [pair.b, 'b', cut !== 'b to a'],
        ] as const) {
          const [down] = downs(end);
          expect(down).toBeDefined();
          const limit = deaf ? within[name] + delay : within[name === 'a' ? 'b' : 'a'] + 2 * delay;
          expect((down?.at ?? Number.NaN) - at).toBeLessThanOrEqual(limit + 0.01);
          expect(down?.why).toMatch(deaf ? /no BFD packet came/ : /control detection time expired/);
          expect(down?.byAdmin).toBe(false);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('RFC 5882 §3.2: AdminDown is no failure at either end, and the silence that follows it is none either', () => {
  fc.assert(
    fc.property(pairs, (options) => {
      const pair = new BfdPair(options).start();
      pair.clock.advance(30_000);
      pair.a.tell({ kind: 'disable' });
      pair.clock.advance(30_000);
      expect(pair.a.session.state).toBe('adminDown');
      expect(pair.b.session.state).toBe('down');
      expect(downs(pair.b).map(({ byAdmin }) => byAdmin)).toEqual([true]);
      pair.cut = 'both';
      pair.clock.advance(60_000);
      pair.cut = 'none';
      pair.a.tell({ kind: 'enable' });
      pair.clock.advance(30_000);
      expect(pair.isUp).toBe(true);
      for (const end of [pair.a, pair.b]) expect(downs(end).every(({ byAdmin }) => byAdmin)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('RFC 5880 §6.8.7: packets come 75 to 100 % of the interval apart, 75 to 90 % with a multiplier of 1', () => {
  fc.assert(
    fc.property(pairs, (options) => {
      const pair = new BfdPair(options).start();
      pair.clock.advance(30_000);
      const from = pair.a.sent.length;
      pair.clock.advance(20_000);
      const us = agreedTransmitUs(pair.a.session) ?? 0;
      const most = options.a.multiplier === 1 ? 0.9 : 1;
      const times = pair.a.sent.slice(from).map(({ at }) => at);
      expect(times.length).toBeGreaterThan(5);
      times.slice(1).forEach((at, index) => {
        const gap = at - (times[index] ?? 0);
        expect(gap).toBeGreaterThanOrEqual((us / 1000) * 0.75 - 0.01);
        expect(gap).toBeLessThanOrEqual((us / 1000) * most + 0.01);
      });
    }),
    { numRuns: 100 },
  );
});

test('RFC 5880 §6.8.3: whatever an end hears, it never sends faster than once a second while it is not Up, nor P with F, nor D, C or Echo', () => {
  fc.assert(
    fc.property(parameters, fc.array(packets, { maxLength: 30 }), (wanted, heard) => {
      const pair = new BfdPair({ a: wanted, b: wanted });
      pair.cut = 'both';
      pair.a.tell({ kind: 'start' });
      for (const packet of heard) {
        pair.a.tell({ kind: 'packet', packet });
        pair.clock.advance(10);
      }
      for (const { packet } of pair.a.sent) {
        expect(packet.poll && packet.final).toBe(false);
        expect([packet.demand, packet.isIndependent, packet.requiredMinEchoRxUs]).toEqual([false, false, 0]);
        if (packet.state !== 'up') expect(packet.desiredMinTxUs).toBeGreaterThanOrEqual(1_000_000);
      }
    }),
  );
});

test('the same events at the same moments have the same effects', () => {
  fc.assert(
    fc.property(pairs, packets, ({ a }, packet) => {
      const { session } = new BfdPair({ a, b: a }).start().a;
      const moment = { now: millis(5000), random: () => 0.5 };
      const once = stepSession(session, { kind: 'packet', packet }, moment);
      expect(stepSession(session, { kind: 'packet', packet }, moment)).toEqual(once);
    }),
  );
});
