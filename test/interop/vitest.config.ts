/** The suite beside other people's speakers: a file for each. Two at a time, for each test waits more than it works. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/interop/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Against what hangs only: `eventually` says more than a timeout.
    testTimeout: 400_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
