/** Finding what of many is at fault, where only all of them together can be asked about. */

/**
 * With none of `all` it must work. Asks some log2(n) times for each one found.
 * @param works  of a part: does it, without these?
 * @returns  the fewest, in order, without which the others work; undefined if it does not even without all of them
 */
export async function culprits<T>(
  all: readonly T[],
  works: (without: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  if (!(await works(all))) return undefined;
  const found: T[] = [];
  for (let rest = all; !(await works(found)); ) {
    // Without found and the first `high` of the rest it works; without found and the first `low` it does not.
    let low = 0;
    let high = rest.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await works([...found, ...rest.slice(0, middle)])) high = middle;
      else low = middle;
    }
    found.push(...rest.slice(high - 1, high));
    rest = rest.slice(0, high - 1);
  }
  return found;
}
