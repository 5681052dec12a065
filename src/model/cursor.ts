/**
 * One position in one line of text: what a recursive-descent parser reads from. White space is space and tab.
 */
import { err, type Result } from '../lib/result.ts';

export class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  skipSpace(): void {
    this.match(/[ \t]*/y);
  }

  /** Takes what `pattern` (sticky) matches here, or nothing. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** Takes exactly `text`, with white space before it; false if something else is here. */
  accept(text: string): boolean {
    this.skipSpace();
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  get atEnd(): boolean {
    this.skipSpace();
    return this.#at === this.#text.length;
  }

  /** The failure every rule ends in. */
  expected(what: string): Result<never> {
    this.skipSpace();
    const rest = this.#text.slice(this.#at, this.#at + 16);
    const found = rest === '' ? 'the text ends' : `found ${JSON.stringify(rest)}`;
    return err(`at character ${this.#at + 1}: expected ${what}, but ${found}`);
  }
}
