/** Runs what has the same key one after the other, in the order it came; what has no key runs at once. */
export function createTurns(): <T>(key: string | undefined, run: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>();
  return async (key, run) => {
    if (key === undefined) return run();
    const turn = (tails.get(key) ?? Promise.resolve()).then(run);
    const tail = turn.catch(() => undefined);
    tails.set(key, tail);
    try {
      return await turn;
    } finally {
      if (tails.get(key) === tail) tails.delete(key);
    }
  };
}
