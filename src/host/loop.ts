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
  /** Weight of the inbox at which `onPressure(true)` is called; `onPressure(false)` follows at half of it. */
  readonly highWater?: number;
  /** What an event counts for; absent: 1. The same whenever it is asked. */
  readonly weigh?: (event: E) => number;
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

/** Places behind the last event that are kept for the next ones. */
const placesKept = 256;

/** First in, first out. Its places are used again: mostly one event waits, and an array for each would be most of the cost. */
class Inbox<E> {
  #places: (E | undefined)[] = [];
  #first = 0;
  #end = 0;

  get depth(): number {
    return this.#end - this.#first;
  }

  add(event: E): void {
    this.#places[this.#end] = event;
    this.#end += 1;
  }

  /** Only while there is one. Events can be large: what was taken is not held. */
  take(): E {
    const event = this.#places[this.#first] as E;
    this.#places[this.#first] = undefined;
    this.#first += 1;
    if (this.depth === 0) this.#rewind();
    else if (this.#first > placesKept && this.#first * 2 > this.#end) this.#close();
    return event;
  }

  #rewind(): void {
    if (this.#places.length > placesKept) this.#places = [];
    this.#first = 0;
    this.#end = 0;
  }

  /** The gap in front is as long as what waits: constant cost on the average. */
  #close(): void {
    this.#places = this.#places.slice(this.#first, this.#end);
    this.#end -= this.#first;
    this.#first = 0;
  }
}

export function createLoop<E>(options: LoopOptions<E>): Loop<E> {
  const { step, afterSlice, highWater = 10_000, onPressure, sliceEvents = 1000, sliceMs = 5 } = options;
  const { weigh = () => 1 } = options;
  const inbox = new Inbox<E>();
  let urgent: E[] = [];
  let scheduled = false;
  let pressed = false;
  let weight = 0;

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
    if (urgent.length === 0) return;
    const first = urgent;
    urgent = [];
    for (const event of first) step(event);
  }

  /** What is posted meanwhile is part of it, or of the next one, which is asked for once. */
  function slice(): void {
    hurry();
    const end = performance.now() + sliceMs;
    for (let count = 0; count < sliceEvents && inbox.depth > 0; count += 1) {
      const event = inbox.take();
      weight -= weigh(event);
      step(event);
      if (inbox.depth > 0 && performance.now() > end) break;
    }
    afterSlice?.();
    if (weight <= highWater / 2) press(false);
    scheduled = false;
    if (inbox.depth > 0 || urgent.length > 0) schedule();
  }

  return {
    post: (event) => {
      inbox.add(event);
      weight += weigh(event);
      if (weight >= highWater) press(true);
      schedule();
    },
    postUrgent: (event) => {
      urgent.push(event);
      schedule();
    },
    get depth() {
      return inbox.depth;
    },
    get isPressed() {
      return pressed;
    },
  };
}
