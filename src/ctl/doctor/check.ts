/** A check: facts in, findings out, nothing touched. Checks stand in tables (`cluster/table.ts`, `node/table.ts`). */

/** error: something does not work · warning: something will not, or not always · note: worth knowing */
export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** What it is about, e.g. "node1", "IPPool/a and IPPool/b". */
  readonly subject: string;
  /** What was read, and where. */
  readonly evidence: string;
  readonly why: string;
  readonly fix: string;
}

export interface Check<Facts, Need extends string = string> {
  /** For --only. */
  readonly name: string;
  /** Completes "it is looked for …". */
  readonly what: string;
  /** Facts without which nothing can be said. */
  readonly needs: readonly Need[];
  readonly find: (facts: Facts) => readonly Finding[];
}

export interface Diagnosis {
  readonly findings: readonly (Finding & { readonly check: string })[];
  readonly looked: readonly string[];
  /** Checks that could not be made, and why. */
  readonly skipped: readonly { readonly check: string; readonly why: string }[];
}

/** @param unread  by need, why it could not be read */
export function diagnose<Facts>(
  checks: readonly Check<Facts>[],
  facts: Facts,
  unread: ReadonlyMap<string, string>,
): Diagnosis {
  const skipped = checks.flatMap(({ name, needs }) => {
    const why = needs.map((need) => unread.get(need)).find((reason) => reason !== undefined);
    return why === undefined ? [] : [{ check: name, why }];
  });
  const names = new Set(skipped.map(({ check }) => check));
  const made = checks.filter(({ name }) => !names.has(name));
  return {
    findings: made.flatMap(({ name, find }) => find(facts).map((finding) => ({ check: name, ...finding }))),
    looked: made.map(({ name }) => name),
    skipped,
  };
}

export const both = (a: Diagnosis, b: Diagnosis): Diagnosis => ({
  findings: [...a.findings, ...b.findings],
  looked: [...a.looked, ...b.looked],
  skipped: [...a.skipped, ...b.skipped],
});

export const noDiagnosis: Diagnosis = { findings: [], looked: [], skipped: [] };

/** Values that more than one owner has. */
export function shared<T>(
  all: readonly T[],
  keyOf: (one: T) => string,
): readonly (readonly [string, readonly T[]])[] {
  return [...Map.groupBy(all, keyOf)].filter(([, owners]) => owners.length > 1);
}

/** Every pair once. */
export const pairsOf = <T>(all: readonly T[]): readonly (readonly [T, T])[] =>
  all.flatMap((a, index) => all.slice(index + 1).map((b) => [a, b] as const));

export const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
