import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Given,
  giveAddress,
  giveNext,
  type Released,
  releaseHandle,
  releaseSeen,
  type Seen,
  thaw,
} from '../../../src/ipam/allocation.ts';
import { addressOf, emptyBlock, inUse, ordinalOf, sizeOf } from '../../../src/ipam/block.ts';
import { candidates } from '../../../src/ipam/candidates.ts';
import { hostPrefix, type Prefix } from '../../../src/lib/net.ts';
import type { IpamBlock } from '../../../src/model/ipam.ts';
import { cidr, flawsOf, ipPool } from '../../support/ipam.ts';

const blocks = [cidr('10.65.0.64/29'), cidr('fd00:65::40/125'), cidr('10.0.0.7/32')];
const instant = (second: number): string => new Date(1_700_000_000_000 + second * 1000).toISOString();

const step = fc.record({
  kind: fc.constantFrom(
    'next' as const,
    'next' as const,
    'exactly' as const,
    'release' as const,
    'seen' as const,
    'wait' as const,
  ),
  handle: fc.integer({ min: 0, max: 5 }).map((n) => `h${n}`),
  ordinal: fc.integer({ min: 0, max: 7 }),
  seconds: fc.integer({ min: 1, max: 4 }),
});

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** The obvious block: who has each address, since when the released ones cool, and the queue of free ones. */
class Model {
  readonly held = new Map<number, string>();
  readonly cooling = new Map<number, number>();
  queue: number[];

  constructor(size: number) {
    this.queue = Array.from({ length: size }, (_, ordinal) => ordinal);
  }

  thaw(now: number, cooldown: number): void {
    for (const [ordinal, since] of [...this.cooling].sort((a, b) => a[1] - b[1] || a[0] - b[0]))
      if (now - since >= cooldown) {
        this.cooling.delete(ordinal);
        this.queue.push(ordinal);
      }
  }

  take(ordinal: number | undefined, handle: string): number | undefined {
    if (ordinal === undefined) return undefined;
    this.queue = this.queue.filter((free) => free !== ordinal);
    this.held.set(ordinal, handle);
    return ordinal;
  }

  release(which: (ordinal: number, handle: string) => boolean, now: number, cooldown: number): number[] {
    const gone = [...this.held]
      .filter(([ordinal, handle]) => which(ordinal, handle))
      .map(([ordinal]) => ordinal);
    for (const ordinal of gone.sort((a, b) => a - b)) {
      this.held.delete(ordinal);
      if (cooldown > 0) this.cooling.set(ordinal, now);
      else this.queue.push(ordinal);
    }
    return gone;
  }
}

/** The block and the model side by side; every move is made on both, and what they answer must agree. */
class Play {
  readonly #prefix: Prefix;
  readonly #cooldown: number;
  readonly #reserved: readonly number[];
  readonly model: Model;
  block: IpamBlock;
  now = 0;
  #seen: readonly Seen[] = [];

  constructor(prefix: Prefix, cooldown: number, reserved: readonly number[]) {
    this.#prefix = prefix;
    this.#cooldown = cooldown;
    this.#reserved = reserved;
    this.model = new Model(sizeOf(prefix));
    this.block = emptyBlock(prefix, { type: 'host', node: 'n' }, instant(0));
  }

  readonly moves: Readonly<Record<Step['kind'], (step: Step) => void>> = {
    next: ({ handle }) => {
      const reserved = this.#reserved
        .filter((n) => n < sizeOf(this.#prefix))
        .map((n) => hostPrefix(addressOf(this.#prefix, n)));
      const given = giveNext(this.block, { handle, secondary: {} }, { reserved, cooledBy: this.#cooledBy });
      this.#given(handle, given, (n) => !this.#reserved.includes(n));
    },
    exactly: ({ handle, ordinal }) => {
      const address = addressOf(this.#prefix, ordinal);
      const given = giveAddress(this.block, address, { handle, secondary: {} }, this.#cooledBy);
      this.#given(handle, given, (n) => n === ordinal);
    },
    release: ({ handle }) => {
      this.#released(releaseHandle(this.block, handle, this.#rules), (_, who) => who === handle);
    },
    seen: () => {
      const current = inUse(this.block);
      const still = this.#seen
        .filter((one) => current.some((is) => is.address === one.address && is.sequence === one.sequence))
        .map(({ address }) => ordinalOf(this.#prefix, address));
      this.#released(releaseSeen(this.block, this.#seen, this.#rules), (n) => still.includes(n));
      this.#seen = inUse(this.block).map(({ address, sequence, attribute }) => ({
        ...{ address, sequence, handle: attribute.handle },
      }));
    },
    wait: ({ seconds }) => {
      this.now += seconds;
      this.model.thaw(this.now, this.#cooldown);
      this.block = thaw(this.block, this.#cooledBy);
    },
  };

  get #cooledBy(): string {
    return instant(this.now - this.#cooldown);
  }

  get #rules() {
    return { now: instant(this.now), cooldownSeconds: this.#cooldown };
  }

  #given(handle: string, given: Given | undefined, may: (ordinal: number) => boolean): void {
    this.model.thaw(this.now, this.#cooldown);
    const taken = this.model.take(this.model.queue.find(may), handle);
    expect(given && ordinalOf(this.#prefix, given.address)).toBe(taken);
    this.block = given?.block ?? this.block;
  }

  #released(released: Released, which: (ordinal: number, handle: string) => boolean): void {
    const ordinals = released.addresses.map((address) => ordinalOf(this.#prefix, address));
    expect(ordinals).toEqual(this.model.release(which, this.now, this.#cooldown));
    this.block = released.block;
  }
}

test('a block gives and takes back as the obvious block does: first come first served, reserved never, cooled ones last', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...blocks),
      fc.constantFrom(0, 3),
      fc.subarray([0, 3, 7]),
      fc.array(step, { maxLength: 60 }),
      (prefix, cooldown, reserved, steps) => {
        const play = new Play(prefix, cooldown, reserved);
        for (const one of steps) {
          play.moves[one.kind](one);
          expect(flawsOf(play.block)).toEqual([]);
          expect(play.block.unallocated).toEqual(play.model.queue);
          expect(inUse(play.block).map(({ ordinal, attribute }) => [ordinal, attribute.handle])).toEqual(
            [...play.model.held].sort((a, b) => a[0] - b[0]),
          );
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('an address that was released and given anew is not released by who saw it before', () => {
  const to = (handle: string) => ({ handle, secondary: {} });
  const rules = { now: instant(0), cooldownSeconds: 0 };
  const empty = emptyBlock(cidr('10.0.0.7/32'), { type: 'host', node: 'n' }, instant(0));
  const first = giveNext(empty, to('pod'), { reserved: [], cooledBy: instant(0) });
  if (first === undefined) throw new Error('an empty block gave nothing');
  const seen = inUse(first.block).map(({ address, sequence }) => ({ address, sequence, handle: 'pod' }));
  const freed = releaseHandle(first.block, 'pod', rules).block;
  const again = giveNext(freed, to('pod'), { reserved: [], cooledBy: instant(0) });
  if (again === undefined) throw new Error('a freed block gave nothing');
  expect(releaseSeen(again.block, seen, rules)).toEqual({ block: again.block, addresses: [] });
  expect(releaseSeen(first.block, seen, rules).addresses).toEqual([first.address]);
});

test('the candidates of a pool are all its blocks once, in an order that differs from node to node', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 8 }),
      fc.boolean(),
      fc.string({ minLength: 1 }),
      (bits, isV4, node) => {
        const pool = isV4
          ? ipPool('p', '10.65.0.0/18', { blockSize: 18 + bits })
          : ipPool('p', 'fd00:65::/112', { blockSize: 112 + bits });
        const found = [...candidates(pool, { type: 'host', node })];
        expect(new Set(found).size).toBe(2 ** bits);
        expect(found).toHaveLength(2 ** bits);
        expect(found).toEqual([...candidates(pool, { type: 'host', node })]);
      },
    ),
  );
  const pool = ipPool('p', '10.65.0.0/16');
  const firsts = Array.from(
    { length: 50 },
    (_, n) => candidates(pool, { type: 'host', node: `node${n}` }).next().value,
  );
  expect(new Set(firsts).size).toBeGreaterThan(45);
});
