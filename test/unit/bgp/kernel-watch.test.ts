import { expect, test } from 'vitest';
import { Journal } from '../../../bgp/journal.ts';
import { watchKernel } from '../../../bgp/kernel-watch.ts';

test('a problem with the kernel is an event when it begins and when it is over, and not meanwhile', () => {
  const journal = new Journal();
  const watch = watchKernel(journal);
  const problem = {
    where: 'route 10.65.1.0/24',
    what: 'Somebody else has a route in its place.',
    fix: 'Remove it.',
  };
  watch.look(1000, []);
  watch.look(2000, [problem]);
  watch.look(3000, [problem]);
  watch.look(4000, []);
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
