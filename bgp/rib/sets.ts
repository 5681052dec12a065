/** Attribute sets by number (see Packed): what neighbours were told. */
import type { PathAttributes } from '../wire/message.ts';
import { Packed } from './packed.ts';

export class Sets extends Packed {
  /** Asked for last, and its number: many prefixes in a row are mostly told the same. */
  #last: PathAttributes | undefined;
  #lastId = 0;

  /** Of a number that is in use. The object may be another at the next call. */
  get(id: number): PathAttributes {
    return this.attributesOf(id);
  }

  /** Its number; 0: there is none like it. */
  idOf(attributes: PathAttributes): number {
    return attributes === this.#last
      ? this.#lastId
      : this.#note(attributes, this.seek(attributes, undefined));
  }

  /** Its number; one reference more. It must not be changed after. */
  hold(attributes: PathAttributes): number {
    if (attributes !== this.#last || this.#lastId === 0)
      return this.#note(attributes, this.obtain(attributes, undefined));
    this.keep(this.#lastId);
    return this.#lastId;
  }

  protected override removed(id: number): void {
    if (id === this.#lastId) this.#last = undefined;
  }

  #note(attributes: PathAttributes, id: number): number {
    this.#last = attributes;
    this.#lastId = id;
    return id;
  }
}
