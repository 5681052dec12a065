/**
 * The dataplane alone: a table of 5,000 policy chains (25,000 rules), 250 endpoints that jump to 20 of them, 1,000 sets of 100 and
 * one of 100,000, into the kernel of a namespace and changed there. Prints one line for each measurement.
 */
import { execFileSync } from 'node:child_process';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { difference } from '../../felix/dataplane/difference.ts';
import { type Batches, encodeChange } from '../../felix/dataplane/encode/transaction.ts';
import { slices } from '../../felix/dataplane/turn.ts';
import { type Ruleset, type RulesetChange, tableName } from '../../felix/rules/model.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { addressAt, type Counts, largeRuleset, policyChain } from '../support/large-ruleset.ts';
import type { Row } from './table.ts';

/** Feasibility's table, and that of the first sync. */
const full: Counts = {
  ...{ policies: 5000, rules: 5, endpoints: 250, jumps: 20 },
  ...{ sets: 1000, members: 100, large: 100_000 },
};
const node: Counts = { ...full, policies: 2000, large: 10 };

const percentile = (values: readonly number[], share: number): string => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(2);
};
const say = (what: string, value: string): void => console.log(`${what.padEnd(58)} ${value}`);
const spread = (values: readonly number[]): string =>
  `p50 ${percentile(values, 0.5)} ms, p99 ${percentile(values, 0.99)} ms, max ${percentile(values, 1)} ms`;

const wanted = (ruleset: Ruleset, isTrusted: (set: string) => boolean = () => false) => ({
  ...{ ruleset, isTrusted, chainsFreedLate: false, isKept: () => false, turn: slices() },
});

async function send(kernel: NetnsKernel, { now, later }: Batches): Promise<void> {
  await kernel.nftWrite(now);
  await kernel.nftWrite(later);
}

/** Wall time, and how long the loop stood still at most. */
async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const begun = performance.now();
  const result = await run();
  const took = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  say(what, `${took.toFixed(0)} ms, longest turn ${(delay.max / 1e6).toFixed(0)} ms`);
  return result;
}

async function measureChanges(
  kernel: NetnsKernel,
  what: string,
  rounds: number,
  make: (round: number) => Partial<RulesetChange>,
): Promise<void> {
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const change: RulesetChange = {
      sets: [],
      removedSets: [],
      elements: [],
      chains: [],
      removedChains: [],
      ...make(round),
    };
    const before = process.cpuUsage();
    const begun = performance.now();
    await send(kernel, await encodeChange(change, { chainsFreedLate: false, turn: slices() }));
    walls.push(performance.now() - begun);
    const { user, system } = process.cpuUsage(before);
    cpus.push((user + system) / 1000);
  }
  say(what, spread(walls));
  say(
    `${what}: CPU`,
    `mean ${(cpus.reduce((sum, one) => sum + one, 0) / rounds).toFixed(2)} ms, ${spread(cpus)}`,
  );
}

/** From the command of somebody else until the kernel has everything again. */
async function measureFlush(
  kernel: NetnsKernel,
  what: string,
  ruleset: Ruleset,
  rounds: number,
): Promise<void> {
  const gaps: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const told = new Promise<readonly [number, ReadonlySet<string> | undefined]>((resolve) => {
      const stop = kernel.watchNft(tableName, (sets) => {
        stop();
        resolve([performance.now(), sets]);
      });
    });
    execFileSync('nft', ['flush', 'table', 'inet', tableName]);
    const [heard, touched] = await told;
    const isTrusted = (set: string): boolean => touched?.has(set) === false;
    await send(kernel, await difference(kernel, wanted(ruleset, isTrusted)));
    gaps.push(performance.now() - heard);
  }
  say(`flushed by somebody, ${what}: event to all back`, spread(gaps));
}

/** Prints lines of its own. */
export async function run(): Promise<readonly Row[]> {
  const kernel = openKernel();
  const ruleset = largeRuleset(full);
  const first = await timed('first sync: encode', () => difference(kernel, wanted(ruleset)));
  say('first sync: octets', `${(first.now.length / 1e6).toFixed(1)} MB, ${first.now.messages} messages`);
  await timed('first sync: kernel', () => send(kernel, first));
  await timed('read back and compared, nothing differs', () => difference(kernel, wanted(ruleset)));
  const s0 = ruleset.sets.get('s0')?.decl;
  const large = ruleset.sets.get('large')?.decl;
  if (s0 === undefined || large === undefined) throw new Error('no set');
  for (const [what, decl] of [
    ['a set of 100', s0],
    ['a set of 100,000', large],
  ] as const)
    await measureChanges(kernel, `one member in or out of ${what}`, 400, (round) => {
      const one = [addressAt(200_000 + Math.floor(round / 2))];
      return { elements: [{ decl, added: round % 2 === 0 ? one : [], removed: round % 2 === 0 ? [] : one }] };
    });
  await measureChanges(kernel, 'one chain of 5 rules replaced', 400, (round) => ({
    chains: [policyChain(full, round)],
  }));
  await measureFlush(kernel, '5,000 policies', ruleset, 20);
  const small = largeRuleset(node);
  await timed('a smaller one in its place', async () =>
    send(kernel, await difference(kernel, wanted(small))),
  );
  await measureFlush(kernel, '2,000 policies', small, 20);
  kernel.close();
  return [];
}
