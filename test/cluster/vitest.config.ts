/** The suite against a real API server: one file at a time, for each brings an etcd and an API server of its own. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/cluster/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    // Against what hangs only: `eventually` says more than a timeout.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
  },
});
