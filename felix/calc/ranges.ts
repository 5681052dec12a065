/**
 * The addresses that many prefixes cover, as ranges that neither overlap nor touch, kept as prefixes come and go.
 *
 * A prefix that comes or goes changes the ranges it lies in or touches, and no others: `settle` returns that difference. Many
 * at once are merged anew, which is quicker than one by one.
 */
import { assert } from '../../src/lib/result.ts';
import { merged, type Span } from '../rules/span.ts';

export interface RangeChange {
  readonly added: readonly Span[];
  readonly removed: readonly Span[];
}

interface Held {
  readonly span: Span;
  holders: number;
}

const keyOf = ({ first, last }: Span): string => `${first}-${last}`;

/** A share of all that changes at once above which all is merged anew. */
const manyShare = 1 / 16;

export class Ranges {
  readonly #space: bigint;
  readonly #held = new Map<string, Held>();
  /** Those that are held, by where they begin, the longer first; as of the last settling. */
  #spans: Span[] = [];
  #ranges: Span[] = [];
  /** Came or went since the last settling. */
  readonly #touched = new Map<string, Span>();

  /** @param width  bits of an address: all prefixes are of one family */
  constructor(width: 32 | 128) {
    this.#space = 1n << BigInt(width);
  }

  add(span: Span): void {
    const key = keyOf(span);
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.holders += 1;
      return;
    }
    this.#held.set(key, { span, holders: 1 });
    this.#touch(key, span);
  }

  remove(span: Span): void {
    const key = keyOf(span);
    const held = this.#held.get(key);
    assert(held !== undefined, `nobody holds ${key}`);
    held.holders -= 1;
    if (held.holders > 0) return;
    this.#held.delete(key);
    this.#touch(key, span);
  }

  /** Twice is as if never. */
  #touch(key: string, span: Span): void {
    if (!this.#touched.delete(key)) this.#touched.set(key, span);
  }

  settle(): RangeChange {
    const touched = [...this.#touched];
    this.#touched.clear();
    if (touched.length > 8 && touched.length > this.#held.size * manyShare) return this.#anew();
    const before = new Map<string, Span>();
    const after = new Map<string, Span>();
    const come = touched.filter(([key]) => this.#held.has(key));
    // The larger first: what a smaller one leaves is then known from what is still held.
    const gone = touched.filter(([key]) => !this.#held.has(key)).sort(([, a], [, b]) => compareSizes(b, a));
    for (const [key, span] of [...come, ...gone]) {
      const { removed, added } = this.#held.has(key) ? this.#cover(span) : this.#uncover(span);
      for (const range of removed) move(range, after, before);
      for (const range of added) move(range, before, after);
    }
    return { added: [...after.values()], removed: [...before.values()] };
  }

  #anew(): RangeChange {
    this.#spans = [...this.#held.values()].map(({ span }) => span).sort(compareSpans);
    const was = new Map(this.#ranges.map((range) => [keyOf(range), range]));
    this.#ranges = [...merged(this.#spans)];
    const added = this.#ranges.filter((range) => !was.delete(keyOf(range)));
    return { added, removed: [...was.values()] };
  }

  #cover(span: Span): RangeChange {
    this.#spans.splice(lowerBound(this.#spans, span, compareSpans), 0, span);
    const from = this.#firstTouching(span);
    let to = from;
    let { first, last } = span;
    for (let next = this.#ranges[to]; next !== undefined && next.first <= span.last + 1n; ) {
      if (next.first < first) first = next.first;
      if (next.last > last) last = next.last;
      to += 1;
      next = this.#ranges[to];
    }
    return this.#replace(from, to, [{ first, last }]);
  }

  /** What lies in one range was held by `span` and by what is in it or around it. */
  #uncover(span: Span): RangeChange {
    const at = lowerBound(this.#spans, span, compareSpans);
    this.#spans.splice(at, 1);
    const index = this.#firstTouching(span);
    const range = this.#ranges[index];
    assert(range !== undefined && range.first <= span.first && range.last >= span.last, 'a hole');
    if (this.#isCovered(at, span)) return { added: [], removed: [] };
    const pieces: Span[] = [];
    if (range.first < span.first) pieces.push({ first: range.first, last: span.first - 1n });
    for (let inner = at; ; inner += 1) {
      const each = this.#spans[inner];
      if (each === undefined || each.first > span.last) break;
      pieces.push(each);
    }
    if (range.last > span.last) pieces.push({ first: span.last + 1n, last: range.last });
    return this.#replace(index, index + 1, merged(pieces));
  }

  /**
   * Prefixes lie in each other or apart, so of those that begin no later only one that holds `span` reaches its end. They are
   * few, one for each length at most, but not next to each other: each is looked for where it would stand.
   */
  #isCovered(at: number, span: Span): boolean {
    const before = this.#spans[at - 1];
    if (before !== undefined && before.last >= span.last) return true;
    for (let size = (span.last - span.first + 1n) << 1n; size <= this.#space; size <<= 1n) {
      const first = span.first - (span.first % size);
      if (this.#held.has(keyOf({ first, last: first + size - 1n }))) return true;
    }
    return false;
  }

  #replace(from: number, to: number, by: readonly Span[]): RangeChange {
    const removed = this.#ranges.splice(from, to - from, ...by);
    return { added: by, removed };
  }

  /** Index of the first range that ends where `span` begins or later. */
  #firstTouching(span: Span): number {
    return lowerBound(this.#ranges, span, (range, { first }) => (range.last + 1n < first ? -1 : 1));
  }
}

const compareSpans = (a: Span, b: Span): number =>
  a.first !== b.first ? (a.first < b.first ? -1 : 1) : a.last === b.last ? 0 : a.last > b.last ? -1 : 1;

function compareSizes(a: Span, b: Span): number {
  const difference = a.last - a.first - (b.last - b.first);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Index of the first that does not compare below `wanted`. */
function lowerBound(spans: readonly Span[], wanted: Span, compare: (a: Span, b: Span) => number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const span = spans[middle];
    assert(span !== undefined, 'the middle lies within');
    if (compare(span, wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** In one of them at most: what goes and comes back is no change. */
function move(range: Span, from: Map<string, Span>, to: Map<string, Span>): void {
  const key = keyOf(range);
  if (!from.delete(key)) to.set(key, range);
}
