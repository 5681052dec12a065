/** Collects what one drain says, as few UPDATEs: withdrawals by family, then one announcement for each attribute set. */
import type { Prefix } from '../../src/lib/net.ts';
import type { Announcement, Family, Flaw, PathAttributes, UpdateMessage } from '../wire/message.ts';

interface Bucket {
  readonly prefixes: Prefix[];
  /** RFC 7911; absent towards a neighbour that is told one path of a prefix. */
  ids: number[] | undefined;
}

interface Announced extends Bucket {
  readonly attributes: PathAttributes;
}

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const noPrefixes: readonly Prefix[] = [];
const noAnnouncements: readonly Announcement[] = [];
const noFlaws: readonly Flaw[] = [];

const bucketOf = (prefix: Prefix, id: number): Bucket => ({
  prefixes: [prefix],
  ids: id > 0 ? [id] : undefined,
});

function add(bucket: Bucket, prefix: Prefix, id: number): void {
  bucket.prefixes.push(prefix);
  if (id === 0) return;
  bucket.ids ??= [];
  bucket.ids.push(id);
}

/** What there is to say of one family. */
class Part {
  withdrawn: Bucket | undefined;
  /**
   * By number of the attribute set. A new one for each batch: what a Map is cleared of stays beside it in V8, and what it held
   * lives on until the old generation is looked through.
   */
  announced = new Map<number, Announced>();
  /** Asked for last: many prefixes in a row are mostly told the same. */
  #last: Announced | undefined;
  #lastSet = 0;

  announce(prefix: Prefix, id: number, set: number, attributes: PathAttributes): void {
    let known = this.#last !== undefined && this.#lastSet === set ? this.#last : this.announced.get(set);
    if (known !== undefined) add(known, prefix, id);
    else {
      known = { prefixes: [prefix], ids: id > 0 ? [id] : undefined, attributes };
      this.announced.set(set, known);
    }
    this.#last = known;
    this.#lastSet = set;
  }

  clear(): void {
    this.withdrawn = undefined;
    if (this.announced.size > 0) this.announced = new Map();
    this.#last = undefined;
  }
}

export class Batch {
  readonly #parts: Readonly<Record<Family, Part>> = {
    'ipv4-unicast': new Part(),
    'ipv6-unicast': new Part(),
  };
  #size = 0;

  /** Prefixes, each time they are named. */
  get size(): number {
    return this.#size;
  }

  /** @param id  RFC 7911; 0: this neighbour is told one path of a prefix */
  withdraw(family: Family, prefix: Prefix, id: number): void {
    const part = this.#part(family);
    this.#size += 1;
    if (part.withdrawn === undefined) part.withdrawn = bucketOf(prefix, id);
    else add(part.withdrawn, prefix, id);
  }

  /** @param set  number of the attributes; it stands for these as long as the batch */
  announce(family: Family, prefix: Prefix, id: number, set: number, attributes: PathAttributes): void {
    this.#size += 1;
    this.#part(family).announce(prefix, id, set, attributes);
  }

  /** Asked for each prefix, and by name it costs nothing. */
  #part(family: Family): Part {
    return family === 'ipv4-unicast' ? this.#parts['ipv4-unicast'] : this.#parts['ipv6-unicast'];
  }

  /**
   * Puts what was collected behind what is said already, and begins anew.
   * @param isReplicated  others may be told the same
   */
  take(says: { push(message: UpdateMessage): void }, isReplicated = false): void {
    if (this.#size === 0) return;
    for (const family of families) {
      const { withdrawn } = this.#parts[family];
      if (withdrawn !== undefined) says.push(withdrawal(withdrawn, onceIf(isReplicated)));
    }
    for (const family of families) {
      for (const announced of this.#parts[family].announced.values())
        says.push(announcement(family, announced, onceIf(isReplicated)));
      this.#parts[family].clear();
    }
    this.#size = 0;
  }
}

type Once = UpdateMessage['once'];

const onceIf = (isReplicated: boolean): Once => (isReplicated ? { frames: undefined } : undefined);

const withdrawal = ({ prefixes: withdrawn, ids: withdrawnIds }: Bucket, once: Once): UpdateMessage => {
  const announced = noAnnouncements;
  const flaws = noFlaws;
  return withdrawnIds === undefined
    ? { kind: 'update', withdrawn, announced, flaws, once }
    : { kind: 'update', withdrawn, withdrawnIds, announced, flaws, once };
};

function announcement(
  family: Family,
  { attributes, prefixes, ids: pathIds }: Announced,
  once: Once,
): UpdateMessage {
  const one: Announcement =
    pathIds === undefined ? { family, attributes, prefixes } : { family, attributes, prefixes, pathIds };
  return { kind: 'update', withdrawn: noPrefixes, announced: [one], flaws: noFlaws, once };
}

export const endOfRib = (family: Family): UpdateMessage => ({
  kind: 'update',
  withdrawn: noPrefixes,
  announced: noAnnouncements,
  endOfRib: family,
  flaws: noFlaws,
});
