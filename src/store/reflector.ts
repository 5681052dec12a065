/**
 * Mirrors one kind of the API server by list and watch: a decision without IO. One state for each kind, owned by its runner.
 *
 *            page (more)                        messages
 *             ┌────┐                             ┌────┐
 *  start ─► listing ──── last page ─────────► watching ──── ended, stalled ─► watch again from the last version
 *             ▲  └─ failed ─► waiting ◄─ failed ──┘  └───── 410 Gone ───────► list again
 *             └───────────────┘ retry
 *
 * The API's promises used here: a list is consistent at its resourceVersion, and a watch from that version tells every
 * change after it, in order (Kubernetes API concepts, "Efficient detection of changes"). Bookmarks move the version on
 * while nothing happens; 410 says that the server no longer has the history, so only a list can tell what was missed.
 */
import type { Result } from '../lib/result.ts';
import type { Problem } from '../model/problem.ts';
import { keyOf, type Resource, type ResourceRef, refOfKey } from '../model/resource.ts';
import type { Change } from './store.ts';

/** An object as the API gave it: readable or not. */
export interface Item {
  readonly ref: ResourceRef;
  readonly read: Result<Resource, readonly Problem[]>;
}

export interface Failure {
  /** HTTP status, if the server answered at all. */
  readonly status?: number;
  /** A clause in words. */
  readonly message: string;
  /** Status.reason, for programs: "AlreadyExists". */
  readonly reason?: string;
  /** No answer came, but the request may have arrived. */
  readonly sent?: boolean;
  /** The server's own wish, from Retry-After. */
  readonly retryAfterMs?: number;
}

export type WatchMessage =
  | { readonly kind: 'put'; readonly item: Item; readonly version: string }
  | { readonly kind: 'delete'; readonly ref: ResourceRef; readonly version: string }
  | { readonly kind: 'bookmark'; readonly version: string }
  | { readonly kind: 'error'; readonly failure: Failure };

export type ReflectorEvent =
  | { readonly kind: 'start' }
  | {
      readonly kind: 'page';
      readonly items: readonly Item[];
      readonly version: string;
      readonly next?: string;
    }
  | { readonly kind: 'list failed'; readonly failure: Failure }
  | { readonly kind: 'watch opened' }
  | { readonly kind: 'messages'; readonly messages: readonly WatchMessage[] }
  /** No failure: the server closed it in good order. */
  | { readonly kind: 'watch ended'; readonly failure?: Failure; readonly lastedMs: number }
  | { readonly kind: 'timer'; readonly name: TimerName };

export type TimerName = 'retry' | 'stall';

export type ReflectorEffect =
  | { readonly kind: 'list'; readonly next?: string }
  | { readonly kind: 'watch'; readonly version: string; readonly timeoutSeconds: number }
  | { readonly kind: 'stop watch' }
  /** Runs after `afterMs` less a random part of up to `jitter` of it; replaces a running timer of that name. */
  | {
      readonly kind: 'start timer';
      readonly name: TimerName;
      readonly afterMs: number;
      readonly jitter: number;
    }
  | { readonly kind: 'stop timer'; readonly name: TimerName }
  /** Tell the watcher these changes, and look at `synced` and `problemsOf` anew. */
  | { readonly kind: 'tell'; readonly changes: readonly Change[] };

export interface Reflector {
  readonly custom: boolean;
  /** Of those: whose definition is not ours, so that it is nothing to mend if it is not there. */
  readonly foreign: boolean;
  phase: 'listing' | 'watching' | 'waiting to list' | 'waiting to watch';
  /** Items of the pages so far, while listing once more: what went is told before what came. The first list is told as it comes. */
  gathered: Item[];
  version: string;
  /** Key of every object the API has, readable or not → the list it was last in or came after. */
  readonly known: Map<string, number>;
  /** Lists so far. */
  lists: number;
  /** What is wrong with those that are not. */
  readonly flawed: Map<string, readonly Problem[]>;
  /** Everything was told once. Never false again. */
  synced: boolean;
  /** In a row, without success between. */
  failures: number;
  failure: Failure | undefined;
}

/**
 * @param custom  the kind is defined by a CRD, which may not be installed
 * @param foreign  that is not ours, and a cluster may well do without
 */
export const openReflector = (custom: boolean, foreign = false): Reflector => ({
  custom,
  foreign,
  phase: 'listing',
  gathered: [],
  version: '',
  known: new Map(),
  lists: 0,
  flawed: new Map(),
  synced: false,
  failures: 0,
  failure: undefined,
});

/** The server ends a watch after this long; one that lasts longer by the grace has lost its connection unnoticed. */
const watchSeconds = 290;
const graceMs = 30_000;
const firstBackoffMs = 500;
const longestBackoffMs = 30_000;
/** How often to look whether a missing CRD was installed. */
const missingKindMs = 20_000;
/** A watch that lasted this long was a success, whatever it told. */
const steadyMs = 5000;
/** So many answers in a row that a watch is impossible, and the version itself is in doubt. */
const doubtfulFailures = 3;

export function step(state: Reflector, event: ReflectorEvent): readonly ReflectorEffect[] {
  switch (event.kind) {
    case 'start':
      return list(state);
    case 'page':
      return takePage(state, event);
    case 'list failed':
      return state.custom && event.failure.status === 404
        ? kindIsMissing(state, event.failure)
        : retry(state, event.failure, 'waiting to list');
    case 'watch opened':
      return watchOpened(state);
    case 'messages':
      return takeMessages(state, event.messages);
    case 'watch ended':
      return watchEnded(state, event.failure, event.lastedMs);
    case 'timer':
      return timerWentOff(state, event.name);
  }
}

function list(state: Reflector): readonly ReflectorEffect[] {
  state.phase = 'listing';
  state.gathered = [];
  state.lists += 1;
  return [{ kind: 'list' }];
}

function watch(state: Reflector): readonly ReflectorEffect[] {
  state.phase = 'watching';
  return [
    { kind: 'watch', version: state.version, timeoutSeconds: watchSeconds },
    { kind: 'start timer', name: 'stall', afterMs: watchSeconds * 1000 + graceMs, jitter: 0 },
  ];
}

/** Waits longer each time; jitter keeps a cluster's daemons from coming back all at once. */
function retry(
  state: Reflector,
  failure: Failure,
  phase: 'waiting to list' | 'waiting to watch',
): readonly ReflectorEffect[] {
  state.phase = phase;
  state.gathered = [];
  state.failure = failure;
  state.failures += 1;
  const backoffMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** (state.failures - 1));
  // The server's own wish is kept in full: half of the backoff may be taken off, so twice the wish is asked.
  const afterMs = Math.max(backoffMs, 2 * (failure.retryAfterMs ?? 0));
  return [
    { kind: 'start timer', name: 'retry', afterMs, jitter: 0.5 },
    { kind: 'tell', changes: [] },
  ];
}

function succeeded(state: Reflector): void {
  state.failures = 0;
  state.failure = undefined;
}

function takePage(
  state: Reflector,
  page: Extract<ReflectorEvent, { kind: 'page' }>,
): readonly ReflectorEffect[] {
  if (page.next !== undefined) {
    const next = { kind: 'list', next: page.next } as const;
    if (!state.synced) return [{ kind: 'tell', changes: rememberAll(state, page.items) }, next];
    state.gathered.push(...page.items);
    return [next];
  }
  const items = [...state.gathered, ...page.items];
  state.gathered = [];
  state.version = page.version;
  state.synced = true;
  state.failure = undefined;
  const puts = rememberAll(state, items);
  return [{ kind: 'tell', changes: [...forgetOlder(state), ...puts] }, ...watch(state)];
}

const rememberAll = (state: Reflector, items: readonly Item[]): readonly Change[] =>
  items.flatMap((item) => remember(state, item));

/** A list is everything there is: what it lacks was deleted while nobody watched. */
function forgetOlder(state: Reflector): readonly Change[] {
  const older = [...state.known].filter(([, list]) => list < state.lists);
  return older.flatMap(([key]) => forget(state, refOfKey(key)));
}

/** An unreadable object is there all the same: what was told of it stays. */
function remember(state: Reflector, { ref, read }: Item): readonly Change[] {
  const key = keyOf(ref);
  state.known.set(key, state.lists);
  if (read.ok) state.flawed.delete(key);
  else state.flawed.set(key, read.error);
  return read.ok ? [{ kind: 'put', resource: read.value }] : [];
}

function forget(state: Reflector, ref: ResourceRef): readonly Change[] {
  state.flawed.delete(keyOf(ref));
  return state.known.delete(keyOf(ref)) ? [{ kind: 'delete', ref }] : [];
}

function kindIsMissing(state: Reflector, failure: Failure): readonly ReflectorEffect[] {
  state.phase = 'waiting to list';
  state.synced = true;
  state.failures = 0;
  state.failure = failure;
  state.lists += 1;
  return [
    { kind: 'tell', changes: forgetOlder(state) },
    { kind: 'start timer', name: 'retry', afterMs: missingKindMs, jitter: 0.5 },
  ];
}

/** The server is back, so the complaint ends; whether the watch is any good its messages or its age will tell. */
function watchOpened(state: Reflector): readonly ReflectorEffect[] {
  if (state.phase !== 'watching' || state.failure === undefined) return [];
  state.failure = undefined;
  return [{ kind: 'tell', changes: [] }];
}

function takeMessages(state: Reflector, messages: readonly WatchMessage[]): readonly ReflectorEffect[] {
  if (state.phase !== 'watching') return [];
  const changes: Change[] = [];
  const tell: ReflectorEffect = { kind: 'tell', changes };
  for (const message of messages) {
    if (message.kind === 'error') return [tell, ...endWatch(), ...watchFailed(state, message.failure)];
    changes.push(...apply(state, message));
    state.version = message.version;
    succeeded(state);
  }
  return [tell];
}

function apply(state: Reflector, message: Exclude<WatchMessage, { kind: 'error' }>): readonly Change[] {
  if (message.kind === 'bookmark') return [];
  return message.kind === 'put' ? remember(state, message.item) : forget(state, message.ref);
}

const endWatch = (): readonly ReflectorEffect[] => [
  { kind: 'stop watch' },
  { kind: 'stop timer', name: 'stall' },
];

function watchEnded(
  state: Reflector,
  failure: Failure | undefined,
  lastedMs: number,
): readonly ReflectorEffect[] {
  if (state.phase !== 'watching') return [];
  if (lastedMs >= steadyMs) succeeded(state);
  if (failure !== undefined) return [...endWatch(), ...watchFailed(state, failure)];
  // Closed in good order: go on from the last version, at once unless it is done so hastily that we would spin.
  return lastedMs >= steadyMs
    ? watch(state)
    : [...endWatch(), ...watchFailed(state, { message: 'the server closed the watch at once' })];
}

function watchFailed(state: Reflector, failure: Failure): readonly ReflectorEffect[] {
  const { status } = failure;
  // The first 410 is part of life and answered at once; one that follows on another failure waits its turn.
  if (status === 410 && state.failures === 0) {
    state.failures = 1;
    return list(state);
  }
  const doubtful =
    status === 410 || status === 404 || (status !== undefined && state.failures >= doubtfulFailures);
  return retry(state, failure, doubtful ? 'waiting to list' : 'waiting to watch');
}

function timerWentOff(state: Reflector, name: TimerName): readonly ReflectorEffect[] {
  if (name === 'stall') return state.phase === 'watching' ? [{ kind: 'stop watch' }, ...watch(state)] : [];
  if (state.phase === 'waiting to list') return list(state);
  return state.phase === 'waiting to watch' ? watch(state) : [];
}

/** @param subject  what is mirrored and from where, e.g. "Kubernetes API https://10.0.0.1:6443, kind BGPPeer" */
export function problemsOf(state: Reflector, subject: string): readonly Problem[] {
  const { failure, foreign } = state;
  const isWell = failure === undefined || (foreign && failure.status === 404);
  const own = isWell ? [] : [problemOf(state, failure, subject)];
  return [...own, ...[...state.flawed.values()].flat()];
}

function problemOf({ custom, synced }: Reflector, failure: Failure, where: string): Problem {
  const { status, message } = failure;
  if (custom && status === 404)
    return {
      where,
      what: 'is not known to the API server, so it counts as having no objects.',
      fix: "Install Tortie's CustomResourceDefinitions: kubectl apply -f deploy/crds.",
    };
  const effect = synced ? 'what was read before stays in force' : 'nothing is done before it was read';
  const what = `cannot be read: ${message}; ${effect}, and it is tried again.`;
  if (status === 401)
    return { where, what, fix: 'Give valid credentials in the kubeconfig or service account.' };
  if (status === 403) return { where, what, fix: 'Allow list and watch of this kind in the ClusterRole.' };
  return { where, what, fix: 'See that the API server runs and can be reached from here.' };
}
