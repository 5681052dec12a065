/**
 * Whether a prefix may lie in any of some spaces, told by its first 16 bits: of a table of the internet nearly nothing
 * does, and for that one look into a map of 64 KB is enough.
 */
import { firstWordOf, isPrefix4, lengthOf, networkOf, type Prefix } from '../../src/lib/net.ts';

const bits = 16;

/** False: it lies in none of them. True: it may. */
export function nearby(spaces: readonly Prefix[]): (prefix: Prefix) => boolean {
  const [marks4, marks6] = [new Uint8Array(1 << bits), new Uint8Array(1 << bits)];
  for (const space of spaces) {
    const first = placeOf(space);
    const count = 2 ** Math.max(0, bits - lengthOf(space));
    (isPrefix4(space) ? marks4 : marks6).fill(1, first, first + count);
  }
  return (prefix) => lengthOf(prefix) < bits || (isPrefix4(prefix) ? marks4 : marks6)[placeOf(prefix)] === 1;
}

const placeOf = (prefix: Prefix): number =>
  (isPrefix4(prefix) ? networkOf(prefix) : firstWordOf(prefix)) >>> (32 - bits);
