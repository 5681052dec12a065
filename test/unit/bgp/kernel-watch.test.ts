import { expect, test } from 'vitest';
import { Journal } from '../../../bgp/watch/journal.ts';
import { watchKernel } from '../../../bgp/watch/kernel-watch.ts';

test('a problem with the kernel is an event when it begins and when it is over, and not meanwhile', () => {
  const journal = new Journal();
  const watch = watchKernel(journal);
  const problem = {
    where: 'route 10.65.1.0/24',
    what: 'Somebody else has a route in its place.',
    fix: 'Remove it.',
  };
  watch.look(1000, [], 0);
  watch.look(2000, [problem], 0);
  watch.look(3000, [problem], 0);
  watch.look(4000, [], 0);
  expect(journal.read().entries).toMatchObject([
    {
      at: '1970-01-01T00:00:02.000Z',
      kind: 'kernel',
      who: 'route 10.65.1.0/24',
      why: expect.stringContaining('Somebody else'),
    },
    { at: '1970-01-01T00:00:04.000Z', what: 'is mended, or wanted no longer' },
  ]);
});

test('routes that others took away are an event each time it is noticed', () => {
  const journal = new Journal();
  const watch = watchKernel(journal);
  for (const overturned of [0, 2, 2, 5]) watch.look(1000, [], overturned);
  expect(journal.read().entries.map(({ what }) => what)).toEqual([
    '2 of our routes were changed or gone, and are written again',
    '3 of our routes were changed or gone, and are written again',
  ]);
});
