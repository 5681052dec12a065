/** How long to wait before trying again: doubling from `firstMs` up to `lastMs`, less a random quarter so that a crowd spreads. */
import { type Millis, millis } from './net.ts';
import type { Random } from './random.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** @param failures  how often it failed in a row so far, 1 and more */
export function backoffDelay(backoff: Backoff, failures: number, random: Random): Millis {
  const full = Math.min(backoff.lastMs, backoff.firstMs * 2 ** Math.min(failures - 1, 30));
  return millis(full * (1 - random() / 4));
}
