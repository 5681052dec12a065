import { expect, test } from 'vitest';
import { configChanges } from '../../../bgp/watch/changes.ts';
import { configOf } from '../../support/routes.ts';

test.each([
  [undefined, 'shutdown', 'this node is being drained: what we announce carries GRACEFUL_SHUTDOWN'],
  ['shutdown', 'withdrawn', 'this node is drained: nothing is announced any more'],
  ['withdrawn', undefined, 'this node is drained no longer: everything is announced again'],
] as const)('a drain from %s to %s is history', (before, after, phrase) => {
  const at = (drain: 'shutdown' | 'withdrawn' | undefined) => configOf(drain === undefined ? {} : { drain });
  expect(configChanges(at(before), at(after))).toEqual([phrase]);
  expect(configChanges(at(after), at(after))).toEqual([]);
});
