/**
 * A decision that takes several answers of the API server, step by step: a generator that yields what it asks and is handed the answer.
 * It knows no time and no network, so a test can drop any answer, or the whole conversation, at any step.
 */
import type { Result } from '../lib/result.ts';
import { err, ok } from '../lib/result.ts';
import type { BlockAffinity, IpamBlock } from '../model/ipam.ts';
import type { Labels } from '../model/meta.ts';

export type Thing = IpamBlock | BlockAffinity;

export interface Kept<T extends Thing> {
  readonly thing: T;
  /** What a later change compares. */
  readonly version: string;
}

export type Ask =
  | { readonly op: 'read'; readonly kind: Thing['kind']; readonly name: string }
  /** `labels`: only those that have them. */
  | { readonly op: 'list'; readonly kind: Thing['kind']; readonly labels?: Labels }
  | { readonly op: 'create'; readonly thing: Thing }
  | { readonly op: 'update'; readonly thing: Thing; readonly version: string }
  | { readonly op: 'delete'; readonly thing: Thing; readonly version: string };

/** Why the answer is no; the kinds are those of the port `Objects`. `unknown`: it may have happened. */
export interface Trouble {
  readonly kind: 'conflict' | 'exists' | 'gone' | 'forbidden' | 'invalid' | 'away' | 'unknown';
  readonly what: string;
}

/** What was read or written; nothing for a delete, or if there is nothing. */
export type Answer = Result<readonly Kept<Thing>[], Trouble>;

export type Talk<T> = Generator<Ask, T, Answer>;

const isBlock = (kept: Kept<Thing>): kept is Kept<IpamBlock> => kept.thing.kind === 'IPAMBlock';
const isAffinity = (kept: Kept<Thing>): kept is Kept<BlockAffinity> => kept.thing.kind === 'BlockAffinity';

export function* readBlock(name: string): Talk<Result<Kept<IpamBlock> | undefined, Trouble>> {
  const answer = yield { op: 'read', kind: 'IPAMBlock', name };
  return answer.ok ? ok(answer.value.find(isBlock)) : answer;
}

export function* readAffinity(name: string): Talk<Result<Kept<BlockAffinity> | undefined, Trouble>> {
  const answer = yield { op: 'read', kind: 'BlockAffinity', name };
  return answer.ok ? ok(answer.value.find(isAffinity)) : answer;
}

export function* listBlocks(): Talk<Result<readonly Kept<IpamBlock>[], Trouble>> {
  const answer = yield { op: 'list', kind: 'IPAMBlock' };
  return answer.ok ? ok(answer.value.filter(isBlock)) : answer;
}

/** All, or those with these labels. */
export function* listAffinities(labels?: Labels): Talk<Result<readonly Kept<BlockAffinity>[], Trouble>> {
  const answer = yield { op: 'list', kind: 'BlockAffinity', ...(labels && { labels }) };
  return answer.ok ? ok(answer.value.filter(isAffinity)) : answer;
}

/** Updates, or creates if `version` is absent. */
export function* put<T extends Thing>(thing: T, version?: string): Talk<Result<Kept<T>, Trouble>> {
  const answer = yield version === undefined ? { op: 'create', thing } : { op: 'update', thing, version };
  if (!answer.ok) return answer;
  const [stored] = answer.value;
  return stored === undefined
    ? err({ kind: 'unknown', what: `${thing.kind}/${thing.meta.name}: the write was answered with nothing.` })
    : ok({ thing, version: stored.version });
}

/** Deletes if it is still this version. What is gone already is fine; ok(false) if it has changed. */
export function* drop({ thing, version }: Kept<Thing>): Talk<Result<boolean, Trouble>> {
  const answer = yield { op: 'delete', thing, version };
  if (answer.ok || answer.error.kind === 'gone') return ok(true);
  return answer.error.kind === 'conflict' ? ok(false) : answer;
}
