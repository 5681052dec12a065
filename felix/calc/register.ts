/** What each tag in use stands for: how a packet that the kernel reports, or a counter, is told to a person. */
import type { Rule } from '../rules/model.ts';
import type { Origins, TagMeaning } from '../rules/tag.ts';
import { KeyedSets } from './keyed-sets.ts';

export class Register {
  readonly #meanings = new Map<string, TagMeaning>();
  /** Tag → who says so: the end of a tier is of all endpoints that share it. */
  readonly #owners = new KeyedSets<string, string>();

  /** Rules of the model that are for a policy's rule, or for the end of a tier or of the profiles. */
  readonly #origins = new WeakMap<Rule, TagMeaning>();

  get size(): number {
    return this.#meanings.size + this.#owners.size;
  }

  get(tag: string): TagMeaning | undefined {
    return this.#meanings.get(tag);
  }

  originOf(rule: Rule): TagMeaning | undefined {
    return this.#origins.get(rule);
  }

  noteOrigins(origins: Origins): void {
    for (const [rule, origin] of origins) this.#origins.set(rule, origin);
  }

  /** From now on `owner` has exactly `after`; before it had `before`. */
  replace(owner: string, before: readonly TagMeaning[], after: readonly TagMeaning[]): void {
    for (const meaning of after) {
      this.#owners.add(meaning.tag, owner);
      this.#meanings.set(meaning.tag, meaning);
    }
    const kept = new Set(after.map(({ tag }) => tag));
    for (const { tag } of before) {
      if (kept.has(tag)) continue;
      this.#owners.delete(tag, owner);
      if (!this.#owners.has(tag)) this.#meanings.delete(tag);
    }
  }
}
