/**
 * Desired against actual: the one algorithm behind every reconciler in this house.
 *
 * A Delta remembers what we want, what the world last told us is there, and therefore what is left to
 * do. Kernel routes, nftables sets and a neighbour's Adj-RIB-Out are all Deltas; a kernel dump, a Route
 * Refresh and a new session are all `observe`.
 *
 * A key is in one of two tables: settled, where one value stands for both sides, or open, where the sides
 * differ. Nearly all keys are settled nearly always, so that is what memory and look-ups are spent on.
 *
 * Owned by one machine, changed only from that machine's step. Keys compare by `Map` identity, so they
 * are strings, numbers or bigints, never objects.
 */
export type Op<K, V> =
  | { readonly kind: 'set'; readonly key: K; readonly value: V }
  | { readonly kind: 'delete'; readonly key: K };

/** At least one side is defined; `want` and `have` are not the same. */
interface Open<V> {
  readonly want: V | undefined;
  readonly have: V | undefined;
}

export class Delta<K extends string | number | bigint, V extends object | string | number> {
  /** Wanted so and there; by the value we want, which says no more than we asked for. */
  readonly #settled = new Map<K, V>();
  /** In the order in which they became due. */
  readonly #open = new Map<K, Open<V>>();
  /** How many of the open are there in some form. */
  #openThere = 0;
  readonly #same: (want: V, have: V) => boolean;

  constructor(same: (want: V, have: V) => boolean = Object.is) {
    this.#same = same;
  }

  want(key: K, value: V): void {
    const open = this.#open.get(key);
    if (open !== undefined) this.#place(key, open, value, open.have);
    else this.#place(key, undefined, value, this.#settled.get(key));
  }

  unwant(key: K): void {
    const open = this.#open.get(key);
    if (open !== undefined) this.#place(key, open, undefined, open.have);
    else this.#place(key, undefined, undefined, this.#settled.get(key));
  }

  desired(key: K): V | undefined {
    const open = this.#open.get(key);
    return open === undefined ? this.#settled.get(key) : open.want;
  }

  /** As the world told it; of a settled key, the equal value that is wanted. */
  actual(key: K): V | undefined {
    const open = this.#open.get(key);
    return open === undefined ? this.#settled.get(key) : open.have;
  }

  *desiredEntries(): Generator<[K, V]> {
    yield* this.#settled;
    for (const [key, { want }] of this.#open) if (want !== undefined) yield [key, want];
  }

  *actualEntries(): Generator<[K, V]> {
    yield* this.#settled;
    for (const [key, { have }] of this.#open) if (have !== undefined) yield [key, have];
  }

  /** How many keys are not yet as desired. */
  get pendingCount(): number {
    return this.#open.size;
  }

  /** How many keys we believe are there. */
  get actualCount(): number {
    return this.#settled.size + this.#openThere;
  }

  /** Replaces all we believed about the world, e.g. after a dump; empty means "know nothing is there". */
  observe(entries: Iterable<readonly [K, V]>): void {
    const missing = new Map(this.desiredEntries());
    this.#settled.clear();
    this.#open.clear();
    this.#openThere = 0;
    for (const [key, have] of entries) {
      this.#place(key, this.#open.get(key), missing.get(key), have);
    }
    for (const [key, want] of missing) {
      if (this.actual(key) === undefined) this.#place(key, undefined, want, undefined);
    }
  }

  /** The world told us about one key, e.g. a kernel event; undefined means it is not there. */
  observeOne(key: K, value: V | undefined): void {
    const open = this.#open.get(key);
    this.#place(key, open, open === undefined ? this.#settled.get(key) : open.want, value);
  }

  /**
   * What is left to do, in the order it became due. Changes nothing: an op counts once `done` says so. May be read on
   * while that happens, and then shows the newest state of what comes later.
   */
  *pending(): Generator<Op<K, V>> {
    for (const [key, { want }] of this.#open)
      yield want === undefined ? { kind: 'delete', key } : { kind: 'set', key, value: want };
  }

  /** The world accepted `op`. Safe if the desire moved on meanwhile: the key just stays pending. */
  done(op: Op<K, V>): void {
    this.observeOne(op.key, op.kind === 'set' ? op.value : undefined);
  }

  #agree(want: V | undefined, have: V | undefined): boolean {
    return want === have || (want !== undefined && have !== undefined && this.#same(want, have));
  }

  /** Puts the key where it belongs. @param open  its entry there so far, if any */
  #place(key: K, open: Open<V> | undefined, want: V | undefined, have: V | undefined): void {
    if (open?.have !== undefined) this.#openThere -= 1;
    if (this.#agree(want, have)) {
      if (open === undefined && want === undefined) return;
      if (open !== undefined) this.#open.delete(key);
      if (want === undefined) this.#settled.delete(key);
      else if (open !== undefined || this.#settled.get(key) !== want) this.#settled.set(key, want);
      return;
    }
    if (open === undefined) this.#settled.delete(key);
    this.#open.set(key, { want, have });
    if (have !== undefined) this.#openThere += 1;
  }
}
