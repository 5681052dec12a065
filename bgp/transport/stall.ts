/**
 * A neighbour that reads nothing while bytes wait for it: RFC 9687 §3. Its TCP may go on answering for ever, with a window of
 * zero, and its KEEPALIVEs may go on coming.
 *
 * Looked at eight times in the span, so it is noticed after the span and an eighth of it at most.
 */
import type { Clock } from '../../src/host/clock.ts';
import { type Millis, millis } from '../../src/lib/net.ts';

export interface SendState {
  /** Bytes wait, in this process or in the kernel. */
  readonly isWaiting: boolean;
  /** How many the neighbour's TCP has taken so far, or anything else that changes when it takes some. */
  readonly taken: number | bigint;
}

export interface StallOptions {
  readonly clock: Clock;
  readonly after: Millis;
  readonly look: () => SendState;
  /** Once; nothing is looked at any more. */
  readonly onStalled: () => void;
}

/** Call the result to stop. */
export function watchStall({ clock, after, look, onStalled }: StallOptions): () => void {
  let last = look();
  let since = clock.now();
  let cancel = (): void => {};
  const watch = (): void => {
    cancel = clock.after(millis(after / 8), () => {
      const state = look();
      if (!state.isWaiting || !last.isWaiting || state.taken !== last.taken) since = clock.now();
      last = state;
      if (clock.now() - since >= after) onStalled();
      else watch();
    });
  };
  watch();
  return () => cancel();
}
