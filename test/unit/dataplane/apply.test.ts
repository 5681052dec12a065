import { describe, expect, test } from 'vitest';
import { createGraph, type Graph, isKnown, putEndpoint, rulesetOf } from '../../../felix/calc/graph.ts';
import { PolicySync } from '../../../felix/dataplane/apply.ts';
import { renderRuleset } from '../../../felix/rules/text.ts';
import { millis } from '../../../src/lib/net.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { createFakeKernel, type FakeKernel } from '../../support/fake-kernel.ts';

/** The kernel in memory knows that a table is there, and not what is in it. */
const nothing = { chains: [], sets: [], maps: [] };

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
}

function bench(): Bench {
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
  const sync = new PolicySync({ graph, kernel, clock, random: () => 0, chainsFreedLate: false, observe });
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    graph,
    kernel,
    clock,
    sync,
    told,
    pass: async (ms) => {
      for (let step = 0; step < 5; step += 1) {
        clock.advance(step === 0 ? ms : 0);
        await settled();
      }
    },
    addPod: (name) => {
      putEndpoint(graph, { id: name, namespace: 'x', pod: name, interface: `cali${name}`, addresses: [] });
      sync.wake();
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

  test('is first replaced whole in one transaction, with all that gathered before', async () => {
    const { graph, kernel, sync, addPod, pass } = bench();
    addPod('a');
    addPod('b');
    sync.start();
    await pass(0);
    expect(kernel.transactions).toEqual([renderRuleset(rulesetOf(graph))]);
    expect(sync.status()).toEqual({ state: 'in-sync', transactions: 1, pending: false });
  });

  test('then follows by what changed, one transaction for all that changed in a tick', async () => {
    const { kernel, sync, addPod, pass, told } = bench();
    sync.start();
    await pass(0);
    for (let n = 0; n < 50; n += 1) addPod(`p${n}`);
    await pass(0);
    expect(told).toEqual(['full 1', 'incremental 1']);
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

  test('a refused transaction is tried again with growing patience, then the whole is replaced', async () => {
    const { graph, kernel, sync, addPod, pass, told } = bench();
    sync.start();
    await pass(0);
    kernel.refuseNft('line 1: Device or resource busy');
    addPod('a');
    await pass(0);
    expect(sync.status()).toMatchObject({ state: 'failing', transactions: 1, pending: true });
    expect(sync.status().lastError).toContain('line 1: Device or resource busy');
    addPod('b'); // more work does not make it try sooner
    await pass(99);
    expect(told).toHaveLength(2);
    await pass(1);
    expect(told).toHaveLength(3);
    await pass(199);
    expect(told).toHaveLength(3);
    kernel.refuseNft(undefined);
    await pass(1);
    expect(told.at(-1)).toBe('full 1');
    // In place was refused too, so the table is deleted and made anew.
    expect(kernel.transactions.at(-1)).toBe(renderRuleset(rulesetOf(graph)));
    expect(sync.status()).toEqual({ state: 'in-sync', transactions: 2, pending: false });
  });

  test('is put back whole when somebody else flushes it', async () => {
    const { graph, kernel, sync, pass, told } = bench();
    sync.start();
    await pass(0);
    kernel.foreignNft('flush table inet tortie');
    await pass(0);
    expect(told).toEqual(['full 1', 'foreign', 'full 1']);
    expect(kernel.transactions.at(-1)).toBe(renderRuleset(rulesetOf(graph), nothing));
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
