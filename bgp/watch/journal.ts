/**
 * The event journal: who did what, and why, for as long as memory allows. Pure; it is told the time.
 *
 * Each kind has a ring of its own, bounded in entries and octets, so that a full table that arrives does not push out the
 * history of sessions. Route changes beyond a rate are only counted, by neighbour, in one entry for the burst: the cost of
 * a change is constant, and that of a flood next to nothing.
 */
import { type History, type HistoryEntry, type HistoryKind, historyKinds } from '../../src/model/history.ts';

/** What happened, before it has a number and a time. */
export type Happening = Pick<HistoryEntry, 'kind' | 'who' | 'what' | 'why' | 'address' | 'prefix'>;

export interface JournalLimits {
  /** Of each kind. */
  readonly entries: number;
  /** Of each kind, roughly, of text. */
  readonly octets: number;
  /** Route changes listed one by one: so many at once, and so many a second on the average. */
  readonly burst: number;
  readonly perSecond: number;
}

const defaultLimits: JournalLimits = { entries: 4096, octets: 1024 * 1024, burst: 256, perSecond: 32 };

/** Changes of one neighbour in a burst: whoever was lent it adds to it. */
export interface Tally {
  routes: number;
}

interface Kept extends Omit<HistoryEntry, 'at' | 'until' | 'times'> {
  readonly at: number;
  until?: number;
  times?: number;
  /** Of a burst: how many routes by whom. */
  readonly counts?: Map<string, Tally>;
}

type Burst = Kept & Required<Pick<Kept, 'counts'>>;

/** Octets of an entry but for its text. */
const overhead = 160;
const sizeOf = ({ who, what, why = '', prefix = '', address = '' }: Happening): number =>
  overhead + who.length + what.length + why.length + prefix.length + address.length;

class Ring {
  readonly #limits: JournalLimits;
  #kept: Kept[] = [];
  #first = 0;
  #octets = 0;
  #forgotten = 0;

  constructor(limits: JournalLimits) {
    this.#limits = limits;
  }

  get forgotten(): number {
    return this.#forgotten;
  }

  add(entry: Kept): void {
    this.#kept.push(entry);
    this.#octets += sizeOf(entry);
    while (this.#kept.length - this.#first > this.#limits.entries || this.#octets > this.#limits.octets)
      this.#forget();
    // The gap in front is closed when it is as long as what is kept: constant cost on the average.
    if (this.#first <= this.#limits.entries) return;
    this.#kept = this.#kept.slice(this.#first);
    this.#first = 0;
  }

  entries(): readonly Kept[] {
    return this.#kept.slice(this.#first);
  }

  #forget(): void {
    const oldest = this.#kept[this.#first];
    if (oldest !== undefined) this.#octets -= sizeOf(oldest);
    this.#first += 1;
    this.#forgotten += 1;
  }
}

/** Neighbours counted by name in a burst; the rest together. */
const namesInBurst = 16;
/** Then a burst that goes on is told in a further entry. */
const longestBurstMs = 60_000;

export class Journal {
  readonly #limits: JournalLimits;
  readonly #rings: Readonly<Record<HistoryKind, Ring>>;
  /** The last entry of each neighbour's session, which what is the same again goes on. */
  readonly #lastOf = new Map<string, Kept>();
  #seq = 0;
  #tokens: number;
  #filledAt = 0;
  #burst: Burst | undefined;
  /** The tally that was lent last, and how much of it the bucket has been charged for. */
  #lent: { readonly tally: Tally; charged: number } | undefined;

  constructor(limits: Partial<JournalLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits };
    this.#tokens = this.#limits.burst;
    const ring = (): Ring => new Ring(this.#limits);
    this.#rings = { session: ring(), route: ring(), config: ring(), life: ring(), kernel: ring() };
  }

  /** How many entries were pushed out by newer ones, over all kinds. */
  get forgotten(): number {
    return historyKinds.reduce((sum, kind) => sum + this.#rings[kind].forgotten, 0);
  }

  /** @param at  of the wall clock, in ms */
  add(at: number, happening: Happening): void {
    this.#rings[happening.kind].add(this.#numbered(at, happening));
  }

  /** A neighbour that tries again and again for the same reason is one entry that goes on. */
  session(at: number, happening: Omit<Happening, 'kind'>, isAttempt: boolean): void {
    const last = this.#lastOf.get(happening.who);
    if (isAttempt && last !== undefined && last.what === happening.what && last.why === happening.why) {
      last.times = (last.times ?? 1) + 1;
      last.until = at;
      return;
    }
    const entry = this.#numbered(at, { kind: 'session', ...happening });
    this.#rings.session.add(entry);
    if (isAttempt) this.#lastOf.set(happening.who, entry);
    else this.#lastOf.delete(happening.who);
  }

  /** The neighbour is no longer configured. */
  forget(who: string): void {
    this.#lastOf.delete(who);
  }

  /**
   * A best path changes. Undefined: tell it with `route`; else add one to what is lent, which is all there is to it. That
   * holds for each further change by the same neighbour at the same time too, without asking.
   */
  lend(at: number, who: string): Tally | undefined {
    if (this.#isListed(at)) {
      this.#burst = undefined;
      return undefined;
    }
    if (this.#burst === undefined || at - this.#burst.at > longestBurstMs) this.#burst = this.#startBurst(at);
    this.#burst.until = at;
    const tally = tallyOf(this.#burst.counts, who);
    this.#lent = { tally, charged: tally.routes + 1 };
    return tally;
  }

  /** One that is listed. */
  route(at: number, who: string, change: Omit<Happening, 'kind' | 'who'>): void {
    this.add(at, { kind: 'route', who, ...change });
  }

  /** Ascending by number. @param after  only what has a higher one */
  read(after = 0): History {
    const entries = historyKinds
      .flatMap((kind) => this.#rings[kind].entries())
      .filter(({ seq }) => seq > after)
      .sort((a, b) => a.seq - b.seq)
      .map(shown);
    const forgotten = Object.fromEntries(
      historyKinds.map((kind) => [kind, this.#rings[kind].forgotten]),
    ) as Record<HistoryKind, number>;
    return { entries, forgotten, next: this.#seq };
  }

  #numbered(at: number, happening: Happening): Kept {
    this.#seq += 1;
    return { ...happening, seq: this.#seq, at };
  }

  /** Each change takes a token; once there is none, half the bucket must have come back before changes are listed again. */
  #isListed(at: number): boolean {
    const { burst, perSecond } = this.#limits;
    const unpaid = this.#lent === undefined ? 0 : this.#lent.tally.routes - this.#lent.charged;
    this.#lent = undefined;
    const earned = (Math.max(0, at - this.#filledAt) / 1000) * perSecond;
    this.#filledAt = at;
    const tokens = Math.min(burst, Math.max(0, this.#tokens - unpaid) + earned);
    this.#tokens = Math.max(0, tokens - 1);
    return tokens >= (this.#burst === undefined ? 1 : burst / 2);
  }

  #startBurst(at: number): Burst {
    const counts = new Map<string, Tally>();
    const entry: Burst = {
      ...this.#numbered(at, { kind: 'route', who: 'many', what: 'more best paths changed than are listed' }),
      counts,
    };
    this.#rings.route.add(entry);
    return entry;
  }
}

function tallyOf(counts: Map<string, Tally>, who: string): Tally {
  const isRoom = counts.size < namesInBurst - 1;
  const name = isRoom || counts.has(who) ? who : 'others';
  let tally = counts.get(name);
  if (tally === undefined) {
    tally = { routes: 0 };
    counts.set(name, tally);
  }
  return tally;
}

function shown({ at, until, times, counts, ...entry }: Kept): HistoryEntry {
  const tallies = [...(counts ?? [])];
  const total = counts === undefined ? times : tallies.reduce((sum, [, { routes }]) => sum + routes, 0);
  return {
    ...entry,
    at: new Date(at).toISOString(),
    ...(total === undefined ? {} : { times: total }),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    ...(counts === undefined
      ? {}
      : { why: tallies.map(([who, { routes }]) => `${routes} by ${who}`).join(', ') }),
  };
}
