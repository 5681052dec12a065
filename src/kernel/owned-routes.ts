/**
 * The routes of one owner (one protocol number) in the kernel, kept as wanted: `Delta` with the kernel as its world.
 *
 * Both daemons use it: `tortie bgp` with protocol 80, `tortie felix` with 81. It starts from a dump, so a second life
 * recognises its own; what was left behind and is not wanted leaves at the first `sync`. What someone else deletes comes
 * back; what someone else owns is never replaced: a foreign route in our place is a problem to report, and ours waits.
 * What the kernel refused is tried again ever more slowly, and holds up nothing else.
 * What others do to our routes means a new dump, since nobody knows whether it came before or after what we wrote. So does
 * any change of a link or address: the kernel drops IPv4 routes of a link that goes down without a word.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../host/clock.ts';
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import { Delta, type Op } from '../lib/delta.ts';
import { formatPrefix, millis, type Prefix } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';
import type { Problem } from '../model/problem.ts';
import {
  type Kernel,
  type KernelEvent,
  type NextHop,
  type OpFailure,
  type Route,
  type RouteOp,
  routeKey,
} from './kernel.ts';

export interface OwnedRoutesStatus {
  readonly installed: number;
  readonly pending: number;
  /** Left by an earlier life and kept until `sweep`. */
  readonly stale: number;
  /** So often since the start a route of ours was found changed or gone, by somebody else's hand or with its link. */
  readonly overturned: number;
  readonly problems: readonly Problem[];
}

export interface OwnedRoutesOptions {
  readonly kernel: Kernel;
  readonly protocol: number;
  /** Where all routes wanted here are put. Routes of ours found elsewhere are an earlier life's. */
  readonly table: number;
  readonly metric: (dst: Prefix) => number;
  readonly clock: Clock;
  readonly random: Random;
  /** Called after each round that changed or failed something. */
  readonly onRound?: (status: OwnedRoutesStatus) => void;
}

/** Changes written in one go; then others get their turn. */
const batchSize = 6000;
/** Routes of a listing that are compared in one go. */
const compareSlice = 2000;
const settleMs = 20;
/** Listing the routes takes at most one part in so many of our time while links come and go all the time. */
const dumpShare = 5;
const retry: Backoff = { firstMs: 250, lastMs: 30_000 };

/** Equal as far as we asked: an interface or weight we left open may be whatever the kernel chose. */
function sameRoute(have: Route, want: Route): boolean {
  return (
    have.type === want.type &&
    have.protocol === want.protocol &&
    sameHops(have.nextHops, want.nextHops) &&
    (want.prefSrc === undefined || have.prefSrc === want.prefSrc)
  );
}

const sameHops = (have: readonly NextHop[], want: readonly NextHop[]): boolean =>
  have === want ||
  (have.length === want.length && want.every((hop) => have.some((other) => sameHop(other, hop))));

const sameHop = (have: NextHop, want: NextHop): boolean =>
  have.via === want.via &&
  (want.ifindex === undefined || have.ifindex === want.ifindex) &&
  (want.weight ?? 1) === (have.weight ?? 1);

/** The prefix alone for a route in its place, which is nearly all; `routeKey` for what lies elsewhere. */
type Key = Prefix | string;

export class OwnedRoutes {
  readonly #options: OwnedRoutesOptions;
  readonly #delta = new Delta<Key, Route>((want, have) => want === have || sameRoute(have, want));
  readonly #failed = new Map<Key, Problem>();
  /** Found at the first dump and not yet asked for: an earlier life's routes, which forward until `sweep`. */
  #stale: Set<Key> | undefined;
  #keepStale = false;
  #running = false;
  #working = false;
  #mustDump = true;
  /** How long the last dump took. */
  #dumpMs = 0;
  #overturned = 0;
  /** The kernel could not be asked or told at all. */
  #trouble: Problem | undefined;
  /** Rounds in a row that failed, and when what failed is tried again. */
  #failures = 0;
  #retryAt: number | undefined;
  /** `isSoon`: nothing can be earlier. */
  #timer: { readonly at: number; readonly isSoon: boolean; readonly cancel: () => void } | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: OwnedRoutesOptions) {
    this.#options = options;
  }

  want(route: Route): void {
    const key = this.#keyOf(route);
    if (this.#failed.size > 0) this.#forgive(key, route);
    this.#stale?.delete(key);
    this.#delta.want(key, route);
    this.#wake();
  }

  unwant(dst: Prefix): void {
    if (this.#failed.size > 0) this.#failed.delete(dst);
    this.#delta.unwant(dst);
    this.#wake();
  }

  /**
   * From now on the kernel is written to; before, wishes only gather.
   * @param keepStale  leave what an earlier life installed until `sweep`, so that a restart forwards all along
   */
  start(options: { readonly keepStale: boolean }): void {
    this.#running = true;
    this.#keepStale = options.keepStale;
    this.#unwatch = this.#options.kernel.watch((event) => this.#onEvent(event));
    this.#schedule(0);
  }

  /** `metric` says something else from now on: what lies where it no longer belongs is found and taken away. */
  reread(): void {
    this.#mustDump = true;
    this.#wake();
  }

  /** What an earlier life left and nobody wants goes now. */
  sweep(): void {
    this.#keepStale = false;
    this.#stale = undefined;
    this.#wake();
  }

  /** What is there is listed and compared anew: where routes are put has changed, or what `metric` says. */
  look(): void {
    this.#mustDump = true;
    this.#wake();
  }

  /** Stops writing and leaves everything as it is. */
  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unwatch?.();
  }

  status(): OwnedRoutesStatus {
    return {
      installed: this.#delta.actualCount,
      pending: this.#due,
      stale: this.#stale?.size ?? 0,
      overturned: this.#overturned,
      problems: [...(this.#trouble === undefined ? [] : [this.#trouble]), ...this.#failed.values()],
    };
  }

  /** The route wanted for this prefix is in the kernel as wanted. */
  isInstalled(dst: Prefix): boolean {
    const want = this.#delta.desired(dst);
    const have = this.#delta.actual(dst);
    return want !== undefined && have !== undefined && (want === have || sameRoute(have, want));
  }

  #keyOf(route: Route): Key {
    const { table, metric } = this.#options;
    return route.table === table && route.metric === metric(route.dst) ? route.dst : routeKey(route);
  }

  /** What is asked for otherwise is tried at once, whatever was refused before. */
  #forgive(key: Key, route: Route): void {
    const before = this.#failed.has(key) ? this.#delta.desired(key) : undefined;
    if (before === undefined || !sameRoute(before, route)) this.#failed.delete(key);
  }

  #wake(): void {
    if (!this.#working && this.#timer?.isSoon !== true) this.#schedule(0);
  }

  /** The earliest wish counts, so that a stream of events cannot put off what is due. */
  #schedule(afterMs: number): void {
    if (!this.#running) return;
    const { clock } = this.#options;
    const at = clock.now() + afterMs;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = clock.after(millis(afterMs), () => {
      this.#timer = undefined;
      void this.#round();
    });
    this.#timer = { at, isSoon: afterMs === 0, cancel };
  }

  async #round(): Promise<void> {
    if (this.#working || !this.#running) return;
    const isRetry = this.#retryAt !== undefined && this.#options.clock.now() >= this.#retryAt;
    this.#working = true;
    if (isRetry) this.#mustDump = true;
    if (isRetry || this.#trouble === undefined) await this.#reconcile();
    this.#working = false;
    this.#plan(isRetry);
    this.#options.onRound?.(this.status());
  }

  async #reconcile(): Promise<void> {
    try {
      if (this.#mustDump) await this.#dump();
      await this.#write();
      this.#trouble = undefined;
    } catch (error) {
      this.#mustDump = true;
      this.#trouble = problem(`routes of protocol ${this.#options.protocol}`, `${String(error)}.`);
    }
  }

  /** When to go on. */
  #plan(wasRetry: boolean): void {
    const { clock, random } = this.#options;
    if (this.#trouble === undefined && this.#failed.size === 0) {
      this.#failures = 0;
      this.#retryAt = undefined;
    } else {
      if (wasRetry || this.#retryAt === undefined) {
        this.#failures += 1;
        this.#retryAt = clock.now() + backoffDelay(retry, this.#failures, random);
      }
      this.#schedule(Math.max(0, this.#retryAt - clock.now()));
    }
    if (this.#trouble !== undefined) return;
    if (this.#mustDump) this.#schedule(this.#pause);
    else if (this.#due > this.#failed.size) this.#schedule(0);
  }

  /** Between hearing of something and acting on it. */
  get #pause(): number {
    return this.#mustDump ? Math.max(settleMs, this.#dumpMs * (dumpShare - 1)) : settleMs;
  }

  async #dump(): Promise<void> {
    const { kernel, clock, protocol } = this.#options;
    this.#mustDump = false;
    const begin = clock.now();
    const found = [
      ...(await kernel.routes({ version: 4, protocol })),
      ...(await kernel.routes({ version: 6, protocol })),
    ];
    await this.#compare(found);
    this.#dumpMs = clock.now() - begin;
  }

  /**
   * Takes what was listed for what is there, a slice at a time: wishes may change meanwhile, and nobody else writes what the
   * Delta believes while a round is under way.
   */
  async #compare(found: readonly Route[]): Promise<void> {
    this.#failed.clear();
    const there = new Set<Key>();
    const orphans = new Set<Key>();
    let done = 0;
    for (const route of found) {
      const key = this.#keyOf(route);
      there.add(key);
      this.#observe(key, route);
      if (this.#keepStale && this.#delta.desired(key) === undefined) orphans.add(key);
      done += 1;
      if (done % compareSlice === 0) await setImmediate();
    }
    if (this.#keepStale) this.#setStale(orphans);
    if (this.#delta.actualCount === there.size) return;
    const gone: Key[] = [];
    for (const [key] of this.#delta.actualEntries()) if (!there.has(key)) gone.push(key);
    for (const key of gone) {
      this.#observe(key, undefined);
      done += 1;
      if (done % compareSlice === 0) await setImmediate();
    }
  }

  #observe(key: Key, found: Route | undefined): void {
    const believed = this.#delta.actual(key);
    if (believed !== undefined && (found === undefined || !sameRoute(believed, found))) this.#overturned += 1;
    this.#delta.observeOne(key, found);
  }

  /** What was stale and has been asked for since, or is no longer there, is not. */
  #setStale(orphans: ReadonlySet<Key>): void {
    const before = this.#stale;
    const isStale = (key: Key): boolean =>
      this.#delta.desired(key) === undefined && (before === undefined || before.has(key));
    this.#stale = new Set([...orphans].filter(isStale));
  }

  /** Changes to make now. */
  get #due(): number {
    return this.#delta.pendingCount - (this.#stale?.size ?? 0);
  }

  /** What is to be there first: what goes may have covered for it, and a route that moves to another metric leaves no gap. */
  async #write(): Promise<void> {
    await this.#writeEach('set');
    await this.#writeEach('delete');
  }

  /** Goes once through what is pending; what becomes due meanwhile is taken along or left to the next round. */
  async #writeEach(kind: Op<Key, Route>['kind']): Promise<void> {
    let left = this.#delta.pendingCount;
    let ops: Op<Key, Route>[] = [];
    for (const op of this.#delta.pending()) {
      if (left === 0) break;
      left -= 1;
      if (op.kind !== kind || this.#stale?.has(op.key) || this.#failed.has(op.key)) continue;
      ops.push(op);
      if (ops.length < batchSize) continue;
      await this.#apply(ops);
      ops = [];
      await setImmediate();
    }
    await this.#apply(ops);
  }

  async #apply(ops: readonly Op<Key, Route>[]): Promise<void> {
    if (ops.length === 0 || !this.#running) return;
    const failures = await this.#options.kernel.applyRoutes(ops.map((op) => this.#requestFor(op)));
    const bad = new Map(failures.map((failure) => [failure.index, failure]));
    const isAnyBad = bad.size > 0 || this.#failed.size > 0;
    ops.forEach((op, index) => {
      if (isAnyBad) this.#settle(op, bad.get(index));
      else this.#delta.done(op);
    });
  }

  /** A replace where ours is, an add where nothing of ours is: so a stranger's route survives. */
  #requestFor(op: Op<Key, Route>): RouteOp {
    if (op.kind === 'set') return { kind: op.have === undefined ? 'add' : 'set', route: op.value };
    return { kind: 'delete', route: op.have as Route };
  }

  #settle(op: Op<Key, Route>, failure: OpFailure | undefined): void {
    const gone = op.kind === 'delete' && (failure?.errno === 'ESRCH' || failure?.errno === 'ENOENT');
    if (failure === undefined || gone) {
      this.#failed.delete(op.key);
      this.#delta.done(op);
      return;
    }
    const route = op.kind === 'set' ? op.value : this.#delta.actual(op.key);
    const where = route === undefined ? String(op.key) : `route ${formatPrefix(route.dst)}`;
    this.#failed.set(op.key, problem(where, failureText(failure)));
  }

  #onEvent(event: KernelEvent): void {
    if (event.kind === 'neighbour') return;
    if (event.kind === 'route') {
      if (!this.#onRoute(event.change, event.route)) return;
    } else this.#mustDump = true;
    if (!this.#working) this.#schedule(this.#pause);
  }

  /** True if there is something to do about what somebody did. */
  #onRoute(change: 'set' | 'delete', route: Route): boolean {
    const key = this.#keyOf(route);
    const isOurs = route.protocol === this.#options.protocol;
    // Somebody's route that goes makes room; one that comes where ours is may have replaced it, which is not told.
    if (!isOurs && change === 'delete') return this.#failed.delete(key);
    if (!isOurs && this.#delta.actual(key) === undefined) return false;
    this.#mustDump = true;
    return true;
  }
}

const failureText = (failure: OpFailure): string =>
  failure.errno === 'EEXIST'
    ? 'somebody else has a route in its place (EEXIST), which is left alone.'
    : `the kernel refused it: ${failure.why} (${failure.errno}).`;

const problem = (where: string, what: string): Problem => ({
  where,
  what,
  fix: 'It is tried again by itself; see "ip route show table all" for what is there.',
});
