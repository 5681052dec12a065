import { expect, test } from 'vitest';
import { createLoop } from '../../../src/host/loop.ts';
import { eventually } from '../../support/eventually.ts';

test('events are stepped in the order they were posted, those posted by a step included', async () => {
  const seen: number[] = [];
  const loop = createLoop<number>({
    step: (event) => {
      seen.push(event);
      if (event === 2) loop.post(9);
    },
  });
  for (const event of [1, 2, 3]) loop.post(event);
  await eventually(() => expect(seen).toEqual([1, 2, 3, 9]), { within: 15_000 });
  expect(loop.depth).toBe(0);
});

test('a long inbox yields to timers between slices and drops nothing', async () => {
  let stepped = 0;
  let steppedWhenTimerRan = -1;
  const loop = createLoop<number>({ step: () => (stepped += 1), sliceEvents: 10 });
  for (let event = 0; event < 20_000; event += 1) loop.post(event);
  setTimeout(() => (steppedWhenTimerRan = stepped), 0);
  await eventually(() => expect(stepped).toBe(20_000), { within: 15_000 });
  expect(steppedWhenTimerRan).toBeGreaterThanOrEqual(0);
  expect(steppedWhenTimerRan).toBeLessThan(20_000);
});

test('the sources are told to stop at the high water mark and to go on at half of it', async () => {
  const pressure: [boolean, number][] = [];
  const loop = createLoop<number>({
    step: () => undefined,
    highWater: 100,
    sliceEvents: 10,
    onPressure: (pressed) => pressure.push([pressed, loop.depth]),
  });
  for (let event = 0; event < 150; event += 1) loop.post(event);
  await eventually(() => expect(loop.depth).toBe(0), { within: 15_000 });
  expect(pressure[0]).toEqual([true, 100]);
  expect(pressure[1]?.[0]).toBe(false);
  expect(pressure[1]?.[1]).toBeLessThanOrEqual(50);
  expect(pressure).toHaveLength(2);
});

test('an inbox is as full as what waits in it weighs', async () => {
  const pressure: [boolean, number][] = [];
  const loop = createLoop<number>({
    step: () => undefined,
    weigh: (event) => event,
    highWater: 100,
    sliceEvents: 1,
    onPressure: (pressed) => pressure.push([pressed, loop.depth]),
  });
  for (const event of [1, 60, 10, 29, 1]) loop.post(event);
  await eventually(() => expect(loop.depth).toBe(0), { within: 15_000 });
  // 1 + 60 + 10 + 29 are 100; without the first and the second 40 are left.
  expect(pressure).toEqual([
    [true, 4],
    [false, 3],
  ]);
});

test('work left pending by the steps is flushed once after each slice', async () => {
  const flushed: number[] = [];
  let pending = 0;
  const loop = createLoop<number>({
    step: () => (pending += 1),
    afterSlice: () => {
      flushed.push(pending);
      pending = 0;
    },
    sliceEvents: 2,
  });
  for (const event of [1, 2, 3]) loop.post(event);
  await eventually(() => expect(flushed).toEqual([2, 1]), { within: 15_000 });
});

test('what a step posts is done in its slice, and no empty one follows', async () => {
  const slices: string[][] = [];
  let done: string[] = [];
  const loop = createLoop<string>({
    step: (event) => {
      done.push(event);
      if (event === 'a') loop.post('b');
    },
    afterSlice: () => {
      slices.push(done);
      done = [];
    },
  });
  loop.post('a');
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(slices).toEqual([['a', 'b']]);
  loop.post('c');
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(slices).toEqual([['a', 'b'], ['c']]);
});

test('what is urgent goes before all that waits, in its own order', async () => {
  const done: string[] = [];
  const loop = createLoop<string>({ step: (event) => done.push(event), sliceEvents: 2 });
  for (const event of ['a', 'b', 'c', 'd']) loop.post(event);
  loop.postUrgent('1');
  loop.postUrgent('2');
  await new Promise((resolve) => setImmediate(resolve));
  loop.postUrgent('3');
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(done).toEqual(['1', '2', 'a', 'b', '3', 'c', 'd']);
});
