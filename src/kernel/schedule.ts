/** The calling thread before all others: what a protocol with deadlines of milliseconds asks of the scheduler (sched(7)). */
import { errnoName } from './kernel-error.ts';
import { native } from './native.ts';

const SCHED_RR = 2;
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

/** Real time if the kernel allows it (CAP_SYS_NICE), else a better share, else as it was: the answer says which. */
export function hurry(): Scheduling {
  const refused = native().schedule(SCHED_RR | SCHED_RESET_ON_FORK, priority);
  if (refused >= 0) return { kind: 'realtime', what: `SCHED_RR, priority ${priority}` };
  const why = `the kernel refuses real-time scheduling (${errnoName(-refused)}, it needs CAP_SYS_NICE)`;
  const unkind = native().renice(nicest);
  return unkind >= 0
    ? { kind: 'nice', what: `nice ${nicest}; ${why}` }
    : { kind: 'normal', what: `ordinary priority; ${why}` };
}
