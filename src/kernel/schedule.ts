/** What is asked of the scheduler for single threads (sched(7)). */
import { readdirSync, readFileSync } from 'node:fs';
import { errnoName } from './kernel-error.ts';
import { native, nativeIfBuilt } from './native.ts';

const SCHED_RR = 2;
const SCHED_BATCH = 3;
/** What the thread starts itself is scheduled as ever. */
const SCHED_RESET_ON_FORK = 0x40000000;
/** Above every ordinary thread and the lowest of the kernel's own real-time ones; below those at 50. */
const priority = 10;
const nicest = -15;

export interface Scheduling {
  readonly kind: 'realtime' | 'nice' | 'normal';
  /** One sentence without a full stop. */
  readonly what: string;
}

/**
 * The calling thread before all others, as a protocol with deadlines of milliseconds wants it. Real time if the kernel allows it
 * (CAP_SYS_NICE), else a better share, else as it was: the answer says which.
 */
export function hurry(): Scheduling {
  const refused = native().schedule(0, SCHED_RR | SCHED_RESET_ON_FORK, priority);
  if (refused >= 0) return { kind: 'realtime', what: `SCHED_RR, priority ${priority}` };
  const why = `the kernel refuses real-time scheduling (${errnoName(-refused)}, it needs CAP_SYS_NICE)`;
  const unkind = native().renice(nicest);
  return unkind >= 0
    ? { kind: 'nice', what: `nice ${nicest}; ${why}` }
    : { kind: 'normal', what: `ordinary priority; ${why}` };
}

/**
 * The threads by which V8 compiles and collects garbage interrupt nobody who has just been woken, this process least of all; their share
 * of the processors stays what it was, so garbage is collected as soon. Who cannot be asked for it stays as it was.
 */
export function yieldWorkers(): void {
  const addon = nativeIfBuilt();
  for (const thread of threadsNamed('V8Worker')) addon?.schedule(thread, SCHED_BATCH, 0);
}

function threadsNamed(name: string): readonly number[] {
  try {
    return readdirSync(tasks)
      .filter((thread) => readFileSync(`${tasks}/${thread}/comm`, 'utf8').trimEnd() === name)
      .map(Number);
  } catch {
    return [];
  }
}

const tasks = '/proc/self/task';
