/** Collects what one drain says, as few UPDATEs: withdrawals by family, then one announcement for each attribute set. */
import type { Prefix } from '../../src/lib/net.ts';
import type { Family, PathAttributes, UpdateMessage } from '../wire/message.ts';

interface Bucket {
  readonly prefixes: Prefix[];
  /** RFC 7911; empty towards a neighbour that is told one path of a prefix. */
  readonly ids: number[];
}

interface Announced extends Bucket {
  readonly attributes: PathAttributes;
}

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const bucket = (): Bucket => ({ prefixes: [], ids: [] });
const empty = { kind: 'update', withdrawn: [], announced: [], flaws: [] } as const;

export class Batch {
  readonly #withdrawn: Record<Family, Bucket> = { 'ipv4-unicast': bucket(), 'ipv6-unicast': bucket() };
  /** By number of the attribute set. */
  readonly #announced: Record<Family, Map<number, Announced>> = {
    'ipv4-unicast': new Map(),
    'ipv6-unicast': new Map(),
  };
  #size = 0;

  /** Prefixes, each time they are named. */
  get size(): number {
    return this.#size;
  }

  /** @param id  RFC 7911; 0: this neighbour is told one path of a prefix */
  withdraw(family: Family, prefix: Prefix, id: number): void {
    this.#add(this.#withdrawn[family], prefix, id);
  }

  /** @param set  number of the attributes; it stands for these as long as the batch */
  announce(family: Family, prefix: Prefix, id: number, set: number, attributes: PathAttributes): void {
    const buckets = this.#announced[family];
    let known = buckets.get(set);
    if (known === undefined) {
      known = { ...bucket(), attributes };
      buckets.set(set, known);
    }
    this.#add(known, prefix, id);
  }

  messages(): UpdateMessage[] {
    const messages: UpdateMessage[] = [];
    for (const family of families) {
      const { prefixes, ids } = this.#withdrawn[family];
      if (prefixes.length > 0)
        messages.push({ ...empty, withdrawn: prefixes, ...(ids.length > 0 ? { withdrawnIds: ids } : {}) });
    }
    for (const family of families)
      for (const { attributes, prefixes, ids } of this.#announced[family].values())
        messages.push({
          ...empty,
          announced: [{ family, attributes, prefixes, ...(ids.length > 0 ? { pathIds: ids } : {}) }],
        });
    return messages;
  }

  #add({ prefixes, ids }: Bucket, prefix: Prefix, id: number): void {
    prefixes.push(prefix);
    if (id > 0) ids.push(id);
    this.#size += 1;
  }
}

export const endOfRib = (family: Family): UpdateMessage => ({ ...empty, endOfRib: family });
