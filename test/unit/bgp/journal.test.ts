import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Journal } from '../../../bgp/watch/journal.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const changed = (prefix: string) => ({ prefix, what: `${prefix}: a → b`, why: 'shorter AS path' });
const happens = (journal: Journal, at: number, who: string, change: ReturnType<typeof changed>): void => {
  const tally = journal.lend(at, who);
  if (tally === undefined) journal.route(at, who, change);
  else tally.routes += 1;
};

test('whatever happens, no kind keeps more entries than its limit, and numbers ascend', () => {
  const kinds = fc.constantFrom('session', 'config', 'life', 'kernel', 'route');
  fc.assert(
    fc.property(fc.array(fc.tuple(kinds, fc.nat(5000)), { maxLength: 400 }), (events) => {
      const journal = new Journal({ entries: 10, octets: 4000 });
      let at = start;
      for (const [kind, later] of events) {
        at += later;
        if (kind === 'route') happens(journal, at, 'tor', changed('10.0.0.0/8'));
        else if (kind === 'session')
          journal.session(at, { who: `n${later % 3}`, what: 'Idle → Active' }, true);
        else journal.add(at, { kind, who: 'x', what: 'y'.repeat(later % 100) });
      }
      const { entries, next } = journal.read();
      for (const one of ['session', 'config', 'life', 'kernel', 'route'])
        expect(entries.filter(({ kind }) => kind === one).length).toBeLessThanOrEqual(10);
      const numbers = entries.map(({ seq }) => seq);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(journal.read(next).entries).toEqual([]);
    }),
  );
});

test('a full table that arrives is listed in part, counted in whole, and pushes out no session', () => {
  const journal = new Journal();
  journal.session(start, { who: 'tor', what: 'OpenConfirm → Established' }, false);
  for (let index = 0; index < 500_000; index += 1)
    happens(journal, start + index / 500, index % 2 === 0 ? 'tor' : 'tor2', changed(`10.${index}/32`));
  const { entries } = journal.read();
  expect(entries[0]).toMatchObject({ kind: 'session', what: 'OpenConfirm → Established' });
  const routes = entries.filter(({ kind }) => kind === 'route');
  expect(routes.length).toBeLessThan(600);
  const told = routes.reduce((sum, { times = 1 }) => sum + times, 0);
  expect(told).toBe(500_000);
  expect(routes.find(({ who }) => who === 'many')?.why).toMatch(/^\d+ by tor2?, \d+ by tor2?$/);
});

test('adding to what was lent for a turn comes to the same as asking for each change', () => {
  const change = changed('10.0.0.0/8');
  const inOneGo = (journal: Journal, at: number, count: number): void => {
    for (let left = count; left > 0; left -= 1) {
      const tally = journal.lend(at, 'tor');
      if (tally === undefined) journal.route(at, 'tor', change);
      else {
        tally.routes += left;
        return;
      }
    }
  };
  const oneByOne = (journal: Journal, at: number, count: number): void => {
    for (let index = 0; index < count; index += 1) happens(journal, at, 'tor', change);
  };
  const turn = fc.record({ later: fc.nat(4000), count: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 40 }), (turns) => {
      const [lent, asked] = [inOneGo, oneByOne].map((tell) => {
        const journal = new Journal({ burst: 8, perSecond: 2 });
        let at = start;
        for (const { later, count } of turns) {
          at += later;
          tell(journal, at, count);
        }
        return journal.read();
      });
      expect(lent).toEqual(asked);
    }),
  );
});

test('after a burst, single changes are listed again', () => {
  const journal = new Journal({ burst: 4, perSecond: 1 });
  for (let index = 0; index < 10; index += 1) happens(journal, start, 'tor', changed(`10.0.${index}.0/24`));
  expect(journal.read().entries.map(({ prefix, times }) => prefix ?? times)).toEqual([
    '10.0.0.0/24',
    '10.0.1.0/24',
    '10.0.2.0/24',
    '10.0.3.0/24',
    6,
  ]);
  const { next } = journal.read();
  happens(journal, start + 10_000, 'tor', changed('10.1.0.0/24'));
  expect(journal.read(next).entries.map(({ prefix }) => prefix)).toEqual(['10.1.0.0/24']);
});

test('a neighbour that tries again for the same reason is one entry that goes on', () => {
  const journal = new Journal();
  const failed = { who: 'tor', what: 'Connect → Active', why: 'it refuses connections' };
  for (let index = 0; index < 3; index += 1) journal.session(start + index * 1000, failed, true);
  journal.session(start + 9000, { ...failed, why: 'it does not answer' }, true);
  expect(journal.read().entries).toMatchObject([
    { why: 'it refuses connections', times: 3, until: '2026-01-01T00:00:02.000Z' },
    { why: 'it does not answer' },
  ]);
});

test('what was pushed out is counted', () => {
  const journal = new Journal({ entries: 2 });
  for (let index = 0; index < 5; index += 1)
    journal.add(start, { kind: 'config', who: 'a', what: String(index) });
  expect(journal.read().entries.map(({ what }) => what)).toEqual(['3', '4']);
  expect(journal.read().forgotten).toMatchObject({ config: 3, session: 0 });
  expect(journal.forgotten).toBe(3);
});

test('long texts count against the octets of a ring', () => {
  const journal = new Journal({ entries: 1000, octets: 10_000 });
  for (let index = 0; index < 100; index += 1)
    journal.add(start, { kind: 'kernel', who: 'kernel', what: 'x'.repeat(1000) });
  expect(journal.read().entries.length).toBeLessThan(10);
});

test('a change costs the same however many there were', () => {
  const journal = new Journal();
  const run = (from: number): number => {
    const begin = performance.now();
    for (let index = 0; index < 200_000; index += 1)
      happens(journal, start + from + index, 'tor', changed('10.0.0.0/8'));
    return performance.now() - begin;
  };
  run(0);
  const early = run(1e6);
  const late = Math.min(run(2e6), run(3e6), run(4e6));
  expect(late).toBeLessThan(early * 5 + 200);
});
