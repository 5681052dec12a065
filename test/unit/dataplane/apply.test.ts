import { describe, expect, test } from 'vitest';
import { createGraph, type Graph, isKnown, putEndpoint, rulesetOf } from '../../../felix/calc/graph.ts';
import { PolicySync, type PolicySyncOptions } from '../../../felix/dataplane/apply.ts';
import { difference } from '../../../felix/dataplane/difference.ts';
import { renderRuleset } from '../../../felix/rules/text.ts';
import { kernelError } from '../../../src/kernel/kernel-error.ts';
import { millis } from '../../../src/lib/net.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { createFakeKernel, type FakeKernel } from '../../support/fake-kernel.ts';

interface Bench {
  readonly graph: Graph;
  readonly kernel: FakeKernel;
  readonly clock: VirtualClock;
  readonly sync: PolicySync;
  readonly told: string[];
  /** Lets `ms` pass, and whatever is under way come to its end. */
  pass(ms: number): Promise<void>;
  /** A pod more, and the wake that goes with it. */
  addPod(name: string): void;
  /** The kernel has what there should be: nothing differs. */
  isSame(): Promise<boolean>;
}

function bench(more: Partial<PolicySyncOptions> = {}): Bench {
  const graph = createGraph();
  const kernel = createFakeKernel();
  const clock = virtualClock();
  const told: string[] = [];
  const observe = {
    written: ({ full, transactions }: { readonly full: boolean; readonly transactions: number }): void => {
      told.push(`${full ? 'full' : 'incremental'} ${transactions}`);
    },
    refused: (why: string): void => void told.push(why),
    foreign: (): void => void told.push('foreign'),
  };
  const options = { graph, kernel, clock, random: () => 0, chainsFreedLate: false, observe, ...more };
  const sync = new PolicySync(options);
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    graph,
    kernel,
    clock,
    sync,
    told,
    pass: async (ms) => {
      for (let step = 0; step < 12; step += 1) {
        clock.advance(step === 0 ? ms : 0);
        await settled();
      }
    },
    addPod: (name) => {
      putEndpoint(graph, { id: name, namespace: 'x', pod: name, interface: `cali${name}`, addresses: [] });
      sync.wake();
    },
    isSame: async () => {
      const wanted = {
        ruleset: rulesetOf(graph),
        chainsFreedLate: false,
        isKept: () => false,
        isTrusted: () => false,
      };
      return (await difference(kernel, { ...wanted, turn: async () => undefined })).now.isEmpty;
    },
  };
}

describe('the ruleset in the kernel', () => {
  test('is not touched before in-sync, whatever changes', async () => {
    const { kernel, sync, addPod, pass } = bench();
    addPod('a');
    await pass(60_000);
    expect(kernel.transactions).toEqual([]);
    expect(sync.status()).toEqual({ state: 'waiting', transactions: 0, pending: true });
  });

  test('is first compared and written in one transaction, with all that gathered before', async () => {
    const { kernel, sync, addPod, pass, isSame } = bench();
    addPod('a');
    addPod('b');
    sync.start();
    await pass(0);
    expect(kernel.transactions).toHaveLength(1);
    expect(kernel.transactions[0]).toContain('"calia" : jump');
    expect(await isSame()).toBe(true);
    expect(sync.status()).toEqual({ state: 'in-sync', transactions: 1, pending: false });
  });

  test('keeps nobody waiting for a timer where the agent stops while it is written, or refused', async () => {
    for (const isRefused of [false, true]) {
      const { kernel, clock, sync, addPod, pass } = bench();
      addPod('a');
      sync.start();
      if (isRefused) kernel.refuseNft('no');
      clock.advance(0); // the write is on its way
      sync.stop();
      await pass(0);
      expect(clock.pending).toBe(0);
      await pass(600_000);
      expect(kernel.transactions).toHaveLength(isRefused ? 0 : 1);
    }
  });

  test('is found as an earlier process left it, and only what differs is written', async () => {
    const first = bench();
    first.addPod('a');
    first.sync.start();
    await first.pass(0);
    first.sync.stop();
    const second = bench({ kernel: first.kernel });
    second.addPod('a');
    second.addPod('b');
    second.sync.start();
    await second.pass(0);
    const written = first.kernel.transactions.slice(1).join();
    expect(written).toContain('"calib"');
    expect(written).not.toContain('"calia"');
    expect(written).not.toContain('check-source');
    second.sync.stop();
    const same = bench({ kernel: first.kernel });
    for (const name of ['a', 'b']) same.addPod(name);
    same.sync.start();
    await same.pass(0);
    expect(same.sync.status()).toEqual({ state: 'in-sync', transactions: 0, pending: false });
    same.sync.stop();
    const third = bench({ kernel: first.kernel });
    third.sync.start();
    await third.pass(0);
    const leftOver = first.kernel.transactions.at(-1) ?? '';
    for (const one of ['delete chain', '"calia"', '"calib"']) expect(leftOver).toContain(one);
  });

  test('then follows by what changed, one transaction for all that changed in a tick', async () => {
    const { kernel, sync, addPod, pass, told } = bench();
    sync.start();
    await pass(0);
    for (let n = 0; n < 50; n += 1) addPod(`p${n}`);
    await pass(0);
    expect(told).toEqual(['full 1', 'full 0', 'incremental 1']);
    expect(kernel.transactions[1]).toContain('calip49');
    expect(kernel.transactions[1]).not.toContain('check-source');
  });

  test('takes no transaction when nothing changed', async () => {
    const { kernel, sync, pass } = bench();
    sync.start();
    await pass(0);
    sync.wake();
    await pass(0);
    expect(kernel.transactions).toHaveLength(1);
    expect(sync.status().pending).toBe(false);
  });

  test('a refused transaction is tried again with growing patience', async () => {
    const { kernel, sync, addPod, pass, told, isSame } = bench();
    sync.start();
    await pass(0);
    kernel.refuseNft('Device or resource busy');
    addPod('a');
    await pass(0);
    expect(sync.status()).toMatchObject({ state: 'failing', transactions: 1, pending: true });
    expect(sync.status().lastError).toContain('Device or resource busy');
    addPod('b'); // more work does not make it try sooner
    await pass(99);
    expect(told).toHaveLength(3);
    await pass(1);
    expect(told).toHaveLength(4);
    await pass(199);
    expect(told).toHaveLength(4);
    kernel.refuseNft(undefined);
    await pass(1);
    expect(told.at(-1)).toBe('full 1');
    expect(await isSame()).toBe(true);
    expect(sync.status()).toEqual({ state: 'in-sync', transactions: 2, pending: false });
  });

  test('is written by nft where netlink is refused for good, and by netlink again when that works', async () => {
    const { graph, kernel, sync, addPod, pass, isSame } = bench();
    const write = kernel.nftWrite;
    Object.assign(kernel, { nftWrite: () => Promise.reject(kernelError('run it', 'EOPNOTSUPP')) });
    sync.start();
    for (let second = 0; second < 8; second += 1) await pass(1000);
    expect([...new Set(kernel.transactions)]).toEqual([renderRuleset(rulesetOf(graph))]);
    expect(sync.status().state).toBe('in-sync');
    expect(sync.problems().map(({ what }) => what)).toEqual([expect.stringContaining('EOPNOTSUPP')]);
    addPod('a');
    await pass(0);
    expect(kernel.transactions.at(-1)).toContain('add element inet tortie');
    Object.assign(kernel, { nftWrite: write });
    await pass(90_000);
    expect(await isSame()).toBe(true);
    expect(sync.problems()).toEqual([]);
  });

  test.each([
    ['EPERM', 10_000],
    ['EINVAL', 60_000],
  ])('%s for more than %i ms is the end, with a last word', async (code, ms) => {
    const ended: string[] = [];
    const { kernel, sync, pass } = bench({ onFatal: ({ message }) => void ended.push(message) });
    kernel.refuseNft('it does not like us', code);
    sync.start();
    for (let at = 0; at < ms; at += 1000) await pass(1000);
    expect(ended).toEqual([]);
    for (let at = 0; at < 32_000; at += 1000) await pass(1000);
    expect(ended).toEqual([
      expect.stringMatching(/^the kernel has taken no ruleset for \d+ s.*it does not like us/),
    ]);
  });

  test('is put back when somebody else flushes it', async () => {
    const { kernel, sync, pass, told, isSame } = bench();
    sync.start();
    await pass(0);
    kernel.foreignNft('flush table inet tortie');
    expect(await isSame()).toBe(false);
    await pass(0);
    expect(told).toEqual(['full 1', 'full 0', 'foreign', 'full 1']);
    expect(await isSame()).toBe(true);
    kernel.foreignNft('delete table inet tortie');
    await pass(1000);
    expect(await isSame()).toBe(true);
  });

  test('is listened for once it was written, and what others did meanwhile is put back', async () => {
    const bare = createFakeKernel();
    let isFirst = true;
    const kernel: typeof bare = {
      ...bare,
      nftWrite: async (...batch) => {
        const count = await bare.nftWrite(...batch);
        if (isFirst) await bare.nft('flush table inet tortie');
        isFirst = false;
        return count;
      },
    };
    const { sync, pass, told } = bench({ kernel });
    sync.start();
    await pass(0);
    expect(told).toEqual(['full 1', 'full 1']);
  });

  test('is looked at now and then, and what nobody told of is mended', async () => {
    const { kernel, sync, pass, told, isSame } = bench({ refreshMs: () => 30_000 });
    sync.start();
    await pass(0);
    await pass(30_000);
    expect(told).toEqual(['full 1', 'full 0', 'full 0']);
    await kernel.nft('flush table inet tortie'); // as if by us: no event
    await pass(29_999);
    expect(await isSame()).toBe(false);
    await pass(1);
    expect(await isSame()).toBe(true);
  });

  test('somebody who keeps editing gets it put back once a second and not more', async () => {
    const { kernel, sync, pass } = bench();
    sync.start();
    await pass(0);
    for (let tenth = 0; tenth < 50; tenth += 1) {
      kernel.foreignNft('flush table inet tortie');
      await pass(100);
    }
    expect(kernel.transactions.length).toBeGreaterThanOrEqual(5);
    expect(kernel.transactions.length).toBeLessThanOrEqual(7);
  });

  test('stays when the agent stops, and nothing is written any more', async () => {
    const { kernel, sync, addPod, pass } = bench();
    sync.start();
    await pass(0);
    sync.stop();
    addPod('a');
    kernel.foreignNft('flush table inet tortie');
    await pass(60_000);
    expect(kernel.transactions).toHaveLength(1);
  });
});

describe('who waits for the kernel', () => {
  test('is told only after the transaction that has the wish', async () => {
    const { graph, sync, clock, kernel, addPod, pass } = bench();
    const heard: string[] = [];
    addPod('a');
    void sync.until(() => true, millis(1000)).then((held) => heard.push(`before start: ${held}`));
    await pass(10);
    expect(heard).toEqual([]);
    sync.start();
    await pass(0);
    expect(heard).toEqual(['before start: true']);
    kernel.refuseNft('no');
    addPod('b');
    void sync.until(() => true, millis(1000)).then((held) => heard.push(`b: ${held}`));
    await pass(0);
    expect(heard).toHaveLength(1);
    kernel.refuseNft(undefined);
    await pass(100);
    expect(heard).toEqual(['before start: true', 'b: true']);
    expect(isKnown(graph, 'b')).toBe(false);
    expect(clock.pending).toBe(1); // the next look
    sync.stop();
    expect(clock.pending).toBe(0);
  });

  test('is told at once if nothing is under way', async () => {
    const { sync, pass } = bench();
    sync.start();
    await pass(0);
    expect(await sync.until(() => true, millis(1))).toBe(true);
  });

  test('is told "no" when the time is up, or the agent stops', async () => {
    const { graph, sync, addPod, pass } = bench();
    sync.start();
    const heard: boolean[] = [];
    addPod('a');
    void sync.until(() => isKnown(graph, 'a'), millis(500)).then((held) => heard.push(held));
    await pass(499);
    expect(heard).toEqual([]);
    await pass(1);
    expect(heard).toEqual([false]);
    void sync.until(() => false, millis(500)).then((held) => heard.push(held));
    sync.stop();
    await pass(0);
    expect(heard).toEqual([false, false]);
  });
});

describe('what the kernel refuses', () => {
  const isOfA = ({ comment, chain }: { readonly comment?: string; readonly chain: string }): boolean =>
    chain.includes('calia') && comment !== 'the kernel refused this chain: it is closed';
  const judge = (rule: { readonly comment?: string; readonly chain: string }): string | undefined =>
    isOfA(rule) ? 'EOPNOTSUPP' : undefined;

  test.each([true, false])(
    'is found and closed, the rest is written, and it is tried again (the kernel says which: %s)',
    async (isTold) => {
      const { kernel, sync, addPod, pass, isSame } = bench();
      kernel.refuseRules({ judge, isTold });
      for (const name of ['a', 'b', 'c']) addPod(name);
      sync.start();
      await pass(0);
      await pass(0);
      expect(sync.status()).toMatchObject({ state: 'in-sync', pending: false });
      const written = kernel.transactions.join('\n');
      expect(written).toMatch(/add rule inet tortie \S*calia drop comment "the kernel refused this chain/);
      expect(written).toContain('"calic" : jump');
      const problems = sync.problems();
      expect(problems.length).toBeGreaterThan(0);
      for (const { where, what } of problems) {
        expect(where).toContain('calia');
        expect(what).toContain('EOPNOTSUPP');
      }
      addPod('d');
      await pass(0);
      expect(kernel.transactions.at(-1)).toContain('"calid"');
      kernel.refuseRules(undefined);
      await pass(5000);
      await pass(0);
      expect(sync.problems()).toEqual([]);
      expect(await isSame()).toBe(true);
    },
  );

  test('in a base chain is refused as a whole: there is no place that is closed', async () => {
    const { kernel, sync, addPod, pass } = bench();
    kernel.refuseRules({ judge: ({ chain }) => (chain === 'to-pods' ? 'ENOENT' : undefined), isTold: true });
    addPod('a');
    sync.start();
    await pass(0);
    expect(sync.status()).toMatchObject({ state: 'failing' });
    expect(sync.status().lastError).toContain('chain to-pods');
    expect(kernel.transactions).toEqual([]);
  });
});

test('a base chain of somebody else that drops what ours let through is a problem, until it does no more', async () => {
  const heard: number[] = [];
  const { kernel, sync, pass } = bench({ onProblems: () => void heard.push(sync.problems().length) });
  sync.start();
  await pass(0);
  const base = { hook: 'forward', priority: 10, type: 'filter', policy: 'drop' } as const;
  const theirs = { family: 1, table: 'firewalld', name: 'filter_FORWARD', base };
  kernel.foreignHooks([theirs, { ...theirs, name: 'nat', base: { ...base, hook: 'postrouting' } }]);
  await pass(2_999);
  expect(sync.problems()).toEqual([]); // one look in three seconds
  await pass(1);
  expect(sync.problems()).toEqual([
    expect.objectContaining({ where: 'nftables chain filter_FORWARD of table inet firewalld' }),
  ]);
  kernel.foreignHooks([{ ...theirs, base: { ...base, policy: 'accept' } }]);
  await pass(3_000);
  expect(sync.problems()).toEqual([]);
  expect(heard.at(-1)).toBe(0);
});
