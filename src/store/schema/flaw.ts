/** What is wrong at one place of one object, as a value; the datastore adds the file or object and makes it a Problem. */
import { err, type Result } from '../../lib/result.ts';

export interface Wrong {
  /** Completes "<field>: …", e.g. `must be a port from 1 to 65535, but is 0.` */
  readonly what: string;
  /** A sentence: what to do. */
  readonly fix: string;
}

export interface Flaw extends Wrong {
  /** From the object's root, e.g. ['spec', 'ingress', 0, 'ports']. */
  readonly path: readonly (string | number)[];
}

export const wrong = (what: string, fix: string): Result<never, Wrong> => err({ what, fix });

/** "spec.ingress[0].ports"; empty for the object itself. */
export function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`))
    .join('');
}

/** What a person would call the JSON value they wrote. */
export function describe(json: unknown): string {
  if (json === undefined || json === null) return 'missing';
  if (typeof json === 'string') return `the text ${JSON.stringify(shorten(json))}`;
  if (Array.isArray(json)) return 'a list';
  if (typeof json === 'object') return 'an object';
  return String(json);
}

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** A value of another shape than the field takes, or none at all. */
export function mustBe(expected: string, json: unknown, fix: string): Result<never, Wrong> {
  return json === undefined
    ? wrong('is missing.', fix)
    : wrong(`must be ${expected}, but is ${describe(json)}.`, fix);
}

/** The known name a typing error most likely meant: the same but for case, or at most two edits away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const sameButForCase = known.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  if (sameButForCase !== undefined) return sameButForCase;
  const near = known
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= 2 && edits < candidate.length / 2)
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.candidate;
}

/** Levenshtein's distance, one row at a time. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
