/**
 * Leader election by one Lease (coordination.k8s.io/v1): a decision without IO, with client-go's rules and times.
 *
 *                 free, ours, or seen unchanged for its whole duration
 *   get ── lease ──────────────────────────────────────────────────► update ── took ──► leads until the sending + renewMs
 *    ▲  └─ none ──► create ── took ────────────────────────────────────────────────────┘        │
 *    └──── retry (jittered) ◄── anything else                              update every retryMs ◄┘
 *
 * Why never two: a leader counts from the moment it *sent* the renewal that took, and gives up after renewMs; the others count
 * from the moment they first *saw* that renewal, which is later, and wait durationSeconds, which is longer. Only local
 * monotonic time is compared, so wall clocks may jump; clocks may run at rates that differ by less than 15 : 10. A write
 * without an answer counts as not done for leading, and a late one cannot overwrite: every write names the version it changes.
 */
import { type Millis, millis } from '../../lib/net.ts';

export interface ElectionTimes {
  /** Others wait so long after the last change they saw. */
  readonly leaseMs: number;
  /** A leader whose renewals fail for so long leads no more. */
  readonly renewMs: number;
  readonly retryMs: number;
}

export const defaultTimes: ElectionTimes = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2000 };

/** client-go's JitterFactor: candidates come up to so many times the period later. */
const candidateJitter = 1.2;

export interface LeaseRecord {
  /** Empty: released. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** ISO 8601; of the present holder. */
  readonly acquiredAt?: string;
  /** ISO 8601, by the holder's wall clock: for people, and to tell one renewal from the next. Never compared with a clock. */
  readonly renewedAt?: string;
  /** How often it changed hands. */
  readonly transitions: number;
}

export type ElectionEvent =
  | { readonly kind: 'start' }
  /** Gives the lease back if it is ours. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'timer'; readonly name: ElectionTimer }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: LeaseAnswer };

export type ElectionTimer = 'retry' | 'answer' | 'deadline';

export type LeaseAnswer =
  /** As it was read, or as it was written. */
  | { readonly kind: 'lease'; readonly record: LeaseRecord; readonly version: string }
  | { readonly kind: 'none' }
  /** A clause in words. */
  | { readonly kind: 'failed'; readonly why: string };

/** What to write; the doer adds renewedAt, and acquiredAt where it is absent, from the wall clock. */
export type ElectionEffect =
  | { readonly kind: 'get'; readonly id: number }
  | { readonly kind: 'create'; readonly id: number; readonly record: LeaseRecord }
  | { readonly kind: 'update'; readonly id: number; readonly record: LeaseRecord; readonly version: string }
  /** Replaces a running timer of that name. Runs after `afterMs` times 1 to 1 + jitter. */
  | {
      readonly kind: 'start timer';
      readonly name: ElectionTimer;
      readonly afterMs: number;
      readonly jitter: number;
    }
  | { readonly kind: 'stop timer'; readonly name: ElectionTimer }
  | { readonly kind: 'lead' }
  /** @param why  a clause in words */
  | { readonly kind: 'lost'; readonly why: string }
  | { readonly kind: 'stopped' };

interface Request {
  readonly id: number;
  /** 'renew' is written without a look first: nearly always nothing has changed. */
  readonly kind: 'get' | 'create' | 'update' | 'renew' | 'release';
  readonly sentAt: Millis;
}

export interface Election {
  readonly identity: string;
  readonly times: ElectionTimes;
  seen: { readonly record: LeaseRecord; readonly version: string; readonly at: Millis } | undefined;
  request: Request | undefined;
  lastId: number;
  leadsUntil: Millis | undefined;
  stopping: boolean;
}

/** @param identity  unlike that of every other candidate, and of this one's earlier lives */
export const openElection = (identity: string, times: ElectionTimes = defaultTimes): Election => ({
  identity,
  times,
  seen: undefined,
  request: undefined,
  lastId: 0,
  leadsUntil: undefined,
  stopping: false,
});

/** To be asked right before every act: a process may have stood still since its last timer. */
export const isLeading = ({ leadsUntil }: Election, now: Millis): boolean =>
  leadsUntil !== undefined && now < leadsUntil;

export function step(state: Election, event: ElectionEvent, now: Millis): readonly ElectionEffect[] {
  const late = giveUpIfLate(state, now);
  return [...late, ...handle(state, event, now)];
}

function handle(state: Election, event: ElectionEvent, now: Millis): readonly ElectionEffect[] {
  switch (event.kind) {
    case 'start':
      return look(state, now);
    case 'stop':
      return stop(state, now);
    case 'timer':
      return timerWentOff(state, event.name, now);
    case 'answer':
      return state.request?.id === event.id ? take(state, state.request, event.answer, now) : [];
  }
}

/** However the time passed: what is due is due before anything else. */
const giveUpIfLate = (state: Election, now: Millis): readonly ElectionEffect[] =>
  state.leadsUntil !== undefined && now >= state.leadsUntil
    ? lose(state, `the lease could not be renewed for ${state.times.renewMs / 1000} s`)
    : [];

function lose(state: Election, why: string): readonly ElectionEffect[] {
  if (state.leadsUntil === undefined) return [];
  state.leadsUntil = undefined;
  return [
    { kind: 'stop timer', name: 'deadline' },
    { kind: 'lost', why },
  ];
}

function timerWentOff(state: Election, name: ElectionTimer, now: Millis): readonly ElectionEffect[] {
  if (name === 'deadline') return [];
  if (name === 'answer') {
    return state.request === undefined
      ? []
      : take(state, state.request, { kind: 'failed', why: 'no answer came in time' }, now);
  }
  if (state.request !== undefined || state.stopping) return [];
  return isLeading(state, now) && state.seen !== undefined
    ? write(state, 'renew', mine(state, state.seen.record), state.seen.version, now)
    : look(state, now);
}

function look(state: Election, now: Millis): readonly ElectionEffect[] {
  const { id, timer } = send(state, 'get', now);
  return [{ kind: 'get', id }, timer];
}

function send(state: Election, kind: Request['kind'], now: Millis) {
  state.lastId += 1;
  state.request = { id: state.lastId, kind, sentAt: now };
  // Half of the deadline, so that a leader can ask once more within it.
  const afterMs = state.times.renewMs / 2;
  const timer: ElectionEffect = { kind: 'start timer', name: 'answer', afterMs, jitter: 0 };
  return { id: state.lastId, timer };
}

function write(
  state: Election,
  kind: 'update' | 'renew' | 'release',
  record: LeaseRecord,
  version: string,
  now: Millis,
): readonly ElectionEffect[] {
  const { id, timer } = send(state, kind, now);
  return [{ kind: 'update', id, record, version }, timer];
}

/** The record that says we hold it; the time of acquiring and the count stay while the holder does. */
function mine({ identity, times }: Election, before: LeaseRecord | undefined): LeaseRecord {
  const held = before?.holder === identity;
  const transitions = before?.transitions ?? 0;
  return {
    holder: identity,
    durationSeconds: times.leaseMs / 1000,
    transitions: before === undefined || held ? transitions : transitions + 1,
    ...(held && before.acquiredAt !== undefined ? { acquiredAt: before.acquiredAt } : {}),
  };
}

function take(
  state: Election,
  request: Request,
  answer: LeaseAnswer,
  now: Millis,
): readonly ElectionEffect[] {
  state.request = undefined;
  return [{ kind: 'stop timer', name: 'answer' }, ...after(state, request, answer, now)];
}

function after(
  state: Election,
  request: Request,
  answer: LeaseAnswer,
  now: Millis,
): readonly ElectionEffect[] {
  if (request.kind === 'release') return [{ kind: 'stopped' }];
  if (answer.kind === 'lease') observe(state, answer.record, answer.version, now);
  if (state.stopping) return giveBack(state, now);
  if (request.kind === 'get') return consider(state, answer, now);
  if (answer.kind === 'lease') return renewed(state, request.sentAt, now);
  // A renewal that was refused, or has no answer: what the lease says now decides, and is asked at once.
  return request.kind === 'renew' ? look(state, now) : again(state, now);
}

function observe(state: Election, record: LeaseRecord, version: string, now: Millis): void {
  const { seen } = state;
  const unchanged =
    seen !== undefined &&
    seen.record.holder === record.holder &&
    seen.record.renewedAt === record.renewedAt &&
    seen.record.transitions === record.transitions &&
    seen.record.durationSeconds === record.durationSeconds;
  state.seen = { record, version, at: unchanged ? seen.at : now };
}

/** What was read decides whether to try for it. */
function consider(state: Election, answer: LeaseAnswer, now: Millis): readonly ElectionEffect[] {
  if (answer.kind === 'failed') return again(state, now);
  if (answer.kind === 'none') {
    state.seen = undefined;
    const { id, timer } = send(state, 'create', now);
    return [{ kind: 'create', id, record: mine(state, undefined) }, timer];
  }
  const { record, version } = answer;
  const lost = record.holder === state.identity ? [] : lose(state, holderClause(record));
  return mayTake(state, now)
    ? [...lost, ...write(state, 'update', mine(state, record), version, now)]
    : [...lost, ...again(state, now)];
}

const holderClause = ({ holder }: LeaseRecord): string =>
  holder === '' ? 'somebody released the lease' : `${holder} holds the lease`;

function mayTake({ seen, identity, times }: Election, now: Millis): boolean {
  if (seen === undefined) return false;
  const { holder, durationSeconds } = seen.record;
  const durationMs = durationSeconds >= 1 ? durationSeconds * 1000 : times.leaseMs;
  return holder === '' || holder === identity || now >= seen.at + durationMs;
}

/** A write of ours took. It may have been on its way for long, so it counts from its sending. */
function renewed(state: Election, sentAt: Millis, now: Millis): readonly ElectionEffect[] {
  const until = millis(sentAt + state.times.renewMs);
  if (now >= until) return again(state, now);
  const before = state.leadsUntil;
  state.leadsUntil = until;
  return [
    { kind: 'start timer', name: 'deadline', afterMs: until - now, jitter: 0 },
    ...(before === undefined ? [{ kind: 'lead' } as const] : []),
    ...again(state, now),
  ];
}

/** Somewhat later, from the start. Leaders come in time; candidates spread. */
function again(state: Election, now: Millis): readonly ElectionEffect[] {
  const jitter = isLeading(state, now) ? 0 : candidateJitter;
  return [{ kind: 'start timer', name: 'retry', afterMs: state.times.retryMs, jitter }];
}

function stop(state: Election, now: Millis): readonly ElectionEffect[] {
  if (state.stopping) return [];
  state.stopping = true;
  const held = isLeading(state, now);
  const effects: ElectionEffect[] = [
    ...lose(state, 'this process was asked to stop'),
    { kind: 'stop timer', name: 'retry' },
  ];
  // A write on its way would change the version that the release must name, so it is waited for.
  if (state.request !== undefined) return effects;
  return [...effects, ...(held ? giveBack(state, now) : [{ kind: 'stopped' } as const])];
}

/** Released, it is free at once: the next need not wait for it to run out. */
function giveBack(state: Election, now: Millis): readonly ElectionEffect[] {
  const { seen, identity } = state;
  if (seen?.record.holder !== identity) return [{ kind: 'stopped' }];
  const record: LeaseRecord = { ...seen.record, holder: '', durationSeconds: 1 };
  return write(state, 'release', record, seen.version, now);
}
