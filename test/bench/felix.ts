/**
 * `npm run bench -- felix`: the node agent in a large cluster, from the store's word to the kernel's, and packets through its rules.
 * Each life is a process of its own in a namespace of its own; figures are medians of the rounds.
 *
 *   --only NAME,…    first, tenth, iptables, churn, wide, packets; default all
 *   --rounds N       lives of each; default 3
 *   --full           changes for a minute instead of ten seconds, and twice the rounds of packets
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { ClusterShape } from '../support/big-cluster.ts';
import { createPlayground } from '../support/namespaces.ts';
import { trendOf } from './felix/churn.ts';
import { packetLines, packets } from './felix/packets.ts';
import type { Churned, LifeFigures, LifePlan } from './felix/plan.ts';
import { percentile, type Row } from './table.ts';

/** 250 pods of this node, 2,000 policies with 1,000 selectors, 100,000 pods. */
const large: ClusterShape = { nodes: 400, pods: 100_000, policies: 2000, selectors: 1000, localPods: 250 };
/** The same node in a tenth of the cluster. */
const tenth: ClusterShape = { ...large, nodes: 40, pods: 10_000 };
const wide: ClusterShape = {
  ...{ nodes: 5000, pods: 100_000, policies: 10_000, selectors: 2000 },
  ...{ localPods: 20, localPolicies: 400 },
};

const still: LifePlan = {
  ...{ shape: large, renderer: 'nftables', lazy: false },
  ...{ edits: 0, warm: 0, churnSeconds: 0, peer: false },
};

/** The first life after a change of the code compiles it, for which it needs 25 MB more. */
const unmeasured: LifePlan = {
  ...still,
  shape: { nodes: 3, pods: 100, policies: 10, selectors: 5, localPods: 2 },
};

interface Scenario {
  readonly plan: LifePlan;
  readonly what: string;
  readonly peerName?: string;
}

const scenarios = (churnSeconds: number): Readonly<Record<string, Scenario>> => ({
  first: {
    what: '100,000 pods',
    plan: { ...still, edits: 300, warm: 30, peer: true },
    peerName: 'nft -f of the same, the write alone',
  },
  tenth: { what: '10,000 pods', plan: { ...still, shape: tenth, edits: 300, warm: 30 } },
  iptables: {
    what: '100,000 pods, iptables',
    plan: { ...still, renderer: 'iptables', edits: 12, warm: 2, peer: true },
    peerName: 'ipset and iptables-restore of the same, the write alone',
  },
  churn: { what: '1,000 changes a second', plan: { ...still, churnSeconds } },
  wide: { what: '5,000 nodes, 100,000 pods, 10,000 policies', plan: { ...still, shape: wide, lazy: true } },
});

const root = new URL('../../', import.meta.url).pathname;

/** A line of the launcher, which is the one source of truth for how the daemon's node is started. */
function launched(line: RegExp): string {
  const [, value] = line.exec(readFileSync(`${root}src/tortie.sh`, 'utf8')) ?? [];
  if (value === undefined) throw new Error('bench felix: src/tortie.sh does not say how node is started');
  return value;
}
const flags = (): readonly string[] => launched(/^agent='(.*)'$/m).split(' ');

/** As the daemon has it; what was compiled is kept, for a daemon does not compile itself at each start. */
const env = {
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? `${root}node_modules/.cache/tortie`,
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: launched(/^agentmap=(.*)$/m),
};

async function live(plan: LifePlan): Promise<LifeFigures> {
  const ground = createPlayground('bfl');
  try {
    const script = new URL('felix/life.ts', import.meta.url).pathname;
    // Before whatever else the machine has to do, as packets are: what is measured is the agent and the kernel, not their neighbours.
    const words = ['chrt', '--rr', '10', process.execPath, ...flags(), script, JSON.stringify(plan)];
    const running = ground.start('node', words, { env });
    await running.ended;
    const line = running
      .output()
      .split('\n')
      .find((text) => text.startsWith('{"sync"'));
    if (line === undefined) throw new Error(`bench felix: a life came to nothing: ${running.output()}`);
    return JSON.parse(line) as LifeFigures;
  } finally {
    await ground.close();
  }
}

function rowsOf({ what, peerName }: Scenario, lives: readonly LifeFigures[]): readonly Row[] {
  const row = (name: string, unit: Row['unit'], of: (life: LifeFigures) => number): Row => ({
    ...{ name: `felix: ${what}: ${name}`, unit },
    ours: lives.map(of),
  });
  const peers = lives.flatMap(({ peer }) => peer ?? []);
  const beside = peers.length === 0 ? {} : { peer: peers, ...(peerName === undefined ? {} : { peerName }) };
  const changes = Object.keys(lives[0]?.changed ?? {}).flatMap((name) =>
    ([0.5, 0.99] as const).map((share) =>
      row(`${name}, p${share * 100}`, 'ms', ({ changed }) => percentile(changed[name] ?? [], share)),
    ),
  );
  const churned = lives.flatMap((life) => life.churned ?? []);
  return [
    { ...row('first sync', 'ms', ({ sync }) => sync), ...beside },
    row('of that, hearing of it', 'ms', ({ told }) => told),
    row('of that, calculated and written', 'ms', ({ calculated }) => calculated),
    row('of that, the kernel', 'ms', ({ inKernel }) => inKernel),
    row('CPU time meanwhile', 'ms', ({ cpu }) => cpu),
    row('memory before', 'MB', ({ before }) => before),
    row('memory then', 'MB', ({ rss }) => rss),
    ...changes,
    ...(churned.length === 0 ? [] : churnRows(what, churned)),
  ];
}

/** Trends by the first and the last quarter. */
function churnRows(what: string, churned: readonly Churned[]): readonly Row[] {
  const quarter = <T>(of: readonly T[], which: number): readonly T[] => {
    const size = Math.floor(of.length / 4);
    return of.slice(which * size, (which + 1) * size);
  };
  const row = (name: string, unit: Row['unit'], of: (one: Churned) => number): Row => ({
    ...{ name: `felix: ${what}: ${name}`, unit },
    ours: churned.map(of),
  });
  return [
    ...([0, 3] as const).flatMap((which) =>
      ([0.5, 0.99] as const).map((share) =>
        row(`lag, p${share * 100}, quarter ${which + 1}`, 'ms', ({ lags }) =>
          percentile(quarter(lags, which), share),
        ),
      ),
    ),
    row('CPU time of a second', 'ms', ({ cpu }) => cpu * 1000),
    row('memory, first second', 'MB', ({ rss }) => rss[0] ?? Number.NaN),
    row('memory, last second', 'MB', ({ rss }) => rss.at(-1) ?? Number.NaN),
  ];
}

function trendLine({ lags, rss }: Churned): string {
  const { tau, chance } = trendOf(lags);
  const word = tau > chance ? 'GROWS' : 'does not grow';
  const half = rss.slice(Math.floor(rss.length / 2));
  const perMinute = (((half.at(-1) ?? 0) - (half[0] ?? 0)) / half.length) * 60;
  return (
    `felix: the lag ${word}: tau ${tau.toFixed(2)} over ${rss.length} s, by chance up to ${chance.toFixed(2)}; ` +
    `memory in the second half ${perMinute.toFixed(1)} MB a minute`
  );
}

async function livesOf(plan: LifePlan, rounds: number): Promise<readonly LifeFigures[]> {
  const lives: LifeFigures[] = [];
  while (lives.length < rounds) lives.push(await live(plan));
  return lives;
}

export async function run(argv: readonly string[]): Promise<readonly Row[]> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      full: { type: 'boolean', default: false },
    },
  });
  const all = scenarios(values.full ? 60 : 10);
  const names = values.only?.split(',') ?? [...Object.keys(all), 'packets'];
  const unknown = names.find((name) => name !== 'packets' && !Object.hasOwn(all, name));
  if (unknown !== undefined)
    throw new Error(
      `bench felix: there is no "${unknown}". There is: ${Object.keys(all).join(', ')}, packets.`,
    );
  const load = (): string => `load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`;
  console.log(`felix: begun with ${load()}`);
  const rows: Row[] = [];
  await live(unmeasured);
  for (const [name, scenario] of Object.entries(all)) {
    if (!names.includes(name)) continue;
    const lives = await livesOf(scenario.plan, Number(values.rounds));
    rows.push(...rowsOf(scenario, lives));
    for (const line of lives.flatMap(({ churned }) => churned ?? []).map(trendLine)) console.log(line);
  }
  if (names.includes('packets')) {
    console.log('felix: packets; here more is better, and ratios are medians round by round');
    for (const line of packetLines(await packets(values.full ? 240 : 120))) console.log(line);
  }
  console.log(`felix: ended with ${load()}`);
  return rows;
}
