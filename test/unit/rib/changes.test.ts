import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Changes } from '../../../bgp/rib/changes.ts';

const act = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('add'), net: fc.integer({ min: 1, max: 1500 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('read'), reader: fc.nat(2), most: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('many'), from: fc.integer({ min: 1, max: 300 }) }) },
);

/** Reads up to so many; what was read is no longer owed. */
function read(changes: Changes, reader: { at: number }, owed: Set<number>, most: number): void {
  for (let count = 0; count < most; count += 1) {
    const net = changes.peek(reader);
    if (net === 0) return;
    changes.next(reader);
    expect(owed.delete(net)).toBe(true);
  }
}

class Bench {
  readonly changes = new Changes();
  readonly readers = [0, 1, 2].map(() => ({ reader: this.changes.open(), owed: new Set<number>() }));

  add(from: number, to: number): void {
    for (let net = from; net <= to; net += 1) {
      this.changes.add(net);
      for (const { owed } of this.readers) owed.add(net);
    }
  }

  perform(one: typeof act extends fc.Arbitrary<infer A> ? A : never): void {
    if (one.kind === 'add') this.add(one.net, one.net);
    else if (one.kind === 'many') this.add(one.from, one.from + 400);
    else this.read(one.reader, one.most);
  }

  read(index: number, most: number): void {
    const found = this.readers[index];
    if (found !== undefined) read(this.changes, found.reader, found.owed, most);
  }
}

test('after any history each reader is told of every net that changed since it last was, and of no other', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (history) => {
      const bench = new Bench();
      for (const one of history) bench.perform(one);
      for (const [index, { owed }] of bench.readers.entries()) {
        bench.read(index, Number.POSITIVE_INFINITY);
        expect([...owed]).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
});

test('after a burst the list is short again, however many changes follow', () => {
  const changes = new Changes();
  const reader = changes.open();
  const readAll = (): void => {
    while (changes.peek(reader) !== 0) changes.next(reader);
  };
  for (let net = 1; net <= 100_000; net += 1) changes.add(net);
  expect(changes.length).toBe(100_000);
  readAll();
  for (let count = 0; count < 200_000; count += 1) {
    changes.add(1 + (count % 10));
    if (count % 7 === 0) readAll();
  }
  expect(changes.length).toBeLessThanOrEqual(1024);
});
