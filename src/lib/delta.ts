/**
 * Desired against actual: the one algorithm behind every reconciler in this house.
 *
 * A Delta remembers what we want, what the world last told us is there, and therefore what is left to
 * do. Kernel routes, nftables sets and a neighbour's Adj-RIB-Out are all Deltas; a kernel dump, a Route
 * Refresh and a new session are all `observe`.
 *
 * Of a key that is settled one value stands for both sides; of an open one, where the sides differ, an entry that is also in the
 * list of what is left to do. Nearly all keys are settled nearly always, so that is what memory and look-ups are spent on.
 *
 * Owned by one machine, changed only from that machine's step. Keys compare by `Map` identity, so they
 * are strings, numbers or bigints, never objects.
 */
/** `have` is what the world has in its place; absent: nothing. */
export type Op<K, V> =
  | { readonly kind: 'set'; readonly key: K; readonly value: V; readonly have?: V | undefined }
  | { readonly kind: 'delete'; readonly key: K; readonly have?: V | undefined };

/** At least one side is defined while it is open; `want` and `have` are not the same. */
class Open<K, V> {
  readonly key: K;
  /** Entries that became due later have greater ones. */
  readonly number: number;
  want: V | undefined;
  have: V | undefined;
  isOpen = true;

  constructor(key: K, number: number, want: V | undefined, have: V | undefined) {
    this.key = key;
    this.number = number;
    this.want = want;
    this.have = have;
  }
}

/** So many closed entries may stand in the list. */
const mostClosed = 1024;

export class Delta<K extends string | number | bigint, V extends object | string | number> {
  /** The value of a settled key, by what we want, which says no more than we asked for. */
  readonly #entries = new Map<K, V | Open<K, V>>();
  /** In the order in which they became due; closed ones are stepped over, and leave once they are many. */
  #due: Open<K, V>[] = [];
  #openCount = 0;
  /** How many of the open are there in some form. */
  #openThere = 0;
  #number = 0;
  readonly #same: (want: V, have: V) => boolean;

  constructor(same: (want: V, have: V) => boolean = Object.is) {
    this.#same = same;
  }

  want(key: K, value: V): void {
    const entry = this.#entries.get(key);
    this.#place(key, entry, value, haveOf(entry));
  }

  unwant(key: K): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#place(key, entry, undefined, haveOf(entry));
  }

  desired(key: K): V | undefined {
    return wantOf(this.#entries.get(key));
  }

  /** As the world told it; of a settled key, the equal value that is wanted. */
  actual(key: K): V | undefined {
    return haveOf(this.#entries.get(key));
  }

  *desiredEntries(): Generator<[K, V]> {
    for (const [key, entry] of this.#entries) {
      const want = wantOf(entry);
      if (want !== undefined) yield [key, want];
    }
  }

  *actualEntries(): Generator<[K, V]> {
    for (const [key, entry] of this.#entries) {
      const have = haveOf(entry);
      if (have !== undefined) yield [key, have];
    }
  }

  /** How many keys are not yet as desired. */
  get pendingCount(): number {
    return this.#openCount;
  }

  /** How many keys we believe are there. */
  get actualCount(): number {
    return this.#entries.size - this.#openCount + this.#openThere;
  }

  /** Replaces all we believed about the world, e.g. after a dump; empty means "know nothing is there". */
  observe(entries: Iterable<readonly [K, V]>): void {
    const missing = new Map(this.desiredEntries());
    this.#entries.clear();
    this.#due = [];
    this.#openCount = 0;
    this.#openThere = 0;
    for (const [key, have] of entries) {
      this.#place(key, this.#entries.get(key), missing.get(key), have);
    }
    for (const [key, want] of missing) {
      if (this.actual(key) === undefined) this.#place(key, this.#entries.get(key), want, undefined);
    }
  }

  /** The world told us about one key, e.g. a kernel event; undefined means it is not there. */
  observeOne(key: K, value: V | undefined): void {
    const entry = this.#entries.get(key);
    this.#place(key, entry, wantOf(entry), value);
  }

  /**
   * What is left to do, in the order it became due. Changes nothing: an op counts once `done` says so. May be read on
   * while that happens, and then shows the newest state of what comes later.
   */
  *pending(): Generator<Op<K, V>> {
    let due = this.#due;
    for (let at = 0; at < due.length; at += 1) {
      const open = due[at] as Open<K, V>;
      if (!open.isOpen) continue;
      yield opOf(open);
      if (due === this.#due) continue;
      due = this.#due;
      at = firstAfter(due, open.number) - 1;
    }
  }

  /** The world accepted `op`. Safe if the desire moved on meanwhile: the key just stays pending. */
  done(op: Op<K, V>): void {
    this.observeOne(op.key, op.kind === 'set' ? op.value : undefined);
  }

  #agree(want: V | undefined, have: V | undefined): boolean {
    return want === have || (want !== undefined && have !== undefined && this.#same(want, have));
  }

  /** Puts the key where it belongs. @param entry  what stands for it so far */
  #place(key: K, entry: V | Open<K, V> | undefined, want: V | undefined, have: V | undefined): void {
    const open = entry instanceof Open ? entry : undefined;
    if (open?.have !== undefined) this.#openThere -= 1;
    if (this.#agree(want, have)) {
      if (want !== undefined && want !== entry) this.#entries.set(key, want);
      else if (want === undefined && entry !== undefined) this.#entries.delete(key);
      if (open !== undefined) this.#close(open);
      return;
    }
    if (have !== undefined) this.#openThere += 1;
    if (open === undefined) this.#open(key, want, have);
    else {
      open.want = want;
      open.have = have;
    }
  }

  #open(key: K, want: V | undefined, have: V | undefined): void {
    this.#number += 1;
    const open = new Open(key, this.#number, want, have);
    this.#entries.set(key, open);
    this.#due.push(open);
    this.#openCount += 1;
  }

  /** Whoever reads the list reads on in the old one, until he is told (`pending`). */
  #close(open: Open<K, V>): void {
    open.isOpen = false;
    this.#openCount -= 1;
    if (this.#openCount === 0) this.#due = [];
    else if (this.#due.length > 2 * this.#openCount + mostClosed)
      this.#due = this.#due.filter(({ isOpen }) => isOpen);
  }
}

const wantOf = <K, V>(entry: V | Open<K, V> | undefined): V | undefined =>
  entry instanceof Open ? entry.want : entry;

const haveOf = <K, V>(entry: V | Open<K, V> | undefined): V | undefined =>
  entry instanceof Open ? entry.have : entry;

const opOf = <K, V>({ key, want, have }: Open<K, V>): Op<K, V> =>
  want === undefined ? { kind: 'delete', key, have } : { kind: 'set', key, value: want, have };

/** Where the entries with a greater number begin. */
function firstAfter(due: readonly Open<unknown, unknown>[], number: number): number {
  let [low, high] = [0, due.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((due[middle]?.number ?? 0) > number) high = middle;
    else low = middle + 1;
  }
  return low;
}
