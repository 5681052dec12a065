import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Crowd } from '../../../felix/calc/crowd.ts';
import { fold, unfold } from '../../../felix/calc/folding.ts';
import { convert } from '../../../src/policy/convert.ts';
import { anyPolicy } from '../../support/arbitrary-policy.ts';

test('a policy that is folded and unfolded says what it said', () => {
  fc.assert(
    fc.property(anyPolicy, (resource) => {
      const { policy } = convert(resource);
      if (policy !== undefined) expect(unfold(fold(policy), policy.selector)).toEqual(policy);
    }),
    { numRuns: 300 },
  );
});

test('a crowd holds what was added and not taken away, few or many', () => {
  const step = fc.record({ add: fc.boolean(), item: fc.integer({ min: 0, max: 60 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const crowd = new Crowd<number>();
      const model = new Set<number>();
      for (const { add, item } of steps) {
        if (!add) {
          crowd.delete(item);
          model.delete(item);
        } else if (!model.has(item)) {
          crowd.add(item);
          model.add(item);
        }
      }
      expect(crowd.size).toBe(model.size);
      expect(new Set(crowd)).toEqual(model);
      expect([...crowd]).toHaveLength(model.size);
    }),
    { numRuns: 200 },
  );
});
