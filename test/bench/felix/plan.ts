/** What a life (life.ts) is asked and what it answers; both cross a pipe as JSON. Milliseconds and MB (10^6) throughout. */
import type { ClusterShape } from '../../support/big-cluster.ts';

export interface LifePlan {
  readonly shape: ClusterShape;
  readonly renderer: 'nftables' | 'iptables';
  /** Objects are made as they are told, so none but the agent's own are in memory; else all of them before. */
  readonly lazy: boolean;
  /** Of each kind, and so many before that which do not count. 0: none. */
  readonly edits: number;
  readonly warm: number;
  /** 0: none. */
  readonly churnSeconds: number;
  /** Measure the text form too. */
  readonly peer: boolean;
}

export interface LifeFigures {
  /** From the first object to the kernel's word, of that until the last object was told, and the round that calculated and wrote. */
  readonly sync: number;
  readonly told: number;
  readonly calculated: number;
  /** CPU time of all threads of the process meanwhile, and of the kernel in its name. */
  readonly cpu: number;
  /** Of that, in the kernel's hands; 0 where programs write. */
  readonly inKernel: number;
  /** RSS before the first object, at the kernel's word, the most until then, and three seconds later. */
  readonly before: number;
  readonly rss: number;
  readonly peak: number;
  readonly settled: number;
  readonly changed: Readonly<Record<string, readonly number[]>>;
  readonly churned?: Churned;
  readonly peer?: number;
}

export interface Churned {
  /** Of each change, in their order: from when it was due to the kernel's word. */
  readonly lags: readonly number[];
  /** RSS, once a second. */
  readonly rss: readonly number[];
  /** Share of one core. */
  readonly cpu: number;
}
