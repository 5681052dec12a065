/** What the neighbours of a rehearsal say: groups of prefixes of one attribute set, as tables have them. The same each time. */
import { type Asn, asn, ipv4, ipv6, type Prefix, prefix4, prefix6, versionOf } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { Announcement, Family, PathAttributes } from '../wire/message.ts';
import { addressOf, asnOf, type Part } from './cast.ts';

export const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];

/** One in each half of what there is of IPv4, and all over a /16 of IPv6: words with their highest bit, and without. */
export function prefixAt(family: Family, index: number): Prefix {
  if (family === 'ipv4-unicast')
    return prefix4(ipv4((index % 2 === 0 ? 0x14_00_00_00 : 0xc8_00_00_00) + index * 256), 24);
  const spread = Math.imul(index, 0x9e37_79b1) >>> 0;
  return prefix6(ipv6((0x2a00n << 112n) + (BigInt(spread) << 80n)), 48);
}

export const prefixes = (family: Family, from: number, to: number): readonly Prefix[] =>
  Array.from({ length: to - from }, (_, index) => prefixAt(family, from + index));

const mostOfGroup = 30;

/**
 * @param count  prefixes in all
 * @param round  other attributes for the same prefixes in each
 */
export function* announcements(
  part: Part,
  family: Family,
  count: number,
  round: number,
): Generator<Announcement> {
  const random = seededRandom(asnOf(part) * 1000 + round);
  const below = (most: number): number => Math.floor(random() * most);
  for (let at = 0; at < count; ) {
    const to = Math.min(count, at + 1 + below(mostOfGroup));
    const told = prefixes(family, at, to);
    yield { family, attributes: attributesOf(part, told, below), prefixes: told };
    at = to;
  }
}

/** Of the range that BGP itself gives a meaning (RFC 1997), and without one. */
const wellKnown = 0xffff_1234;
/** AS numbers between the neighbour's own and the last. */
const fewestOthers: Readonly<Record<Part, number>> = { better: 0, equal: 2, worse: 4, told: 0, alike: 0 };

function attributesOf(
  part: Part,
  [first]: readonly Prefix[],
  below: (most: number) => number,
): PathAttributes {
  const isInternal = part === 'worse';
  const isIncomplete = below(5) === 0;
  // Of the two that are about equal none is ever better than the first: its worse ORIGIN comes with its shortest path.
  const more = part === 'better' && isIncomplete ? 0 : fewestOthers[part] + below(3);
  const others = Array.from({ length: more }, (): Asn => asn(1000 + below(60_000)));
  const communities = Array.from({ length: below(6) }, () => (below(20) === 0 ? wellKnown : below(2 ** 32)));
  const own = addressOf(part, first === undefined ? 4 : versionOf(first));
  // Now and then a number of more than 31 bits, which V8 keeps otherwise: whoever reads it must know both.
  const isHigh = typeof own === 'number' && below(8) === 0;
  return {
    origin: isIncomplete ? 'incomplete' : 'igp',
    asPath: [{ kind: 'sequence', asns: [...(isInternal ? [] : [asnOf(part)]), ...others, asn(70_000)] }],
    nextHop: isHigh ? ipv4(0xc0_00_02_01) : own,
    ...(below(4) === 0 ? { med: below(8) === 0 ? 3_000_000_000 : below(1000) } : {}),
    ...(isInternal ? { localPref: 100 } : {}),
    ...(communities.length > 0 ? { communities } : {}),
  };
}
