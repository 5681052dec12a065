/**
 * Bandwidth of this node's pods, kept as wished: desired - actual = pending, one interface at a time, the newest wish first.
 * What the kernel refuses is tried again, ever more slowly, and said.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Bucket } from '../../src/kernel/netlink/tc.ts';
import type { Shaping } from '../../src/kernel/shaping.ts';
import { type Backoff, backoffDelay } from '../../src/lib/backoff.ts';
import type { Random } from '../../src/lib/random.ts';
import { same } from '../../src/lib/same.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { BandwidthLimit } from '../config/pod.ts';

/** To the pod, from the pod. */
export interface PodBandwidth {
  readonly ingress?: BandwidthLimit;
  readonly egress?: BandwidthLimit;
}

export interface BandwidthOptions {
  readonly shaping: Shaping;
  readonly clock: Clock;
  readonly random: Random;
}

const retry: Backoff = { firstMs: 500, lastMs: 60_000 };
/** What may wait, in seconds of the rate beside the burst: longer would only be later. */
const latency = 0.025;
/** One packet of the greatest frame that an interface may be given whole. */
const packet = 65_536;

/** Octets and octets a second. A burst below one packet would let nothing through. */
export function bucketOf({ rate, burst, peak }: BandwidthLimit): Bucket {
  const octets = Math.round(rate / 8);
  const held = Math.max(Math.round(burst / 8), packet);
  return {
    rate: octets,
    burst: held,
    limit: Math.round(octets * latency) + held,
    ...(peak === undefined
      ? {}
      : { peak: { rate: Math.round(peak.rate / 8), burst: Math.max(peak.minBurst ?? 0, packet) } }),
  };
}

export class Bandwidths {
  readonly #options: BandwidthOptions;
  readonly #wished = new Map<string, PodBandwidth>();
  readonly #done = new Map<string, PodBandwidth>();
  readonly #failed = new Map<string, string>();
  #failures = 0;
  #swept = false;
  #working = false;
  #cancel: () => void = () => undefined;
  #running = true;

  constructor(options: BandwidthOptions) {
    this.#options = options;
  }

  /** All there are, by interface; an interface that went away is not named any more. */
  wish(all: ReadonlyMap<string, PodBandwidth>): void {
    this.#wished.clear();
    for (const [name, bandwidth] of all) this.#wished.set(name, bandwidth);
    void this.#round();
  }

  /** The interface is gone, or made anew under its name: whatever was done to it is no longer there. */
  lost(name: string): void {
    this.#done.delete(name);
  }

  /** Limits stay. */
  stop(): void {
    this.#running = false;
    this.#cancel();
    this.#options.shaping.close();
  }

  problems(): readonly Problem[] {
    return [...this.#failed].map(([name, why]) => ({
      where: `interface ${name}`,
      what: `The bandwidth of the pod is not limited: ${why}.`,
      fix: 'See that the kernel has sch_tbf, sch_ingress, cls_u32, act_mirred and ifb; it is tried again.',
    }));
  }

  async #round(): Promise<void> {
    if (this.#working || !this.#running) return;
    this.#working = true;
    this.#cancel();
    this.#failed.clear();
    await this.#sweep();
    for (let next = this.#next(); next !== undefined && this.#running; next = this.#next())
      await this.#make(next);
    this.#working = false;
    if (this.#failed.size === 0) {
      this.#failures = 0;
      return;
    }
    this.#failures += 1;
    const { clock, random } = this.#options;
    this.#cancel = clock.after(backoffDelay(retry, this.#failures, random), () => void this.#round());
  }

  /** What an earlier life left of pods that are gone. */
  async #sweep(): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    try {
      await this.#options.shaping.sweep(new Set(this.#wished.keys()));
    } catch {
      this.#swept = false;
    }
  }

  #next(): string | undefined {
    const names = new Set([...this.#wished.keys(), ...this.#done.keys()]);
    return [...names].find(
      (name) => !this.#failed.has(name) && !same(this.#wished.get(name), this.#done.get(name)),
    );
  }

  async #make(name: string): Promise<void> {
    const { shaping } = this.#options;
    const wished = this.#wished.get(name);
    try {
      if (wished === undefined) {
        await shaping.shape(name, {}).catch(() => shaping.forget(name)); // it may be gone with its pod
        this.#done.delete(name);
        return;
      }
      const { ingress, egress } = wished;
      await shaping.shape(name, {
        ...(ingress === undefined ? {} : { sent: bucketOf(ingress) }),
        ...(egress === undefined ? {} : { received: bucketOf(egress) }),
      });
      this.#done.set(name, wished);
    } catch (error) {
      this.#failed.set(name, error instanceof Error ? error.message : String(error));
    }
  }
}
