import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGraph, noteAddition, noteSettings, rulesetOf, tick } from '../../../felix/calc/graph.ts';
import { type Addition, addressSets } from '../../../felix/rules/addition.ts';
import { applyChange } from '../../../felix/rules/ruleset.ts';
import { defaultRulesSettings } from '../../../felix/rules/settings.ts';
import { allowedSources } from '../../../felix/rules/static.ts';
import { ipv4, prefix4 } from '../../../src/lib/net.ts';

const addition: fc.Arbitrary<Addition> = fc
  .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.uniqueArray(fc.nat(3))), {
    selector: ([name]) => name,
  })
  .map((rows) => ({
    chains: rows.map(([name, numbers]) => ({
      name: `chain-${name}`,
      rules: [
        {
          matches: [{ kind: 'addressSet', side: 'source', version: 4, set: `${name}-4` }],
          comment: numbers.length > 1 ? 'many' : 'few',
        },
      ],
    })),
    sets: rows.flatMap(([name, numbers]) => addressSets(name, 'of a test', numbers.map(ipv4))),
  }));

describe('what the table holds beside policy', () => {
  test('from scratch = incremental after any history, and what went is gone', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(addition, fc.boolean()), { minLength: 1, maxLength: 6 }), (history) => {
        const graph = createGraph();
        let kernel = applyChange({ chains: new Map(), sets: new Map() }, tick(graph));
        for (const [next, reject] of history) {
          noteAddition(graph, next);
          noteSettings(graph, { ...defaultRulesSettings, deny: reject ? 'Reject' : 'Drop' });
          kernel = applyChange(kernel, tick(graph));
        }
        const [last, reject] = history.at(-1) ?? [undefined, false];
        const fresh = createGraph({
          settings: { ...defaultRulesSettings, deny: reject ? 'Reject' : 'Drop' },
        });
        noteAddition(fresh, last ?? { chains: [], sets: [] });
        tick(fresh);
        expect(sorted(kernel)).toEqual(sorted(rulesetOf(fresh)));
      }),
      { numRuns: 60 },
    );
  });

  test('a chain that stands in for one of the static part stays in its place when that is put up anew', () => {
    const spoofing = { ...defaultRulesSettings, sourceSpoofing: true };
    const graph = createGraph({ settings: spoofing });
    const rows = [{ interface: 'cali1', prefix: prefix4(ipv4(0), 8) }];
    noteAddition(graph, { chains: [allowedSources(rows)], sets: [] });
    tick(graph);
    noteSettings(graph, { ...spoofing, dropInvalid: false });
    tick(graph);
    expect(rulesetOf(graph).chains.get('allowed-sources')?.rules).toHaveLength(1);
    noteSettings(graph, defaultRulesSettings);
    noteAddition(graph, { chains: [], sets: [] });
    tick(graph);
    expect(rulesetOf(graph).chains.has('allowed-sources')).toBe(false);
  });
});

const sorted = ({ chains, sets }: ReturnType<typeof rulesetOf>) => ({
  chains: [...chains.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
  sets: [...sets.values()]
    .map(({ decl, elements }) => ({ decl, elements: [...elements.keys()].sort() }))
    .sort((a, b) => (a.decl.name < b.decl.name ? -1 : 1)),
});
