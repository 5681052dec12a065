/** Runs one reflector: its lists, its watch and its timers. */
import type { Clock } from '../../host/clock.ts';
import { millis } from '../../lib/net.ts';
import type { Random } from '../../lib/random.ts';
import type { Problem } from '../../model/problem.ts';
import type { Kind } from '../../model/resource.ts';
import { isOwnKind, kinds } from '../kinds.ts';
import {
  openReflector,
  problemsOf,
  type ReflectorEffect,
  type ReflectorEvent,
  step,
  type TimerName,
} from '../reflector.ts';
import { fieldsOf, kindOf } from '../selectable.ts';
import type { Change, Watched } from '../store.ts';
import type { Api } from './api.ts';
import { toMessages, toPage } from './messages.ts';
import { collectionPath, selectorText } from './paths.ts';

export interface Mirror {
  readonly synced: boolean;
  readonly problems: readonly Problem[];
  stop(): void;
}

/** Small enough that no answer takes the server or us long. */
const pageSize = '500';

export interface Doors {
  readonly api: Api;
  readonly clock: Clock;
  readonly random: Random;
}

/** What of a kind is mirrored, as the API server is asked for it. */
interface Scope {
  readonly kind: Kind;
  readonly query: Readonly<Record<string, string>>;
}

function selectionOf(watched: Watched): Scope['query'] {
  const fieldSelector = selectorText(fieldsOf(watched));
  return fieldSelector === '' ? {} : { fieldSelector };
}

type Happen = (event: ReflectorEvent) => void;

export function openMirror(
  watched: Watched,
  doors: Doors,
  onChanges: (changes: readonly Change[]) => void,
): Mirror {
  const kind = kindOf(watched);
  const scope: Scope = { kind, query: selectionOf(watched) };
  const state = openReflector(kinds[kind].custom, !isOwnKind(kind));
  const timers = new Map<TimerName, () => void>();
  let stopWatch = (): void => undefined;
  let stopped = false;

  const happen: Happen = (event) => {
    if (stopped) return;
    for (const effect of step(state, event)) run(effect);
  };

  const run = (effect: ReflectorEffect): void => {
    switch (effect.kind) {
      case 'list':
        void list(scope, doors.api, effect.next).then(happen);
        return;
      case 'watch':
        stopWatch = watch(scope, doors, effect, happen);
        return;
      case 'stop watch':
        stopWatch();
        return;
      case 'start timer':
        timers.get(effect.name)?.();
        timers.set(effect.name, startTimer(doors, effect, happen));
        return;
      case 'stop timer':
        timers.get(effect.name)?.();
        return;
      case 'tell':
        onChanges(effect.changes);
        return;
    }
  };

  happen({ kind: 'start' });
  return {
    get synced() {
      return state.synced;
    },
    get problems() {
      return problemsOf(state, `Kubernetes API ${doors.api.server}, kind ${kind}`);
    },
    stop: () => {
      stopped = true;
      stopWatch();
      for (const cancel of timers.values()) cancel();
    },
  };
}

async function list(
  { kind, query: selection }: Scope,
  api: Api,
  next: string | undefined,
): Promise<ReflectorEvent> {
  const query = { ...selection, limit: pageSize, ...(next === undefined ? {} : { continue: next }) };
  const answer = await api.get(collectionPath(kind), query);
  return answer.ok ? toPage(kind, answer.value) : { kind: 'list failed', failure: answer.error };
}

function watch(
  { kind, query: selection }: Scope,
  { api, clock }: Doors,
  { version, timeoutSeconds }: Extract<ReflectorEffect, { kind: 'watch' }>,
  happen: Happen,
): () => void {
  const since = clock.now();
  const query = {
    ...selection,
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: version,
    timeoutSeconds: String(timeoutSeconds),
  };
  return api.watch(collectionPath(kind), query, {
    opened: () => happen({ kind: 'watch opened' }),
    lines: (lines) => happen({ kind: 'messages', messages: toMessages(kind, lines) }),
    ended: (failure) => {
      const lastedMs = clock.now() - since;
      happen({ kind: 'watch ended', lastedMs, ...(failure === undefined ? {} : { failure }) });
    },
  });
}

function startTimer(
  { clock, random }: Doors,
  { name, afterMs, jitter }: Extract<ReflectorEffect, { kind: 'start timer' }>,
  happen: Happen,
): () => void {
  return clock.after(millis(afterMs * (1 - jitter * random())), () => happen({ kind: 'timer', name }));
}
