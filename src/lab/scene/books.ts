/** The books of numbered packets: when each was sent, and how far it came. Pure. */
import type { Counted, Loss } from './says.ts';

const arrived = 1;
const answered = 2;

export class Books {
  readonly #sentAt: number[] = [];
  readonly #came: number[] = [];

  /** @returns the packet's number */
  send(at: number): number {
    this.#came.push(0);
    return this.#sentAt.push(at) - 1;
  }

  arrive(number: number): void {
    this.#note(number, arrived);
  }

  answer(number: number): void {
    this.#note(number, answered);
  }

  #note(number: number, mark: number): void {
    const before = this.#came[number];
    if (before !== undefined) this.#came[number] = before | mark;
  }

  /** Everything sent in [since, until]. */
  count(since: number, until: number): Counted {
    const numbers = [...this.#sentAt.keys()].filter((number) => {
      const at = this.#at(number);
      return at >= since && at <= until;
    });
    const times = numbers.map((number) => this.#at(number));
    const came = (number: number, mark: number): boolean => ((this.#came[number] ?? 0) & mark) !== 0;
    const lossOf = (lost: readonly number[]): Loss => {
      const [first, last] = [lost[0], lost.at(-1)];
      if (first === undefined || last === undefined) return { lost: 0 };
      return { lost: lost.length, firstAt: this.#at(first), lastAt: this.#at(last) };
    };
    const isThere = (number: number): boolean => came(number, arrived) || came(number, answered);
    return {
      sent: numbers.length,
      there: lossOf(numbers.filter((number) => !isThere(number))),
      back: lossOf(numbers.filter((number) => isThere(number) && !came(number, answered))),
      pauseMs: times.reduce((most, at, index) => Math.max(most, at - (times[index - 1] ?? at)), 0),
    };
  }

  #at(number: number): number {
    return this.#sentAt[number] ?? 0;
  }
}
