/** What is gone through after the start: that it comes out as it must, keeps out of the way, and says what does not. */
import { setFlagsFromString } from 'node:v8';
import { expect, test } from 'vitest';
import { castConfig, castResources } from '../../../bgp/rehearsal/cast.ts';
import { type Course, play } from '../../../bgp/rehearsal/play.ts';
import { Scene } from '../../../bgp/rehearsal/scene.ts';
import { announcements, prefixAt } from '../../../bgp/rehearsal/script.ts';
import { prepareRehearsal, type Real } from '../../../bgp/rehearsal.ts';
import { createSpeaker } from '../../../bgp/speaker.ts';
import { readBgpFilter } from '../../../src/store/schema/bgp-filter.ts';
import { eventually } from '../../support/eventually.ts';

const within = { within: 30_000, every: 5 };

function logging() {
  const said: string[] = [];
  const note = (message: string): void => void said.push(message);
  return { said, log: { debug: note, error: note } };
}

const realOf = (depth: () => number): Real => ({
  depth,
  speaker: createSpeaker({ random: () => 0.5 }),
});

const outcomeOf = (course: Course): string | undefined => {
  for (;;) {
    const { value } = course.next();
    if (value !== undefined) return value.flaw;
  }
};

test.each([
  [true, 'with next hops looked up and routes for the kernel'],
  [false, 'without'],
])('a speaker computes what it must, %s', (withFib) => {
  const course = play({ tracksNextHops: withFib, writesKernel: withFib, count: 120, rounds: 2 });
  expect(outcomeOf(course)).toBeUndefined();
});

test('all sessions come up, the shorter path wins, and only the two that tell nothing are told', () => {
  const config = castConfig();
  if (config === undefined) throw new Error('there is no configuration');
  const scene = new Scene(config, { tracksNextHops: false, writesKernel: true });
  expect(scene.absent).toEqual([]);
  const prefix = prefixAt('ipv4-unicast', 0);
  for (const part of ['worse', 'better'] as const) {
    const announced = [...announcements(part, 'ipv4-unicast', 50, 0)];
    scene.say(part, [{ withdrawn: [], announced }]);
    expect(scene.bestOf(prefix)).toBe(part);
    expect(scene.told('told')).toBe(50);
    expect(scene.toldToEach).toEqual([50, 50]);
  }
  scene.say('better', [{ withdrawn: [prefix], announced: [] }]);
  expect(scene.bestOf(prefix)).toBe('worse');
  expect([scene.told('better'), scene.told('worse')]).toEqual([0, 0]);
});

test('while no connection takes an octet nobody is told anything, and then each prefix once and in its newest form', () => {
  const config = castConfig();
  if (config === undefined) throw new Error('there is no configuration');
  const scene = new Scene(config, { tracksNextHops: false, writesKernel: false });
  scene.hold();
  for (const part of ['worse', 'better'] as const)
    scene.say(part, [{ withdrawn: [], announced: [...announcements(part, 'ipv6-unicast', 50, 0)] }]);
  expect(scene.told('told')).toBe(0);
  scene.say('better', [{ withdrawn: [prefixAt('ipv6-unicast', 3)], announced: [] }]);
  scene.say('worse', [{ withdrawn: [prefixAt('ipv6-unicast', 3)], announced: [] }]);
  scene.release();
  expect(scene.told('told')).toBe(49);
  expect(scene.bestOf(prefixAt('ipv6-unicast', 4))).toBe('better');
});

test('of two paths that are equally good both are used, and now and then there are such', () => {
  const config = castConfig();
  if (config === undefined) throw new Error('there is no configuration');
  const scene = new Scene(config, { tracksNextHops: false, writesKernel: false });
  for (const part of ['equal', 'better'] as const)
    scene.say(part, [{ withdrawn: [], announced: [...announcements(part, 'ipv4-unicast', 1000, 0)] }]);
  const choices = Array.from({ length: 1000 }, (_, index) =>
    scene.speaker.locRib.choice(prefixAt('ipv4-unicast', index)),
  );
  expect(choices.filter(({ length }) => length === 2).length).toBeGreaterThan(20);
  expect(new Set(choices.map(([best]) => best?.source.key)).size).toBe(1);
});

test('it ends by itself and finds nothing wrong; what it played is not in the real speaker', async () => {
  const { said, log } = logging();
  const real = realOf(() => 0);
  let ended = 0;
  const onEnd = (): void => {
    ended += 1;
  };
  prepareRehearsal({ isWanted: true, withFib: true, log, onEnd }).start(real);
  await eventually(() => expect(said).toEqual(['rehearsed']), within);
  expect(ended).toBe(1);
  expect(real.speaker.locRib.size).toBe(0);
  expect(real.speaker.neighbours.size).toBe(0);
});

test('it waits while the real speaker has something to do', async () => {
  const { said, log } = logging();
  let depth = 1;
  let asked = 0;
  const real = realOf(() => {
    asked += 1;
    return depth;
  });
  prepareRehearsal({ isWanted: true, withFib: false, log }).start(real);
  await eventually(() => expect(asked).toBeGreaterThan(3), within);
  expect(said).toEqual([]);
  depth = 0;
  await eventually(() => expect(said).toEqual(['rehearsed']), within);
});

test('once real neighbours have told a table it is of no use any more, and ends when the process is at rest', async () => {
  const { said, log } = logging();
  const { speaker } = realOf(() => 0);
  const real = { depth: () => 0, speaker: { ...speaker, locRib: { size: 30_000 } } } as Real;
  let looks = 0;
  let isBusy = true;
  let spent = 0;
  const cpuMs = (): number => {
    looks += 1;
    spent += isBusy ? 100 : 1;
    return spent;
  };
  let ended = 0;
  const onEnd = (): void => {
    ended += 1;
  };
  prepareRehearsal({ isWanted: true, withFib: false, log, onEnd, cpuMs }).start(real);
  await eventually(() => expect(looks).toBeGreaterThan(2), within);
  expect(ended).toBe(0);
  isBusy = false;
  await eventually(() => expect(ended).toBe(1), within);
  expect(said).toEqual(['rehearsed']);
});

test('stopped, and unwanted, it does nothing more', async () => {
  const { said, log } = logging();
  const stopped = prepareRehearsal({ isWanted: true, withFib: false, log });
  stopped.stop();
  let asked = 0;
  const real = realOf(() => {
    asked += 1;
    return 0;
  });
  stopped.start(real);
  prepareRehearsal({ isWanted: false, withFib: false, log }).start(real);
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect([asked, said]).toEqual([0, []]);
});

test('its filters have the form of those that are read from the datastore, or V8 would compile for another', () => {
  setFlagsFromString('--allow-natives-syntax');
  const isOneForm = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (
    a: unknown,
    b: unknown,
  ) => boolean;
  const lists = { importV4: [{ action: 'Accept' }], exportV4: [{ action: 'Reject' }] };
  const read = readBgpFilter({ name: 'in', labels: {}, annotations: {} }, { spec: lists });
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  const [played] = castResources().filter((one) => one.kind === 'BGPFilter');
  for (const list of ['importV4', 'exportV4'] as const) {
    const [theirs, ours] = [read.value[list][0], played?.[list][0]];
    expect(theirs).toBeDefined();
    expect(isOneForm(theirs, ours)).toBe(true);
    expect(isOneForm(theirs?.operations, ours?.operations)).toBe(true);
  }
  expect(isOneForm({ action: 'Accept', operations: [] }, played?.importV4[0])).toBe(false);
});
