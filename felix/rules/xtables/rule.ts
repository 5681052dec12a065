/** A rule as iptables-restore reads it, which says in its comment what it is, so that a fresh process knows its own. */
import { sha256Hex } from '../../../src/lib/hash.ts';
import { remembered } from './memo.ts';
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
export const xtRule = (words: string, comment?: string): XtRule =>
  ruleSaying(comment === undefined ? words : `${words}${between}${comment}`);

/** In neither of the two. */
const between = '\n';

const ruleSaying = remembered((said) => {
  const hash = sha256Hex(said.replace(between, ' # ')).slice(0, hashLength);
  const cut = said.indexOf(between);
  const words = cut < 0 ? said : said.slice(0, cut);
  const comment = `${mark}${hash}${cut < 0 ? '' : ` ${said.slice(cut + between.length)}`}`;
  const target = words.search(/(?<=^| )-[jg] /);
  const [matches, action] = [words.slice(0, Math.max(target, 0)).trim(), words.slice(Math.max(target, 0))];
  const text = [matches, `-m comment --comment ${quoted(comment.slice(0, commentLength))}`, action]
    .filter((part) => part !== '')
    .join(' ');
  return { text, hash };
});

/** The hash of a rule as iptables-save prints it; undefined: it is not ours. */
export const xtHashIn = (line: string): string | undefined =>
  new RegExp(`--comment "?${mark}([0-9a-f]{${hashLength}})[" ]`).exec(`${line} `)?.[1];

/** What the first rule of them that says anything says it is; undefined: none does. */
export function commentOf(rules: readonly XtRule[]): string | undefined {
  for (const { text } of rules) {
    const found = /--comment "tortie:[0-9a-f]+ ([^"]*)"/.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}
