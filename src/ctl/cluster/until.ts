/** Runs something that goes on until Ctrl-C, or until it ends itself. */

/** @param start  begins it and answers how to stop it; `end` ends it from within. @returns the exit code */
export function untilInterrupted(start: (end: (code: number) => void) => () => void): Promise<number> {
  return new Promise((resolve) => {
    let stop: (() => void) | undefined;
    const end = (code: number): void => {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      // It may end before it is known how to stop it.
      setImmediate(() => {
        stop?.();
        resolve(code);
      });
    };
    const interrupted = (): void => end(0);
    process.on('SIGINT', interrupted);
    process.on('SIGTERM', interrupted);
    stop = start(end);
  });
}

/** Between one question and the next. */
const everyMs = 500;

/**
 * Asks again and again until Ctrl-C, which is no failure, or until `tell` fails.
 * @param tell  its exit code
 * @param pause  milliseconds between an answer and the next question: less where the answer waits for news
 */
export const followed = (
  tell: (isFirst: boolean) => Promise<number>,
  pause: number = everyMs,
): Promise<number> =>
  untilInterrupted((end) => {
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const next = async (isFirst: boolean): Promise<void> => {
      const code = await tell(isFirst);
      if (code !== 0) end(code);
      else if (!isOver) timer = setTimeout(next, pause, false);
    };
    void next(true);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  });
