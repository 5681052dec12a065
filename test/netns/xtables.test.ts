/** The rules for hosts with iptables, in both iptables there are and in ipset, in a namespace of the test's own. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tick } from '../../felix/calc/graph.ts';
import { XtWriter } from '../../felix/dataplane/xtables.ts';
import { emptyRuleset } from '../../felix/rules/ruleset.ts';
import type { Xtables } from '../../felix/rules/xtables/render.ts';
import { ruleScript, setScripts } from '../../felix/rules/xtables/script.ts';
import { xtCounters, xtSeen, xtSetsSeen } from '../../felix/rules/xtables/seen.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { openXtables, type XtBackend, XtRefusal, xtBackendInUse } from '../../src/kernel/xtables.ts';
import { anyPolicy, earlyPolicy, type World, world } from '../support/arbitrary-policy.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';
import { shopGraph } from '../support/shop.ts';
import { rulesetOf, xtablesOf, xtOptions } from '../support/world-ruleset.ts';

const backends: readonly XtBackend[] = ['nft', 'legacy'];
describe.each(backends)('iptables-%s', (backend) => {
  const playground = createPlayground(`xt${backend}`);
  let netns = '';
  beforeAll(() => {
    netns = `/run/netns/${playground.netns('a')}`;
  });
  afterAll(() => playground.close());
  const programs = () => openXtables(backend, netns);
  const run = (program: string, ...args: readonly string[]): string =>
    execFileSync('nsenter', [`--net=${netns}`, program, ...args], { encoding: 'utf8' });

  async function pending(tables: Xtables) {
    const { saveSets, save } = programs();
    return {
      sets: setScripts(tables.sets, xtSetsSeen(await saveSets())),
      4: ruleScript(tables.families[4], xtSeen(await save(4))),
      6: ruleScript(tables.families[6], xtSeen(await save(6))),
    };
  }

  async function write(tables: Xtables): Promise<void> {
    const { restore, restoreSets } = programs();
    const todo = await pending(tables);
    await restoreSets(todo.sets.before);
    await restore(4, todo[4]);
    await restore(6, todo[6]);
    await restoreSets(todo.sets.after);
  }

  const nothing = { sets: { before: '', after: '' }, 4: '', 6: '' };

  // Fixed seeds: each costs some processes.
  test('the kernel takes arbitrary clusters, one after the other, has each as it should be, and is empty at the end', async () => {
    const policy = fc.oneof({ weight: 2, arbitrary: anyPolicy }, { weight: 1, arbitrary: earlyPolicy });
    const samples = fc.sample(
      fc.tuple(
        world({ hosts: true, policies: 8, policy }),
        fc.constantFrom('Drop' as const, 'Reject' as const),
      ),
      { numRuns: 15, seed: 7 },
    );
    for (const [all, deny] of samples) {
      const tables = xtablesOf(rulesetOf(all, { deny }));
      await write(tables);
      expect(await pending(tables)).toEqual(nothing);
    }
    await write(xtablesOf(emptyRuleset));
    const { save, saveSets } = programs();
    for (const version of [4, 6] as const) expect(await save(version)).not.toContain('tortie');
    expect(await saveSets()).not.toContain('tortie');
  }, 120_000);

  test("rules of others stay, whichever came first, and ours go before them but for the end's", async () => {
    const iptables = `iptables-${backend}`;
    const [one] = fc.sample(world({ policies: 4 }), { numRuns: 1, seed: 3 });
    if (one === undefined) throw new Error('no sample');
    const tables = xtablesOf(rulesetOf(one, { deny: 'Drop' }));
    run(iptables, '-A', 'FORWARD', '-s', '192.0.2.1', '-j', 'DROP');
    await write(tables);
    run(iptables, '-I', 'FORWARD', '-s', '192.0.2.2', '-j', 'DROP');
    run(iptables, '-A', 'FORWARD', '-s', '192.0.2.3', '-j', 'DROP');
    expect((await pending(tables))[4]).not.toBe('');
    await write(tables);
    const targets = run(iptables, '-S', 'FORWARD')
      .split('\n')
      .flatMap((line) => /-s (\S+)\/32|-j (tortie\S+)/.exec(line)?.slice(1).filter(Boolean) ?? []);
    const theirs = ['192.0.2.2', '192.0.2.1', '192.0.2.3'];
    expect(targets).toEqual(['tortie-rejected', 'tortie-to-pods', ...theirs, 'tortie-end']);
    await write(xtablesOf(emptyRuleset));
    expect(run(iptables, '-S', 'FORWARD').match(/-A FORWARD/g)).toHaveLength(3);
  }, 60_000);

  test('a rule that somebody took out, put in or changed is seen, and only its chain is written again', async () => {
    const iptables = `iptables-${backend}`;
    const tables = xtablesOf(
      rulesetOf(fc.sample(world(), { numRuns: 1, seed: 4 })[0] as World, { deny: 'Drop' }),
    );
    await write(tables);
    run(iptables, '-D', 'tortie-to-pods', '2');
    const todo = await pending(tables);
    expect(todo[4].match(/^:\S+/gm)).toEqual([':tortie-to-pods']);
    await write(tables);
    run(iptables, '-I', 'tortie-to-pods', '1', '-j', 'ACCEPT');
    expect((await pending(tables))[4]).toContain(':tortie-to-pods');
    await write(tables);
    run(iptables, '-F', 'FORWARD');
    await write(tables);
    expect(await pending(tables)).toEqual(nothing);
  }, 60_000);

  test('counters are told by chain and comment', async () => {
    const tables = xtablesOf(
      rulesetOf(fc.sample(world(), { numRuns: 1, seed: 4 })[0] as World, { deny: 'Drop' }),
    );
    await write(tables);
    const rows = xtCounters(await programs().save(4, true)).get('tortie-to-pods');
    expect(rows?.map(({ comment }) => comment)).toContain('not to a pod');
  }, 60_000);

  test('a chain that the kernel alone refuses, wherever it says so, is closed and told; the rest is written, and nothing of the trial stays', async () => {
    const graph = shopGraph();
    tick(graph);
    const kernel = programs();
    // The kernel takes CT in the table raw only; iptables does not know.
    const spoilt = (script: string): string =>
      script.replaceAll(/(allow-web ingress rule 2".*) -j ACCEPT$/gm, '$1 -j CT --notrack');
    const spoiling = {
      ...kernel,
      restore: (...[version, script]: Parameters<typeof kernel.restore>) =>
        kernel.restore(version, spoilt(script)),
    };
    const options = { graph, render: () => xtOptions };
    const writer = new XtWriter({ ...options, programs: spoiling });
    await writer.settle();
    const told = writer.problems().map(({ where }) => where);
    expect(new Set(told)).toEqual(
      new Set([expect.stringMatching(/^iptables chain .* \(KubernetesNetworkPolicy shop\/allow-web /)]),
    );
    expect(await kernel.save(4)).not.toContain('trial');
    const [, closed = ''] = / chain (\S+) /.exec(told[0] ?? '') ?? [];
    expect(run(`iptables-${backend}`, '-S', closed)).toMatch(/-j DROP\n$/);
    expect(run(`iptables-${backend}`, '-S', 'FORWARD')).toContain('tortie-to-pods');
    const healthy = new XtWriter({ ...options, programs: kernel });
    await healthy.settle();
    expect(healthy.problems()).toEqual([]);
    await healthy.leave(true);
  }, 60_000);

  test('a script that is refused says which line, and changes nothing of its table', async () => {
    const script = '*filter\n:tortie-x - [0:0]\n-A tortie-x -m set --match-set nope src -j DROP\nCOMMIT\n';
    const refusal = await programs()
      .restore(4, script)
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(XtRefusal);
    expect((refusal as XtRefusal).line).toBe(3);
    expect(await programs().save(4)).not.toContain('tortie-x');
  }, 60_000);
});

test('over nf_tables what our programs write is no change of somebody else; his is told with its chains', async () => {
  const playground = createPlayground('xtw');
  const netns = `/run/netns/${playground.netns('a')}`;
  const kernel = openKernel(netns);
  const told: (readonly string[] | undefined)[] = [];
  const stop = kernel.watchNft(
    'tortie',
    () => undefined,
    (chains) => void told.push(chains && [...chains]),
  );
  try {
    await openXtables('nft', netns).restore(4, '*filter\n:tortie-x - [0:0]\n-A tortie-x -j DROP\nCOMMIT\n');
    execFileSync('nsenter', [`--net=${netns}`, 'iptables-nft', '-A', 'FORWARD', '-j', 'tortie-x']);
    await eventually(() => expect(told).toEqual([['FORWARD']]), { within: 30_000 });
    execFileSync('nsenter', [`--net=${netns}`, 'iptables-nft', '-F', 'tortie-x']);
    await eventually(() => expect(told).toEqual([['FORWARD'], ['tortie-x']]), { within: 30_000 });
  } finally {
    stop();
    kernel.close();
    await playground.close();
  }
}, 90_000);

test('which iptables is in use is told without making tables of the older one', () => {
  expect(xtBackendInUse()).toMatch(/^(nft|legacy)$/);
});
