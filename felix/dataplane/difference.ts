/**
 * What turns the table the kernel has into the one there should be: only what differs is written, so a chain that is as it should
 * be keeps its counters, and a process that knows nothing of the one before it starts from what is there.
 *
 * Our rules are recognised by the hash in their userdata, sets by what they hold. Where something of a name is of another kind
 * than it should be, which no version of ours makes of another, the table is made anew, in the same transaction.
 */
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { NftBatch } from '../../src/kernel/netlink/nft/batch.ts';
import { DATA_VERDICT } from '../../src/kernel/netlink/nft/numbers.ts';
import { addTable, deleteTable, flagsOf } from '../../src/kernel/netlink/nft/object.ts';
import type { BaseSeen, ElementSeen, SetSeen } from '../../src/kernel/netlink/nft/read.ts';
import type { NftTable } from '../../src/kernel/nft-dump.ts';
import {
  type BaseHook,
  type Chain,
  type Element,
  type NamedSet,
  type Ruleset,
  type SetDecl,
  tableName,
} from '../rules/model.ts';
import { compareElements } from './elements.ts';
import { eachElement, shapeOf } from './encode/element.ts';
import {
  type Batches,
  baseOf,
  emptyBatches,
  parts,
  writeChainDecl,
  writeElements,
  writeRemovals,
  writeRules,
  writeSetDecl,
} from './encode/transaction.ts';

export interface Wanted {
  readonly ruleset: Ruleset;
  readonly chainsFreedLate: boolean;
  /** Lets others have their turn, now and then. */
  readonly turn: () => Promise<void>;
  /** Nobody but us touched the elements of this set since they were last right: they are not read. */
  readonly isTrusted: (set: string) => boolean;
  /** Removals that are not asked for. */
  readonly isKept: (name: string) => boolean;
}

/** Octets to begin with; a large table takes some megabytes. */
const capacity = 65_536;

/** Reads the table and writes what differs. The batches are empty if nothing does. */
export async function difference(
  kernel: Pick<Kernel, 'nftTable' | 'nftElements'>,
  wanted: Wanted,
): Promise<Batches> {
  const seen = await kernel.nftTable(tableName);
  const batches = emptyBatches(capacity);
  const isFit = seen !== undefined && fits(wanted.ruleset, seen);
  const present = isFit ? seen : undefined;
  const elementsOf = (name: string) => kernel.nftElements(tableName, name);
  const { now } = batches;
  if (present === undefined || present.flags !== 0) {
    now.about({ kind: 'table', name: tableName });
    addTable(now, tableName);
  }
  if (seen !== undefined && !isFit) {
    deleteTable(now, tableName);
    addTable(now, tableName);
  }
  await writeWanted(batches, wanted, present, elementsOf);
  if (present !== undefined) writeUnwanted(batches, wanted, present);
  return batches;
}

async function writeWanted(
  { now }: Batches,
  { ruleset, turn, isTrusted }: Wanted,
  present: NftTable | undefined,
  elementsOf: (set: string) => Promise<readonly ElementSeen[]>,
): Promise<void> {
  const isThere = (set: NamedSet): boolean => present?.sets.has(set.decl.name) === true;
  const fillAll = async (some: readonly NamedSet[]): Promise<void> => {
    for (const set of some) {
      if (!isThere(set)) await writeAll(now, set, [...set.elements.values()], turn);
      else if (!isTrusted(set.decl.name)) await mend(now, set, await elementsOf(set.decl.name), turn);
    }
  };
  const rewriteAll = async (some: readonly Chain[]): Promise<void> => {
    for (const chain of some) {
      rewrite(now, chain, present?.chains.get(chain.name)?.hashes ?? []);
      await turn();
    }
  };
  const sets = [...ruleset.sets.values()];
  const chains = [...ruleset.chains.values()];
  const isDispatch = ({ decl }: NamedSet): boolean => decl.kind === 'dispatch';
  for (const set of sets) if (!isThere(set)) writeSetDecl(now, set.decl);
  for (const chain of chains) if (present?.chains.has(chain.name) !== true) writeChainDecl(now, chain);
  await fillAll(sets.filter((set) => !isDispatch(set)));
  await rewriteAll(chains.filter(({ base }) => base === undefined));
  await fillAll(sets.filter(isDispatch));
  await rewriteAll(chains.filter(({ base }) => base !== undefined));
}

async function mend(
  batch: NftBatch,
  set: NamedSet,
  seen: readonly ElementSeen[],
  turn: Wanted['turn'],
): Promise<void> {
  const { removed, added } = await compareElements(set, seen, turn);
  for (const part of parts(removed)) {
    writeElements(batch, 'delete', set.decl.name, part);
    await turn();
  }
  await writeAll(batch, set, added, turn);
}

async function writeAll(
  batch: NftBatch,
  { decl }: NamedSet,
  elements: readonly Element[],
  turn: Wanted['turn'],
): Promise<void> {
  for (const part of parts(elements)) {
    writeElements(batch, 'add', decl.name, eachElement(part));
    await turn();
  }
  await turn();
}

/** Not if its rules are in the kernel already, in this order, and no others. */
function rewrite(batch: NftBatch, chain: Chain, before: readonly (number | undefined)[]): void {
  const hashes = writeRules(batch, chain);
  if (hashes.length === before.length && hashes.every((hash, index) => hash === before[index]))
    batch.takeBack();
}

function writeUnwanted(batches: Batches, wanted: Wanted, present: NftTable): void {
  const { ruleset, chainsFreedLate, isKept } = wanted;
  const chains = [...present.chains.keys()].filter((name) => !ruleset.chains.has(name) && !isKept(name));
  const sets = [...present.sets.keys()].filter((name) => !ruleset.sets.has(name) && !isKept(name));
  writeRemovals(batches, chains, sets, chainsFreedLate);
}

/** What has one of our names is of our kind, and nothing is there that we never make: then it can stay, and be changed in place. */
function fits({ chains, sets }: Ruleset, seen: NftTable): boolean {
  if (seen.strangers > 0) return false;
  for (const { decl } of sets.values()) {
    const there = seen.sets.get(decl.name);
    if (there !== undefined && !isOfKind(decl, there)) return false;
  }
  for (const { name, base } of chains.values()) {
    const there = seen.chains.get(name);
    if (there !== undefined && !isSameBase(base, there.base)) return false;
  }
  return true;
}

function isOfKind(decl: SetDecl, { flags, keyType, keyLength, dataType }: SetSeen): boolean {
  const shape = shapeOf(decl);
  const { key, data } = shape;
  const wanted = data === 'verdict' ? DATA_VERDICT : data?.type;
  return flags === flagsOf(shape) && keyType === key.type && keyLength === key.length && dataType === wanted;
}

function isSameBase(wanted: BaseHook | undefined, there: BaseSeen | undefined): boolean {
  if (wanted === undefined || there === undefined) return wanted === undefined && there === undefined;
  const { hook, priority, type } = baseOf(wanted);
  return (
    there.hook === hook && there.priority === priority && there.type === type && there.policy === 'accept'
  );
}
