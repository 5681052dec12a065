/**
 * What decisions come to: told to whoever looks on, and asked for of the kernel, a run of prefixes that lead to one place at
 * once. It lives as long as the speaker, so that a turn with one change makes no more objects than that change needs.
 */
import type { Prefix } from '../../src/lib/net.ts';
import type { Choice, OnChange } from '../rib/loc-rib.ts';
import type { Nets } from '../rib/nets.ts';
import type { Path } from '../rib/path.ts';
import type { SpeakerEffect } from './event.ts';
import { type KernelRoute, kernelRoute, sameKernelRoute } from './kernel-route.ts';

/**
 * Told of each net whose best path is another one, once a turn and before its effects are carried out; undefined: none.
 * It only looks on: what the speaker does never depends on it. Which prefix it is, few ask.
 */
export type OnBest = (net: number, before: Path | undefined, after: Path | undefined) => void;

const nobody: readonly SpeakerEffect[] = [];

export class Outcome {
  readonly #nets: Nets;
  readonly #onBest: OnBest | undefined;
  readonly #writesKernel: boolean;
  #effects: SpeakerEffect[] = [];
  /** The run that is being collected. */
  #prefixes: Prefix[] = [];
  #nextHops: KernelRoute;
  /** Of one path is one choice, and many in a row are mostly the same. */
  #last: Choice | undefined;
  #route: KernelRoute;

  constructor(nets: Nets, onBest: OnBest | undefined, writesKernel: boolean) {
    this.#nets = nets;
    this.#onBest = onBest;
    this.#writesKernel = writesKernel;
  }

  /** As `LocRib.settle` tells it. */
  readonly change: OnChange = (net, before, after) => {
    if (this.#onBest !== undefined && before[0] !== after[0]) this.#onBest(net, before[0], after[0]);
    if (!this.#writesKernel) return;
    const had = this.#routeOf(before);
    const nextHops = this.#routeOf(after);
    if (sameKernelRoute(had, nextHops)) return;
    if (!sameKernelRoute(nextHops, this.#nextHops)) this.#flush();
    this.#nextHops = nextHops;
    this.#prefixes.push(this.#nets.prefix(net));
  };

  /** What of the kernel is asked for by all changes since the last call. */
  take(): readonly SpeakerEffect[] {
    if (this.#prefixes.length === 0 && this.#effects.length === 0) return nobody;
    this.#flush();
    this.#last = undefined;
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #flush(): void {
    if (this.#prefixes.length === 0) return;
    this.#effects.push({ kind: 'fib', prefixes: this.#prefixes, nextHops: this.#nextHops });
    this.#prefixes = [];
  }

  #routeOf(choice: Choice): KernelRoute {
    if (choice.length === 0) return undefined;
    if (choice !== this.#last) this.#route = kernelRoute(choice);
    this.#last = choice;
    return this.#route;
  }
}
