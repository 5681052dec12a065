/**
 * The running speaker: store, kernel and sockets turned into events, effects carried out. No decision is made here.
 *
 *   store ─► Cluster ─► Intent ─┐                    ┌─► transport (sockets, bytes)
 *   transport, timers ──────────┴─► loop ─► step ────┼─► timers
 *                                                    ├─► fib (kernel routes)
 *                                                    └─► log
 */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import { createLoop, type Loop } from '../src/host/loop.ts';
import type { Endpoints } from '../src/host/socket.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { formatAddress } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { Batch, Store } from '../src/store/store.ts';
import { Cluster, watchedKinds } from './cluster.ts';
import { createFib, type Fib } from './fib.ts';
import type { Listen } from './options.ts';
import type { SpeakerEffect, SpeakerEvent } from './speaker/event.ts';
import type { Speaker } from './speaker/turn.ts';
import { createSpeaker, step } from './speaker.ts';
import { endpoints } from './status.ts';
import { watchSubnets } from './subnets.ts';
import { createTimers, type Timers } from './timers.ts';
// This daemon uses the message-level Transport (configure, take, connect, send, close, setCodec, wantWrite, pause,
// problems, stop); the socket level stays inside bgp/transport/. Settled: do not change the layering again.
import { createTransport, type Transport, type TransportSays } from './transport.ts';
import { createWallClock } from './wall-clock.ts';

export interface DaemonOptions {
  readonly node: string;
  readonly version: string;
  readonly store: Store;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** --listen: instead of every address and the configuration's port. */
  readonly listen: Listen;
  /** False with --no-fib: nothing is written to the kernel. */
  readonly withFib: boolean;
}

export interface Daemon {
  readonly speaker: Speaker;
  readonly endpoints: Endpoints;
  /** Events waiting for the speaker. */
  readonly depth: () => number;
  readonly fib: Fib | undefined;
  /** A sentence if the speaker does not do its job yet. */
  readonly notReady: () => string | undefined;
  /** From now on the datastore is followed; before, nothing is dialled, listened to or written. */
  start(): void;
  /** Cease, administrative shutdown, to every neighbour; kernel routes stay. Resolves when all was sent. */
  stop(why: string): Promise<void>;
}

/** What the effects of a step are carried out with. */
interface Doers {
  readonly transport: Transport;
  readonly timers: Timers;
  readonly fib: Fib | undefined;
  readonly log: Logger;
  readonly onStopped: () => void;
}

type Carry = {
  readonly [K in SpeakerEffect['kind']]: (
    effect: Extract<SpeakerEffect, { readonly kind: K }>,
    doers: Doers,
  ) => void;
};

const carry: Carry = {
  connect: ({ peer }, { transport }) => transport.connect(peer),
  send: ({ peer, side, message }, { transport }) => transport.send(peer, side, message),
  close: ({ peer, side }, { transport }) => transport.close(peer, side),
  codec: ({ peer, side, context }, { transport }) => transport.setCodec(peer, side, context),
  wantWrite: ({ peer, side }, { transport }) => transport.wantWrite(peer, side),
  startTimer: ({ timer, after }, { timers }) => timers.start(timer, after),
  stopTimer: ({ timer }, { timers }) => timers.stop(timer),
  fib: ({ prefix, nextHops }, { fib }) => fib?.learned(prefix, nextHops),
  settled: (_, { fib }) => fib?.sweep(),
  log: ({ level, message, fields }, { log }) => log[level](message, fields),
  statusChanged: () => undefined, // nobody subscribes: status is asked for
  stopped: (_, { onStopped }) => onStopped(),
};

const carryOut = <E extends SpeakerEffect>(effect: E, doers: Doers): void =>
  (carry[effect.kind] as (effect: E, doers: Doers) => void)(effect, doers);

export function createDaemon(options: DaemonOptions): Daemon {
  const { clock, log, random, withFib } = options;
  const speaker = createSpeaker({ random });
  const stopped = Promise.withResolvers<void>();
  const loop = createLoop<SpeakerEvent>({
    step: (event) => {
      if (isOfTransport(event) && !doers.transport.take(event)) return;
      if (event.kind === 'timer' && !doers.timers.take(event.timer)) return;
      for (const effect of step(speaker, event, clock.now())) carryOut(effect, doers);
    },
    onPressure: (isPressed) => doers.transport.pause(isPressed),
  });
  const doers: Doers = {
    transport: createTransport({ clock, log, onEvent: loop.post }),
    // Behind what the sockets hold by now: after a stall, a KEEPALIVE that arrived in time must be heard before the hold
    // timer's expiry, which it undoes.
    timers: createTimers(clock, (timer) => setImmediate(() => loop.post({ kind: 'timer', timer }))),
    fib: withFib ? createFib(options) : undefined,
    log,
    onStopped: stopped.resolve,
  };
  const configuration = follow(options, doers, loop);

  return {
    speaker,
    depth: () => loop.depth,
    fib: doers.fib,
    endpoints: endpoints({
      node: options.node,
      version: options.version,
      speaker,
      inSync: configuration.inSync,
      fib: () => doers.fib?.status(),
      problems: () => [...configuration.problems(), ...doers.transport.problems()],
      wallClock: createWallClock(clock, Date.now),
    }),
    notReady: () => {
      if (!configuration.inSync()) return 'the datastore has not been read yet';
      if (speaker.life.config === undefined)
        return 'this node cannot speak BGP: see the problems in its status';
      return speaker.life.phase === 'waiting' ? 'neighbours have not told all their routes yet' : undefined;
    },
    start: configuration.start,
    stop: async (why) => {
      configuration.stop();
      loop.post({ kind: 'stop', why });
      await stopped.promise;
      doers.timers.stopAll();
      doers.fib?.stop();
      await doers.transport.stop();
    },
  };
}

const isOfTransport = (event: SpeakerEvent): event is TransportSays =>
  event.kind === 'transport' || event.kind === 'writable';

interface Configuration {
  readonly inSync: () => boolean;
  readonly problems: () => readonly Problem[];
  start(): void;
  stop(): void;
}

/** Follows the datastore and this node's subnets; the speaker hears of a configuration once the store is in sync. */
function follow(options: DaemonOptions, doers: Doers, loop: Loop<SpeakerEvent>): Configuration {
  const { node, store, kernel, clock, listen, log } = options;
  const cluster = new Cluster(node);
  let inSync = false;
  let storeProblems: readonly Problem[] = [];
  let problems: readonly Problem[] = [];

  function configure(): void {
    const { config, problems: found } = cluster.intent();
    const all = [...storeProblems, ...found];
    const known = new Set(problems.map(formatProblem));
    for (const problem of all) if (!known.has(formatProblem(problem))) log.warn(formatProblem(problem));
    problems = all;
    doers.transport.configure({
      address: listen.address === undefined ? undefined : formatAddress(listen.address),
      port: config === undefined ? undefined : (listen.port ?? config.listenPort),
      peers: config?.peers ?? [],
    });
    doers.fib?.origins(config?.origins ?? []);
    loop.post({ kind: 'configure', config });
  }

  function onBatch(batch: Batch): void {
    cluster.take(batch);
    storeProblems = batch.problems;
    if (batch.inSync && !inSync) {
      inSync = true;
      log.info('the datastore is in sync');
      configure();
      doers.fib?.start();
    } else if (inSync) configure();
  }

  let unwatch: (() => void)[] = [];
  return {
    inSync: () => inSync,
    problems: () => (inSync ? problems : storeProblems),
    start: () => {
      unwatch = [
        store.watch(watchedKinds, onBatch),
        watchSubnets(kernel, clock, (subnets) => {
          cluster.connect(subnets);
          if (inSync) configure();
        }),
      ];
    },
    stop: () => {
      for (const one of unwatch) one();
    },
  };
}
