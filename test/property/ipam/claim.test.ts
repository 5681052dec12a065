import { expect, test } from 'vitest';
import { giveNext } from '../../../src/ipam/allocation.ts';
import { emptyBlock, newAffinity } from '../../../src/ipam/block.ts';
import { claim, giveBack, settle } from '../../../src/ipam/claim.ts';
import { put, readAffinity, type Talk, type Trouble } from '../../../src/ipam/talk.ts';
import { drive, perform } from '../../../src/ledger/drive.ts';
import { err, ok, type Result } from '../../../src/lib/result.ts';
import type { BlockOwner } from '../../../src/model/ipam.ts';
import type { Objects } from '../../../src/store/objects.ts';
import { countedObjects } from '../../support/counted-objects.ts';
import { allBlocks, cidr, ipamObjects } from '../../support/ipam.ts';

const block = cidr('10.65.0.0/29');
const a: BlockOwner = { type: 'host', node: 'a' };
const b: BlockOwner = { type: 'host', node: 'b' };
const now = '2026-01-01T00:00:00Z';
const quiet = (): void => undefined;

/** Carries out so many steps, then the process dies: before the next, or right after it with its answer unheard. */
async function dieAfter<T>(talk: Talk<T>, steps: number, objects: Objects): Promise<boolean> {
  let step = talk.next();
  for (let done = 0; done < steps && step.done !== true; done += 1)
    step = talk.next(await perform(step.value, objects, quiet));
  return step.done === true;
}

/** Both objects agree on one owner, or neither is there. */
async function owners(objects: Objects): Promise<readonly unknown[]> {
  const affinities = await objects.list('BlockAffinity');
  const states = affinities.ok ? affinities.value.map(({ manifest }) => manifest['spec']) : [];
  const blocks = await allBlocks(objects);
  return [blocks.map(({ affinity }) => affinity), states];
}

const both = (node: string) => [
  [{ type: 'host', node }],
  [{ state: 'confirmed', node, type: 'host', cidr: '10.65.0.0/29', deleted: false }],
];

/** Every number of steps until the talk is through. */
async function atEveryStep(check: (steps: number) => Promise<boolean>): Promise<void> {
  for (let steps = 0; steps < 40; steps += 1) if (await check(steps)) return;
  throw new Error('the talk does not end');
}

const settleAll = async (objects: Objects): Promise<void> => {
  for (const node of ['a', 'b']) {
    const affinity = await drive(readAffinity(`${node}-10-65-0-0-29`), objects, quiet);
    if (affinity.ok && affinity.value !== undefined) await drive(settle(affinity.value, now), objects, quiet);
  }
};

test('a claim that dies at any step is finished by the same node when it comes again', async () => {
  await atEveryStep(async (steps) => {
    const objects = countedObjects();
    const isDone = await dieAfter(claim(block, a, now), steps, objects);
    expect(await drive(claim(block, a, now), objects, quiet)).toMatchObject({
      ok: true,
      value: { thing: { cidr: block } },
    });
    expect(await owners(objects)).toEqual(both('a'));
    return isDone;
  });
});

test('a claim that dies at any step leaves nothing, or a whole claim, after anybody settled it', async () => {
  await atEveryStep(async (steps) => {
    const objects = countedObjects();
    const isDone = await dieAfter(claim(block, a, now), steps, objects);
    await settleAll(objects);
    expect([[[], []], both('a')]).toContainEqual(await owners(objects));
    return isDone;
  });
});

test('two nodes that claim one block in any interleaving: one has it, and the other has left no trace', async () => {
  await atEveryStep(async (first) => {
    let isDone = false;
    await atEveryStep(async (second) => {
      const objects = countedObjects();
      const talks = [claim(block, a, now), claim(block, b, now)] as const;
      const ends = await interleave(talks, first, second, objects);
      const winners = ends.filter((end) => end.ok && end.value !== undefined);
      expect(winners).toHaveLength(1);
      expect([both('a'), both('b')]).toContainEqual(await owners(objects));
      isDone = first >= 8;
      return second >= 8;
    });
    return isDone;
  });
});

test.each([
  ['larger', '10.65.0.0/27'],
  ['smaller', '10.65.0.4/31'],
])(
  'two nodes that claim overlapping blocks, the other %s, in any interleaving: at most one block, and every claim has one',
  async (_, text) => {
    const rival = cidr(text);
    for (let first = 0; first <= 8; first += 1)
      for (let second = 0; second <= 8; second += 1) {
        const objects = countedObjects();
        const ends = await interleave([claim(block, a, now), claim(rival, b, now)], first, second, objects);
        expect(ends.every((end) => end.ok)).toBe(true);
        const blocks = await allBlocks(objects);
        expect(blocks.length).toBeLessThanOrEqual(1);
        expect((await ipamObjects(objects)).length).toBe(2 * blocks.length);
        // Both may have stepped back; whoever comes next gets it.
        const again = await drive(claim(block, a, now), objects, quiet);
        expect(again.ok && again.value !== undefined).toBe(blocks[0]?.cidr !== rival);
      }
  },
);

test('a claim that dies at any step keeps others from what overlaps it until somebody settles it, and no longer', async () => {
  await atEveryStep(async (steps) => {
    const objects = countedObjects();
    const isDone = await dieAfter(claim(block, a, now), steps, objects);
    const other = await drive(claim(cidr('10.65.0.0/27'), b, now), objects, quiet);
    const isAnnounced = (await ipamObjects(objects)).some((key) => key.startsWith('BlockAffinity/a-'));
    expect(other.ok && other.value !== undefined).toBe(!isAnnounced);
    return isDone;
  });
});

test('an affinity that cannot be found by its neighbourhood is marked when its node settles it', async () => {
  const objects = countedObjects();
  await drive(claim(block, a, now), objects, quiet);
  const of = await drive(readAffinity('a-10-65-0-0-29'), objects, quiet);
  if (!of.ok || of.value === undefined) throw new Error('no affinity');
  const plain = { ...of.value.thing, meta: { ...of.value.thing.meta, labels: {} } };
  await drive(put(plain, of.value.version), objects, quiet);
  expect(await drive(claim(cidr('10.65.0.0/27'), b, now), objects, quiet)).toMatchObject({
    value: { thing: { affinity: b } },
  });
  await drive(giveBack(cidr('10.65.0.0/27'), b, now), objects, quiet);
  await settleAll(objects);
  expect(await drive(claim(cidr('10.65.0.0/27'), b, now), objects, quiet)).toEqual(ok(undefined));
});

/** So many steps of the one, so many of the other, then both to their ends by turns. */
async function interleave<T>(
  [one, other]: readonly [Talk<T>, Talk<T>],
  first: number,
  second: number,
  objects: Objects,
): Promise<readonly T[]> {
  const at = { one: one.next(), other: other.next() };
  const goOn = async (): Promise<void> => {
    if (at.one.done !== true) at.one = one.next(await perform(at.one.value, objects, quiet));
  };
  const goOnOther = async (): Promise<void> => {
    if (at.other.done !== true) at.other = other.next(await perform(at.other.value, objects, quiet));
  };
  for (let n = 0; n < first; n += 1) await goOn();
  for (let n = 0; n < second; n += 1) await goOnOther();
  while (at.one.done !== true || at.other.done !== true) {
    await goOn();
    await goOnOther();
  }
  return [at.one, at.other].flatMap((end) => (end.done === true ? [end.value] : []));
}

test('a block that is given back is gone with its affinity, or whole again if somebody got an address meanwhile', async () => {
  await atEveryStep(async (steps) => {
    const objects = countedObjects();
    const claimed = await drive(claim(block, a, now), objects, quiet);
    if (!claimed.ok || claimed.value === undefined) throw new Error('the claim failed');
    const isDone = await dieAfter(giveBack(block, a, now), steps, objects);
    // The owner still believes in its copy.
    const given = giveNext(
      claimed.value.thing,
      { handle: 'pod', secondary: {} },
      { reserved: [], cooledBy: now },
    );
    if (given === undefined) throw new Error('the block gave nothing');
    const written: Result<unknown, Trouble> = await drive(
      put(given.block, claimed.value.version),
      objects,
      quiet,
    );
    const again = await drive(giveBack(block, a, now), objects, quiet);
    expect(again).toEqual(ok(!written.ok));
    expect(await owners(objects)).toEqual(written.ok ? both('a') : [[], []]);
    return isDone;
  });
});

test('giving back dies at any step, and whoever settles or gives back again ends it', async () => {
  await atEveryStep(async (steps) => {
    const objects = countedObjects();
    await drive(claim(block, a, now), objects, quiet);
    const isDone = await dieAfter(giveBack(block, a, now), steps, objects);
    if (steps % 2 === 0) await settleAll(objects);
    expect(await drive(giveBack(block, a, now), objects, quiet)).toEqual(ok(true));
    expect(await ipamObjects(objects)).toEqual([]);
    return isDone;
  });
});

test('a tombstone is cleared away before the block is claimed anew, and gives nothing before', async () => {
  const objects = countedObjects();
  const dead = { ...emptyBlock(block, b, now), deleted: true };
  await drive(put(dead), objects, quiet);
  await drive(put({ ...newAffinity(block, b), state: 'confirmed' as const }), objects, quiet);
  expect(giveNext(dead, { handle: 'pod', secondary: {} }, { reserved: [], cooledBy: now })).toBeUndefined();
  expect(await drive(claim(block, a, now), objects, quiet)).toMatchObject({
    ok: true,
    value: { thing: { affinity: a } },
  });
  await settleAll(objects);
  expect(await owners(objects)).toEqual(both('a'));
});

test('an affinity that keeps changing is trouble, not an endless loop', async () => {
  const objects = countedObjects();
  const stubborn: Objects = {
    ...objects,
    update: async (manifest) => err({ kind: 'conflict', what: `${String(manifest['kind'])} changed.` }),
  };
  expect(await drive(claim(block, a, now), stubborn, quiet)).toMatchObject({
    ok: false,
    error: { kind: 'conflict' },
  });
});
