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
import type { Reporter } from '../src/host/report.ts';
import type { Endpoints } from '../src/host/socket.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { type Address, millis, type Prefix } from '../src/lib/net.ts';
import type { Random } from '../src/lib/random.ts';
import type { Secrets } from '../src/store/secrets.ts';
import type { Store } from '../src/store/store.ts';
import { type Bfd, createBfd } from './bfd.ts';
import type { Intent, SpeakerConfig } from './config.ts';
import { createExtraAddresses, type ExtraAddresses } from './fib/extra.ts';
import { inheritedRoutes } from './fib/inherited.ts';
import { createFib, type Fib } from './fib.ts';
import { type Following, follow, type KeyOf } from './follow.ts';
import { behindSockets, highWater, isOwed, weigh } from './inbox.ts';
import type { IpamMode } from './intent.ts';
import type { BmpTarget, Listen } from './options.ts';
import type { SpeakerEffect, SpeakerEvent } from './speaker/event.ts';
import { whereOf } from './speaker/report.ts';
import type { Speaker } from './speaker/turn.ts';
import { createSpeaker, isSilent, step } from './speaker.ts';
import { whyDown } from './status/diagnosis.ts';
import { type Drops, watchDrops } from './status/drops.ts';
import { bgpReport } from './status/report.ts';
import { bgpStatus, endpoints, type StatusSources } from './status.ts';
import { createTimers, type Timers } from './timers.ts';
// This daemon uses the message-level Transport (configure, take, connect, send, close, setCodec, wantWrite, pause,
// problems, stop); the socket level stays inside bgp/transport/. Settled: do not change the layering again.
import {
  createTransport,
  type Transport,
  type TransportConfig,
  type TransportOptions,
  type TransportSays,
} from './transport.ts';
import { createWallClock } from './wall-clock.ts';
import { type Touched, touchedOf } from './watch/touched.ts';
import { createObservers, type Observers, type Sight } from './watch.ts';

export interface DaemonOptions {
  readonly node: string;
  readonly ipam: IpamMode;
  readonly version: string;
  readonly store: Store;
  /** Where the passwords of sessions are. */
  readonly secrets: Secrets;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** --listen: instead of every address and the configuration's port. */
  readonly listen: Listen;
  /** False with --no-fib: nothing is written to the kernel. */
  readonly withFib: boolean;
  /** The text of /proc/net/netstat; absent: not looked at. */
  readonly netstat?: () => string | undefined;
  /** Where the API server is, as the credentials have it; absent: there is none. */
  readonly apiServer?: () => Promise<readonly Address[]>;
  /** Told of the level that BGPConfiguration asks for; undefined: of none. */
  readonly onLogLevel?: (level: Intent['logLevel']) => void;
  /** Absent: nothing is said of this node in the datastore. */
  readonly reporter?: Reporter<'bgp'>;
  readonly bmp?: BmpTarget;
  /** A directory. */
  readonly mrtUpdates?: string;
}

export interface Daemon {
  readonly speaker: Speaker;
  readonly endpoints: Endpoints;
  /** Events waiting for the speaker. */
  readonly depth: () => number;
  readonly observers: Observers;
  readonly transport: Pick<Transport, 'account' | 'queued' | 'notifications'>;
  readonly fib: Fib | undefined;
  readonly bfd: Bfd;
  /** A sentence if the speaker does not do its job yet. */
  readonly notReady: () => string | undefined;
  /** From now on the datastore is followed; before, nothing is dialled, listened to or written. */
  start(): void;
  /**
   * Cease, administrative shutdown, to every neighbour; kernel routes stay. Resolves when all was sent.
   * `isRestart`: not a word, so that neighbours keep this node's routes until it is back (RFC 4724), but for addresses of
   * Services while the node is cordoned or not ready.
   */
  stop(why: string, isRestart?: boolean): Promise<void>;
}

/** What the effects of a step are carried out with. */
interface Doers {
  readonly transport: Transport;
  readonly timers: Timers;
  readonly fib: Fib | undefined;
  /** Addresses that this node answers for beside its own. */
  readonly extra: ExtraAddresses | undefined;
  readonly bfd: Bfd;
  readonly log: Logger;
  readonly onContinue: () => void;
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
  watchSend: ({ peer, side, after }, { transport }) => transport.watchSend(peer, side, after),
  wantWrite: ({ peer, side }, { transport }) => transport.wantWrite(peer, side),
  startTimer: ({ timer, after }, { timers }) => timers.start(timer, after),
  stopTimer: ({ timer }, { timers }) => timers.stop(timer),
  fib: ({ prefixes, nextHops }, { fib }) => {
    for (const prefix of prefixes) fib?.learned(prefix, nextHops);
  },
  track: ({ nextHops }, { fib }) => fib?.track(nextHops),
  untrack: ({ nextHops }, { fib }) => fib?.untrack(nextHops),
  continue: (_, { onContinue }) => onContinue(),
  settled: (_, { fib }) => fib?.sweep(),
  log: ({ level, message, fields }, { log }) => log[level](message, fields),
  statusChanged: () => undefined, // nobody subscribes: status is asked for
  stopped: (_, { onStopped }) => onStopped(),
};

const carryOut = <E extends SpeakerEffect>(effect: E, doers: Doers): void =>
  (carry[effect.kind] as (effect: E, doers: Doers) => void)(effect, doers);

const withKernel = { tracksNextHops: true, writesKernel: true };
const withoutKernel = { tracksNextHops: false, writesKernel: false };

export function createDaemon(options: DaemonOptions): Daemon {
  const { clock, random, withFib, listen } = options;
  const touched = touchedOf(options.store);
  const sight = sightOf(() => doers.transport, touched);
  const observers = createObservers(options, () => speaker, sight);
  const speaker: Speaker = createSpeaker({
    random,
    ...(withFib ? withKernel : withoutKernel),
    onBest: observers.witness.best,
  });
  const stopped = Promise.withResolvers<void>();
  let isStarted = false;
  const loop = createLoop<SpeakerEvent>({
    highWater,
    weigh,
    step: (event) => {
      if (isOfTransport(event) && !doers.transport.take(event)) return;
      if (event.kind === 'timer' && !doers.timers.take(event.timer)) return;
      const effects = step(speaker, event, clock.now());
      for (const effect of effects) carryOut(effect, doers);
      followBfd(speaker, doers.bfd, event);
      observers.witness.after(event, effects);
    },
    onPressure: (isPressed) => doers.transport.pause(isPressed),
  });
  const doers = doersOf(options, {
    loop,
    keepFrames: observers.keepFrames,
    onStranger: (address, ifindex) => following.dialled(address, ifindex),
    onStopped: stopped.resolve,
  });
  const following = follow({
    ...options,
    store: touched.store,
    inherited: async () => (withFib ? inheritedRoutes(options.kernel, clock) : undefined),
    onConfig: (config, keyOf) => {
      doers.transport.configure(transportConfig(listen, config, keyOf));
      program(doers, config);
      loop.post({ kind: 'configure', config });
      if (!isStarted) for (const one of [doers.fib, doers.extra]) one?.start();
      isStarted = true;
    },
  });

  const drops = watchDrops(clock, options.netstat ?? (() => undefined));
  const sources = sourcesOf({ options, speaker, following, doers, drops, observers, post: loop.post });
  const reporting = repeat(clock, reportEveryMs, () => report(options, following, sources, doers, observers));

  return {
    speaker,
    depth: () => loop.depth,
    observers,
    transport: doers.transport,
    fib: doers.fib,
    bfd: doers.bfd,
    endpoints: endpoints(sources),
    notReady: () => notReady(following, speaker),
    start: () => {
      observers.start();
      following.start();
      reporting.start();
    },
    stop: async (why, isRestart = false) => {
      reporting.stop();
      options.reporter?.stop();
      await leave(following, speaker, doers.bfd, clock, isRestart);
      loop.post({ kind: 'stop', why, isRestart });
      await stopped.promise;
      await observers.stop(why);
      await end(doers);
    },
  };
}

/** What of the configuration the kernel has without anybody's having told it to us. */
function program({ fib, extra }: Doers, config: SpeakerConfig | undefined): void {
  fib?.configure(config ?? {});
  fib?.origins(config?.held ?? config?.origins ?? []);
  extra?.want(config?.peeringAddresses ?? []);
}

async function end({ timers, fib, extra, transport }: Doers): Promise<void> {
  timers.stopAll();
  fib?.stop();
  extra?.stop();
  await transport.stop();
}

interface Wires {
  readonly loop: Loop<SpeakerEvent>;
  readonly keepFrames: boolean;
  readonly onStranger: NonNullable<TransportOptions['onStranger']>;
  readonly onStopped: () => void;
}

function doersOf(options: DaemonOptions, { loop, keepFrames, onStranger, onStopped }: Wires): Doers {
  const { clock, log } = options;
  const { post, postUrgent } = loop;
  return {
    transport: createTransport({
      clock,
      log,
      onStranger,
      onEvent: post,
      keepFrames,
    }),
    timers: createTimers(clock, (timer) =>
      (isOwed(timer) ? postUrgent : behindSockets(loop))({ kind: 'timer', timer }),
    ),
    fib: options.withFib
      ? createFib({ ...options, onNextHops: (changes) => postUrgent({ kind: 'nextHops', changes }) })
      : undefined,
    extra: options.withFib ? createExtraAddresses(options) : undefined,
    bfd: createBfd({ clock, random: options.random, log, onEvent: postUrgent }),
    log,
    onContinue: () => post({ kind: 'continue' }),
    onStopped,
  };
}

/**
 * Neighbours come and go with the configuration, and those of a range by themselves. A node that is being drained goes on: it
 * still needs the routes it learned, and neighbours that take AdminDown for a failure would end the session with them.
 */
function followBfd({ neighbours }: Speaker, bfd: Bfd, { kind }: SpeakerEvent): void {
  if (kind !== 'configure' && neighbours.size === bfd.followed) return;
  const peers = [...neighbours.values()].map(({ config }) => config);
  bfd.configure(peers);
}

const sightOf = (transport: () => Transport, { take }: Touched): Sight => ({
  ends: (peer, side) => transport().ends(peer, side),
  frameOf: (event) => (isOfTransport(event) ? transport().frame(event) : undefined),
  touched: take,
});

const transportConfig = (
  listen: Listen,
  config: SpeakerConfig | undefined,
  keyOf: KeyOf,
): TransportConfig => ({
  addresses: listen.address === undefined ? config?.bind : [listen.address],
  given: config?.peeringAddresses ?? [],
  port: config === undefined ? undefined : (listen.port ?? config.listenPort),
  peers: config?.peers ?? [],
  dynamic: config?.dynamic ?? [],
  keyOf,
});

/**
 * What is announced is marked as about to go, and a moment later withdrawn. A node that is drained and rebooted ends its
 * speaker as an upgrade does: routers must not wait for its next life with addresses of Services, which others have too.
 */
async function leave(
  following: Following,
  { neighbours }: Speaker,
  bfd: Bfd,
  clock: Clock,
  isRestart: boolean,
): Promise<void> {
  const leaves = !isRestart || following.cluster.isDeparting;
  const isHeard = [...neighbours.values()].some(({ session }) => session !== undefined);
  if (leaves && isHeard) {
    following.fade();
    await pause(clock, fadeMs);
  }
  if (leaves && following.leave(!isRestart && isHeard)) await pause(clock, withdrawalMs);
  following.stop();
  // Before the sessions end, or neighbours would see the path fail with us (RFC 5882 §4.3.2).
  await bfd.stop();
}

interface Parts {
  readonly options: DaemonOptions;
  readonly speaker: Speaker;
  readonly following: Following;
  readonly doers: Doers;
  readonly drops: Drops;
  readonly observers: Observers;
  readonly post: (event: SpeakerEvent) => void;
}

function sourcesOf({ options, speaker, following, doers, drops, observers, post }: Parts): StatusSources {
  const { transport, timers, fib, extra, bfd } = doers;
  const { journal } = observers;
  return {
    ...options,
    speaker,
    drops,
    journal,
    post,
    note: (who, what, address) => journal.add(Date.now(), { kind: 'session', who, what, address }),
    inSync: following.inSync,
    fib: () => fib?.status(),
    problems: () => [
      ...following.problems(),
      ...transport.problems(),
      ...bfd.problems(),
      ...(extra?.problems() ?? []),
    ],
    services: () => following.cluster.servicesStatus(),
    whyDown: (key) => {
      const neighbour = speaker.neighbours.get(key);
      if (neighbour === undefined) return undefined;
      const { config, lastError } = neighbour;
      const heard = speaker.bfd.get(key);
      return whyDown({
        config,
        lastError,
        rejected: transport.rejection(key),
        drops: drops.recent(),
        deaf: transport.problems()[0]?.what,
        bfd: heard,
      });
    },
    account: (key) => transport.account(key),
    bfd: (key) => bfd.view(key),
    timers: (key) => timers.running(key),
    wallClock: createWallClock(options.clock, Date.now),
  };
}

/** Who is waited for are pods of this node: the node works without them. */
function isForPodsAlone(neighbours: Speaker['neighbours']): boolean {
  const silent = [...neighbours.values()].filter(isSilent);
  return silent.length > 0 && silent.every(({ config }) => config.workload !== undefined);
}

/** Sessions of the mesh, of ranges and of pods come and go with others; those somebody asked for by name should be up. */
function notReady(following: Following, { life, neighbours }: Speaker): string | undefined {
  if (!following.inSync()) return 'the datastore has not been read yet';
  if (life.config === undefined) return 'this node cannot speak BGP: see the problems in its status';
  if (life.phase === 'waiting' && !isForPodsAlone(neighbours))
    return 'neighbours have not told all their routes yet';
  const down = [...neighbours.values()].find(
    ({ config, session }) =>
      config.origin !== 'node-to-node mesh' &&
      config.dynamic === undefined &&
      config.workload === undefined &&
      session === undefined,
  );
  return down && `the session with ${whereOf(down.config)} of BGPPeer/${down.config.resource} is not up`;
}

function report(
  { reporter, ipam }: DaemonOptions,
  { inSync, cluster }: Following,
  sources: StatusSources,
  { fib }: Doers,
  observers: Observers,
): void {
  sources.drops.look();
  const kernel = fib?.status();
  observers.kernel.look(Date.now(), kernel?.problems ?? [], kernel?.overturned ?? 0);
  if (reporter === undefined || !inSync()) return;
  const status = bgpStatus(sources);
  const forwards = (prefix: Prefix): boolean => fib?.forwards(prefix) ?? false;
  reporter.say(bgpReport({ status, speaker: sources.speaker, nodes: cluster.nodes(), ipam, forwards }));
}

/** Between marking everything and withdrawing it: a few rounds of UPDATEs through a fabric. */
const fadeMs = 1000;

/** Between withdrawing the addresses of Services and saying goodbye: routers choose other nodes, and no packet is lost. */
const withdrawalMs = 500;

const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.after(millis(ms), resolve));

/** How often it is looked whether there is something new to report; what is written is the reporter's to limit. */
const reportEveryMs = 3000;

function repeat(clock: Clock, everyMs: number, run: () => void): { start(): void; stop(): void } {
  let cancel: (() => void) | undefined;
  const start = (): void => {
    cancel = clock.after(millis(everyMs), () => {
      start();
      run();
    });
  };
  return { start, stop: () => cancel?.() };
}

const isOfTransport = (event: SpeakerEvent): event is TransportSays =>
  event.kind === 'transport' || event.kind === 'writable' || event.kind === 'arrived';
