/** Accepted: can the object be read and does this version do what it asks for. */
import type { Problem } from '../../model/problem.ts';
import type { Kind } from '../../model/resource.ts';
import type { Verdict } from './condition.ts';

/** So many are told in full, the others counted. */
const most = 5;

/** @param problems  of this one object */
export function acceptedOf(problems: readonly Problem[]): Verdict {
  if (problems.length === 0)
    return {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: 'Every field is understood and in force.',
    };
  return { type: 'Accepted', status: 'False', reason: 'Invalid', message: describe(problems) };
}

/** In words: each field, what is wrong with it, and what to do; then what holds meanwhile. */
export function describe(problems: readonly Problem[]): string {
  const told = problems.slice(0, most).map(({ where, what, fix }) => `${fieldOf(where)}${what} ${fix}`);
  const more = problems.length - told.length;
  return [
    ...told,
    ...(more > 0 ? [`There ${more === 1 ? 'is one more' : `are ${more} more`}.`] : []),
    'What was valid last stays in force until a node restarts.',
  ].join(' ');
}

/** `where` without the object, which the reader is looking at: "BGPPeer/tor spec.peerIP" is "spec.peerIP: ". */
function fieldOf(where: string): string {
  const last = where.split(' ').at(-1) ?? '';
  return /^(spec|metadata|status)[.[]/.test(last) ? `${last}: ` : 'The object ';
}

/** The reason of an Event about a wrong object. */
export const invalidReason = (kind: Kind): string => `Invalid${kind}`;
