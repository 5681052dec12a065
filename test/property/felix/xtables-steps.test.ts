/** Rules of iptables that follow a ruleset step by step. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rulesetOf } from '../../../felix/calc/graph.ts';
import { XtWriter } from '../../../felix/dataplane/xtables.ts';
import type {
  Chain,
  Element,
  Match,
  NamedSet,
  PortRange,
  Rule,
  Ruleset,
  RulesetChange,
  SetDecl,
  Verdict,
} from '../../../felix/rules/model.ts';
import { foreignEndpoints } from '../../../felix/rules/traffic.ts';
import { renderXtables, type Xtables, XtRendering } from '../../../felix/rules/xtables/render.ts';
import { fakeXtables } from '../../support/fake-xtables.ts';
import { begin, history, run } from '../../support/graph-history.ts';
import { xtOptions } from '../../support/world-ruleset.ts';

/** What is comparable: chains in the order of their names. */
function plain({ families, sets }: Xtables): unknown {
  const family = (version: 4 | 6): unknown =>
    [...families[version]].map(([table, { chains, hooks, trunk }]) => ({
      table,
      chains: [...chains].map(([name, rules]) => [name, ...rules.map(({ text }) => text)]).sort(byName),
      hooks,
      trunk: [...trunk].sort(),
    }));
  const members = [...sets].map(([name, { type, members: all }]) => [name, type, ...[...all].sort()]);
  return { 4: family(4), 6: family(6), sets: members.sort(byName) };
}

const byName = ([a = '']: readonly string[], [b = '']: readonly string[]): number => (a < b ? -1 : 1);

function scratch(told: ReturnType<typeof begin>): Xtables {
  const tables = renderXtables(rulesetOf(told.graph), xtOptions);
  return tables.ok ? tables.value : expect.unreachable(tables.error);
}

const update = (rendering: XtRendering, change?: ReturnType<typeof run>): void => {
  const updated = rendering.update(change);
  if (!updated.ok) expect.unreachable(updated.error);
};

test('after any history they are what they would be from scratch, told what changed or not', () => {
  let steps = 0;
  fc.assert(
    fc.property(history(30), fc.array(fc.boolean(), { minLength: 1 }), (acts, isTold) => {
      const told = begin();
      const rendering = new XtRendering(rulesetOf(told.graph), xtOptions);
      update(rendering);
      for (const each of [...acts, { do: 'tick' } as const]) {
        const changed = run(told, each);
        if (changed === undefined) continue;
        steps += 1;
        update(rendering, isTold[steps % isTold.length] === true ? changed : undefined);
        expect(plain(rendering.tables)).toEqual(plain(scratch(told)));
      }
    }),
    { numRuns: 40 },
  );
  expect(steps).toBeGreaterThan(40);
}, 60_000);

/** Chains that lead only to later ones, so none to itself; the first two are base chains of one place, and one looks into a map. */
const names = ['base', 'second', 'b', 'c', 'd', 'e', 'f'] as const;
const map: SetDecl = { name: 'ways', kind: 'dispatch' };

const ruleOf = (index: number): fc.Arbitrary<Rule> => {
  const matches = fc.constantFrom<readonly Match[]>(
    [],
    [],
    [{ kind: 'protocol', protocol: 6 }],
    [{ kind: 'interfaceSet', way: 'in', set: foreignEndpoints.name, not: true }],
    [{ kind: 'ports', side: 'source', protocol: 6, ranges: many }],
  );
  const later = names.slice(Math.max(index, 1) + 1);
  const ways: Verdict[] = [
    { kind: 'accept' },
    { kind: 'drop' },
    { kind: 'return' },
    ...later.map((chain): Verdict => ({ kind: 'jump', chain })),
    ...later.map((chain): Verdict => ({ kind: 'jump', chain })),
  ];
  return fc.record({ matches, verdict: fc.constantFrom(...ways) });
};
const many: readonly PortRange[] = Array.from({ length: 16 }, (_, index) => ({
  first: index * 10,
  last: index * 10,
}));

const chainOf = (index: number): fc.Arbitrary<Chain> =>
  fc.array(ruleOf(index), { maxLength: 3 }).map((rules) => ({
    name: names[index] ?? '',
    rules:
      index > 0 ? rules : [...rules, { matches: [], verdict: { kind: 'dispatch', way: 'in', map: 'ways' } }],
    ...(index > 1 ? {} : { base: { hook: 'forward', priority: 1 } as const }),
  }));

type Step =
  | { readonly put: Chain }
  | { readonly remove: string }
  | { readonly foreign: boolean }
  | { readonly way: string; readonly to: string | undefined };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .nat(names.length - 1)
      .chain(chainOf)
      .map((put): Step => ({ put })),
  },
  { weight: 2, arbitrary: fc.constantFrom(...names).map((remove): Step => ({ remove })) },
  { weight: 1, arbitrary: fc.boolean().map((foreign): Step => ({ foreign })) },
  {
    weight: 3,
    arbitrary: fc.record({
      way: fc.nat(30).map((number) => `cali${number}`),
      to: fc.constantFrom(undefined, ...names.slice(2)),
    }),
  },
);

/** A ruleset in place. @returns  what a step did to it */
function taking(step: Step, chains: Map<string, Chain>, sets: ReadonlyMap<string, LiveSet>): RulesetChange {
  const nothing = { sets: [], removedSets: [], elements: [], chains: [], removedChains: [] };
  if ('put' in step) {
    chains.set(step.put.name, step.put);
    return { ...nothing, chains: [step.put] };
  }
  if ('remove' in step) return { ...nothing, removedChains: chains.delete(step.remove) ? [step.remove] : [] };
  const [name, element]: readonly [string, Element | undefined] =
    'foreign' in step
      ? [foreignEndpoints.name, step.foreign ? { kind: 'interface', interface: 'vethA' } : undefined]
      : [
          map.name,
          step.to === undefined ? undefined : { kind: 'dispatch', interface: step.way, chain: step.to },
        ];
  const { decl, elements } = sets.get(name) ?? expect.unreachable();
  const key = 'way' in step ? step.way : 'vethA';
  const before = elements.get(key);
  if (element === undefined) elements.delete(key);
  else elements.set(key, element);
  const [added, removed] = [element, before].map((one) => (one === undefined ? [] : [one]));
  return { ...nothing, elements: [{ decl, added: added ?? [], removed: removed ?? [] }] };
}

interface LiveSet extends NamedSet {
  readonly elements: Map<string, Element>;
}

test('so they are where chains end in other ways than before, come after those that lead to them, and share what they lead to', () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 40 }), (steps) => {
      const chains = new Map<string, Chain>();
      const sets = new Map<string, LiveSet>(
        [map, foreignEndpoints].map((decl) => [decl.name, { decl, elements: new Map() }]),
      );
      const ruleset: Ruleset = { chains, sets };
      const rendering = new XtRendering(ruleset, xtOptions);
      update(rendering);
      let isKnown = true;
      for (const one of steps) {
        const changed = taking(one, chains, sets);
        const updated = rendering.update(isKnown ? changed : undefined);
        const fresh = renderXtables(ruleset, xtOptions);
        isKnown = fresh.ok; // two that accept: after that it has to look at all
        expect(updated.ok ? plain(rendering.tables) : updated).toEqual(fresh.ok ? plain(fresh.value) : fresh);
        refused += fresh.ok ? 0 : 1;
      }
    }),
    { numRuns: 150 },
  );
  expect(refused).toBeGreaterThan(0);
}, 60_000);

test('after any history a writer that wrote only changes left nothing for one who compares', async () => {
  let written = 0;
  await fc.assert(
    fc.asyncProperty(history(30), async (acts) => {
      const told = begin();
      const fake = fakeXtables();
      const options = { graph: told.graph, programs: fake, render: () => xtOptions };
      const writer = new XtWriter(options);
      await writer.settle();
      for (const each of [...acts, { do: 'tick' } as const]) {
        const changed = run(told, each);
        if (changed !== undefined) written += await writer.change(changed);
      }
      expect(writer.problems()).toEqual([]);
      const before = fake.scripts.length;
      await new XtWriter(options).settle();
      expect(fake.scripts.slice(before)).toEqual([]);
    }),
    { numRuns: 40 },
  );
  expect(written).toBeGreaterThan(40);
}, 60_000);
