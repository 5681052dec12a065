/**
 * Where the next address comes from when the blocks at hand have none: a new block of one of the pools, else another owner's.
 *
 * A few blocks are tried blindly, in the owner's own order: as long as a pool is not crowded, one of them is free, and nobody
 * has to read every block of a great cluster. Then all blocks are listed: for one that is free, one whose owner is gone or left it
 * empty, and at last one to borrow from.
 */
import { sha1Hex } from '../lib/hash.ts';
import {
  type Address,
  contains,
  containsAddress,
  formatAddress,
  formatPrefix,
  type IpVersion,
  networkOf,
  overlaps,
  type Prefix,
  versionOf,
} from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BlockAffinity, BlockOwner, IpamBlock } from '../model/ipam.ts';
import type { IpPool } from '../model/resource.ts';
import { giveNext } from './allocation.ts';
import { blockAround, blockName, type Instant, isBefore, isEmpty, ownerText, sameOwner } from './block.ts';
import { blocksOf, candidates } from './candidates.ts';
import { claim, giveBack, overlapping } from './claim.ts';
import { drop, type Kept, listAffinities, listBlocks, readBlock, type Talk, type Trouble } from './talk.ts';
import type { Want } from './turn.ts';

export interface Seeker {
  readonly owner: BlockOwner;
  /** The blocks it has. */
  readonly own: readonly Prefix[];
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
  /** Of each family. */
  readonly maxBlocksPerHost: number;
  readonly reserved: readonly Prefix[];
  readonly now: Instant;
  readonly cooledBy: Instant;
  /** What was claimed before that and is empty may be taken from its owner: a minute ago. */
  readonly idleSince: Instant;
  /** Absent: not known. */
  readonly nodes?: ReadonlySet<string>;
}

export type Sought =
  | { readonly kind: 'claimed'; readonly block: Kept<IpamBlock> }
  | { readonly kind: 'lent'; readonly blocks: readonly Kept<IpamBlock>[] }
  /** `why` is for a person. */
  | { readonly kind: 'none'; readonly why: string };

export type Seeking = Talk<Result<Sought, Trouble>>;

export function* seek(want: Want, seeker: Seeker): Seeking {
  if (want.address !== undefined) return yield* seekAround(blockOfWant(want, want.address), seeker);
  const denied = whyNoClaim(want.family, seeker);
  if (denied === undefined) {
    const blind = yield* claimBlindly(want.pools, seeker);
    if (!blind.ok || blind.value !== undefined) return claimed(blind);
  }
  if (denied !== undefined && !mayBorrow(seeker))
    return ok({ kind: 'none', why: `${denied}; ${whyNoLoan(seeker)}` });
  const listed = yield* listBlocks();
  if (!listed.ok) return listed;
  if (denied === undefined) {
    const claims = yield* listAffinities();
    if (!claims.ok) return claims;
    const found = yield* claimKnowing(want.pools, listed.value, claims.value, seeker);
    if (!found.ok || found.value !== undefined) return claimed(found);
  }
  return ok(borrow(want, listed.value, seeker, denied ?? `every block of ${poolTexts(want.pools)} is taken`));
}

const claimed = (result: Result<Kept<IpamBlock> | undefined, Trouble>): Result<Sought, Trouble> =>
  !result.ok
    ? result
    : result.value === undefined
      ? ok({ kind: 'none', why: 'nothing was claimed' })
      : ok({ kind: 'claimed', block: result.value });

const poolTexts = (pools: readonly IpPool[]): string =>
  pools.map((pool) => `${pool.meta.name} (${formatPrefix(pool.cidr)}, ${blocksOf(pool)} blocks)`).join(', ');

const blockOfWant = ({ pools }: Want, address: Address) => ({
  address,
  cidr: blockAround(address, pools[0]?.blockSize ?? 0),
});

/** Undefined: it may claim another block. */
function whyNoClaim(family: IpVersion, seeker: Seeker): string | undefined {
  if (seeker.owner.type === 'virtual') return undefined;
  if (!seeker.autoAllocateBlocks)
    return 'no new block may be claimed (IPAMConfiguration autoAllocateBlocks is false)';
  const count = seeker.own.filter((cidr) => versionOf(cidr) === family).length;
  return count >= seeker.maxBlocksPerHost
    ? `it has ${count} blocks, the most a node may have (IPAMConfiguration maxBlocksPerHost)`
    : undefined;
}

const mayBorrow = ({ owner, strictAffinity }: Seeker): boolean => owner.type === 'host' && !strictAffinity;

const whyNoLoan = ({ owner }: Seeker): string =>
  owner.type === 'host'
    ? 'borrowing from other nodes is off (IPAMConfiguration strictAffinity)'
    : 'it never borrows from nodes';

/** The block around an address that was asked for. */
function* seekAround(
  { address, cidr }: { readonly address: Address; readonly cidr: Prefix },
  seeker: Seeker,
): Seeking {
  const seen = yield* readBlock(blockName(cidr));
  if (!seen.ok) return seen;
  if (seen.value !== undefined && !seen.value.thing.deleted) return ok(useOf(seen.value, address, seeker));
  const rivals = yield* overlapping(cidr);
  if (!rivals.ok) return rivals;
  const [rival] = rivals.value.toSorted(
    (a, b) => Number(containsAddress(b.cidr, address)) - Number(containsAddress(a.cidr, address)),
  );
  if (rival !== undefined) return yield* seekInside(rival, address, seeker);
  const denied = whyNoClaim(versionOf(cidr), seeker);
  if (denied !== undefined) return ok({ kind: 'none', why: denied });
  const got = yield* claim(cidr, seeker.owner, seeker.now);
  if (got.ok && got.value === undefined)
    return err({
      kind: 'conflict',
      what: `Block ${formatPrefix(cidr)} was claimed by another node meanwhile.`,
    });
  return claimed(got);
}

/** A block that is there, for the sake of one address of it. */
function useOf(there: Kept<IpamBlock>, address: Address, seeker: Seeker): Sought {
  const { affinity, cidr } = there.thing;
  if (sameOwner(affinity, seeker.owner)) return { kind: 'claimed', block: there };
  if (mayBorrow(seeker) && affinity?.type !== 'virtual') return { kind: 'lent', blocks: [there] };
  const whose = affinity === undefined ? 'nobody' : ownerText(affinity);
  const why = `${formatAddress(address)} is in block ${formatPrefix(cidr)} of ${whose}, and ${whyNoLoan(seeker)}`;
  return { kind: 'none', why };
}

/** A block of another size than the pool's is in the way; if the address is of it, that is the block. */
function* seekInside(rival: BlockAffinity, address: Address, seeker: Seeker): Seeking {
  const seen = yield* readBlock(blockName(rival.cidr));
  if (!seen.ok) return seen;
  if (seen.value !== undefined && !seen.value.thing.deleted && containsAddress(rival.cidr, address))
    return ok(useOf(seen.value, address, seeker));
  const why = `block ${formatPrefix(rival.cidr)} of ${rival.node}, of another size than the blockSize of the pool, is in the way`;
  return ok({ kind: 'none', why });
}

/** Reading one block costs little, reading all of them does not: so many are tried unseen. */
const blindTries = 4;

function* claimBlindly(
  pools: readonly IpPool[],
  { owner, own, now }: Seeker,
): Talk<Result<Kept<IpamBlock> | undefined, Trouble>> {
  const mine = new Set(own);
  for (const pool of pools) {
    let tries = 0;
    for (const cidr of candidates(pool, owner)) {
      if (tries === blindTries) break;
      tries += 1;
      if (mine.has(cidr)) continue;
      const got = yield* claim(cidr, owner, now);
      if (!got.ok || got.value !== undefined) return got;
    }
  }
  return ok(undefined);
}

/** A free block by the list; else an empty one of an owner that is gone or does not use it. */
function* claimKnowing(
  pools: readonly IpPool[],
  blocks: readonly Kept<IpamBlock>[],
  claims: readonly Kept<BlockAffinity>[],
  seeker: Seeker,
): Talk<Result<Kept<IpamBlock> | undefined, Trouble>> {
  const { owner, now } = seeker;
  const [cidr] = pools.flatMap((pool) => firstFree(pool, blocks, claims, owner) ?? []);
  if (cidr === undefined) return yield* takeOver(pools, blocks, seeker);
  const got = yield* claim(cidr, owner, now);
  // The list is of a moment ago: another was quicker, and the next turn lists again.
  return got.ok && got.value === undefined
    ? err({ kind: 'conflict', what: `Block ${formatPrefix(cidr)} was claimed by another node meanwhile.` })
    : got;
}

function* takeOver(
  pools: readonly IpPool[],
  blocks: readonly Kept<IpamBlock>[],
  seeker: Seeker,
): Talk<Result<Kept<IpamBlock> | undefined, Trouble>> {
  for (const kept of blocks) {
    const { cidr, affinity } = kept.thing;
    if (!pools.some((pool) => isBlockOf(pool, cidr)) || !isAbandoned(kept.thing, seeker)) continue;
    const gone =
      affinity === undefined ? yield* drop(kept) : yield* giveBack(cidr, affinity, seeker.cooledBy);
    if (!gone.ok) return gone;
    if (!gone.value) continue;
    const got = yield* claim(cidr, seeker.owner, seeker.now);
    if (!got.ok || got.value !== undefined) return got;
  }
  return ok(undefined);
}

const isBlockOf = ({ cidr, blockSize }: IpPool, block: Prefix): boolean =>
  contains(cidr, block) && blockAround(networkOf(block), blockSize) === block;

/** More blocks of another size than this, in one pool, and it counts as full. */
const mostCandidates = 8192;

/** Not taken, and not overlapping a block of another size, as one of an earlier pool. */
function firstFree(
  pool: IpPool,
  blocks: readonly Kept<IpamBlock>[],
  claims: readonly Kept<BlockAffinity>[],
  owner: BlockOwner,
): Prefix | undefined {
  const taken = new Set(blocks.map(({ thing }) => thing.cidr));
  const odd = [...new Set([...blocks, ...claims].map(({ thing }) => thing.cidr))].filter(
    (cidr) => overlaps(pool.cidr, cidr) && !isBlockOf(pool, cidr),
  );
  let looked = 0;
  for (const cidr of candidates(pool, owner)) {
    if (!taken.has(cidr) && !odd.some((other) => overlaps(other, cidr))) return cidr;
    looked += 1;
    if (looked > mostCandidates + taken.size) return undefined;
  }
  return undefined;
}

function isAbandoned(block: IpamBlock, { owner, nodes, cooledBy, idleSince }: Seeker): boolean {
  const { affinity, affinityClaimTime } = block;
  if (sameOwner(affinity, owner) || affinity?.type === 'virtual' || !isEmpty(block, cooledBy)) return false;
  if (affinity !== undefined && nodes !== undefined && !nodes.has(affinity.node)) return true;
  return affinityClaimTime === undefined || isBefore(affinityClaimTime, idleSince);
}

/** How many blocks to borrow from at once: a burst may need more than one has. */
const loans = 3;

function borrow(want: Want, blocks: readonly Kept<IpamBlock>[], seeker: Seeker, why: string): Sought {
  if (!mayBorrow(seeker)) return { kind: 'none', why: `${why}; ${whyNoLoan(seeker)}` };
  const able = blocks.filter(
    ({ thing }) =>
      want.pools.some((pool) => contains(pool.cidr, thing.cidr)) &&
      thing.affinity?.type !== 'virtual' &&
      !sameOwner(thing.affinity, seeker.owner) &&
      giveNext(thing, { handle: '', secondary: {} }, seeker) !== undefined,
  );
  if (able.length === 0) return { kind: 'none', why: `${why}; no other node has a free address` };
  return { kind: 'lent', blocks: inOwnOrder(able, seeker.owner).slice(0, loans) };
}

/** Different borrowers begin with different blocks. */
function inOwnOrder(blocks: readonly Kept<IpamBlock>[], owner: BlockOwner): readonly Kept<IpamBlock>[] {
  const rank = new Map(blocks.map((kept) => [kept, sha1Hex(`${ownerText(owner)} ${kept.thing.meta.name}`)]));
  return blocks.toSorted((a, b) => ((rank.get(a) ?? '') < (rank.get(b) ?? '') ? -1 : 1));
}
