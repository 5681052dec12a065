/** Sums by rule of a policy: none is lost or counted twice, however chains are rewritten. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RuleCounter } from '../../../felix/dataplane/counters.ts';
import { Counted } from '../../../felix/observe/counted.ts';
import { labelsOf, rulesShown } from '../../../felix/observe/metrics.ts';
import type { Chain, Rule, RulesetChange } from '../../../felix/rules/model.ts';
import { type TagMeaning, tagOf } from '../../../felix/rules/tag.ts';
import { virtualClock } from '../../support/clock.ts';

const noChange: RulesetChange = { sets: [], removedSets: [], elements: [], chains: [], removedChains: [] };
const policies = ['GlobalNetworkPolicy a', 'NetworkPolicy shop/b', 'NetworkPolicy shop/c'];

/** A kernel that counts, a writer that rewrites, and what really was sent. */
function world() {
  const clock = virtualClock();
  const origins = new Map<Rule, TagMeaning>();
  const chains = new Map<string, Chain>();
  const kernel = new Map<string, { packets: number; bytes: number; comment: string }[]>();
  const sent = new Map<string, number>();
  const chainOf = (name: string, ids: readonly string[]): Chain => ({
    name,
    rules: ids.map((policy) => {
      const rule: Rule = { matches: [], verdict: { kind: 'drop' }, counted: true, comment: policy };
      origins.set(rule, tagOf({ direction: 'Ingress', action: 'Deny', tier: 'default', policy, rule: 1 }));
      return rule;
    }),
  });
  const read = async (chain?: string): Promise<ReadonlyMap<string, readonly RuleCounter[]>> =>
    new Map(
      [...kernel]
        .filter(([name]) => chain === undefined || name === chain)
        .map(([name, rows]) => [name, rows.map((row) => ({ ...row }))]),
    );
  const counted = new Counted({
    read: () => read,
    readByComment: () => read(),
    ruleset: () => ({ chains, sets: new Map() }),
    originOf: (rule) => origins.get(rule),
    clock,
  });
  const install = (chain: Chain): void => {
    chains.set(chain.name, chain);
    kernel.set(
      chain.name,
      chain.rules.map(({ comment = '' }) => ({ packets: 0, bytes: 0, comment })),
    );
  };
  return {
    counted,
    sums: async () => {
      clock.advance(10_000);
      return counted.sums();
    },
    sent,
    rewrite: async (name: string, ids: readonly string[]) => {
      const chain = chainOf(name, ids);
      const change = { ...noChange, chains: [chain] };
      await counted.before(change);
      install(chain);
      counted.after(change);
    },
    remove: async (name: string) => {
      const change = { ...noChange, removedChains: [name] };
      await counted.before(change);
      kernel.delete(name);
      chains.delete(name);
      counted.after(change);
    },
    send: (name: string, index: number) => {
      const row = kernel.get(name)?.[index];
      if (row === undefined) return;
      row.packets += 1;
      row.bytes += 100;
      sent.set(row.comment, (sent.get(row.comment) ?? 0) + 1);
    },
    /** Somebody else flushes the table, and it is written again. */
    flush: () => {
      for (const chain of chains.values()) install(chain);
      counted.after(undefined);
    },
  };
}

type World = ReturnType<typeof world>;
type Step = (world: World) => unknown;
const chain = fc.nat(2).map((number) => `chain${number}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(chain, fc.subarray(policies)).map(
    ([name, ids]): Step =>
      ({ rewrite }) =>
        rewrite(name, ids),
  ),
  chain.map(
    (name): Step =>
      ({ remove }) =>
        remove(name),
  ),
  fc.tuple(chain, fc.nat(2)).map(
    ([name, rule]): Step =>
      ({ send }) =>
        send(name, rule),
  ),
  fc.constant<Step>(({ sums }) => sums()),
);

describe('what rules counted', () => {
  test('property: each packet is in the sum of its policy once, whatever is rewritten, removed and read meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const all = world();
        const { sums, sent } = all;
        for (const run of steps) await run(all);
        const found = new Map((await sums()).map(({ policy = '', packets }) => [policy, packets]));
        expect(found).toEqual(sent);
      }),
      { numRuns: 200 },
    );
  });

  test('after a flush by others counting goes on from what was read', async () => {
    const { sums, rewrite, send, flush } = world();
    await rewrite('chain0', policies);
    for (let each = 0; each < 5; each++) send('chain0', 1);
    await sums();
    flush();
    for (let each = 0; each < 3; each++) send('chain0', 1);
    expect(await sums()).toMatchObject([{ policy: 'NetworkPolicy shop/b', packets: 8, bytes: 800 }]);
  });

  test('two scrapes within two seconds read the kernel once', async () => {
    const { counted, sums, rewrite, send } = world();
    await rewrite('chain0', policies);
    send('chain0', 0);
    const [before] = await sums();
    expect(before?.packets).toBe(1);
    send('chain0', 0);
    expect((await counted.sums())[0]?.packets).toBe(1);
    expect((await sums())[0]?.packets).toBe(2);
  });

  test('a policy’s namespace is a label of its own, and its kind stays with its name', () => {
    const sum = { direction: 'Ingress', action: 'Deny', tier: 'default', packets: 1, bytes: 60 } as const;
    expect(labelsOf({ ...sum, policy: 'KubernetesNetworkPolicy shop/db', rule: 3 })).toEqual({
      ...{ tier: 'default', policy: 'KubernetesNetworkPolicy db', namespace: 'shop' },
      ...{ direction: 'ingress', action: 'deny', rule: '3' },
    });
    expect(labelsOf(sum)).toMatchObject({ policy: '', rule: 'no rule matched' });
  });

  test('beyond so many rules the rest is one series, and nothing is left out', () => {
    const sums = Array.from({ length: 10 }, (_, rule) => ({
      ...({
        direction: 'Ingress',
        action: 'Deny',
        tier: 'default',
        policy: 'GlobalNetworkPolicy a',
      } as const),
      ...{ rule, packets: 1, bytes: 10 },
    }));
    const shown = rulesShown(sums, 3);
    expect(shown).toHaveLength(4);
    expect(shown.at(-1)).toMatchObject({ labels: { policy: '(others)' }, packets: 7, bytes: 70 });
  });
});
