/**
 * Conditions of an object's status (metav1.Condition): what should be said against what is said, as one new list.
 *
 * `lastTransitionTime` moves only when `status` does; conditions of others stay as they are, where they are.
 */
import type { Condition } from '../../model/node-report.ts';

/** A condition before it meets the object: without times. */
export interface Verdict {
  readonly type: Condition['type'];
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

/** The API's own limit is 32,768 characters; nobody reads so much. */
const longestMessage = 1024;

export const shorten = (text: string, length = longestMessage): string =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`;

export interface Said {
  /** status.conditions as the object has it, whatever that is. */
  readonly conditions: unknown;
  /** metadata.generation; absent where the datastore has none. */
  readonly generation?: number;
}

/**
 * The new status.conditions, or undefined if nothing has to be written.
 * @param now  ISO 8601 without fractions, as the API writes it
 */
export function settle(
  { conditions, generation }: Said,
  verdicts: readonly Verdict[],
  now: string,
): readonly object[] | undefined {
  const before = Array.isArray(conditions) ? conditions.filter(isRow) : [];
  const after = verdicts.map((verdict) => {
    const old = before.find((row) => row['type'] === verdict.type);
    const since = old?.['lastTransitionTime'];
    const sameStatus = old?.['status'] === verdict.status && typeof since === 'string';
    return {
      ...verdict,
      message: shorten(verdict.message),
      lastTransitionTime: sameStatus ? since : now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
  const isSaid = after.every((next) =>
    before.some(
      (row) => row['type'] === next.type && Object.entries(next).every(([key, value]) => row[key] === value),
    ),
  );
  if (isSaid) return undefined;
  const mine = new Map<unknown, object>(after.map((next) => [next.type, next]));
  const kept = before.map((row) => {
    const next = mine.get(row['type']);
    mine.delete(row['type']);
    return next ?? row;
  });
  return [...kept, ...mine.values()];
}

interface Row {
  readonly [key: string]: unknown;
}

const isRow = (json: unknown): json is Row =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** The status of one condition as an object says it; undefined if it says nothing. */
export function statusIn(conditions: unknown, type: Condition['type']): unknown {
  const rows = Array.isArray(conditions) ? conditions.filter(isRow) : [];
  return rows.find((row) => row['type'] === type)?.['status'];
}
