/** Observers by rendezvous hashing: enough of them, the same for all, and disturbed as little as can be. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Candidate, observersOf } from '../../../bgp/intent/observers.ts';

const clusters = fc.uniqueArray(
  fc.record({ name: fc.string({ minLength: 1, maxLength: 8 }), ready: fc.boolean() }),
  { minLength: 1, maxLength: 20, selector: ({ name }) => name },
);
const withWaiting = clusters.chain((nodes) =>
  fc.record({
    nodes: fc.constant(nodes),
    waiting: fc.constantFrom(...nodes.map(({ name }) => name)),
    count: fc.integer({ min: 1, max: 5 }),
  }),
);

test('there are as many as asked for, or all others, none twice, and never the waiting node itself', () => {
  fc.assert(
    fc.property(withWaiting, ({ nodes, waiting, count }) => {
      const found = observersOf(waiting, nodes, count);
      expect(found).toHaveLength(Math.min(count, nodes.length - 1));
      expect(new Set(found).size).toBe(found.length);
      expect(found).not.toContain(waiting);
    }),
  );
});

test('the order in which nodes are known does not matter', () => {
  fc.assert(
    fc.property(withWaiting, fc.infiniteStream(fc.nat()), ({ nodes, waiting, count }, keys) => {
      const shuffled = nodes
        .map((node) => ({ node, key: keys.next().value ?? 0 }))
        .sort((a, b) => a.key - b.key)
        .map(({ node }) => node);
      expect(observersOf(waiting, shuffled, count)).toEqual(observersOf(waiting, nodes, count));
    }),
  );
});

test('a node that leaves and is no observer changes nothing; one that is makes room for one other', () => {
  fc.assert(
    fc.property(withWaiting, ({ nodes, waiting, count }) => {
      const before = observersOf(waiting, nodes, count);
      for (const gone of nodes.filter(({ name }) => name !== waiting)) {
        const after = observersOf(
          waiting,
          nodes.filter((node) => node !== gone),
          count,
        );
        const kept = before.filter((name) => name !== gone.name);
        expect(after.slice(0, kept.length)).toEqual(kept);
      }
    }),
  );
});

test('a node that is not ready observes only where too few are ready', () => {
  fc.assert(
    fc.property(withWaiting, ({ nodes, waiting, count }) => {
      const ready = new Set(nodes.filter((node) => node.ready).map(({ name }) => name));
      const found = observersOf(waiting, nodes, count);
      const others = [...ready].filter((name) => name !== waiting).length;
      expect(found.filter((name) => ready.has(name))).toHaveLength(Math.min(count, others));
    }),
  );
});

test('a thousand nodes share the work: nobody observes many times the mean', () => {
  const nodes: Candidate[] = Array.from({ length: 1000 }, (_, index) => ({
    name: `node-${index}`,
    ready: true,
  }));
  const load = new Map<string, number>();
  for (const { name } of nodes)
    for (const observer of observersOf(name, nodes)) load.set(observer, (load.get(observer) ?? 0) + 1);
  expect(Math.max(...load.values())).toBeLessThanOrEqual(15);
});
