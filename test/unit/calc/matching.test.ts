import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Matching, type Wish } from '../../../felix/calc/matching.ts';
import { keysOf, needsOf } from '../../../felix/calc/needs.ts';
import { Population, Sources } from '../../../felix/calc/population.ts';
import type { Labels } from '../../../src/model/meta.ts';
import {
  formatSelector,
  matchesSelector,
  parseSelector,
  type Selector,
} from '../../../src/model/selector.ts';
import { selector } from '../../support/arbitrary-policy.ts';

const labels: fc.Arbitrary<Labels> = fc.dictionary(
  fc.constantFrom('app', 'tier', 'projectcalico.org/namespace'),
  fc.constantFrom('a', 'b', '', 'red'),
);

const parsed = (text: string): Selector => {
  const result = parseSelector(text);
  return result.ok ? result.value : expect.unreachable(result.error);
};

test('labels that meet none of the needs of a selector never satisfy it, and it looks at no label beside its keys', () => {
  fc.assert(
    fc.property(selector, labels, labels, (picked, own, others) => {
      const needs = needsOf(picked, ({ key }) => key.length);
      const isMet = needs?.some(
        ({ key, values }) =>
          Object.hasOwn(own, key) && (values === undefined || values.includes(own[key] ?? '')),
      );
      if (isMet === false) expect(matchesSelector(picked, own)).toBe(false);
      const keys = keysOf(picked);
      const read = Object.fromEntries(Object.entries(own).filter(([key]) => keys.has(key)));
      const unread = Object.fromEntries(Object.entries(others).filter(([key]) => !keys.has(key)));
      expect(matchesSelector(picked, { ...unread, ...read })).toBe(matchesSelector(picked, own));
    }),
    { numRuns: 500 },
  );
});

test('of a conjunction the part that tells most apart is needed', () => {
  const weights: Readonly<Record<string, number>> = { ns: 50, app: 3 };
  const needs = needsOf(
    parsed('has(ns) && ns == "x" && app in {"a", "b"}'),
    ({ key, values = [] }) => (weights[key] ?? 0) * (values.length || 100),
  );
  expect(needs).toEqual([{ key: 'app', values: ['a', 'b'] }]);
  expect(needsOf(parsed('app == "a" || !has(tier)'), () => 1)).toBe(undefined);
  expect(needsOf(parsed('app == "a" || has(tier)'), () => 1)).toEqual([
    { key: 'app', values: ['a'] },
    { key: 'tier' },
  ]);
  expect(needsOf(parsed('app in {}'), () => 1)).toEqual([]);
});

interface Bag {
  labels: Labels;
}

type Step =
  | { readonly do: 'bag' | 'relabel'; readonly nth: number; readonly labels: Labels }
  | { readonly do: 'want'; readonly selector: Selector }
  | { readonly do: 'remove' | 'drop'; readonly nth: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('bag' as const, 'relabel' as const), nth: fc.nat(5), labels }),
  selector.map((each): Step => ({ do: 'want', selector: each })),
  fc.record({ do: fc.constantFrom('remove' as const, 'drop' as const), nth: fc.nat(8) }),
);

/** Does the step; `told` hears what the index says. */
function take(matching: Matching<Bag>, bags: Bag[], wishes: Wish[], each: Step): void {
  switch (each.do) {
    case 'bag': {
      const bag = { labels: each.labels };
      bags.push(bag);
      matching.add(bag);
      break;
    }
    case 'relabel': {
      const bag = bags[each.nth];
      if (bag === undefined) break;
      const before = bag.labels;
      bag.labels = each.labels;
      matching.relabel(bag, before);
      break;
    }
    case 'want':
      wishes.push(matching.want(each.selector));
      break;
    case 'remove': {
      const [bag] = bags.splice(each.nth, 1);
      if (bag !== undefined) matching.remove(bag);
      break;
    }
    case 'drop': {
      const [wish] = wishes.splice(each.nth, 1);
      if (wish !== undefined) matching.drop(wish);
    }
  }
}

test('after any history the index says what trying every selector on every bag says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const matching = new Matching<Bag>(() => {});
      const bags: Bag[] = [];
      const wishes: Wish[] = [];
      for (const each of steps) {
        take(matching, bags, wishes, each);
        for (const wish of wishes) {
          const wanted = bags.filter((bag) => matchesSelector(wish.selector, bag.labels));
          expect(new Set(matching.bagsOf(wish))).toEqual(new Set(wanted));
          expect(matching.isMet(wish)).toBe(wanted.length > 0);
        }
        for (const bag of bags) {
          const wanted = wishes.filter((wish) => matchesSelector(wish.selector, bag.labels));
          expect(new Set(matching.wishesOf(bag))).toEqual(new Set(wanted));
        }
      }
      for (const bag of bags) matching.remove(bag);
      for (const wish of wishes) matching.drop(wish);
      expect(matching.size).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('two selectors that read the same are one, for as long as anybody asks', () => {
  const matching = new Matching<Bag>();
  const [first, second] = ['app == "a"', "(app=='a')"].map((text) => matching.want(parsed(text)));
  expect(first).toBe(second);
  matching.drop(first ?? expect.unreachable());
  expect(matching.size).toBe(1);
  matching.drop(first ?? expect.unreachable());
  expect(matching.size).toBe(0);
});

test('a namespace relabelled touches those that live in it, and only selectors that read what changed', () => {
  const sources = new Sources();
  const told: string[] = [];
  const population = new Population<string>({
    sources,
    onChange: (wish, item, is) => told.push(`${wish.text} ${item} ${is}`),
    same: (a, b) => a === b,
  });
  sources.put('red', { 'pcns.team': 'a', 'pcns.zone': '1' });
  for (const name of ['one', 'two']) population.put(name, { own: { app: 'a' }, heirOf: ['red'] }, name);
  population.put('three', { own: { app: 'a' }, heirOf: ['blue'] }, 'three');
  const wishes = ['pcns.team == "a"', 'pcns.zone == "1"', 'app == "a"'].map((text) =>
    population.want(parsed(text)),
  );
  expect(wishes.map((wish) => [...population.itemsOf(wish)])).toEqual([
    ['one', 'two'],
    ['one', 'two'],
    ['one', 'two', 'three'],
  ]);
  told.length = 0;
  sources.put('red', { 'pcns.team': 'b', 'pcns.zone': '1' });
  population.inherit('red');
  const team = formatSelector(parsed('pcns.team == "a"'));
  expect(told).toEqual([`${team} one false`, `${team} two false`]);
});

test('a thing that changes its labels alone leaves and enters only what that makes a difference to', () => {
  const told: string[] = [];
  const population = new Population<string>({
    sources: new Sources(),
    onChange: (wish, item, is) => told.push(`${wish.text} ${item} ${is}`),
    same: (a, b) => a === b,
  });
  for (const text of ['app == "a"', 'app == "b"', 'has(app)']) population.want(parsed(text));
  population.put('one', { own: { app: 'a' }, heirOf: [] }, 'one');
  told.length = 0;
  population.put('one', { own: { app: 'b' }, heirOf: [] }, 'one');
  expect(told.toSorted()).toEqual(['app == "a" one false', 'app == "b" one true']);
  population.remove('one');
});
