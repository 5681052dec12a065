/**
 * The dataplane alone: a table of 5,000 policy chains (25,000 rules), 250 endpoints that jump to 20 of them, 1,000 sets of 100 and
 * one of 100,000, into the kernel of a namespace and changed there. Prints one line for each measurement.
 */
import { execFileSync } from 'node:child_process';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { difference } from '../../felix/dataplane/difference.ts';
import { type Batches, encodeChange } from '../../felix/dataplane/encode/transaction.ts';
import { slices } from '../../felix/dataplane/turn.ts';
import {
  type Chain,
  type Element,
  elementKey,
  type NamedSet,
  type Rule,
  type Ruleset,
  type RulesetChange,
  type SetDecl,
  tableName,
} from '../../felix/rules/model.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { openKernel } from '../../src/kernel/linux.ts';
import { ipv4 } from '../../src/lib/net.ts';

const counts = {
  policies: 5000,
  rules: 5,
  endpoints: 250,
  jumps: 20,
  sets: 1000,
  members: 100,
  large: 100_000,
};

const addressAt = (index: number): Element => ({ kind: 'address', address: ipv4(0x0a00_0000 + index) });
const setOf = (decl: SetDecl, elements: readonly Element[]): NamedSet => ({
  decl,
  elements: new Map(elements.map((one) => [elementKey(one), one])),
});
const times = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index));

const policyRule = (policy: number, index: number): Rule => ({
  matches: [
    {
      kind: 'addressSet',
      side: 'source',
      version: 4,
      set: `s${(policy * counts.rules + index) % counts.sets}`,
    },
    { kind: 'ports', side: 'destination', protocol: 6, ranges: [{ first: 80 + index, last: 80 + index }] },
  ],
  counted: true,
  verdict: { kind: 'accept' },
  comment: `NetworkPolicy ns${policy}/allow ingress rule ${index}`,
});

const policyChain = (policy: number): Chain => ({
  name: `policy-${policy}`,
  rules: times(counts.rules, (index) => policyRule(policy, index)),
});

function largeRuleset(): Ruleset {
  const large: SetDecl = { name: 'large', kind: 'address', version: 4 };
  const dispatch: SetDecl = { name: 'dispatch', kind: 'dispatch' };
  const endpoint = (index: number): Chain => ({
    name: `endpoint-${index}`,
    rules: [
      ...times(counts.jumps, (jump): Rule => {
        const chain = `policy-${(index * counts.jumps + jump) % counts.policies}`;
        return { matches: [], verdict: { kind: 'jump', chain } };
      }),
      { matches: [], counted: true, verdict: { kind: 'drop' }, comment: 'no policy allows it' },
    ],
  });
  const forward: Chain = {
    name: 'to-pods',
    base: { hook: 'forward', priority: 1 },
    rules: [
      { matches: [{ kind: 'addressSet', side: 'source', version: 4, set: 'large', not: true }] },
      { matches: [], verdict: { kind: 'dispatch', way: 'out', map: 'dispatch' } },
    ],
  };
  const chains = [...times(counts.policies, policyChain), ...times(counts.endpoints, endpoint), forward];
  const sets = [
    ...times(counts.sets, (index) =>
      setOf(
        { name: `s${index}`, kind: 'address', version: 4 },
        times(counts.members, (member) => addressAt(index * counts.members + member)),
      ),
    ),
    setOf(large, times(counts.large, addressAt)),
    setOf(
      dispatch,
      times(counts.endpoints, (index) => ({
        kind: 'dispatch',
        interface: `cali${index}`,
        chain: `endpoint-${index}`,
      })),
    ),
  ];
  return {
    chains: new Map(chains.map((chain) => [chain.name, chain])),
    sets: new Map(sets.map((set) => [set.decl.name, set])),
  };
}

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
async function measureFlush(kernel: NetnsKernel, ruleset: Ruleset, rounds: number): Promise<void> {
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
  say('flushed by somebody: from the event until all is back', spread(gaps));
}

const kernel = openKernel();
const ruleset = largeRuleset();
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
  chains: [policyChain(round)],
}));
await measureFlush(kernel, ruleset, 20);
kernel.close();
