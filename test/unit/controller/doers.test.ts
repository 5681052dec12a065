/** What the controller writes with: each alone, over the memory datastore, with a datastore that says no. */
import { describe, expect, test } from 'vitest';
import { amend } from '../../../src/controller/amend.ts';
import type { Notice } from '../../../src/controller/decide/notice.ts';
import { guarded } from '../../../src/controller/guard.ts';
import { openPlacard, type Shown } from '../../../src/controller/placard.ts';
import { openRecorder } from '../../../src/controller/recorder.ts';
import { forEach, must } from '../../../src/controller/refused.ts';
import { err, ok } from '../../../src/lib/result.ts';
import type { Manifest, Objects, Refusal } from '../../../src/store/objects.ts';
import { virtualClock } from '../../support/clock.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { settled } from '../../support/settled.ts';

const peer = (name: string): Manifest => ({
  apiVersion: 'projectcalico.org/v3',
  kind: 'BGPPeer',
  metadata: { name },
  spec: { peerIP: '10.0.0.1', asNumber: 1 },
});
const shown = (name: string, message: string): [string, Shown] => [
  `BGPPeer/${name}`,
  {
    ref: { kind: 'BGPPeer', name },
    verdicts: [{ type: 'Ready', status: 'True', reason: 'Established', message }],
  },
];
const noise = () => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  return { lines, log: { debug: say, info: say, warn: say, error: say } };
};
const nameOf = (manifest: Manifest): string => (manifest['metadata'] as { readonly name: string }).name;

function createWorld(names: readonly string[], wrap: (objects: Objects) => Objects = (objects) => objects) {
  const store = memoryStore(...names.map(peer));
  const clock = virtualClock();
  const today = (): Date => new Date(Date.parse('2026-05-05T00:00:00Z') + clock.now());
  const { lines, log } = noise();
  const doers = { objects: wrap(store.objects), clock, today, log, random: () => 0, identity: 'c1' };
  const pass = async (seconds: number): Promise<void> => {
    for (let passed = 0; passed < seconds * 10; passed += 1) {
      clock.advance(100);
      await settled();
    }
  };
  const messageOf = async (name: string): Promise<unknown> => {
    const found = must(await store.objects.get({ kind: 'BGPPeer', name }));
    const status = found?.manifest['status'] as
      | { readonly conditions: readonly { message: string }[] }
      | undefined;
    return status?.conditions[0]?.message;
  };
  return { store, clock, lines, doers, pass, messageOf };
}

describe('the placard', () => {
  test('does not let one object that cannot be written keep the others waiting', async () => {
    const refusal: Refusal = { kind: 'forbidden', what: 'no right to do that' };
    const { doers, lines, pass, messageOf } = createWorld(['bad', 'good'], (objects) => ({
      ...objects,
      updateStatus: async (manifest, version) =>
        nameOf(manifest) === 'bad' ? err(refusal) : objects.updateStatus(manifest, version),
    }));
    const placard = openPlacard({ ...doers, onWritten: () => undefined });
    placard.show(new Map([shown('bad', 'x'), shown('good', 'y')]));
    await pass(3);
    expect([await messageOf('bad'), await messageOf('good')]).toEqual([undefined, 'y']);
    expect(lines).toEqual(['the conditions of BGPPeer/bad are refused: no right to do that']);
    placard.stop();
  });

  test('writes an object once in five seconds, however often its words change, and then the last ones', async () => {
    let writes = 0;
    const { doers, pass, messageOf } = createWorld(['tor']);
    const placard = openPlacard({
      ...doers,
      onWritten: () => {
        writes += 1;
      },
    });
    for (let n = 1; n <= 40; n += 1) {
      placard.show(new Map([shown('tor', `word ${n}`)]));
      await pass(0.1);
    }
    expect(writes).toBe(1);
    await pass(3);
    expect(writes).toBe(2);
    expect(await messageOf('tor')).toBe('word 40');
    placard.stop();
  });

  test('asks for each kind once, and then only for objects that say something else', async () => {
    const names = Array.from({ length: 40 }, (_, n) => `p${n}`);
    let looks = 0;
    const { doers, pass, messageOf } = createWorld(names, (objects) => ({
      ...objects,
      get: (one) => {
        looks += 1;
        return objects.get(one);
      },
    }));
    const words = (last: string) => new Map(names.map((name, n) => shown(name, n === 39 ? last : 'x')));
    const first = openPlacard({ ...doers, onWritten: () => undefined });
    first.show(words('x'));
    await pass(10);
    first.stop();
    // The next leader, who knows nothing.
    looks = 0;
    const second = openPlacard({ ...doers, onWritten: () => undefined });
    second.show(words('y'));
    await pass(1);
    expect(await messageOf('p39')).toBe('y');
    second.recheck();
    await pass(10);
    expect(looks).toBe(1);
    second.stop();
  });

  test('writes no more than ten objects a second', async () => {
    const names = Array.from({ length: 50 }, (_, n) => `p${n}`);
    let writes = 0;
    const { doers, pass } = createWorld(names);
    const placard = openPlacard({
      ...doers,
      onWritten: () => {
        writes += 1;
      },
    });
    placard.show(new Map(names.map((name) => shown(name, 'x'))));
    await pass(2);
    expect(writes).toBeGreaterThan(10);
    expect(writes).toBeLessThanOrEqual(21);
    await pass(10);
    expect(writes).toBe(50);
    placard.stop();
  });
});

describe('Events', () => {
  const notice = (message = 'down'): Notice => ({
    about: { kind: 'BGPPeer', name: 'tor', uid: 'u' },
    type: 'Warning',
    reason: 'PeerDown',
    message,
  });

  test('said again while they wait, or by another controller, are one with a count', async () => {
    const { doers, store, pass } = createWorld(['tor']);
    const counts: string[] = [];
    const open = () => openRecorder({ ...doers, onCount: (what) => counts.push(what) });
    const first = open();
    first.say(notice());
    first.say(notice());
    await pass(2);
    first.stop();
    const second = open();
    second.say(notice());
    second.say(notice('other words'));
    await pass(2);
    second.stop();
    const events = must(await store.objects.list('Event')).map(({ manifest }) => manifest['count']);
    expect([...events].sort()).toEqual([1, 3]);
    expect(counts).toEqual(['written', 'written', 'written']);
  });

  test('wait while the datastore is away, and are not waited for for ever', async () => {
    const { doers, store, pass } = createWorld(['tor']);
    const counts: string[] = [];
    const recorder = openRecorder({ ...doers, onCount: (what) => counts.push(what) });
    store.away(true);
    recorder.say(notice());
    await pass(2);
    store.away(false);
    await pass(5);
    expect(counts).toEqual(['written']);
    store.away(true);
    recorder.say(notice('again'));
    await pass(120);
    expect(counts).toEqual(['written', 'dropped']);
    recorder.stop();
  });

  test('of one object are limited; what is too much is counted, not kept', async () => {
    const { doers, store, pass } = createWorld(['tor']);
    const counts: string[] = [];
    const recorder = openRecorder({ ...doers, onCount: (what) => counts.push(what) });
    for (let n = 0; n < 60; n += 1) recorder.say(notice(`message ${n}`));
    await pass(5);
    expect(must(await store.objects.list('Event'))).toHaveLength(25);
    expect(counts.filter((what) => what === 'dropped')).toHaveLength(35);
    recorder.stop();
  });
});

describe('a change of one object', () => {
  test('is made on what somebody else wrote meanwhile', async () => {
    const { doers, store } = createWorld(['tor']);
    let disturbed = false;
    const objects: Objects = {
      ...doers.objects,
      update: async (manifest, version) => {
        if (!disturbed) store.apply({ ...peer('tor'), spec: { peerIP: '10.0.0.9', asNumber: 2 } });
        disturbed = true;
        return doers.objects.update(manifest, version);
      },
    };
    const done = await amend(objects, { kind: 'BGPPeer', name: 'tor' }, 'update', (manifest) => ({
      ...manifest,
      spec: { ...(manifest['spec'] as object), nodeSelector: 'all()' },
    }));
    expect(done.ok).toBe(true);
    expect(must(await store.objects.get({ kind: 'BGPPeer', name: 'tor' }))?.manifest['spec']).toEqual({
      ...{ peerIP: '10.0.0.9', asNumber: 2, nodeSelector: 'all()' },
    });
  });

  test('of what is not there changes nothing', async () => {
    const { doers } = createWorld([]);
    const done = await amend(
      doers.objects,
      { kind: 'BGPPeer', name: 'tor' },
      'update',
      (manifest) => manifest,
    );
    expect(done).toEqual(ok(undefined));
  });
});

test('who leads no more writes nothing, and may still read', async () => {
  const { doers, store } = createWorld(['tor']);
  let leads = true;
  const objects = guarded(doers.objects, () => leads);
  const found = must(await objects.get({ kind: 'BGPPeer', name: 'tor' }));
  if (found === undefined) throw new Error('not there');
  leads = false;
  const tried = await Promise.all([
    objects.create(peer('new')),
    objects.update(found.manifest, found.version),
    objects.updateStatus(found.manifest, found.version),
    objects.delete({ kind: 'BGPPeer', name: 'tor' }),
  ]);
  expect(tried.map((one) => one.ok)).toEqual([false, false, false, false]);
  expect(must(await objects.list('BGPPeer'))).toEqual(must(await store.objects.list('BGPPeer')));
});

test('of many things to do one that is refused is told last, and one that finds nobody there ends it', async () => {
  const done: string[] = [];
  const refuse = (kind: Refusal['kind']) => async (name: string) => {
    done.push(name);
    if (name === 'b') must(err({ kind, what: `no ${name}` }));
  };
  await expect(forEach(['a', 'b', 'c'], refuse('forbidden'))).rejects.toThrow('no b');
  expect(done).toEqual(['a', 'b', 'c']);
  await expect(forEach(['a', 'b', 'c'], refuse('away'))).rejects.toThrow('no b');
  expect(done).toEqual(['a', 'b', 'c', 'a', 'b']);
});
