/**
 * Hash-consed path attributes: the same content is the same object, so equality is `===` everywhere behind this door.
 *
 * A table of weak references: an entry lives as long as some RIB holds the object, and no count can be forgotten.
 * Dead entries are swept whenever the table has doubled, so memory follows what is alive at constant cost a call.
 */
import type { AsPathSegment, PathAttributes, RawAttribute } from '../wire/message.ts';

export class AttributeTable {
  readonly #byKey = new Map<string, WeakRef<PathAttributes>>();
  #sweepAt = 1024;

  /** Entries held, dead ones not yet swept included. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The one object with this content; `attributes` itself if it is the first. It must not be changed after. */
  intern(attributes: PathAttributes): PathAttributes {
    const key = attributesKey(attributes);
    const known = this.#byKey.get(key)?.deref();
    if (known !== undefined) return known;
    this.#byKey.set(key, new WeakRef(attributes));
    if (this.#byKey.size >= this.#sweepAt) this.#sweep();
    return attributes;
  }

  #sweep(): void {
    for (const [key, reference] of this.#byKey) {
      if (reference.deref() === undefined) this.#byKey.delete(key);
    }
    this.#sweepAt = Math.max(1024, this.#byKey.size * 2);
  }
}

/** Text equal exactly when all attributes are. Fields are parted by "|", so an absent one differs from any present. */
export function attributesKey(attributes: PathAttributes): string {
  const { aggregator } = attributes;
  return [
    attributes.origin,
    attributes.asPath.map(segmentKey).join(' '),
    // An IPv4 and an IPv6 address of equal number are different next hops.
    typeof attributes.nextHop === 'number' ? attributes.nextHop : `v6:${attributes.nextHop}`,
    attributes.linkLocal,
    attributes.med,
    attributes.localPref,
    attributes.atomicAggregate,
    aggregator && `${aggregator.asn} ${aggregator.address}`,
    listKey(attributes.communities),
    attributes.originatorId,
    listKey(attributes.clusterList),
    listKey(attributes.extendedCommunities),
    listKey(attributes.largeCommunities),
    attributes.unknown && `[${attributes.unknown.map(rawKey).join(' ')}]`,
  ].join('|');
}

const segmentKey = (segment: AsPathSegment): string => `${segment.kind}(${segment.asns.join(',')})`;

/** Brackets keep an empty list apart from an absent one. */
const listKey = (list: readonly unknown[] | undefined): string | undefined => list && `[${list.join(' ')}]`;

const rawKey = (raw: RawAttribute): string => `${raw.code}:${raw.flags}:${raw.body.join(',')}`;
