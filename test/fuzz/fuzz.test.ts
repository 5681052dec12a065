/** A short run of the fuzzer; `npm run fuzz` is the long one. */
import { expect, test } from 'vitest';
import { decodeMessage } from '../../bgp/wire/codec.ts';
import { bytesOf, context, soundAttributes, updateHex } from '../support/wire.ts';
import { fuzz } from './fuzz.ts';
import { costOfUpdate } from './judge.ts';

test('RFC 7606 §2: twenty thousand mutated messages throw nothing, hang nothing, and cost what the RFC asks for', () => {
  const { failure, tally } = fuzz(7606, 20_000);
  expect(failure).toBeUndefined();
  // the run has met every remedy often, and sessions did end
  expect(Math.min(...tally.costs)).toBeGreaterThan(500);
  expect(tally.resets).toBeGreaterThan(50);
});

test('a case is the same whenever it is played', () => {
  const once = fuzz(1, 50, 250).tally;
  expect(once.cases).toBe(100);
  expect(fuzz(1, 50, 250).tally).toEqual(once);
});

test('RFC 7606 §2: the judge of the fuzzer and the codec tell the remedies apart', () => {
  const costs = (attributes: string): readonly number[] =>
    costOfUpdate(bytesOf(updateHex({ attributes, nlri: '080a' })), context());
  expect(costs(soundAttributes)).toEqual([0, 0]);
  expect(costs(`${soundAttributes} 40060100`)).toEqual([1, 1]);
  expect(costs(soundAttributes.replace('40010100', '40010103'))).toEqual([2, 2]);
  expect(costs(`${soundAttributes} 40fe00`)).toEqual([3, 3]);
  expect(decodeMessage(bytesOf(updateHex({ attributes: `${soundAttributes} 40fe00` })), context()).ok).toBe(
    false,
  );
});
