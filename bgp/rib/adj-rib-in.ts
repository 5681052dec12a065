/**
 * Adj-RIB-In: what one neighbour told us in this session, as received (RFC 4271 §3.2).
 *
 * What import policy rejects stays here too, so a change of policy needs no Route Refresh. Dies with the session.
 */
import type { Prefix } from '../../src/lib/net.ts';
import type { Family, PathAttributes } from '../wire/message.ts';
import { type Path, PathTable, type Source } from './path.ts';
import type { AttributeTable } from './paths.ts';

export class AdjRibIn {
  readonly #routes = new Map<Prefix, Path>();
  readonly #paths: PathTable;
  readonly #attributes: AttributeTable;
  readonly #complete = new Set<Family>();

  constructor(source: Source, attributes: AttributeTable) {
    this.#paths = new PathTable(source);
    this.#attributes = attributes;
  }

  get size(): number {
    return this.#routes.size;
  }

  get(prefix: Prefix): Path | undefined {
    return this.#routes.get(prefix);
  }

  entries(): IterableIterator<[Prefix, Path]> {
    return this.#routes.entries();
  }

  /** The Path that all prefixes with these attributes share. */
  path(attributes: PathAttributes): Path {
    return this.#paths.of(this.#attributes.intern(attributes));
  }

  /** Announced; replaces what was there (RFC 4271 §3.1). */
  set(prefix: Prefix, path: Path): void {
    this.#routes.set(prefix, path);
  }

  /** Withdrawn; false if it was not there. */
  delete(prefix: Prefix): boolean {
    return this.#routes.delete(prefix);
  }

  /** End-of-RIB came for this family (RFC 4724 §2). */
  completed(family: Family): void {
    this.#complete.add(family);
  }

  isComplete(families: readonly Family[]): boolean {
    return families.every((family) => this.#complete.has(family));
  }
}
