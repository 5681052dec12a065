/**
 * One turn of a ledger: all that waits, against the blocks as last seen, becomes at most one new value of each block.
 *
 * It asks what each job lacks, not what was tried before: after a lost answer or a conflict the blocks are read again and the
 * next turn plans from what is there. So a job is done when the blocks say so, and only then.
 */
import { sha1Hex } from '../lib/hash.ts';
import { type Address, contains, type IpVersion, type Prefix, versionOf } from '../lib/net.ts';
import type { BlockOwner, IpamBlock } from '../model/ipam.ts';
import type { IpPool } from '../model/resource.ts';
import {
  type Given,
  type GiveRules,
  giveAddress,
  giveNext,
  type Recipient,
  type ReleaseRules,
  releaseHandle,
} from './allocation.ts';
import { type Allocation, inUse, ordinalOf, ownerText, sameOwner } from './block.ts';

/** One address that an assignment needs. */
export interface Want {
  readonly family: IpVersion;
  /** In order of preference; never empty. */
  readonly pools: readonly IpPool[];
  /** Just this one. */
  readonly address?: Address;
}

export interface AssignJob extends Recipient {
  readonly kind: 'assign';
  readonly wants: readonly Want[];
  /** No block of its own is to be had: it may take from another's. */
  readonly borrows: boolean;
}

export interface ReleaseJob {
  readonly kind: 'release';
  readonly handle: string;
}

export interface TurnRules extends GiveRules, ReleaseRules {
  readonly owner: BlockOwner;
}

export interface Plan<J> {
  /** To be written; each by compare-and-swap. */
  readonly changes: readonly IpamBlock[];
  /** What the blocks give them already. */
  readonly done: ReadonlyMap<J, readonly Held[]>;
  /** What each release takes back with these changes; nothing: the handle holds nothing. */
  readonly released: ReadonlyMap<J, readonly Address[]>;
  /** The wants nothing meets; such a job changes nothing. */
  readonly short: ReadonlyMap<J, readonly Want[]>;
}

export interface Held extends Allocation {
  readonly block: IpamBlock;
}

/** @param jobs  in order, and no two of one handle */
export function planTurn<J extends AssignJob | ReleaseJob>(
  blocks: readonly IpamBlock[],
  jobs: readonly J[],
  rules: TurnRules,
): Plan<J> {
  const held = indexByHandle(blocks);
  let table: Table = new Map(blocks.map((block) => [block.cidr, block]));
  const done = new Map<J, readonly Held[]>();
  const released = new Map<J, readonly Address[]>();
  const short = new Map<J, readonly Want[]>();
  for (const job of jobs) {
    const has = held.get(job.handle) ?? [];
    if (job.kind === 'release') {
      released.set(
        job,
        has.map(({ address }) => address),
      );
      table = without(table, job.handle, has, rules);
      continue;
    }
    const missing = job.wants.filter((want) => !has.some((one) => meets(one, want)));
    if (missing.length === 0)
      done.set(
        job,
        has.toSorted((a, b) => versionOf(a.address) - versionOf(b.address)),
      );
    else {
      const given = giveAll(table, job, missing, rules);
      if ('lacks' in given) short.set(job, given.lacks);
      else table = given.table;
    }
  }
  const before = new Set(blocks);
  return { done, released, short, changes: [...table.values()].filter((block) => !before.has(block)) };
}

type Table = ReadonlyMap<Prefix, IpamBlock>;

function indexByHandle(blocks: readonly IpamBlock[]): ReadonlyMap<string, readonly Held[]> {
  const found = new Map<string, Held[]>();
  for (const block of blocks) {
    for (const allocation of inUse(block)) {
      const { handle } = allocation.attribute;
      const held = found.get(handle) ?? [];
      held.push({ ...allocation, block });
      found.set(handle, held);
    }
  }
  return found;
}

const meets = ({ address }: Allocation, want: Want): boolean =>
  want.address === undefined ? versionOf(address) === want.family : address === want.address;

function without(table: Table, handle: string, held: readonly Held[], rules: TurnRules): Table {
  const next = new Map(table);
  for (const { block } of held) {
    const now = next.get(block.cidr) ?? block;
    next.set(block.cidr, tagged(releaseHandle(now, handle, rules).block, rules.owner));
  }
  return next;
}

/** All of them, or what is lacking and nothing. */
function giveAll(
  table: Table,
  job: AssignJob,
  missing: readonly Want[],
  rules: TurnRules,
): { readonly table: Table } | { readonly lacks: readonly Want[] } {
  const next = new Map(table);
  const lacks: Want[] = [];
  for (const want of missing) {
    const given = giveOne(next, job, want, rules);
    if (given === undefined) lacks.push(want);
    else next.set(given.block.cidr, tagged(given.block, rules.owner));
  }
  return lacks.length > 0 ? { lacks } : { table: next };
}

function giveOne(table: Table, job: AssignJob, want: Want, rules: TurnRules): Given | undefined {
  for (const block of suitable(table, job, want, rules.owner)) {
    const given =
      want.address === undefined
        ? giveNext(block, job, rules)
        : giveAddress(block, want.address, job, rules.cooledBy);
    if (given !== undefined) return given;
  }
  return undefined;
}

/** Own blocks before others', each in the order of the pools. */
function suitable(table: Table, job: AssignJob, want: Want, owner: BlockOwner): readonly IpamBlock[] {
  const blocks = [...table.values()].filter((block) => isWanted(block.cidr, want));
  const byPool = want.pools.flatMap(({ cidr }) => blocks.filter((block) => contains(cidr, block.cidr)));
  const own = byPool.filter((block) => sameOwner(block.affinity, owner));
  return job.borrows ? [...own, ...byPool.filter((block) => !own.includes(block))] : own;
}

const isWanted = (cidr: Prefix, { address }: Want): boolean =>
  address === undefined || ordinalOf(cidr, address) !== undefined;

/** A label on other owners' blocks, by which a borrower finds at its start what it borrowed: there is no index of handles. */
export const borrowLabel = (owner: BlockOwner): string =>
  `borrower.ipam.tortie.io/${sha1Hex(ownerText(owner)).slice(0, 16)}`;

/** An owner that borrows from this block is named on it, and only as long as it does. */
function tagged(block: IpamBlock, owner: BlockOwner): IpamBlock {
  if (owner.type !== 'host' || sameOwner(block.affinity, owner)) return block;
  const { [borrowLabel(owner)]: _, ...others } = block.meta.labels;
  const borrows = inUse(block).some(({ attribute }) => attribute.secondary['node'] === owner.node);
  const labels = borrows ? { ...others, [borrowLabel(owner)]: 'true' } : others;
  return { ...block, meta: { ...block.meta, labels } };
}
