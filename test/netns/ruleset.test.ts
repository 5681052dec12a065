import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGraph, rulesetOf, tick } from '../../felix/calc/graph.ts';
import { type Element, elementKey, type Ruleset } from '../../felix/rules/model.ts';
import { emptyRuleset } from '../../felix/rules/ruleset.ts';
import { addressOf, spanOf } from '../../felix/rules/span.ts';
import { renderChange, renderRuleset } from '../../felix/rules/text.ts';
import { networkOf, parseAddress, parsePrefix } from '../../src/lib/net.ts';
import { step } from '../support/histories.ts';
import { createPlayground } from '../support/namespaces.ts';
import { shopGraph } from '../support/shop.ts';

const playground = createPlayground('ruleset');
let netns = '';
beforeAll(() => {
  netns = playground.netns('a');
});
afterAll(() => playground.close());

const nft = (args: readonly string[], script = ''): string =>
  execFileSync('nsenter', [`--net=/run/netns/${netns}`, 'nft', ...args], { input: script, encoding: 'utf8' });
const load = (script: string): string => nft(['-f', '-'], script);

/** What the kernel has, in the shape of `expectedOf`. */
interface Listing {
  readonly chains: Readonly<Record<string, number>>;
  readonly sets: Readonly<Record<string, readonly string[]>>;
}

interface Listed {
  readonly chain?: { readonly name: string };
  readonly rule?: { readonly chain: string };
  readonly set?: NamedListing;
  readonly map?: NamedListing;
}
interface NamedListing {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

const record = <T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

function kernelHas(): Listing {
  const { nftables }: { readonly nftables: readonly Listed[] } = JSON.parse(
    nft(['-j', 'list', 'table', 'inet', 'tortie']),
  );
  const chains = new Map<string, number>();
  const sets = new Map<string, readonly string[]>();
  for (const { chain, rule, set, map } of nftables) {
    if (chain !== undefined) chains.set(chain.name, chains.get(chain.name) ?? 0);
    if (rule !== undefined) chains.set(rule.chain, (chains.get(rule.chain) ?? 0) + 1);
    const named = set ?? map;
    if (named !== undefined) sets.set(named.name, (named.elem ?? []).map(elementText).sort());
  }
  return { chains: record(chains), sets: record(sets) };
}

/** nft's JSON for an element, as our own key of it. */
function elementText(json: unknown): string {
  if (typeof json === 'string') return rangeText(json, json);
  if (Array.isArray(json)) return `"${json[0]}" : jump ${json[1].jump.target}`;
  if (typeof json !== 'object' || json === null) return `strange: ${json}`;
  if ('concat' in json && Array.isArray(json.concat)) return json.concat.join(' . ');
  if ('range' in json && Array.isArray(json.range)) return rangeText(json.range[0], json.range[1]);
  if (!('prefix' in json)) return `strange: ${JSON.stringify(json)}`;
  const { addr, len } = json.prefix as { readonly addr: string; readonly len: number };
  const prefix = parsePrefix(`${addr}/${len}`) ?? expect.unreachable(addr);
  const version = addr.includes(':') ? 6 : 4;
  return elementKey({
    kind: 'range',
    first: networkOf(prefix),
    last: addressOf(version, spanOf(prefix).last),
  });
}

const rangeText = (first: string, last: string): string =>
  elementKey({
    kind: 'range',
    first: parseAddress(first) ?? expect.unreachable(first),
    last: parseAddress(last) ?? expect.unreachable(last),
  });

const keyOf = (element: Element): string => elementKey(element);

const expectedOf = (ruleset: Ruleset): Listing => ({
  chains: record([...ruleset.chains].map(([name, { rules }]) => [name, rules.length])),
  sets: record(
    [...ruleset.sets].map(([name, { elements }]) => [name, [...elements.values()].map(keyOf).sort()]),
  ),
});

describe('in the real kernel', () => {
  test('the whole table loads, as often as one likes, and is what was meant', () => {
    const graph = shopGraph();
    tick(graph);
    const script = renderRuleset(rulesetOf(graph));
    nft(['-c', '-f', '-'], script);
    load(script);
    expect(kernelHas()).toEqual(expectedOf(rulesetOf(graph)));
    load(script);
    expect(kernelHas()).toEqual(expectedOf(rulesetOf(graph)));
  });

  test.each(['pod-added', 'policy-removed'])('golden/%s.nft is accepted after golden/ruleset.nft', (name) => {
    const golden = (each: string): string =>
      readFileSync(new URL(`../golden/${each}.nft`, import.meta.url), 'utf8');
    load(golden('ruleset'));
    const before = kernelHas();
    load(golden(name));
    expect(kernelHas()).not.toEqual(before);
  });

  test('the whole table takes the place of whatever was in it', () => {
    const junk = [
      'set junk { type mark; }',
      'chain more { drop; }',
      'chain old { type filter hook input priority 0; jump more; }',
    ];
    load(`table inet tortie {\n${junk.join('\n')}\n}\n`);
    const graph = shopGraph();
    tick(graph);
    load(renderRuleset(rulesetOf(graph)));
    expect(kernelHas()).toEqual(expectedOf(rulesetOf(graph)));
  });

  test('the table reads back as it was written', () => {
    const graph = shopGraph();
    tick(graph);
    load(renderRuleset(rulesetOf(graph)));
    const again = nft(['list', 'table', 'inet', 'tortie']);
    load(`delete table inet tortie\n${again}`);
    expect(kernelHas()).toEqual(expectedOf(rulesetOf(graph)));
  });

  // Fixed seeds: many histories are tried where that is cheap (test/property); here each step costs two nft runs.
  test.each([false, true])(
    'the changes of arbitrary histories are accepted in turn and lead to what is wanted (chains freed late: %s)',
    (chainsFreedLate) => {
      const graph = createGraph();
      load(renderRuleset(emptyRuleset));
      for (const acts of fc.sample(step, { numRuns: 40, seed: 7 })) {
        for (const act of acts) act(graph);
        for (const script of renderChange(tick(graph), { chainsFreedLate })) load(script);
        expect(kernelHas()).toEqual(expectedOf(rulesetOf(graph)));
      }
    },
  );
});
