/**
 * How an owner comes by a block and gives it back: Calico's two phases, each step a compare-and-swap, so that whoever dies between
 * two of them leaves something anybody can finish or undo.
 *
 *   claim:      BlockAffinity pending → create IPAMBlock with the owner in it → BlockAffinity confirmed
 *   give back:  BlockAffinity pendingDeletion → delete the empty IPAMBlock → delete BlockAffinity
 *
 * The block decides: there is one object per block, and its `affinity` says whose it is. An affinity is a claim on the way there
 * and a memory afterwards; where the two disagree, `settle` makes the affinity say what the block says.
 */
import type { Prefix } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../model/ipam.ts';
import {
  affinityName,
  blockName,
  emptyBlock,
  type Instant,
  isEmpty,
  newAffinity,
  ownerOf,
  ownerText,
  sameOwner,
} from './block.ts';
import { drop, type Kept, put, readAffinity, readBlock, type Talk, type Trouble } from './talk.ts';

/** Undefined: it is another's, or was taken meanwhile. */
export type Claimed = Result<Kept<IpamBlock> | undefined, Trouble>;

/**
 * Claims the block, if nobody has it. What a claim of this owner left half done is finished, and a tombstone is removed.
 * On trouble everything may be asked again.
 */
export function* claim(cidr: Prefix, owner: BlockOwner, now: Instant): Talk<Claimed> {
  const seen = yield* readBlock(blockName(cidr));
  if (!seen.ok) return seen;
  let { value: found } = seen;
  if (found?.thing.deleted === true) {
    const dropped = yield* drop(found);
    if (!dropped.ok) return dropped;
    if (dropped.value) found = undefined;
  }
  if (found !== undefined) return yield* ours(found, owner);
  const pending = yield* announce(cidr, owner);
  if (!pending.ok) return pending;
  const created = yield* put(emptyBlock(cidr, owner, now));
  if (created.ok) return yield* confirmed(created.value, owner, pending.value);
  if (created.error.kind !== 'exists' && created.error.kind !== 'unknown') return created;
  const there = yield* readBlock(blockName(cidr));
  if (!there.ok) return there;
  // Not there: the create that was never answered did not happen, or somebody deleted it at once.
  if (there.value === undefined) return created;
  if (sameOwner(there.value.thing.affinity, owner)) return yield* ours(there.value, owner);
  const dropped = yield* drop(pending.value);
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
  return there.value.thing.state === 'pending'
    ? ok(there.value)
    : yield* put({ ...there.value.thing, state: 'pending' }, there.value.version);
}

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
    if (there.value?.thing.state === 'confirmed') return ok(block);
    const written = yield* put(
      { ...(there.value?.thing ?? newAffinity(cidr, owner)), state: 'confirmed' },
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
    return affinity.thing.state === 'confirmed' ? ok(theirs) : yield* confirmed(theirs, owner);
  if (theirs !== undefined) {
    const dropped = yield* drop(theirs);
    if (!dropped.ok) return dropped;
    if (!dropped.value)
      return err({ kind: 'conflict', what: `The block ${theirs.thing.meta.name} changed meanwhile.` });
  }
  const dropped = yield* drop(affinity);
  return dropped.ok ? ok(undefined) : dropped;
}

const isGoing = (block: IpamBlock, { state }: BlockAffinity, cooledBy: Instant): boolean =>
  block.deleted || (state === 'pendingDeletion' && isEmpty(block, cooledBy));
