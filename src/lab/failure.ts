/** What ends a lab command early: the world said no. `main.ts` prints the sentence; anything else thrown is a bug. */
const name = 'LabFailure';

/** Ends the command with `sentence`: what, where, why, and what to do. */
export function fail(sentence: string): never {
  throw Object.assign(new Error(sentence), { name });
}

export const isFailure = (error: unknown): error is Error => error instanceof Error && error.name === name;
