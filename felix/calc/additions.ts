/** What the table holds beside policy, kept in the output as it was last noted. */
import { same } from '../../src/lib/same.ts';
import type { Addition, FilledSet } from '../rules/addition.ts';
import { memberOf } from './endpoints.ts';
import type { Output } from './output.ts';

const nothing: Addition = { chains: [], sets: [] };

export class Additions {
  #fitted = nothing;
  #next = nothing;

  /** From the next tick on, whole. */
  note(next: Addition): void {
    this.#next = next;
  }

  /** Once a tick. @param anew  the static part was put up anew: chains of ours that stand in for some of it are too */
  fit(output: Output, anew: boolean): void {
    const [before, next] = [this.#fitted, this.#next];
    if (!anew && before === next) return;
    const sets = new Map(before.sets.map((set) => [set.decl.name, set]));
    const names = new Set(next.sets.map(({ decl }) => decl.name));
    for (const set of next.sets) fill(output, sets.get(set.decl.name), set);
    for (const chain of next.chains) output.putChain(chain);
    const chains = new Set(next.chains.map(({ name }) => name));
    for (const { name } of before.chains) if (!chains.has(name)) output.removeChain(name);
    for (const { decl } of before.sets) if (!names.has(decl.name)) output.removeSet(decl.name);
    this.#fitted = next;
  }
}

function fill(output: Output, before: FilledSet | undefined, { decl, elements }: FilledSet): void {
  if (before === undefined) output.declare(decl);
  else if (same(before.elements, elements)) return;
  const had = new Map((before?.elements ?? []).map(memberOf).map((one) => [one.key, one]));
  const has = new Map(elements.map(memberOf).map((one) => [one.key, one]));
  output.release(
    decl.name,
    [...had.values()].filter(({ key }) => !has.has(key)),
  );
  output.hold(
    decl.name,
    [...has.values()].filter(({ key }) => !had.has(key)),
  );
}
