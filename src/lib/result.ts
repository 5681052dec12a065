/** Success or failure as a value: what can go wrong because of input is returned, never thrown. */
export type Result<T, E = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

export const ok = <T>(value: T): Result<T, never> => ({ ok: true, value });
export const err = <E>(error: E): Result<never, E> => ({ ok: false, error });

/** Ends a `switch` over a union: a member without a branch fails to compile, and at run time it is a bug. */
export function unreachable(value: never): never {
  throw new Error(`no branch for ${JSON.stringify(value)}`);
}

/** A bug if false: throws, the process ends, restarts and resyncs. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Error(`bug: ${why}`);
}
