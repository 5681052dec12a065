/**
 * Small UDP packets, one every millisecond, each with a number, each echoed: which ones did not arrive, and when they were sent.
 *
 * Sender, echo and books are one thread ahead of ordinary ones, so that there is one clock and a busy machine is not taken for
 * a lost packet.
 */
import { Worker } from 'node:worker_threads';
import { fail } from '../failure.ts';
import type { Asked, Counted, Told } from './says.ts';

export interface TrafficPlan {
  /** Path of the sender's namespace. */
  readonly from: string;
  readonly to: string;
  /** Paths of the namespaces that answer: more than one behind the address of a Service. */
  readonly at: readonly string[];
  /** So many sockets take turns, so that every one of several ways is used. */
  readonly flows: number;
}

export interface Traffic {
  /**
   * What became of the packets sent between two moments (`now`); until this moment if there is no second. Waits until the
   * last of them had its time.
   */
  count(since: number, until?: number): Promise<Counted>;
  close(): Promise<void>;
}

export async function startTraffic(plan: TrafficPlan): Promise<Traffic> {
  const worker = new Worker(new URL('./traffic-thread.ts', import.meta.url), {
    name: 'traffic',
    workerData: plan,
  });
  const waiting = new Map<number, (counted: Counted) => void>();
  let started: (() => void) | undefined;
  let broken: ((error: Error) => void) | undefined;
  const dead = new Promise<never>((_, reject) => {
    broken = reject;
  });
  dead.catch(() => undefined);
  worker.once('error', (error) => broken?.(error instanceof Error ? error : new Error(String(error))));
  worker.on('message', (told: Told) => {
    if (told.kind === 'started') started?.();
    else waiting.get(told.id)?.(told.counted);
  });
  const ready = new Promise<void>((resolve) => {
    started = resolve;
  });
  let next = 0;
  try {
    await Promise.race([ready, dead]);
  } catch (error) {
    return fail(`No traffic can be sent: ${error instanceof Error ? error.message : String(error)}.`);
  }
  return {
    count: (since, until) => {
      const id = next++;
      const counted = new Promise<Counted>((resolve) => waiting.set(id, resolve));
      const asked: Asked = { id, since, ...(until === undefined ? {} : { until }) };
      worker.postMessage(asked);
      return Promise.race([counted, dead]);
    },
    close: async () => {
      await worker.terminate();
    },
  };
}

/** Both ways. */
export const lostOf = ({ there, back }: Counted): number => there.lost + back.lost;

export const lossText = (counted: Counted): string =>
  lostOf(counted) === 0
    ? `none of ${counted.sent} packets lost`
    : `${lostOf(counted)} of ${counted.sent} packets lost, ${counted.there.lost} there and ${counted.back.lost} back`;
