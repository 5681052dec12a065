/** An agent killed at a few of the things it does, by name; `npm run policy` does so at all of them. */
import { defineConfig } from 'vitest/config';
import usual, { killed } from './vitest.config.ts';

export default defineConfig({
  test: { ...usual.test, include: [killed], exclude: [] },
});
