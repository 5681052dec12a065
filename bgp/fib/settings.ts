/** What of the configuration the kernel's routes are made by: their metric, and what is not written although it is learned. */
import { type Prefix, versionOf } from '../../src/lib/net.ts';
import type { SpeakerConfig } from '../config.ts';
import { trieOf } from '../policy/import.ts';
import { sameData } from '../speaker/same.ts';

const usualMetric = 1024;

export type FibSettings = Pick<SpeakerConfig, 'routePriority' | 'unprogrammed'>;

export class FibChoice {
  #settings: FibSettings = {};
  #leftOut = trieOf([]);

  /** What is different from now on. metric: routes lie elsewhere in the kernel. */
  configure({ routePriority = {}, unprogrammed = [] }: FibSettings): 'nothing' | 'selection' | 'metric' {
    const before = this.#settings;
    const next = { routePriority, unprogrammed };
    if (sameData(next, { routePriority: {}, unprogrammed: [], ...before })) return 'nothing';
    this.#settings = next;
    this.#leftOut = trieOf(unprogrammed);
    return sameData(routePriority, before.routePriority ?? {}) ? 'selection' : 'metric';
  }

  metricOf(dst: Prefix): number {
    const { ipv4, ipv6 } = this.#settings.routePriority ?? {};
    return (versionOf(dst) === 4 ? ipv4 : ipv6) ?? usualMetric;
  }

  leavesOut(prefix: Prefix): boolean {
    if (this.#settings.unprogrammed === undefined || this.#settings.unprogrammed.length === 0) return false;
    return this.#leftOut.longestMatch(prefix) !== undefined;
  }
}
