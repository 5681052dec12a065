/**
 * What a speaker does most is done often before it counts: `tortie bgp` plays a few neighbours with made-up tables to two
 * speakers of its own, and never looks at these again. V8 compiles what runs often, and a full table that comes at once would be
 * read by code that is not compiled yet, while compiler threads take the cores that the neighbours need too.
 *
 * It is a trial as well: what does not come out as it must is logged. Nothing of it is seen, sent or written anywhere.
 */
import type { Logger } from '../src/host/log.ts';
import { type Course, play } from './rehearsal/play.ts';
import type { Speaker } from './speaker/turn.ts';

export interface RehearsalOptions {
  /** `--rehearse`; without it nothing happens. */
  readonly isWanted: boolean;
  /** As the daemon: routes are written to the kernel, and next hops looked up there. */
  readonly withFib: boolean;
  readonly log: Pick<Logger, 'debug' | 'error'>;
  /** Told once it has come to its end or to the end of its time, or is of no use any more and the process at rest. */
  readonly onEnd?: () => void;
  /** CPU time of the main thread so far; another one for tests. */
  readonly cpuMs?: () => number;
}

/** The real speaker. */
export interface Real {
  /** Events that wait for it. */
  readonly depth: () => number;
  readonly speaker: Pick<Speaker, 'locRib' | 'neighbours' | 'life'>;
}

export interface Rehearsal {
  /** From now on, between whatever else the loop has to do, and never while the real speaker has something to do. */
  start(real: Real): void;
  stop(): void;
}

/** Prefixes of each family, and how often. */
const few = { count: 40, rounds: 2 } as const;
const many = { count: 640, rounds: 52 } as const;
/**
 * CPU time of the main thread that it may take in all; of one machine it took 500, of a slower one 710. One that is cut short leaves
 * out what comes last: with 700 the slower machine loaded 200,000 IPv6 routes in 479 ms instead of 355.
 */
const mostMs = 1500;
const sliceMs = 3;
/** How soon it is looked again whether the real speaker is idle. */
const waitMs = 20;
/** So long sessions have the process to themselves once the configuration is known, if they do not come up before. */
const comingUpMs = 1000;
/** Who needs no more than this of a processor in so long is at rest: a table that came is in the kernel by then, and told to others. */
const restCpuMs = 25;
const restMs = 500;
/** Courses that have come to their end, or to the end of their time: see `play` for why they are kept. */
const kept = new Set<Course>();
/** With so many routes of real neighbours the code has been compiled for them. */
const enoughRoutes = 20_000;

/**
 * Call it before anything else of the speaker is made. It reads a few lines at once: an object that is made before a
 * field of its kind has first held a large number or a bigint is of another form than those after it, and whatever is
 * compiled for these has to be compiled again.
 */
export function prepareRehearsal({
  isWanted,
  withFib,
  log,
  onEnd = () => {},
  cpuMs = threadCpuMs,
}: RehearsalOptions): Rehearsal {
  if (!isWanted) return { start: () => {}, stop: () => {} };
  const options = { tracksNextHops: withFib, writesKernel: withFib };
  const note = (flaw: string | undefined): void => {
    if (flaw !== undefined) log.error(`the speaker does not compute what it must: ${flaw}`);
  };
  note(advance(play({ ...options, ...few }), Number.POSITIVE_INFINITY)?.flaw);
  let isStopped = false;
  return {
    start: (real) => {
      const isBusy = busynessOf(real);
      const course = play({ ...options, ...many });
      let spentMs = 0;
      const slice = (): void => {
        const before = cpuMs();
        const ending = advance(course, sliceMs);
        spentMs += cpuMs() - before;
        note(ending?.flaw);
        if (ending === undefined && spentMs < mostMs) next();
        else end();
      };
      const end = (): void => {
        kept.add(course);
        log.debug('rehearsed', { ms: Math.round(spentMs) });
        onEnd();
      };
      const rest = (before: number): void => {
        const now = cpuMs();
        if (isStopped) return;
        if (now - before <= restCpuMs) end();
        else setTimeout(rest, restMs, now).unref();
      };
      const look = (): void => {
        if (isStopped) return;
        if (real.speaker.locRib.size > enoughRoutes) rest(Number.NEGATIVE_INFINITY);
        else if (isBusy()) setTimeout(look, waitMs).unref();
        else slice();
      };
      const next = (): void => void setImmediate(look);
      next();
    },
    stop: () => {
      isStopped = true;
    },
  };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Whether the real speaker has something to do, as since the last look, or its sessions are about to come up. */
function busynessOf({ depth, speaker: { life, locRib, neighbours } }: Real): () => boolean {
  let configuredAt: number | undefined;
  let size = 0;
  return () => {
    const isChanging = locRib.size !== size;
    size = locRib.size;
    if (life.config !== undefined) configuredAt ??= performance.now();
    const isEarly = configuredAt !== undefined && performance.now() - configuredAt < comingUpMs;
    return (
      depth() > 0 ||
      isChanging ||
      (isEarly && [...neighbours.values()].some(({ session }) => session === undefined))
    );
  };
}

/** @returns  undefined: it goes on. Whatever goes wrong is said, and takes no real speaker down. */
function advance(course: Course, forMs: number): { readonly flaw: string | undefined } | undefined {
  try {
    for (const began = performance.now(); performance.now() - began < forMs; ) {
      const { value } = course.next();
      if (value !== undefined) return value;
    }
    return undefined;
  } catch (error) {
    return { flaw: `it ended with ${error}` };
  }
}
