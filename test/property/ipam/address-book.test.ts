import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressBook } from '../../../src/ipam/address-book.ts';
import { type Address, containsAddress, millis, type Prefix, parsePrefix } from '../../../src/lib/net.ts';

const cidrs = ['10.1.0.0/29', '10.2.0.0/28', 'fd00::/125', 'fd01::/64', '192.0.2.4/31'].flatMap((text) => {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [prefix];
});
const coolDown = 5;

const step = fc.record({
  kind: fc.constantFrom('take', 'take', 'release'),
  owner: fc.integer({ min: 0, max: 12 }).map((n) => `pod${n}`),
  cidrs: fc.subarray(cidrs, { minLength: 1 }),
  wait: fc.integer({ min: 0, max: 4 }),
});

/** The naive book: every address with its owner, every release with its time. */
class Model {
  readonly held = new Map<string, readonly Address[]>();
  readonly freedAt = new Map<Address, number>();
}

function take(model: Model, book: AddressBook, owner: string, from: readonly Prefix[], now: number): void {
  const before = model.held.get(owner);
  const result = book.allocate({ owner, cidrs: from, now: millis(now) });
  if (!result.ok) {
    expect(before).toBeUndefined();
    return;
  }
  if (before !== undefined) {
    expect(result.value).toEqual(before);
    return;
  }
  const families = new Set(from.map((cidr) => typeof cidr));
  expect(result.value.map((address) => typeof address).sort()).toEqual([...families].sort());
  for (const address of result.value) {
    expect([...model.held.values()].flat()).not.toContain(address);
    expect(from.some((cidr) => containsAddress(cidr, address))).toBe(true);
    expect(now - (model.freedAt.get(address) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(coolDown);
  }
  model.held.set(owner, result.value);
}

test('no address has two owners, none leaks, and none comes back before it cooled down', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const book = new AddressBook(millis(coolDown));
      const model = new Model();
      let now = 0;
      for (const { kind, owner, cidrs: from, wait } of steps) {
        now += wait;
        if (kind === 'take') take(model, book, owner, from, now);
        else {
          expect(book.release(owner, millis(now))).toEqual(model.held.get(owner) ?? []);
          expect(book.release(owner, millis(now))).toEqual([]);
          for (const address of model.held.get(owner) ?? []) model.freedAt.set(address, now);
          model.held.delete(owner);
        }
        expect(book.size).toBe([...model.held.values()].flat().length);
      }
    }),
    { numRuns: 300 },
  );
});

test('whatever came and went, once all is released and cooled down every address can be given', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const book = new AddressBook(millis(coolDown));
      for (const { kind, owner, cidrs: from } of steps) {
        if (kind === 'take') book.allocate({ owner, cidrs: from, now: millis(0) });
        else book.release(owner, millis(0));
      }
      for (let n = 0; n <= 12; n += 1) book.release(`pod${n}`, millis(0));
      const first = cidrs.slice(0, 1);
      const given = [0, 1, 2, 3, 4, 5].map((n) =>
        book.allocate({ owner: `new${n}`, cidrs: first, now: millis(coolDown) }),
      );
      expect(given.every((result) => result.ok)).toBe(true);
      expect(book.allocate({ owner: 'one too many', cidrs: first, now: millis(coolDown) }).ok).toBe(false);
    }),
  );
});
