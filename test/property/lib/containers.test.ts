/** Trie, Delta and Table against a plain Map that does the same slowly. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Delta } from '../../../src/lib/delta.ts';
import {
  compareAddresses,
  comparePrefixes,
  contains,
  hostPrefix,
  lengthOf,
  type Prefix,
} from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { Table } from '../../../src/lib/table.ts';
import { Trie } from '../../../src/lib/trie.ts';
import { anyAddress, anyPrefix } from '../../support/arbitrary-net.ts';

describe('Trie', () => {
  const change = fc.record({ prefix: anyPrefix, put: fc.boolean() });

  test('after any history it finds exactly what a search through all entries finds', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60, size: 'max' }),
        fc.array(anyPrefix),
        fc.array(anyAddress),
        (history, asked, hosts) => {
          const trie = new Trie<number>();
          const model = new Map<Prefix, number>();
          history.forEach(({ prefix, put }, index) => {
            if (put) {
              trie.set(prefix, index);
              model.set(prefix, index);
            } else {
              expect(trie.delete(prefix)).toBe(model.delete(prefix));
            }
            expect(trie.size).toBe(model.size);
          });
          const inOrder = (entries: Iterable<readonly [Prefix, number]>) =>
            [...entries].sort(([a], [b]) => comparePrefixes(a, b));
          expect(inOrder(trie.entries())).toEqual(inOrder(model));
          for (const prefix of [...asked, ...hosts.sort(compareAddresses).map(hostPrefix), ...model.keys()]) {
            const holding = [...model]
              .filter(([outer]) => contains(outer, prefix))
              .sort(([a], [b]) => lengthOf(b) - lengthOf(a));
            expect([...trie.matches(prefix)]).toEqual(holding);
            expect(trie.longestMatch(prefix)).toEqual(holding[0]);
            expect(trie.get(prefix)).toBe(model.get(prefix));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('Delta', () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const value = fc.nat(2);
  const event = fc.oneof(
    fc.record({ do: fc.constant('want' as const), key, value }),
    fc.record({ do: fc.constant('unwant' as const), key }),
    fc.record({ do: fc.constant('observeOne' as const), key, value: fc.option(value, { nil: undefined }) }),
    fc.record({
      do: fc.constant('observe' as const),
      entries: fc.array(fc.tuple(key, value), { maxLength: 3 }),
    }),
    fc.record({ do: fc.constant('apply' as const), count: fc.nat(2) }),
  );
  type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

  /** The world and the wish, kept apart from the Delta. */
  interface Model {
    readonly desired: Map<string, number>;
    readonly world: Map<string, number>;
  }

  function happen(delta: Delta<string, number>, { desired, world }: Model, one: Event): void {
    if (one.do === 'want') {
      delta.want(one.key, one.value);
      desired.set(one.key, one.value);
    } else if (one.do === 'unwant') {
      delta.unwant(one.key);
      desired.delete(one.key);
    } else if (one.do === 'apply') {
      for (const op of [...delta.pending()].slice(0, one.count)) applyTo(delta, world, op);
    } else {
      observe(delta, world, one);
    }
  }

  function observe(
    delta: Delta<string, number>,
    world: Map<string, number>,
    one: Extract<Event, { do: 'observe' | 'observeOne' }>,
  ): void {
    if (one.do === 'observe') {
      delta.observe(one.entries);
      world.clear();
      for (const [name, seen] of one.entries) world.set(name, seen);
      return;
    }
    delta.observeOne(one.key, one.value);
    if (one.value === undefined) world.delete(one.key);
    else world.set(one.key, one.value);
  }

  function applyTo(
    delta: Delta<string, number>,
    world: Map<string, number>,
    op: ReturnType<typeof delta.pending> extends Generator<infer Op> ? Op : never,
  ): void {
    if (op.kind === 'set') world.set(op.key, op.value);
    else expect(world.delete(op.key), 'only what is there is deleted').toBe(true);
    delta.done(op);
  }

  test('what is pending is always exactly the difference, and applying it makes the world as desired', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40, size: 'max' }), (events) => {
        const delta = new Delta<string, number>();
        const model: Model = { desired: new Map(), world: new Map() };
        for (const one of events) {
          happen(delta, model, one);
          const { desired, world } = model;
          const differing = ['a', 'b', 'c'].filter((name) => desired.get(name) !== world.get(name));
          expect([...delta.pending()].map((op) => op.key).sort()).toEqual(differing);
          expect(delta.pendingCount).toBe(differing.length);
          expect(new Map(delta.desiredEntries())).toEqual(desired);
          expect(new Map(delta.actualEntries())).toEqual(world);
        }
        for (const op of delta.pending()) applyTo(delta, model.world, op);
        expect(model.world).toEqual(model.desired);
        expect(delta.pendingCount).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('values that are the same by its own measure are not written again', () => {
    const delta = new Delta<string, { readonly metric: number; readonly note: string }>(
      (a, b) => a.metric === b.metric,
    );
    delta.observe([['r', { metric: 1, note: 'as the kernel spells it' }]]);
    delta.want('r', { metric: 1, note: 'as we spell it' });
    expect(delta.pendingCount).toBe(0);
    delta.want('r', { metric: 2, note: 'as we spell it' });
    expect([...delta.pending()]).toHaveLength(1);
  });

  test('an answer to an old wish leaves the new one pending', () => {
    const delta = new Delta<string, number>();
    delta.want('r', 1);
    const [op] = [...delta.pending()];
    delta.want('r', 2);
    if (op !== undefined) delta.done(op);
    expect([...delta.pending()]).toEqual([{ kind: 'set', key: 'r', value: 2, have: 1 }]);
  });

  test('who reads on while ops are done and wishes change sees each key once, in its newest state', () => {
    const delta = new Delta<string, number>();
    for (const name of ['a', 'b', 'c']) delta.want(name, 1);
    const seen: string[] = [];
    for (const op of delta.pending()) {
      seen.push(`${op.key} ${op.kind === 'set' ? op.value : 'gone'}`);
      if (op.key === 'a') delta.want('b', 2);
      if (op.key === 'b') delta.unwant('c');
      delta.done(op);
    }
    expect(seen).toEqual(['a 1', 'b 2']);
    expect(delta.pendingCount).toBe(0);
    expect(new Map(delta.actualEntries())).toEqual(new Map(Object.entries({ a: 1, b: 2 })));
  });

  test('who reads on while nearly all of a long list is done misses nothing, and sees what stays open once', () => {
    const delta = new Delta<number, number>();
    const [count, kept] = [9000, 7];
    for (let key = 0; key < count; key += 1) delta.want(key, 1);
    const seen: number[] = [];
    for (const op of delta.pending()) {
      seen.push(op.key);
      if (op.key % kept !== 0) delta.done(op);
      if (op.key === 5000) delta.want(count, 1);
    }
    expect(seen).toEqual(Array.from({ length: count + 1 }, (_, key) => key));
    expect(delta.pendingCount).toBe(Math.ceil((count + 1) / kept));
    expect([...delta.pending()].every(({ key }) => key % kept === 0)).toBe(true);
  });

  test('work is given out in the order in which it became due', () => {
    const delta = new Delta<string, number>();
    for (const name of ['c', 'a', 'b', 'a']) delta.want(name, 1);
    expect([...delta.pending()].map(({ key: name }) => name)).toEqual(['c', 'a', 'b']);
  });
});

describe('Table', () => {
  const event = fc.record({
    do: fc.constantFrom('put', 'remove', 'drain'),
    key: fc.nat(4),
    value: fc.nat(),
  });

  test('it holds what a Map holds, and each drain names once what changed since the one before', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40, size: 'max' }), (events) => {
        const table = new Table<number, number>();
        const model = new Map<number, number>();
        const changed = new Set<number>();
        const doers = {
          put: (key: number, value: number) => {
            table.put(key, value);
            model.set(key, value);
            changed.add(key);
          },
          remove: (key: number) => {
            table.remove(key);
            if (model.delete(key)) changed.add(key);
          },
          drain: () => {
            expect(table.drain().sort()).toEqual([...changed].sort());
            changed.clear();
          },
        };
        for (const one of events) {
          doers[one.do](one.key, one.value);
          expect(new Map(table.entries())).toEqual(model);
          expect(table.size).toBe(model.size);
        }
      }),
    );
  });
});

describe('seededRandom', () => {
  test('it gives numbers from 0 to below 1, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const [first, second] = [seededRandom(seed), seededRandom(seed)];
        for (let n = 0; n < 50; n++) {
          const drawn = first();
          expect(drawn).toBe(second());
          expect(drawn >= 0 && drawn < 1).toBe(true);
        }
      }),
    );
  });

  test('its numbers are spread evenly, and neighbouring seeds have nothing in common', () => {
    const random = seededRandom(7);
    const buckets = new Array<number>(10).fill(0);
    for (let n = 0; n < 100_000; n++) {
      const bucket = Math.floor(random() * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    const firsts = new Set(
      Array.from({ length: 1000 }, (_, seed) => Math.floor(seededRandom(seed)() * 1000)),
    );
    expect(firsts.size).toBeGreaterThan(550); // 632 expected of a fair draw
  });
});
