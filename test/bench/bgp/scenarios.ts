/** What is measured, by the name that `--only` knows it by. */
import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../table.ts';
import type { DeviceName } from './devices.ts';
import type { Seen, Stage, StageSpec } from './stage.ts';
import type { Plan } from './universe.ts';

export type Unit = 'ms' | 'µs' | 'MB';

/** By what is measured; a figure that could not be had is left out, and `faults` says why. */
export interface Outcome {
  readonly figures: Readonly<Record<string, { readonly figure: number; readonly unit: Unit }>>;
  readonly faults: readonly string[];
}

export interface Scenario {
  readonly title: string;
  readonly spec: StageSpec;
  /** Only with --full. */
  readonly isLong?: true;
  /** Absent: all. */
  readonly devices?: readonly DeviceName[];
  run(stage: Stage, spec: StageSpec): Promise<Outcome>;
}

const within = 120_000;
/** A table that is right must stay right for so long. */
const settleMs = 300;

const ms = (figure: number) => ({ figure, unit: 'ms' as const });
const mb = (figure: number) => ({ figure, unit: 'MB' as const });

interface Told {
  readonly took: number;
  readonly faults: readonly string[];
}

/** Sends all at full speed; ends when every monitor has the best path of every prefix, and stays so. */
async function tell(stage: Stage, { plan }: StageSpec, what: 'announce' | 'withdraw'): Promise<Told> {
  await stage.monitor.ask('want', { plan, what });
  const { began } = await stage.injector.ask<{ began: number }>('send', what);
  await stage.monitor.ask('right', within);
  await pause(settleMs);
  const seen = await stage.monitor.ask<Seen>('report');
  return {
    took: seen.rightAt - began,
    faults: [...faultsOf(seen, plan, what), ...(await closedOf(stage, seen))],
  };
}

function faultsOf(seen: Seen, plan: Plan, what: string): readonly string[] {
  const total = plan.isShared ? plan.count : plan.count * plan.injectors;
  const wrong = seen.right.filter((right) => right !== total).map((right) => total - right);
  return [
    ...(wrong.length > 0
      ? [`${what}: ${wrong.join(', ')} of ${total} prefixes not with their best path`]
      : []),
    ...(seen.strange > 0 ? [`${what}: ${seen.strange} prefixes that nobody announced`] : []),
  ];
}

async function closedOf({ injector, fast }: Stage, seen: Seen): Promise<readonly string[]> {
  const asked = await Promise.all(
    [injector, fast].map((helper) => helper?.ask<readonly (string | undefined)[]>('closed')),
  );
  const [told = [], quick = []] = asked;
  return [
    ...[...seen.closed, ...told].filter((why) => why !== undefined).map((why) => `session lost: ${why}`),
    ...quick.filter((why) => why !== undefined).map((why) => `session of 1 s / 3 s lost: ${why}`),
  ];
}

/** A figure counts only where nothing was wrong. */
const timed = (name: string, { took, faults }: Told): Outcome['figures'] =>
  faults.length > 0 ? {} : { [name]: ms(took) };

async function load(stage: Stage, spec: StageSpec): Promise<Outcome> {
  const delayFile = stage.device?.delayFile;
  if (delayFile !== undefined) {
    rmSync(delayFile, { force: true });
    await pause(500);
  }
  const before = stage.cpu();
  const announced = await tell(stage, spec, 'announce');
  const cpu = stage.cpu() - before;
  const { rss, peak } = stage.memory();
  const delay = delayFile === undefined ? {} : delaysOf(delayFile);
  const withdrawn = await tell(stage, spec, 'withdraw');
  return {
    figures: {
      ...timed('load', announced),
      'CPU of it': ms(cpu),
      ...timed('withdraw', withdrawn),
      rss: mb(rss),
      'rss peak': mb(peak),
      ...delay,
    },
    faults: [...announced.faults, ...withdrawn.faults],
  };
}

function delaysOf(file: string): Outcome['figures'] {
  const { p99, max } = JSON.parse(readFileSync(file, 'utf8')) as { p99: number; max: number };
  return { 'event loop delay p99': ms(p99), 'event loop delay worst': ms(max) };
}

const loaded = (plan: Partial<Plan>, more: Partial<StageSpec> = {}): StageSpec => ({
  plan: { family: 4, count: 100_000, form: 'table', injectors: 1, isShared: false, ...plan },
  monitors: 1,
  ...more,
});

/** When each change was told; waits for the last of them, but not for ever. */
async function allArrived({ monitor }: Stage): Promise<Float64Array> {
  const until = performance.now() + 30_000;
  for (;;) {
    const arrived = await monitor.ask<Float64Array>('arrivals');
    if (arrived.every((at) => at > 0) || performance.now() > until) return arrived;
    await pause(500);
  }
}

/** A daemon of ours first reports of its node within five seconds of its start. */
const settlingMs = 4000;

/** `seconds` of so many updates a second over a table that stands. */
const churning =
  (rate: number, seconds: number) =>
  async (stage: Stage, spec: StageSpec): Promise<Outcome> => {
    const { faults } = await tell(stage, spec, 'announce');
    const count = rate * seconds;
    const latencies: number[] = [];
    let cpu = 0;
    // The first second is not counted: nobody is warm then. Nor is what daemons do once, some seconds after their start.
    for (const [from, size, quietMs] of [
      [0, rate, 0],
      [rate, count, settlingMs],
    ] as const) {
      await pause(quietMs);
      await stage.monitor.ask('churn', { from, count: size });
      const before = stage.cpu();
      const sent = await stage.injector.ask<Float64Array>('churn', { from, count: size, rate });
      const arrived = await allArrived(stage);
      cpu = stage.cpu() - before;
      latencies.length = 0;
      sent.forEach((at, index) => {
        const there = arrived[index] ?? 0;
        if (there > 0) latencies.push(there - at);
      });
    }
    const lost = count - latencies.length;
    return {
      figures: {
        'latency p50': ms(percentile(latencies, 0.5)),
        'latency p99': ms(percentile(latencies, 0.99)),
        'CPU per change': { figure: (cpu * 1000) / count, unit: 'µs' },
      },
      faults: [...faults, ...(lost > 0 ? [`${lost} of ${count} changes never arrived`] : [])],
    };
  };

/** Until the kernel has every prefix, and until it has none. */
async function intoKernel(stage: Stage, { plan }: StageSpec): Promise<Outcome> {
  const idle = stage.kernelRoutes();
  const pass = async (what: 'announce' | 'withdraw', target: number): Promise<number> => {
    const { began } = await stage.injector.ask<{ began: number }>('send', what);
    const until = performance.now() + within;
    while (stage.kernelRoutes() - idle !== target) {
      if (performance.now() > until) return Number.NaN;
      await pause(10);
    }
    return Number(process.hrtime.bigint()) / 1e6 - began;
  };
  const there = await pass('announce', plan.count);
  const { rss } = stage.memory();
  const gone = await pass('withdraw', 0);
  return {
    figures: { 'kernel has all': ms(there), 'kernel has none': ms(gone), rss: mb(rss) },
    faults: [there, gone].some(Number.isNaN)
      ? [`the kernel had ${stage.kernelRoutes() - idle} at the end`]
      : [],
  };
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  load100k: { title: '100k prefixes, 1 injector', spec: loaded({}), run: load },
  load500k: {
    title: '500k prefixes, 1 injector',
    spec: loaded({ count: 500_000 }, { withFastSession: true }),
    run: load,
  },
  single500k: {
    title: '500k prefixes of one attribute set',
    spec: loaded({ count: 500_000, form: 'single' }),
    run: load,
  },
  load1m: { title: '1M prefixes, 1 injector', spec: loaded({ count: 1_000_000 }), isLong: true, run: load },
  ten: {
    title: '10 injectors, the same 100k prefixes, different best paths',
    spec: loaded({ injectors: 10, isShared: true }),
    run: load,
  },
  v6: { title: '200k IPv6 prefixes, 1 injector', spec: loaded({ family: 6, count: 200_000 }), run: load },
  churn: {
    title: '10,000 changes a second in a table of 100k',
    spec: loaded({}, { isUnwatched: true }),
    run: churning(10_000, 5),
  },
  reflect: {
    title: '15,000 /26 reflected to ten clients',
    spec: loaded({ count: 15_000, form: 'small', isInternal: true }, { monitors: 10 }),
    run: load,
  },
  kernel: {
    title: '100k prefixes into the kernel',
    spec: loaded({}, { withKernel: true, isUnwatched: true }),
    devices: ['ours', 'bird', 'frr'],
    run: intoKernel,
  },
  change10k: {
    title: '1,000 changes a second in a table of 10k',
    spec: loaded({ count: 10_000 }, { isUnwatched: true }),
    isLong: true,
    run: churning(1000, 10),
  },
  change1m: {
    title: '1,000 changes a second in a table of 1M',
    spec: loaded({ count: 1_000_000 }, { isUnwatched: true }),
    isLong: true,
    run: churning(1000, 10),
  },
  thirty: {
    title: '100k prefixes from each of 30 peers, all told to 30 others',
    spec: loaded({ injectors: 30 }, { monitors: 30 }),
    isLong: true,
    run: load,
  },
};
