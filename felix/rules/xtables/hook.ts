/** Where the base chains of the model hang in chains that are not ours, in which order, and what stands before and after them. */
import type { IpVersion } from '../../../src/lib/net.ts';
import { err, ok, type Result } from '../../../src/lib/result.ts';
import type { Chain, Ruleset } from '../model.ts';
import { foreignEndpoints } from '../traffic.ts';
import { interfacesOf } from './draft.ts';
import { hex } from './match.ts';
import { xtChainName, xtPrefix } from './name.ts';
import { placeOf, type XtPlace } from './place.ts';
import { type XtRule, xtRule } from './rule.ts';
import type { XtOptions } from './tables.ts';
import { rejectTarget } from './target.ts';
import type { TableHook } from './written.ts';

export interface Base {
  readonly chain: Chain;
  readonly place: XtPlace;
}

/** Fails with a sentence if iptables has no place for one. */
export function basesOf({ chains }: Ruleset): Result<readonly Base[]> {
  const bases: Base[] = [];
  for (const chain of chains.values()) {
    if (chain.base === undefined) continue;
    const place = placeOf(chain.base);
    if (place === undefined) {
      const { hook, priority } = chain.base;
      return err(`iptables has no place for the chain ${chain.name} at ${hook} ${priority}`);
    }
    bases.push({ chain, place });
  }
  return ok(bases);
}

/**
 * Chains that only ever deny come first: what one accepts deep down, another of the same place would not see. Fails with a
 * sentence if two that accept share a place.
 */
export function hooksOf(
  bases: readonly Base[],
  isAccepting: (base: Base) => boolean,
  insert: XtOptions['insert'],
): Result<readonly TableHook[]> {
  const result: TableHook[] = [];
  const accepting = new Map<string, string>();
  const ranked = bases.map((base) => ({ ...base, accepts: isAccepting(base) }));
  for (const { chain, place, accepts } of ranked.sort((a, b) => Number(a.accepts) - Number(b.accepts))) {
    const at = `${place.table} ${place.chain}`;
    const before = accepting.get(at);
    if (accepts && before !== undefined) {
      return err(`the chains ${before} and ${chain.name} both accept in ${at} of iptables`);
    }
    if (accepts) accepting.set(at, chain.name);
    result.push({
      table: place.table,
      builtin: place.chain,
      rule: xtRule(`-j ${xtChainName(chain.name, true)}`),
      at: place.last === true ? 'last' : insert,
    });
  }
  return ok(result);
}

/** A chain of our own around the base chains. */
export interface Frame {
  readonly name: string;
  /** Undefined: it is not there. */
  readonly rules: readonly XtRule[] | undefined;
  readonly hooks: readonly TableHook[];
}

const isForwarding = (bases: readonly Base[]): boolean =>
  bases.some(({ place }) => place.chain === 'FORWARD');

const frameOf = (
  name: string,
  isThere: boolean,
  at: XtOptions['insert'],
  rules: readonly XtRule[],
): Frame => ({
  name,
  rules: isThere ? rules : undefined,
  hooks: isThere ? [{ table: 'filter', builtin: 'FORWARD', rule: xtRule(`-j ${name}`), at }] : [],
});

/** Before all: also while nothing is rejected, for tables change one after the other, and what the first marks the last must know. */
export function rejectingFrame(
  bases: readonly Base[],
  { rejectedMark, insert }: XtOptions,
  version: IpVersion,
): Frame {
  const match = `-m mark --mark ${hex(rejectedMark)}/${hex(rejectedMark)}`;
  const rules = [xtRule(`${match} ${rejectTarget[version]}`, 'denied by policy')];
  return frameOf(`${xtPrefix}-rejected`, isForwarding(bases) && rejectedMark !== 0, insert, rules);
}

/** After all: what comes here of pods was judged. */
export function endingFrame(
  bases: readonly Base[],
  { workloadPrefixes }: XtOptions,
  { sets }: Ruleset,
): Frame {
  const interfaces = [
    ...workloadPrefixes.map((prefix) => `${prefix}+`),
    ...interfacesOf(sets.get(foreignEndpoints.name)),
  ];
  const rules = interfaces.flatMap((each) =>
    ['-i', '-o'].map((option) => xtRule(`${option} ${each} -j ACCEPT`, 'judged before')),
  );
  return frameOf(`${xtPrefix}-end`, isForwarding(bases), 'last', rules);
}
