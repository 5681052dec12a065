/** How late the event loop is: a timer that should come every 50 ms, and by how much it does not. */
import type { Clock } from '../../src/host/clock.ts';
import { millis } from '../../src/lib/net.ts';

const everyMs = 50;

/**
 * @param observe  told of each delay, in seconds; 0 or more
 * @returns  ends it
 */
export function watchLoopDelay(clock: Clock, observe: (seconds: number) => void): () => void {
  let cancel = (): void => {};
  const next = (): void => {
    const from = clock.now();
    cancel = clock.after(millis(everyMs), () => {
      observe(Math.max(0, clock.now() - from - everyMs) / 1000);
      next();
    });
  };
  next();
  return () => cancel();
}
