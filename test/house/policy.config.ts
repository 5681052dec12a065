/** The long form of what `npm test` tries a little of: policy by arbitrary clusters, by packets, and through kills. */
import { defineConfig } from 'vitest/config';
import usual from './vitest.config.ts';

export default defineConfig({
  test: {
    ...usual.test,
    include: [
      'test/property/felix/**/*.test.ts',
      'test/netns/random-packets.test.ts',
      'test/netns/kill-*.test.ts',
    ],
  },
});
