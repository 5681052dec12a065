import { describe, expect, test } from 'vitest';
import { err } from '../../../src/lib/result.ts';
import {
  openReflector,
  problemsOf,
  type Reflector,
  type ReflectorEffect,
  type ReflectorEvent,
  step,
} from '../../../src/store/reflector.ts';
import { item, namespaceAt } from '../../support/items.ts';

/** Runs events on a fresh state; the effects of the last one are returned. */
function outcomeOf(
  events: readonly ReflectorEvent[],
  custom = false,
): { state: Reflector; effects: readonly ReflectorEffect[] } {
  const state = openReflector(custom);
  let effects: readonly ReflectorEffect[] = [];
  for (const event of events) effects = step(state, event);
  return { state, effects };
}

const start: ReflectorEvent = { kind: 'start' };
const page = (version: string, ...names: string[]): ReflectorEvent => ({
  kind: 'page',
  version,
  items: names.map((name) => item(name, version)),
});
const failed = (status?: number): ReflectorEvent => ({
  kind: 'list failed',
  failure: { message: 'no', ...(status === undefined ? {} : { status }) },
});
const ended = (lastedMs: number, status?: number): ReflectorEvent => ({
  kind: 'watch ended',
  lastedMs,
  ...(status === undefined ? {} : { failure: { message: 'no', status } }),
});
const retryTimer: ReflectorEvent = { kind: 'timer', name: 'retry' };
const kindsOf = (effects: readonly ReflectorEffect[]) => effects.map(({ kind }) => kind);
const watchFrom = (version: string) => expect.objectContaining({ kind: 'watch', version });
const waits = (effects: readonly ReflectorEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === 'start timer' && effect.name === 'retry' ? [effect.afterMs] : [],
  );

describe('listing', () => {
  test('it begins with a list and is not in sync', () => {
    const { state, effects } = outcomeOf([start]);
    expect(effects).toEqual([{ kind: 'list' }]);
    expect(state.synced).toBe(false);
  });

  test('the first list is told page by page, and it is in sync with the last', () => {
    const first = { ...page('5', 'a'), next: 'token' } as ReflectorEvent;
    const halfway = outcomeOf([start, first]);
    expect(halfway.effects).toEqual([
      { kind: 'tell', changes: [{ kind: 'put', resource: namespaceAt('a', '5') }] },
      { kind: 'list', next: 'token' },
    ]);
    expect(halfway.state.synced).toBe(false);
    const whole = outcomeOf([start, first, page('5', 'b')]);
    expect(whole.state.synced).toBe(true);
    expect(whole.effects).toContainEqual({
      kind: 'tell',
      changes: [{ kind: 'put', resource: namespaceAt('b', '5') }],
    });
    expect(whole.effects).toContainEqual(watchFrom('5'));
  });

  test('of a later list nothing is told before the last page, and what went before what came', () => {
    const again: readonly ReflectorEvent[] = [start, page('5', 'a', 'b'), ended(9000, 410)];
    const first = { ...page('7', 'c'), next: 'token' } as ReflectorEvent;
    expect(outcomeOf([...again, first]).effects).toEqual([{ kind: 'list', next: 'token' }]);
    expect(outcomeOf([...again, first, page('7', 'b')]).effects).toContainEqual({
      kind: 'tell',
      changes: [
        { kind: 'delete', ref: { kind: 'Namespace', name: 'a' } },
        { kind: 'put', resource: namespaceAt('c', '7') },
        { kind: 'put', resource: namespaceAt('b', '7') },
      ],
    });
  });

  test('what a list told that failed half-way is taken back by the next, if it is gone by then', () => {
    const first = { ...page('5', 'a'), next: 'token' } as ReflectorEvent;
    expect(outcomeOf([start, first, failed(410), retryTimer, page('7', 'b')]).effects).toContainEqual({
      kind: 'tell',
      changes: [
        { kind: 'delete', ref: { kind: 'Namespace', name: 'a' } },
        { kind: 'put', resource: namespaceAt('b', '7') },
      ],
    });
  });

  test('a list that fails half-way begins again with the first page', () => {
    const first = { ...page('5', 'a'), next: 'token' } as ReflectorEvent;
    const { effects } = outcomeOf([start, first, failed(410), retryTimer]);
    expect(effects).toEqual([{ kind: 'list' }]);
    const relisted = outcomeOf([start, first, failed(410), retryTimer, page('7', 'b')]);
    expect([...relisted.state.known.keys()]).toEqual(['Namespace/b']);
  });

  test('failures are answered by waiting twice as long each time, up to a cap, always with jitter', () => {
    const state = openReflector(false);
    step(state, start);
    const seen: number[] = [];
    for (let round = 0; round < 9; round++) {
      const effects = step(state, failed());
      seen.push(...waits(effects));
      expect(effects).toContainEqual(expect.objectContaining({ kind: 'start timer', jitter: 0.5 }));
      step(state, retryTimer);
    }
    expect(seen).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("the server's Retry-After is kept even when the jitter takes off the most", () => {
    const state = openReflector(false);
    step(state, start);
    const effects = step(state, {
      kind: 'list failed',
      failure: { status: 429, message: 'slow down', retryAfterMs: 10_000 },
    });
    const timer = effects.find((effect) => effect.kind === 'start timer');
    expect(timer && timer.afterMs * (1 - timer.jitter)).toBeGreaterThanOrEqual(10_000);
  });

  test('a failure is a problem in words until it is over', () => {
    const { state } = outcomeOf([start, failed(403)]);
    expect(problemsOf(state, 'kind Namespace')).toEqual([
      {
        where: 'kind Namespace',
        what: 'cannot be read: no; nothing is done before it was read, and it is tried again.',
        fix: 'Allow list and watch of this kind in the ClusterRole.',
      },
    ]);
    step(state, retryTimer);
    step(state, page('5'));
    expect(problemsOf(state, 'kind Namespace')).toEqual([]);
  });
});

describe('a kind whose CRD is not installed', () => {
  test('counts as empty and in sync, is reported, and is looked for again', () => {
    const { state, effects } = outcomeOf([start, failed(404)], true);
    expect(state.synced).toBe(true);
    expect(problemsOf(state, 'kind BGPPeer')[0]?.fix).toBe(
      "Install Tortie's CustomResourceDefinitions: kubectl apply -f deploy/crds.",
    );
    expect(waits(effects)).toEqual([20_000]);
    expect(step(state, retryTimer)).toEqual([{ kind: 'list' }]);
    step(state, page('9', 'a'));
    expect(problemsOf(state, 'kind BGPPeer')).toEqual([]);
  });

  test('that is removed takes its objects with it', () => {
    const { effects } = outcomeOf([start, page('5', 'a'), ended(9000, 404), retryTimer, failed(404)], true);
    expect(effects).toContainEqual({
      kind: 'tell',
      changes: [{ kind: 'delete', ref: { kind: 'Namespace', name: 'a' } }],
    });
  });

  test('404 of a built-in kind is a failure: it does not make everything vanish', () => {
    const { state, effects } = outcomeOf([start, page('5', 'a'), ended(9000, 404), retryTimer, failed(404)]);
    expect(effects).toContainEqual({ kind: 'tell', changes: [] });
    expect([...state.known.keys()]).toEqual(['Namespace/a']);
    expect(outcomeOf([start, failed(404)]).state.synced).toBe(false);
  });
});

describe('watching', () => {
  test('messages are told in order, and move the version on', () => {
    const { state, effects } = outcomeOf([
      start,
      page('5', 'a'),
      {
        kind: 'messages',
        messages: [
          { kind: 'put', item: item('b', '6'), version: '6' },
          { kind: 'delete', ref: { kind: 'Namespace', name: 'b' }, version: '7' },
          { kind: 'put', item: item('b', '8'), version: '8' },
          { kind: 'bookmark', version: '12' },
        ],
      },
    ]);
    expect(effects).toEqual([
      {
        kind: 'tell',
        changes: [
          { kind: 'put', resource: namespaceAt('b', '6') },
          { kind: 'delete', ref: { kind: 'Namespace', name: 'b' } },
          { kind: 'put', resource: namespaceAt('b', '8') },
        ],
      },
    ]);
    expect(state.version).toBe('12');
  });

  test('a watch the server closes in good order goes on at once from the last version', () => {
    const { effects } = outcomeOf([
      start,
      page('5'),
      { kind: 'messages', messages: [{ kind: 'bookmark', version: '9' }] },
      ended(290_000),
    ]);
    expect(effects).toContainEqual(watchFrom('9'));
  });

  test('a watch the server closes hastily is not opened in a tight circle', () => {
    const { effects } = outcomeOf([start, page('5'), ended(10)]);
    expect(kindsOf(effects)).not.toContain('watch');
    expect(waits(effects)).toEqual([500]);
  });

  test('a watch that breaks goes on from the last version after a wait', () => {
    const state = openReflector(false);
    for (const event of [start, page('5')]) step(state, event);
    const effects = step(state, { kind: 'watch ended', lastedMs: 60_000, failure: { message: 'reset' } });
    expect(waits(effects)).toEqual([500]);
    expect(step(state, retryTimer)).toContainEqual(watchFrom('5'));
  });

  test('410 Gone is answered by a list at once, the deletes of which are found by comparing', () => {
    const gone: ReflectorEvent = {
      kind: 'messages',
      messages: [{ kind: 'error', failure: { status: 410, message: 'too old' } }],
    };
    const listing = outcomeOf([start, page('5', 'a', 'b'), gone]);
    expect(kindsOf(listing.effects)).toEqual(['tell', 'stop watch', 'stop timer', 'list']);
    const listed = outcomeOf([start, page('5', 'a', 'b'), gone, page('9', 'b', 'c')]);
    expect(listed.effects[0]).toEqual({
      kind: 'tell',
      changes: [
        { kind: 'delete', ref: { kind: 'Namespace', name: 'a' } },
        { kind: 'put', resource: namespaceAt('b', '9') },
        { kind: 'put', resource: namespaceAt('c', '9') },
      ],
    });
    expect(listed.state.synced).toBe(true);
  });

  test('410 upon 410 waits, so a server without any history is not flooded with lists', () => {
    const { effects } = outcomeOf([start, page('5'), ended(10, 410), page('6'), ended(10, 410)]);
    expect(kindsOf(effects)).not.toContain('list');
    expect(waits(effects)).toHaveLength(1);
  });

  test('in a storm of 410 each list waits longer than the one before, half a minute at most', () => {
    const events: ReflectorEvent[] = [start, page('5'), ended(10, 410)];
    const waited: number[] = [];
    for (let n = 0; n < 9; n++) {
      events.push(page('6'), ended(10, 410));
      waited.push(...waits(outcomeOf(events).effects));
      events.push(retryTimer);
    }
    expect(waited).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  });

  test('a watch that outlives what it asked for has stalled: it is stopped and opened from the last version', () => {
    const { effects } = outcomeOf([start, page('5'), { kind: 'timer', name: 'stall' }]);
    expect(effects[0]).toEqual({ kind: 'stop watch' });
    expect(effects).toContainEqual(watchFrom('5'));
    expect(effects).toContainEqual({ kind: 'start timer', name: 'stall', afterMs: 320_000, jitter: 0 });
  });

  test('when the server refuses a version again and again, the version is given up and listed anew', () => {
    const state = openReflector(false);
    for (const event of [start, page('5')]) step(state, event);
    const tries: string[] = [];
    for (let round = 0; round < 4; round++) {
      step(state, ended(10, 500));
      tries.push(...kindsOf(step(state, retryTimer)).filter((kind) => kind === 'watch' || kind === 'list'));
    }
    expect(tries).toEqual(['watch', 'watch', 'watch', 'list']);
  });

  test('a message resets the waiting time', () => {
    const state = openReflector(false);
    for (const event of [start, page('5')]) step(state, event);
    for (let round = 0; round < 3; round++) {
      step(state, { kind: 'watch ended', lastedMs: 10, failure: { message: 'reset' } });
      step(state, retryTimer);
    }
    step(state, { kind: 'messages', messages: [{ kind: 'bookmark', version: '6' }] });
    expect(waits(step(state, { kind: 'watch ended', lastedMs: 10, failure: { message: 'reset' } }))).toEqual([
      500,
    ]);
  });

  test('the problem of a broken watch ends when the next one opens', () => {
    const state = openReflector(false);
    for (const event of [start, page('5'), ended(10, 500), retryTimer]) step(state, event);
    expect(problemsOf(state, 'x')).toHaveLength(1);
    expect(step(state, { kind: 'watch opened' })).toEqual([{ kind: 'tell', changes: [] }]);
    expect(problemsOf(state, 'x')).toEqual([]);
  });

  test('an object that turns unreadable is a problem and stays as told; deleted, it is gone with its problem', () => {
    const ref = { kind: 'Namespace', name: 'a' } as const;
    const problem = { where: 'Namespace/a', what: 'is wrong.', fix: 'Mend it.' };
    const unreadable: ReflectorEvent = {
      kind: 'messages',
      messages: [{ kind: 'put', item: { ref, read: err([problem]) }, version: '6' }],
    };
    const { state, effects } = outcomeOf([start, page('5', 'a'), unreadable]);
    expect(effects).toEqual([{ kind: 'tell', changes: [] }]);
    expect(problemsOf(state, 'x')).toEqual([problem]);
    const gone = step(state, { kind: 'messages', messages: [{ kind: 'delete', ref, version: '7' }] });
    expect(gone).toEqual([{ kind: 'tell', changes: [{ kind: 'delete', ref }] }]);
    expect(problemsOf(state, 'x')).toEqual([]);
  });

  test('what a stopped watch still had to say is not heard', () => {
    const late: ReflectorEvent = {
      kind: 'messages',
      messages: [{ kind: 'put', item: item('z', '9'), version: '9' }],
    };
    const { state, effects } = outcomeOf([start, page('5'), ended(10, 500), late]);
    expect(effects).toEqual([]);
    expect(state.version).toBe('5');
  });
});

test('a kind whose definition is another’s has no objects where it is not installed, and that is no problem', () => {
  const missing = (foreign: boolean) => {
    const state = openReflector(true, foreign);
    for (const event of [start, failed(404)]) step(state, event);
    return { synced: state.synced, problems: problemsOf(state, 'it').length };
  };
  expect(missing(true)).toEqual({ synced: true, problems: 0 });
  expect(missing(false)).toEqual({ synced: true, problems: 1 });
});

test('a kind whose definition is another’s and may not be read is a problem', () => {
  const state = openReflector(true, true);
  for (const event of [start, failed(403)]) step(state, event);
  expect(problemsOf(state, 'it')).toHaveLength(1);
});
