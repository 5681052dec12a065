/**
 * Longest-prefix match over packed prefixes of both families.
 *
 * One Map per prefix length: a lookup masks the key to each length in use, longest first. There are at most
 * 33 + 129 lengths, few of them in use, and measured this beats a pointer trie in this runtime.
 */
import { lengthOf, networkOf, type Prefix, prefixOf, versionOf } from './net.ts';

export class Trie<V> {
  readonly #byLength: { readonly 4: Map<number, Map<Prefix, V>>; readonly 6: Map<number, Map<Prefix, V>> } = {
    4: new Map(),
    6: new Map(),
  };
  #lengths: { 4: number[]; 6: number[] } = { 4: [], 6: [] };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(prefix: Prefix): V | undefined {
    return this.#byLength[versionOf(prefix)].get(lengthOf(prefix))?.get(prefix);
  }

  set(prefix: Prefix, value: V): void {
    const version = versionOf(prefix);
    const length = lengthOf(prefix);
    let level = this.#byLength[version].get(length);
    if (level === undefined) {
      level = new Map();
      this.#byLength[version].set(length, level);
      this.#lengths[version] = [...this.#byLength[version].keys()].sort((a, b) => b - a);
    }
    if (!level.has(prefix)) this.#size += 1;
    level.set(prefix, value);
  }

  delete(prefix: Prefix): boolean {
    const version = versionOf(prefix);
    const level = this.#byLength[version].get(lengthOf(prefix));
    if (!level?.delete(prefix)) return false;
    this.#size -= 1;
    if (level.size === 0) {
      this.#byLength[version].delete(lengthOf(prefix));
      this.#lengths[version] = [...this.#byLength[version].keys()].sort((a, b) => b - a);
    }
    return true;
  }

  /** The most specific entry that holds the whole of `prefix`; for an address ask with `hostPrefix(address)`. */
  longestMatch(prefix: Prefix): readonly [Prefix, V] | undefined {
    const version = versionOf(prefix);
    const lengths = this.#lengths[version];
    if (lengths.length === 0) return undefined;
    const network = networkOf(prefix);
    const longest = lengthOf(prefix);
    for (const length of lengths) {
      if (length > longest) continue;
      const candidate = length === longest ? prefix : prefixOf(network, length);
      const level = this.#byLength[version].get(length);
      if (level?.has(candidate)) return [candidate, level.get(candidate) as V];
    }
    return undefined;
  }

  /** Every entry that holds the whole of `prefix`, most specific first. */
  *matches(prefix: Prefix): Generator<readonly [Prefix, V]> {
    const version = versionOf(prefix);
    const network = networkOf(prefix);
    for (const length of this.#lengths[version]) {
      if (length > lengthOf(prefix)) continue;
      const candidate = prefixOf(network, length);
      const level = this.#byLength[version].get(length);
      if (level?.has(candidate)) yield [candidate, level.get(candidate) as V];
    }
  }

  *entries(): Generator<readonly [Prefix, V]> {
    for (const version of [4, 6] as const)
      for (const level of this.#byLength[version].values()) yield* level.entries();
  }
}
