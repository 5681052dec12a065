/**
 * How an owner comes by a block and gives it back: Calico's two phases, each step a compare-and-swap, so that whoever dies between
 * two of them leaves something anybody can finish or undo.
 *
 *   claim:      BlockAffinity pending → no claim of another size overlaps it → create IPAMBlock with the owner in it → BlockAffinity confirmed
 *   give back:  BlockAffinity pendingDeletion → delete the empty IPAMBlock → delete BlockAffinity
 *
 * The block decides: there is one object per block, and its `affinity` says whose it is. An affinity is a claim on the way there
 * and a memory afterwards; where the two disagree, `settle` makes the affinity say what the block says.
 *
 * Blocks of one size exclude each other by their name. Blocks of different sizes, as of a pool made anew with another blockSize, do not:
 * so everybody first writes down its own claim and then reads those of the neighbourhood. Of two who claim what overlaps, the one that
 * wrote last sees the other, whatever happens in between; perhaps each sees the other, and both look elsewhere.
 */
import { overlaps, type Prefix } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../model/ipam.ts';
import {
  affinityName,
  aroundLabel,
  aroundOf,
  blockName,
  emptyBlock,
  type Instant,
  isEmpty,
  isMarked,
  marked,
  newAffinity,
  ownerOf,
  ownerText,
  sameOwner,
} from './block.ts';
import {
  drop,
  type Kept,
  listAffinities,
  put,
  readAffinity,
  readBlock,
  type Talk,
  type Trouble,
} from './talk.ts';

/** Undefined: it is another's, or was taken meanwhile. */
export type Claimed = Result<Kept<IpamBlock> | undefined, Trouble>;

/**
 * Claims the block, if nobody has it. What a claim of this owner left half done is finished, and a tombstone is removed.
 * On trouble everything may be asked again.
 */
export function* claim(cidr: Prefix, owner: BlockOwner, now: Instant): Talk<Claimed> {
  const found = yield* standing(cidr);
  if (!found.ok) return found;
  if (found.value !== undefined) return yield* ours(found.value, owner);
  const pending = yield* announce(cidr, owner);
  if (!pending.ok) return pending;
  const rivals = yield* overlapping(cidr);
  if (!rivals.ok) return rivals;
  return rivals.value.length > 0
    ? yield* withdrawn(pending.value)
    : yield* established(cidr, owner, pending.value, now);
}

/** The block as it is there; a tombstone is cleared away. */
function* standing(cidr: Prefix): Talk<Claimed> {
  const found = yield* readBlock(blockName(cidr));
  if (!found.ok || found.value?.thing.deleted !== true) return found;
  const dropped = yield* drop(found.value);
  if (!dropped.ok) return dropped;
  return dropped.value ? ok(undefined) : found;
}

function* established(
  cidr: Prefix,
  owner: BlockOwner,
  pending: Kept<BlockAffinity>,
  now: Instant,
): Talk<Claimed> {
  const created = yield* put(emptyBlock(cidr, owner, now));
  if (created.ok) return yield* confirmed(created.value, owner, pending);
  if (created.error.kind !== 'exists' && created.error.kind !== 'unknown') return created;
  const there = yield* readBlock(blockName(cidr));
  if (!there.ok) return there;
  // Not there: the create that was never answered did not happen, or somebody deleted it at once.
  if (there.value === undefined) return created;
  if (sameOwner(there.value.thing.affinity, owner)) return yield* ours(there.value, owner);
  return yield* withdrawn(pending);
}

/** Claims of anybody, this owner too, that overlap the block and are of another one. */
export function* overlapping(cidr: Prefix): Talk<Result<readonly BlockAffinity[], Trouble>> {
  const near = yield* listAffinities({ [aroundLabel]: aroundOf(cidr) });
  return near.ok
    ? ok(near.value.map(({ thing }) => thing).filter((one) => one.cidr !== cidr && overlaps(one.cidr, cidr)))
    : near;
}

function* withdrawn(affinity: Kept<BlockAffinity>): Talk<Claimed> {
  const dropped = yield* drop(affinity);
  return dropped.ok ? ok(undefined) : dropped;
}

function* ours(found: Kept<IpamBlock>, owner: BlockOwner): Talk<Claimed> {
  return found.thing.deleted || !sameOwner(found.thing.affinity, owner)
    ? ok(undefined)
    : yield* confirmed(found, owner);
}

/** The affinity is there as pending, or further. */
function* announce(cidr: Prefix, owner: BlockOwner): Talk<Result<Kept<BlockAffinity>, Trouble>> {
  const created = yield* put(newAffinity(cidr, owner));
  if (created.ok) return created;
  if (created.error.kind !== 'exists' && created.error.kind !== 'unknown') return created;
  const there = yield* readAffinity(affinityName(owner, cidr));
  if (!there.ok) return there;
  if (there.value === undefined) return created;
  const { thing } = there.value;
  // A node may be called as a virtual owner is.
  if (!sameOwner(ownerOf(thing), owner))
    return err({
      kind: 'invalid',
      what: `BlockAffinity/${thing.meta.name} is of ${ownerText(ownerOf(thing))}.`,
    });
  return thing.state === 'pending' && isMarked(thing)
    ? ok(there.value)
    : yield* put(marked({ ...there.value.thing, state: 'pending' }), there.value.version);
}

/** Nothing is to be done about it as long as its block is there. */
export const isSettled = (affinity: BlockAffinity): boolean =>
  affinity.state === 'confirmed' && isMarked(affinity);

/** Set, read, set again: an answer that never came is found out by reading. */
const confirmTries = 4;

/** The block is this owner's; its affinity is made to say so, whatever became of it meanwhile. */
function* confirmed(block: Kept<IpamBlock>, owner: BlockOwner, pending?: Kept<BlockAffinity>): Talk<Claimed> {
  const { cidr } = block.thing;
  let last: Trouble | undefined;
  for (let tries = 0; tries < confirmTries; tries += 1) {
    const there =
      tries === 0 && pending !== undefined ? ok(pending) : yield* readAffinity(affinityName(owner, cidr));
    if (!there.ok) return there;
    if (there.value !== undefined && isSettled(there.value.thing)) return ok(block);
    const written = yield* put(
      marked({ ...(there.value?.thing ?? newAffinity(cidr, owner)), state: 'confirmed' }),
      there.value?.version,
    );
    if (written.ok) return ok(block);
    last = written.error;
  }
  return err(last ?? { kind: 'conflict', what: `The affinity of ${blockName(cidr)} keeps changing.` });
}

/**
 * Gives an empty block back on behalf of its owner, whoever does it.
 * @param cooledBy  what was released up to then has cooled down
 * @returns  whether the owner no longer has it; false if it is in use
 */
export function* giveBack(
  cidr: Prefix,
  owner: BlockOwner,
  cooledBy: Instant,
): Talk<Result<boolean, Trouble>> {
  const affinity = yield* readAffinity(affinityName(owner, cidr));
  if (!affinity.ok) return affinity;
  const block = yield* readBlock(blockName(cidr));
  if (!block.ok) return block;
  const theirs = sameOwner(block.value?.thing.affinity, owner) ? block.value : undefined;
  const goes = theirs === undefined || isEmpty(theirs.thing, cooledBy);
  if (affinity.value === undefined) return goes && theirs !== undefined ? yield* drop(theirs) : ok(goes);
  const marked = goes ? yield* mark(affinity.value) : ok(affinity.value);
  if (!marked.ok) return marked;
  const settled = yield* settle(marked.value, cooledBy);
  return settled.ok ? ok(settled.value === undefined) : settled;
}

function* mark(affinity: Kept<BlockAffinity>): Talk<Result<Kept<BlockAffinity>, Trouble>> {
  return affinity.thing.state === 'pendingDeletion'
    ? ok(affinity)
    : yield* put({ ...affinity.thing, state: 'pendingDeletion' }, affinity.version);
}

/**
 * Ends what was left half done: the affinity says what the block says, or goes. For an owner's own affinities at its start, and for
 * those of owners that are gone; a claim that is still under way survives it.
 * @returns  the block, if the affinity stands for one
 */
export function* settle(affinity: Kept<BlockAffinity>, cooledBy: Instant): Talk<Claimed> {
  const owner = ownerOf(affinity.thing);
  const block = yield* readBlock(blockName(affinity.thing.cidr));
  if (!block.ok) return block;
  const theirs = sameOwner(block.value?.thing.affinity, owner) ? block.value : undefined;
  if (theirs !== undefined && !isGoing(theirs.thing, affinity.thing, cooledBy))
    return isSettled(affinity.thing) ? ok(theirs) : yield* confirmed(theirs, owner);
  if (theirs !== undefined) {
    const dropped = yield* drop(theirs);
    if (!dropped.ok) return dropped;
    if (!dropped.value)
      return err({ kind: 'conflict', what: `The block ${theirs.thing.meta.name} changed meanwhile.` });
  }
  return yield* withdrawn(affinity);
}

const isGoing = (block: IpamBlock, { state }: BlockAffinity, cooledBy: Instant): boolean =>
  block.deleted || (state === 'pendingDeletion' && isEmpty(block, cooledBy));
