/**
 * The loop shape of every process: an inbox drained in slices, so that timers and sockets get their turn.
 *
 * A slice ends after `sliceEvents` events or `sliceMs` milliseconds and yields with `setImmediate`. The inbox never drops:
 * its owner stops the sources while `pressed` is true and is told when it may go on. What is urgent goes before all that waits.
 */
export interface LoopOptions<E> {
  readonly step: (event: E) => void;
  /** Runs once after each slice, e.g. to flush what the steps left pending. */
  readonly afterSlice?: () => void;
  /** Inbox length at which `onPressure(true)` is called; `onPressure(false)` follows at half of it. */
  readonly highWater?: number;
  readonly onPressure?: (pressed: boolean) => void;
  readonly sliceEvents?: number;
  readonly sliceMs?: number;
}

export interface Loop<E> {
  post(event: E): void;
  /** For what must not wait behind an inbox of seconds, and depends on nothing in it. */
  postUrgent(event: E): void;
  /** Events waiting; a metric. */
  readonly depth: number;
  /** The sources should stop. */
  readonly isPressed: boolean;
}

export function createLoop<E>(options: LoopOptions<E>): Loop<E> {
  const { step, afterSlice, highWater = 10_000, onPressure, sliceEvents = 1000, sliceMs = 5 } = options;
  let inbox: E[] = [];
  let urgent: E[] = [];
  let next = 0;
  let scheduled = false;
  let pressed = false;

  const depth = (): number => inbox.length - next;

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(slice);
  }

  function press(now: boolean): void {
    if (pressed === now) return;
    pressed = now;
    onPressure?.(now);
  }

  function hurry(): void {
    const first = urgent;
    urgent = [];
    for (const event of first) step(event);
  }

  function forgetDone(): void {
    // Events can be large: what is done is not held for long.
    if (depth() > 0 && next <= 256) return;
    inbox = inbox.slice(next);
    next = 0;
  }

  function slice(): void {
    scheduled = false;
    hurry();
    const end = performance.now() + sliceMs;
    for (let count = 0; count < sliceEvents && depth() > 0; count += 1) {
      const event = inbox[next] as E;
      next += 1;
      step(event);
      if (performance.now() > end) break;
    }
    forgetDone();
    if (depth() > 0 || urgent.length > 0) schedule();
    afterSlice?.();
    if (depth() <= highWater / 2) press(false);
  }

  return {
    post: (event) => {
      inbox.push(event);
      if (depth() >= highWater) press(true);
      schedule();
    },
    postUrgent: (event) => {
      urgent.push(event);
      schedule();
    },
    get depth() {
      return depth();
    },
    get isPressed() {
      return pressed;
    },
  };
}
