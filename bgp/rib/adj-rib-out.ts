/**
 * Adj-RIB-Out: what one neighbour should know of us, what it was told, and so what is left to tell (RFC 4271 §9.2).
 *
 * A Delta drained on demand: nothing is queued, so a slow neighbour gets the newest state of each prefix once, however
 * often it changed meanwhile. A prefix is due at most once in a drain, so no order of messages can get it wrong.
 * Born with a session, when the neighbour knows nothing; dies with it.
 */
import { Delta, type Op } from '../../src/lib/delta.ts';
import { ipv4, type Prefix, versionOf } from '../../src/lib/net.ts';
import type { Family, PathAttributes, UpdateMessage } from '../wire/message.ts';
import { familyOf } from './path.ts';

/** Stands for "told something, tell it again"; like no interned object, so any wish differs from it. */
const toldAgain: PathAttributes = { origin: 'incomplete', asPath: [], nextHop: ipv4(0) };

export class AdjRibOut {
  readonly #routes = new Delta<Prefix, PathAttributes>();
  #endOfRibDue: readonly Family[];
  #isEndHeld: boolean;

  /**
   * @param families   negotiated; each is owed an End-of-RIB after the initial dump (RFC 4724 §2)
   * @param isEndHeld  it waits for `release`: we do not know all routes ourselves yet (§4.1)
   */
  constructor(families: readonly Family[], isEndHeld = false) {
    this.#endOfRibDue = families;
    this.#isEndHeld = isEndHeld;
  }

  /** The End-of-RIB may go out. */
  release(): void {
    this.#isEndHeld = false;
  }

  /** Prefixes the neighbour has been told and not untold. */
  get size(): number {
    return this.#routes.actualCount;
  }

  /** There is something to drain. */
  get isDue(): boolean {
    return this.#routes.pendingCount > 0 || (this.#endOfRibDue.length > 0 && !this.#isEndHeld);
  }

  /** What the neighbour should have for this prefix, interned; undefined: nothing. */
  want(prefix: Prefix, attributes: PathAttributes | undefined): void {
    if (attributes === undefined) this.#routes.unwant(prefix);
    else this.#routes.want(prefix, attributes);
  }

  /** What the neighbour was told last. */
  *told(): Generator<readonly [Prefix, PathAttributes]> {
    for (const [prefix, attributes] of this.#routes.actualEntries()) {
      const real = attributes === toldAgain ? this.#routes.desired(prefix) : attributes;
      if (real !== undefined) yield [prefix, real];
    }
  }

  /**
   * ROUTE-REFRESH: all of this family becomes due again (RFC 2918 §4).
   * The neighbour keeps what it has, so a prefix we want no more must still be withdrawn: nothing is forgotten here.
   */
  resend(family: Family): void {
    for (const [prefix] of [...this.#routes.actualEntries()]) {
      if (familyOf(prefix) === family) this.#routes.observeOne(prefix, toldAgain);
    }
  }

  /** Up to `limit` prefixes as UPDATEs: withdrawals by family, then one for each attribute set; they count as told. */
  drain(limit: number): readonly UpdateMessage[] {
    const withdrawn = new Map<Family, Prefix[]>();
    const announced = new Map<PathAttributes, Prefix[]>();
    for (const op of this.#take(limit)) {
      if (op.kind === 'delete') bucketOf(withdrawn, familyOf(op.key)).push(op.key);
      else bucketOf(announced, op.value).push(op.key);
    }
    const messages = [...withdrawn.values()].map((prefixes) => updateOf({ withdrawn: prefixes }));
    for (const [attributes, prefixes] of announced) {
      // Export gives a prefix a next hop of its own family, so one attribute set means one family.
      const family = versionOf(attributes.nextHop) === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
      messages.push(updateOf({ announced: [{ family, attributes, prefixes }] }));
    }
    if (this.#routes.pendingCount > 0 || this.#isEndHeld) return messages;
    messages.push(...this.#endOfRibDue.map((family) => updateOf({ endOfRib: family })));
    this.#endOfRibDue = [];
    return messages;
  }

  /** The next ops due, marked as done. */
  #take(limit: number): readonly Op<Prefix, PathAttributes>[] {
    const ops: Op<Prefix, PathAttributes>[] = [];
    for (const op of this.#routes.pending()) {
      if (ops.length === limit) break;
      ops.push(op);
    }
    for (const op of ops) this.#routes.done(op);
    return ops;
  }
}

function bucketOf<K>(buckets: Map<K, Prefix[]>, key: K): Prefix[] {
  const known = buckets.get(key);
  if (known !== undefined) return known;
  const fresh: Prefix[] = [];
  buckets.set(key, fresh);
  return fresh;
}

const updateOf = (part: Partial<UpdateMessage>): UpdateMessage => ({
  kind: 'update',
  withdrawn: [],
  announced: [],
  flaws: [],
  ...part,
});
