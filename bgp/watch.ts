/** Who looks on: the journal always, a BMP station and MRT files where options ask for them. */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { Random } from '../src/lib/random.ts';
import type { BmpTarget } from './options.ts';
import type { Speaker } from './speaker/turn.ts';
import { Bmp } from './watch/bmp.ts';
import { Journal } from './watch/journal.ts';
import { type KernelWatch, watchKernel } from './watch/kernel-watch.ts';
import { MrtLog } from './watch/mrt-log.ts';
import { Witness, type WitnessOptions } from './watch/witness.ts';

export interface ObserverOptions {
  readonly node: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly bmp?: BmpTarget;
  /** A directory. */
  readonly mrtUpdates?: string;
}

export interface Observers {
  readonly journal: Journal;
  readonly kernel: KernelWatch;
  readonly witness: Witness;
  readonly bmp: Bmp | undefined;
  readonly mrt: MrtLog | undefined;
  /** The messages' octets are wanted. */
  readonly keepFrames: boolean;
  start(): void;
  stop(why: string): Promise<void>;
}

/** What is seen of the world around the speaker. */
export type Sight = Pick<WitnessOptions, 'ends' | 'touched' | 'frameOf'>;

export function createObservers(options: ObserverOptions, speaker: () => Speaker, sight: Sight): Observers {
  const now = Date.now;
  const journal = new Journal();
  const mrt =
    options.mrtUpdates === undefined
      ? undefined
      : new MrtLog({ directory: options.mrtUpdates, log: options.log, now });
  const bmp =
    options.bmp === undefined
      ? undefined
      : new Bmp({ ...options, ...options.bmp, speaker, now, sessions: () => witness.sessions() });
  const monitors = [bmp, mrt].filter((one) => one !== undefined);
  const witness: Witness = new Witness({ ...sight, speaker, journal, now, monitors, log: options.log });
  return {
    journal,
    kernel: watchKernel(journal),
    witness,
    bmp,
    mrt,
    keepFrames: monitors.length > 0,
    start: () => {
      journal.add(now(), { kind: 'life', who: 'tortie bgp', what: `started, version ${options.version}` });
      bmp?.start();
    },
    stop: async (why) => {
      await Promise.all([bmp?.stop(why), mrt?.stop()]);
    },
  };
}
