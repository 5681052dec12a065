/**
 * Next-hop resolution (RFC 4271 §9.1.2.1) through the kernel's own routes: which gateway, on which link, a BGP next hop
 * is reached by. Asked once per next hop and again whenever routes, links or addresses of somebody else change.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Kernel, NextHop } from '../src/kernel/kernel.ts';
import { type Address, millis } from '../src/lib/net.ts';

export interface ResolverOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  /** The protocol whose routes do not make us ask again: our own. */
  readonly protocol: number;
  /** Called with the next hops whose answer changed. */
  readonly onChange: (changed: ReadonlySet<Address>) => void;
}

type Answer = Awaited<ReturnType<Kernel['routeTo']>>;

const settleMs = 50;
/** Until a question the kernel failed to answer is asked again. */
const retryMs = 1000;

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #known = new Map<Address, NextHop | undefined>();
  /** To be asked. */
  readonly #due = new Set<Address>();
  /** Never answered yet. */
  readonly #fresh = new Set<Address>();
  #waiting: (() => void)[] = [];
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #isAsking = false;
  #isStopped = false;
  readonly #unwatch: () => void;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#unwatch = options.kernel.watch((event) => {
      if (event.kind === 'neighbour') return;
      if (event.kind === 'route' && event.route.protocol === options.protocol) return;
      for (const nextHop of this.#known.keys()) this.#due.add(nextHop);
      this.#schedule(settleMs);
    });
  }

  /** Undefined: not known yet, or unreachable. Asking keeps the next hop watched. */
  resolve(nextHop: Address): NextHop | undefined {
    if (!this.#known.has(nextHop)) {
      this.#known.set(nextHop, undefined);
      this.#fresh.add(nextHop);
      this.#due.add(nextHop);
      this.#schedule(0);
    }
    return this.#known.get(nextHop);
  }

  /** No longer of interest. */
  forget(nextHop: Address): void {
    this.#known.delete(nextHop);
    this.#due.delete(nextHop);
    this.#fresh.delete(nextHop);
    this.#release();
  }

  /** Runs once every next hop asked for so far has been asked about; at once if none is waiting. */
  whenKnown(run: () => void): void {
    this.#waiting.push(run);
    this.#release();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#unwatch();
  }

  #schedule(afterMs: number): void {
    const { clock } = this.#options;
    const at = clock.now() + afterMs;
    if (this.#isAsking || this.#isStopped || this.#due.size === 0) return;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = clock.after(millis(afterMs), () => {
      this.#timer = undefined;
      void this.#ask();
    });
    this.#timer = { at, cancel };
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const changed = new Set<Address>();
    const failed: Address[] = [];
    const batch = [...this.#due];
    this.#due.clear();
    for (const nextHop of batch) {
      // No answer says nothing about the next hop: what we knew stands.
      await this.#options.kernel.routeTo(nextHop).then(
        (answer) => this.#learn(nextHop, answer) && changed.add(nextHop),
        () => failed.push(nextHop),
      );
      this.#fresh.delete(nextHop);
      if (this.#isStopped) return;
    }
    this.#isAsking = false;
    if (changed.size > 0) this.#options.onChange(changed);
    this.#release();
    this.#schedule(this.#fresh.size > 0 ? 0 : settleMs);
    for (const nextHop of failed) if (this.#known.has(nextHop)) this.#due.add(nextHop);
    this.#schedule(retryMs);
  }

  /** True if that is news. */
  #learn(nextHop: Address, answer: Answer): boolean {
    if (!this.#known.has(nextHop)) return false; // forgotten meanwhile
    const hop = answer && { via: answer.via ?? nextHop, ifindex: answer.ifindex };
    const before = this.#known.get(nextHop);
    this.#known.set(nextHop, hop);
    return before?.via !== hop?.via || before?.ifindex !== hop?.ifindex;
  }

  #release(): void {
    if (this.#fresh.size > 0) return;
    const ready = this.#waiting;
    this.#waiting = [];
    for (const run of ready) run();
  }
}
