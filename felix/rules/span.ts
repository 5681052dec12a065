/** Arithmetic on inclusive ranges of addresses and ports: what nets less notNets leave. */
import {
  type Address,
  hostPrefix,
  type IpVersion,
  ipv4,
  ipv6,
  lengthOf,
  networkOf,
  type Prefix,
  prefixOf,
  versionOf,
  widthOf,
} from '../../src/lib/net.ts';
import type { Match, PortRange, Side } from './model.ts';

/** Both ends inclusive; first <= last. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

export function spanOf(prefix: Prefix): Span {
  const first = BigInt(networkOf(prefix));
  return { first, last: first + (1n << BigInt(widthOf(prefix) - lengthOf(prefix))) - 1n };
}

/** The same values in the fewest spans, in order: none overlap or touch. */
export function merged(spans: readonly Span[]): readonly Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const previous = result.at(-1);
    if (previous === undefined || span.first > previous.last + 1n) result.push(span);
    else if (span.last > previous.last)
      result[result.length - 1] = { first: previous.first, last: span.last };
  }
  return result;
}

/** What of `span` lies in none of `holes`. */
export function without(span: Span, holes: readonly Span[]): readonly Span[] {
  const result: Span[] = [];
  let next = span.first;
  for (const hole of merged(holes)) {
    if (hole.last < next || hole.first > span.last) continue;
    if (hole.first > next) result.push({ first: next, last: hole.first - 1n });
    next = hole.last + 1n;
  }
  if (next <= span.last) result.push({ first: next, last: span.last });
  return result;
}

export const addressOf = (version: IpVersion, value: bigint): Address =>
  version === 4 ? ipv4(Number(value)) : ipv6(value);

/** The prefix that is exactly this span, if there is one. */
export function prefixOfSpan(version: IpVersion, span: Span): Prefix | undefined {
  const size = span.last - span.first + 1n;
  const hostBits = size.toString(2).length - 1;
  if (size !== 1n << BigInt(hostBits) || span.first % size !== 0n) return undefined;
  const first = addressOf(version, span.first);
  return prefixOf(first, lengthOf(hostPrefix(first)) - hostBits);
}

/** The same ports in the fewest ranges, in order: none overlap or touch. */
export const mergedPorts = (ranges: readonly PortRange[]): readonly PortRange[] =>
  merged(ranges.map(({ first, last }) => ({ first: BigInt(first), last: BigInt(last) }))).map(
    ({ first, last }) => ({ first: Number(first), last: Number(last) }),
  );

/** That side's address is in the prefix; the widest one asks for the family alone, for nft takes no prefix of no length. */
export const inPrefix = (prefix: Prefix, side: Side): Match =>
  lengthOf(prefix) === 0 ? { kind: 'version', version: versionOf(prefix) } : { kind: 'prefix', side, prefix };

/** The fewest prefixes that are exactly this span, in order. */
export function prefixesOfSpan(version: IpVersion, { first, last }: Span): readonly Prefix[] {
  const width = BigInt(version === 4 ? 32 : 128);
  const result: Prefix[] = [];
  for (let next = first; next <= last; ) {
    let bits = 0n;
    while (bits < width && next % (1n << (bits + 1n)) === 0n && next + (1n << (bits + 1n)) - 1n <= last)
      bits++;
    result.push(prefixOf(addressOf(version, next), Number(width - bits)));
    next += 1n << bits;
  }
  return result;
}
