/**
 * A thousand changes a second, whatever becomes of them. The lag of each counts from when it was due, so a loop that stands still
 * is not forgiven for what it did not hear meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../table.ts';
import type { Churned } from './plan.ts';

export interface ChurnOptions {
  readonly seconds: number;
  /** Makes the changes of these numbers, as one batch. */
  readonly tell: (indexes: readonly number[]) => void;
  /** Told of each write: how long it took, from its tick to the kernel's word. */
  readonly listeners: Set<(written: { readonly transactions: number; readonly tookMs: number }) => void>;
}

const everyMs = 10;
const patienceMs = 30_000;

export async function churn({ seconds, tell, listeners }: ChurnOptions): Promise<Churned> {
  const count = seconds * 1000;
  /** When each was told. */
  const told: number[] = [];
  const lags: number[] = [];
  const rss: number[] = [];
  const begun = performance.now();
  const onWritten = ({ tookMs }: { readonly tookMs: number }): void => {
    const now = performance.now();
    // What was told before the tick is in it.
    while (lags.length < told.length && (told[lags.length] ?? now) <= now - tookMs)
      lags.push(now - begun - lags.length);
  };
  listeners.add(onWritten);
  const cpu = process.cpuUsage();
  while (told.length < count) {
    const now = performance.now();
    const due = Math.min(count, Math.floor(now - begun));
    const indexes = Array.from({ length: due - told.length }, (_, index) => told.length + index);
    for (const _ of indexes) told.push(now);
    tell(indexes);
    if (rss.length < due / 1000) rss.push(process.memoryUsage().rss / 1e6);
    await sleep(everyMs);
  }
  const { user, system } = process.cpuUsage(cpu);
  const wall = performance.now() - begun;
  // The last of them may change nothing, and then nothing is written for them.
  for (const until = performance.now() + patienceMs; lags.length < count; await sleep(everyMs))
    if (performance.now() > until) break;
  listeners.delete(onWritten);
  return { lags, rss, cpu: (user + system) / 1000 / wall };
}

/** Kendall's tau of the medians of each second against time, and how far from 0 it may be by chance (95 of 100). */
export interface Trend {
  readonly tau: number;
  readonly chance: number;
}

/**
 * Whether what varies grows: a machine with other work has seconds that are ten times others, and two quarters of a minute say
 * little, but seconds that keep getting longer have a tau beyond chance.
 * @param lags  a thousand for each second
 */
export function trendOf(lags: readonly number[]): Trend {
  const count = Math.floor(lags.length / 1000);
  const medians = Array.from({ length: count }, (_, second) =>
    percentile(lags.slice(second * 1000, (second + 1) * 1000), 0.5),
  );
  const signs = medians.flatMap((one, index) =>
    medians.slice(index + 1).map((later) => Math.sign(later - one)),
  );
  const sum = signs.reduce((all, sign) => all + sign, 0);
  return {
    tau: sum / signs.length,
    chance: 1.96 * Math.sqrt((2 * (2 * count + 5)) / (9 * count * (count - 1))),
  };
}
