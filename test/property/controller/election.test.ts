/**
 * Candidates of one Lease in a world that is unkind: messages take seconds or are lost on either way, clocks run at different
 * rates, processes stand still for longer than a lease lasts. Time is virtual, and each candidate sees only its own clock.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Election,
  type ElectionEffect,
  type ElectionEvent,
  isLeading,
  type LeaseAnswer,
  type LeaseRecord,
  openElection,
  step,
} from '../../../src/controller/decide/election.ts';
import { millis } from '../../../src/lib/net.ts';
import { type Random, seededRandom } from '../../../src/lib/random.ts';
import { virtualClock } from '../../support/clock.ts';

interface Unkindness {
  readonly seed: number;
  readonly candidates: number;
  /** Share of messages that are lost, on each way. */
  readonly loss: number;
  readonly longestMs: number;
  /** Local clocks run up to so much faster or slower: 0.15 keeps their ratio below 15 : 10. */
  readonly skew: number;
  /** Chance that a candidate stands still, each second. */
  readonly stall: number;
}

interface Candidate {
  readonly state: Election;
  readonly name: string;
  localNow(): ReturnType<typeof millis>;
  happen(event: ElectionEvent): void;
  stopped: boolean;
  asleepUntil: number;
}

function createWorld(unkind: Unkindness) {
  const clock = virtualClock();
  const random: Random = seededRandom(unkind.seed);
  let faults = unkind;
  let lease: { readonly record: LeaseRecord; readonly version: number } | undefined;
  let version = 0;
  const led = new Set<string>();

  const put = (record: LeaseRecord): LeaseAnswer => {
    version += 1;
    // The holder's wall clock jumps; it must not matter.
    lease = { record: { ...record, renewedAt: `${version} ${random()}` }, version };
    return { kind: 'lease', record: lease.record, version: String(version) };
  };
  const serve = (asked: Extract<ElectionEffect, { kind: 'get' | 'create' | 'update' }>): LeaseAnswer => {
    if (asked.kind === 'get')
      return lease === undefined
        ? { kind: 'none' }
        : { kind: 'lease', record: lease.record, version: String(lease.version) };
    if (asked.kind === 'create')
      return lease === undefined ? put(asked.record) : { kind: 'failed', why: 'exists' };
    return String(lease?.version) === asked.version ? put(asked.record) : { kind: 'failed', why: 'conflict' };
  };

  function join(name: string): Candidate {
    const rate = 1 + (random() * 2 - 1) * unkind.skew;
    const offset = random() * 1_000_000;
    const state = openElection(name);
    const timers = new Map<string, () => void>();
    const travel = (run: () => void): void => {
      if (random() < faults.loss) return;
      clock.after(millis(random() * faults.longestMs), run);
    };
    const candidate: Candidate = {
      state,
      name,
      stopped: false,
      asleepUntil: 0,
      localNow: () => millis(offset + clock.now() * rate),
      happen: (event) => {
        const wait = candidate.asleepUntil - clock.now();
        if (wait > 0) return void clock.after(millis(wait), () => candidate.happen(event));
        if (candidate.stopped) return;
        for (const effect of step(state, event, candidate.localNow())) run(effect);
      },
    };
    const run = (effect: ElectionEffect): void => {
      if (effect.kind === 'start timer') {
        timers.get(effect.name)?.();
        const after = millis((effect.afterMs * (1 + effect.jitter * random())) / rate);
        timers.set(
          effect.name,
          clock.after(after, () => candidate.happen({ kind: 'timer', name: effect.name })),
        );
      } else if (effect.kind === 'stop timer') timers.get(effect.name)?.();
      else if (effect.kind === 'lead') led.add(name);
      else if (effect.kind === 'stopped') candidate.stopped = true;
      else if (effect.kind !== 'lost')
        travel(() => {
          const answer = serve(effect);
          travel(() => candidate.happen({ kind: 'answer', id: effect.id, answer }));
        });
    };
    return candidate;
  }

  const all = Array.from({ length: unkind.candidates }, (_, index) => join(`c${index}`));
  const leaders = (): readonly string[] =>
    all.filter((one) => isLeading(one.state, one.localNow())).map(({ name }) => name);
  return {
    all,
    led,
    leaders,
    lease: () => lease?.record,
    start: () => {
      for (const one of all) one.happen({ kind: 'start' });
    },
    calm: () => {
      faults = { ...faults, loss: 0, longestMs: 50, stall: 0 };
    },
    /** Moves on in small steps, and shows who leads after each. */
    run: (ms: number, see: (leaders: readonly string[]) => void) => {
      for (let passed = 0; passed < ms; passed += 100) {
        if (passed % 1000 === 0)
          for (const one of all)
            if (random() < faults.stall) one.asleepUntil = clock.now() + random() * 40_000;
        clock.advance(100);
        see(leaders());
      }
    },
  };
}

const unkindness = fc.record({
  seed: fc.nat(),
  candidates: fc.integer({ min: 1, max: 4 }),
  loss: fc.constantFrom(0, 0.1, 0.4),
  longestMs: fc.constantFrom(50, 2000, 9000),
  skew: fc.constantFrom(0, 0.15),
  stall: fc.constantFrom(0, 0.02),
});

describe('the election', () => {
  test('never has two leaders, whatever is late, lost, fast, slow or asleep; and one again soon after all is calm', () => {
    fc.assert(
      fc.property(unkindness, (unkind) => {
        const world = createWorld(unkind);
        world.start();
        let most = 0;
        const see = (leaders: readonly string[]): void => {
          most = Math.max(most, leaders.length);
        };
        world.run(180_000, see);
        world.calm();
        // What sleeps wakes, what is on its way arrives, the old lease runs out, a candidate comes by.
        world.run(100_000, see);
        expect(most).toBeLessThanOrEqual(1);
        expect(world.leaders()).toHaveLength(1);
        expect(world.lease()?.holder).toBe(world.leaders()[0]);
      }),
      { numRuns: 150 },
    );
  });

  test('in calm weather keeps its leader, and gives the lease on at once when that is asked to stop', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const world = createWorld({ seed, candidates: 3, loss: 0, longestMs: 100, skew: 0.05, stall: 0 });
        world.start();
        world.run(5000, () => undefined);
        const [first] = world.leaders();
        const others = new Set<string>();
        world.run(120_000, (leaders) => {
          if (leaders.length !== 1 || leaders[0] !== first) others.add(leaders.join());
        });
        expect([...others]).toEqual([]);
        const leader = world.all.find(({ name }) => name === first);
        leader?.happen({ kind: 'stop' });
        expect(world.leaders()).toEqual([]);
        // Without the release it would take the lease's 15 seconds.
        world.run(5500, () => undefined);
        expect(leader?.stopped).toBe(true);
        expect(world.leaders()).toHaveLength(1);
        expect(world.leaders()).not.toContain(first);
        expect(world.lease()?.transitions).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });

  test('the checker would see two: with a lease shorter than the leader’s patience it finds them', () => {
    let most = 0;
    for (let seed = 0; seed < 40 && most < 2; seed += 1) {
      const world = createWorld({ seed, candidates: 3, loss: 0.2, longestMs: 2500, skew: 0.15, stall: 0.02 });
      for (const { state } of world.all) Object.assign(state, { times: { ...state.times, leaseMs: 5000 } });
      world.start();
      world.run(180_000, (leaders) => {
        most = Math.max(most, leaders.length);
      });
    }
    expect(most).toBeGreaterThan(1);
  });
});
