import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    exclude: ['test/cluster/**', 'test/deploy/**', 'test/interop/**'],
    pool: 'forks',
    maxWorkers: 2,
    // Against what hangs only: a machine may stand still for seconds, and `eventually` says more than a timeout.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
