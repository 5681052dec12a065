/** A rule as iptables-restore reads it, which says in its comment what it is, so that a fresh process knows its own. */
import { sha256Hex } from '../../../src/lib/hash.ts';
import { quoted } from './target.ts';

export interface XtRule {
  /** Matches and target, without "-A CHAIN". */
  readonly text: string;
  /** Of all the rule says: two rules of one hash are the same. */
  readonly hash: string;
}

const commentLength = 255;
const hashLength = 12;

/** The comment of a rule of ours begins so. */
const mark = 'tortie:';

/** @param words  text with its target last */
export function xtRule(words: string, comment?: string): XtRule {
  const hash = sha256Hex(comment === undefined ? words : `${words} # ${comment}`).slice(0, hashLength);
  const said = [`${mark}${hash}`, ...(comment === undefined ? [] : [comment])]
    .join(' ')
    .slice(0, commentLength);
  const target = words.search(/(?<=^| )-[jg] /);
  const [matches, action] = [words.slice(0, Math.max(target, 0)).trim(), words.slice(Math.max(target, 0))];
  const text = [matches, `-m comment --comment ${quoted(said)}`, action]
    .filter((part) => part !== '')
    .join(' ');
  return { text, hash };
}

/** The hash of a rule as iptables-save prints it; undefined: it is not ours. */
export const xtHashIn = (line: string): string | undefined =>
  new RegExp(`--comment "?${mark}([0-9a-f]{${hashLength}})[" ]`).exec(`${line} `)?.[1];
