/** Carries out the election of decide/election.ts: the Lease as an object, timers, and who is told. */
import type { Clock } from '../host/clock.ts';
import { millis } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';
import { isObject } from '../store/json.ts';
import type { Manifest, Objects, Stored } from '../store/objects.ts';
import {
  defaultTimes,
  type ElectionEffect,
  type ElectionEvent,
  type ElectionTimer,
  type ElectionTimes,
  isLeading,
  type LeaseAnswer,
  type LeaseRecord,
  openElection,
  step,
} from './decide/election.ts';

export interface ElectorOptions {
  readonly objects: Objects;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly today: () => Date;
  readonly times?: ElectionTimes;
  readonly onLead: () => void;
  /** Before the lease is given back, and before this returns nothing else happens. @param why  a clause */
  readonly onLost: (why: string) => void;
}

export interface Elector {
  start(): void;
  /** True only as long as nobody else can lead; asked before every write. */
  leads(): boolean;
  /** Who holds the lease, as seen last; undefined: not read yet. */
  holder(): string | undefined;
  /** Gives the lease back if it is ours. */
  stop(): Promise<void>;
}

export function openElector(options: ElectorOptions): Elector {
  const { clock, random, identity, times = defaultTimes, onLead, onLost } = options;
  const state = openElection(identity, times);
  const timers = new Map<ElectionTimer, () => void>();
  const stopped = Promise.withResolvers<void>();
  let isOver = false;

  const happen = (event: ElectionEvent): void => {
    if (isOver) return;
    for (const effect of step(state, event, clock.now())) run(effect);
  };

  function run(effect: ElectionEffect): void {
    switch (effect.kind) {
      case 'get':
      case 'create':
      case 'update':
        void ask(options, effect).then((answer) => happen({ kind: 'answer', id: effect.id, answer }));
        return;
      case 'start timer': {
        timers.get(effect.name)?.();
        const after = millis(effect.afterMs * (1 + effect.jitter * random()));
        timers.set(
          effect.name,
          clock.after(after, () => happen({ kind: 'timer', name: effect.name })),
        );
        return;
      }
      case 'stop timer':
        timers.get(effect.name)?.();
        return;
      case 'lead':
        onLead();
        return;
      case 'lost':
        onLost(effect.why);
        return;
      case 'stopped':
        isOver = true;
        for (const cancel of timers.values()) cancel();
        stopped.resolve();
        return;
    }
  }

  return {
    start: () => happen({ kind: 'start' }),
    leads: () => isLeading(state, clock.now()),
    holder: () => state.seen?.record.holder,
    stop: () => {
      happen({ kind: 'stop' });
      return stopped.promise;
    },
  };
}

type Asking = Extract<ElectionEffect, { readonly kind: 'get' | 'create' | 'update' }>;

async function ask(options: ElectorOptions, effect: Asking): Promise<LeaseAnswer> {
  const { objects, namespace, name } = options;
  if (effect.kind === 'get') {
    const found = await objects.get({ kind: 'Lease', namespace, name });
    if (!found.ok) return { kind: 'failed', why: found.error.what };
    return found.value === undefined ? { kind: 'none' } : leaseOf(found.value);
  }
  const manifest = manifestOf(options, effect.record);
  const written =
    effect.kind === 'create'
      ? await objects.create(manifest)
      : await objects.update(manifest, effect.version);
  return written.ok ? leaseOf(written.value) : { kind: 'failed', why: written.error.what };
}

function leaseOf({ manifest, version }: Stored): LeaseAnswer {
  const spec = isObject(manifest['spec']) ? manifest['spec'] : {};
  const text = (key: string): string | undefined => {
    const value = spec[key];
    return typeof value === 'string' ? value : undefined;
  };
  const count = (key: string): number => {
    const value = spec[key];
    return typeof value === 'number' ? value : 0;
  };
  const [acquiredAt, renewedAt] = [text('acquireTime'), text('renewTime')];
  return {
    kind: 'lease',
    version,
    record: {
      holder: text('holderIdentity') ?? '',
      durationSeconds: count('leaseDurationSeconds'),
      transitions: count('leaseTransitions'),
      ...(acquiredAt === undefined ? {} : { acquiredAt }),
      ...(renewedAt === undefined ? {} : { renewedAt }),
    },
  };
}

function manifestOf({ namespace, name, today }: ElectorOptions, record: LeaseRecord): Manifest {
  // metav1.MicroTime has six digits.
  const now = today().toISOString().replace('Z', '000Z');
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace },
    spec: {
      holderIdentity: record.holder,
      leaseDurationSeconds: record.durationSeconds,
      acquireTime: record.acquiredAt ?? now,
      renewTime: now,
      leaseTransitions: record.transitions,
    },
  };
}
