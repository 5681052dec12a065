/** The running controller: an election, and a term whenever it is won. */
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import type { Health } from '../host/metrics.ts';
import type { Random } from '../lib/random.ts';
import type { Objects } from '../store/objects.ts';
import type { Store } from '../store/store.ts';
import type { BalanceRules } from './decide/balance.ts';
import { openElector } from './elector.ts';
import { guarded } from './guard.ts';
import { type Counters, openTerm, type Term } from './term.ts';

export interface ControllerOptions {
  readonly store: Store;
  readonly objects: Objects;
  /** Unlike that of every other controller, and of this one's earlier lives. */
  readonly identity: string;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly clock: Clock;
  readonly random: Random;
  /** The wall clock, for times in objects. */
  readonly today: () => Date;
  readonly log: Logger;
  readonly rules: BalanceRules;
  readonly leakGraceMs: number;
  /** Tiers are made and held: the datastore has finalizers. */
  readonly keepsTiers?: boolean;
  readonly counters: (term: () => Term | undefined) => Counters;
}

export interface Controller {
  readonly health: Health;
  start(): void;
  /** The term ends first, then the lease is given back, so that the next can begin at once. */
  stop(): Promise<void>;
}

export function createController(options: ControllerOptions): Controller {
  const { objects, lease, identity, log, counters } = options;
  let term: Term | undefined;
  /** How many have ended: what was begun in one of them writes nothing in the next. */
  let terms = 0;
  const tell = counters(() => term);
  const elector = openElector({
    ...options,
    ...lease,
    onLead: () => {
      log.info('this controller leads', { lease: `${lease.namespace}/${lease.name}` });
      const number = terms;
      const leads = (): boolean => number === terms && elector.leads();
      term = openTerm({ ...options, objects: guarded(objects, leads), counters: tell });
    },
    onLost: (why) => {
      terms += 1;
      term?.stop();
      term = undefined;
      log.info(`this controller leads no more: ${why}`);
    },
  });
  return {
    health: {
      live: () => undefined,
      ready: () => {
        if (term !== undefined) return term.world.inSync ? undefined : 'the datastore has not been read yet';
        return elector.holder() === undefined ? 'the lease has not been read yet' : undefined;
      },
    },
    start: () => {
      log.info('this controller waits for its turn to lead', { identity });
      elector.start();
    },
    stop: elector.stop,
  };
}
