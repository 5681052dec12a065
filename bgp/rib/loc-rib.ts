/**
 * Loc-RIB: for each prefix the acceptable paths of all sources and the choice among them (RFC 4271 §9.1).
 *
 * Owned by the speaker. Writes only note which prefixes to look at again; `settle` then decides each of them once, so
 * a burst of changes to one prefix costs one decision and the outcome never depends on their order.
 */
import type { Prefix } from '../../src/lib/net.ts';
import { type Choice, choose } from './decide.ts';
import type { Path } from './path.ts';

export type { Choice } from './decide.ts';

export interface Change {
  readonly prefix: Prefix;
  /** Empty: there was none. */
  readonly before: Choice;
  /** Empty: there is none any more. */
  readonly after: Choice;
}

const nothing: Choice = [];

export class LocRib {
  /** Never empty. A lone path is both all paths and the choice, in one list for all prefixes that have just this path. */
  readonly #paths = new Map<Prefix, readonly Path[]>();
  readonly #lone = new WeakMap<Path, Choice>();
  /** The choices among several. */
  readonly #choices = new Map<Prefix, Choice>();
  /** To be decided anew, with the choice as of the last `settle`. */
  readonly #dirty = new Map<Prefix, Choice>();
  readonly #counts = new Map<string, number>();

  /** Prefixes for which there is a choice, once settled. */
  get size(): number {
    return this.#paths.size;
  }

  /** How many acceptable paths a source has here. */
  countOf(source: string): number {
    return this.#counts.get(source) ?? 0;
  }

  paths(prefix: Prefix): readonly Path[] {
    return this.#paths.get(prefix) ?? nothing;
  }

  /** As of the last `settle`. */
  choice(prefix: Prefix): Choice {
    return this.#dirty.get(prefix) ?? this.#choices.get(prefix) ?? this.paths(prefix);
  }

  prefixes(): IterableIterator<Prefix> {
    return this.#paths.keys();
  }

  /** What `source` offers for `prefix` from now on; undefined: nothing. */
  offer(prefix: Prefix, source: string, path: Path | undefined): void {
    const before = this.paths(prefix);
    const known = before.find((candidate) => candidate.source.key === source);
    if (known === path) return;
    if (!this.#dirty.has(prefix)) this.#dirty.set(prefix, this.#choices.get(prefix) ?? before);
    const others = known === undefined ? before : before.filter((candidate) => candidate !== known);
    this.#put(prefix, path === undefined ? others : [...others, path]);
    const grown = (path === undefined ? 0 : 1) - (known === undefined ? 0 : 1);
    this.#counts.set(source, this.countOf(source) + grown);
    if (this.countOf(source) === 0) this.#counts.delete(source);
  }

  /** Decides anew where offers changed; tells only what came out differently. */
  settle(): readonly Change[] {
    const changes: Change[] = [];
    for (const [prefix, before] of this.#dirty) {
      const paths = this.paths(prefix);
      const after = this.#shared(choose(paths));
      if (after === paths) this.#choices.delete(prefix);
      else this.#choices.set(prefix, after);
      if (!sameChoice(before, after)) changes.push({ prefix, before, after });
    }
    this.#dirty.clear();
    return changes;
  }

  #put(prefix: Prefix, paths: readonly Path[]): void {
    if (paths.length === 0) this.#paths.delete(prefix);
    else this.#paths.set(prefix, this.#shared(paths));
  }

  /** The one list of its path, if it has just one. */
  #shared(paths: readonly Path[]): readonly Path[] {
    const [first, second] = paths;
    if (first === undefined || second !== undefined) return paths;
    const known = this.#lone.get(first);
    if (known === undefined) this.#lone.set(first, paths);
    return known ?? paths;
  }
}

const sameChoice = (a: Choice, b: Choice): boolean =>
  a.length === b.length && a.every((path, index) => path === b[index]);
