import { expect, test } from 'vitest';
import { realClock } from '../../../src/host/clock.ts';
import { openStore } from '../../../src/store/open.ts';

const options = { clock: realClock, random: () => 0 };

test.each(['dir:/tmp/somewhere', 'kubernetes'])('%s opens', (text) => {
  expect(openStore(text, options).ok).toBe(true);
});

test.each(['', 'dir:', 'etcd', 'Kubernetes', '/tmp'])('%j is refused with both forms', (text) => {
  expect(openStore(text, options)).toEqual({
    ok: false,
    error: `--datastore must be dir:PATH or kubernetes, but is ${JSON.stringify(text)}.`,
  });
});
