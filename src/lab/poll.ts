/** Waiting by observing: asks again until the answer is yes or the time is over. */
export interface PollOptions {
  readonly withinMs: number;
  readonly everyMs?: number;
  /** Aborted: polling ends at once, unanswered. */
  readonly signal?: AbortSignal;
}

/** @returns the first truthy answer of `check`; undefined if there was none in time. */
export async function poll<T>(check: () => T | Promise<T>, options: PollOptions): Promise<T | undefined> {
  const end = performance.now() + options.withinMs;
  for (;;) {
    if (options.signal?.aborted) return undefined;
    const answer = await check();
    if (answer) return answer;
    if (performance.now() >= end) return undefined;
    await pause(options.everyMs ?? 100, options.signal);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
