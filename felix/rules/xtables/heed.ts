/** What of the model each drafted chain depends on, so that a change finds the chains to draft again. Keys are of drafts. */
import type { PortRange, Ruleset } from '../model.ts';
import { type Draft, endOf } from './draft.ts';
import { Wanted } from './wanted.ts';

export class Heeded {
  readonly #ruleset: Ruleset;
  /** Name of a chain of the model → what it is drafted as; → those that depend on its end; name of a set → those that read it. */
  readonly #drafted = new Wanted();
  readonly #heeding = new Wanted();
  readonly #reading = new Wanted();
  readonly #ends = new Map<string, string>();
  /** Name of ipset → those that ask it. */
  readonly #askingPorts = new Wanted();
  readonly #ports = new Map<string, readonly PortRange[]>();

  constructor(ruleset: Ruleset) {
    this.#ruleset = ruleset;
  }

  /** Sets of ports by the name of their ipset. */
  get ports(): ReadonlyMap<string, readonly PortRange[]> {
    return this.#ports;
  }

  /** Of all chains of the model that anything depends on. */
  chains(): readonly string[] {
    return [...this.#drafted.keys(), ...this.#heeding.keys()];
  }

  sets(): readonly string[] {
    return [...this.#reading.keys()];
  }

  drafted(chain: string): Iterable<string> {
    return this.#drafted.of(chain);
  }

  reading(set: string): Iterable<string> {
    return this.#reading.of(set);
  }

  /** Those that depend on its end, if that is another than the last time somebody asked. */
  ending(chain: string): Iterable<string> {
    const end = endOf(this.#ruleset.chains.get(chain));
    if (!this.#ends.has(chain) || this.#ends.get(chain) === end) return [];
    this.#ends.set(chain, end);
    return this.#heeding.of(chain);
  }

  /** @param chain  of the model, that it is made of; undefined: of a part of one */
  file(key: string, chain: string | undefined, draft: Draft, before: Draft | undefined): void {
    if (chain !== undefined) this.#drafted.add(chain, key);
    this.#fileEnds(key, draft.ends);
    for (const each of draft.sets) this.#reading.add(each, key);
    for (const [each, ranges] of draft.ports) {
      this.#askingPorts.add(each, key);
      this.#ports.set(each, ranges);
    }
    if (before !== undefined) this.#unfile(key, before, draft);
  }

  /** Of a draft that differs in nothing but whose ends it asked for. */
  refile(key: string, before: Draft, draft: Draft): void {
    this.#fileEnds(key, draft.ends);
    this.#unfile(key, before, draft);
  }

  forget(key: string, chain: string, draft: Draft): void {
    this.#drafted.remove(chain, key);
    this.#unfile(key, draft);
  }

  #fileEnds(key: string, ends: ReadonlySet<string>): void {
    for (const each of ends) {
      this.#heeding.add(each, key);
      this.#ends.set(each, endOf(this.#ruleset.chains.get(each)));
    }
  }

  /** What it does not depend on any more. */
  #unfile(key: string, before: Draft, after?: Draft): void {
    for (const each of before.ends)
      if (after?.ends.has(each) !== true && this.#heeding.remove(each, key)) this.#ends.delete(each);
    for (const each of before.sets) if (after?.sets.has(each) !== true) this.#reading.remove(each, key);
    for (const each of before.ports.keys()) {
      if (after?.ports.has(each) !== true && this.#askingPorts.remove(each, key)) this.#ports.delete(each);
    }
  }
}
