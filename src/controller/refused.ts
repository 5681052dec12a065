/** What the datastore said no to, on its way out of a duty; and how a duty goes on with the rest all the same. */
import type { Result } from '../lib/result.ts';

class Refused extends Error {
  /** The datastore does not answer: nobody else's turn would be any better. */
  readonly isAway: boolean;

  constructor(kind: string, what: string) {
    super(what);
    this.isAway = kind === 'away' || kind === 'unknown';
  }
}

/** The value. Throws what was refused, for the duty to try again. */
export function must<T>(result: Result<T, { readonly kind: string; readonly what: string }>): T {
  if (!result.ok) throw new Refused(result.error.kind, result.error.what);
  return result.value;
}

/** Runs for each; one that is refused does not keep the others from their turn. Throws the first refusal, in the end. */
export async function forEach<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const refusals: unknown[] = [];
  for (const item of items) {
    try {
      await run(item);
    } catch (error) {
      if (!(error instanceof Refused) || error.isAway) throw error;
      refusals.push(error);
    }
  }
  if (refusals.length > 0) throw refusals[0];
}
