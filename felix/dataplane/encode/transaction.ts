/**
 * Parts of a transaction, in the order the kernel checks: what is referred to is there first and goes last. What leads packets
 * into our chains (dispatch maps, base chains) comes after what they lead to, so that a transaction the socket does not take
 * whole is closed at every part of it.
 */
import { NftBatch } from '../../../src/kernel/netlink/nft/batch.ts';
import {
  addChain,
  addSet,
  type Base,
  changeElements,
  deleteChain,
  deleteSet,
  flushChain,
  type NftElement,
} from '../../../src/kernel/netlink/nft/object.ts';
import {
  type BaseHook,
  type Chain,
  type ElementChange,
  type RulesetChange,
  type SetDecl,
  tableName,
} from '../../rules/model.ts';
import { eachElement, shapeOf } from './element.ts';
import { writeRule } from './rule.ts';

/** What is to be sent, and what only when that was taken: `later` is empty but for old kernels. */
export interface Batches {
  readonly now: NftBatch;
  readonly later: NftBatch;
}

export const emptyBatches = (capacity?: number): Batches => ({
  now: new NftBatch(capacity),
  later: new NftBatch(256),
});

export const baseOf = ({ hook, priority, type }: BaseHook): Base => ({
  hook,
  priority,
  type: type ?? 'filter',
});

export function writeSetDecl(batch: NftBatch, decl: SetDecl): void {
  batch.about({ kind: 'set', name: decl.name });
  addSet(batch, tableName, decl.name, shapeOf(decl));
}

export function writeChainDecl(batch: NftBatch, { name, base }: Chain): void {
  batch.about({ kind: 'chain', name });
  addChain(batch, tableName, name, base === undefined ? undefined : baseOf(base));
}

export function writeElements(
  batch: NftBatch,
  kind: 'add' | 'delete',
  set: string,
  elements: Iterable<NftElement>,
): void {
  batch.about({ kind: 'set', name: set });
  changeElements(batch, kind, tableName, set, elements);
}

/** The chain, which is declared, is emptied and filled again. Returns the hashes of its rules. */
export function writeRules(batch: NftBatch, { name, rules }: Chain): readonly number[] {
  batch.about({ kind: 'chain', name });
  flushChain(batch, tableName, name);
  return rules.map((rule) => writeRule(batch, tableName, name, rule));
}

/**
 * Chains may refer to each other, so all are emptied before the first goes; and a map's elements to chains, so it goes before them.
 * @param freedLate  kernels before 6.2 count a map's reference to a chain until the transaction is over
 */
export function writeRemovals(
  { now, later }: Batches,
  chains: readonly string[],
  sets: readonly string[],
  freedLate: boolean,
): void {
  for (const name of chains) {
    now.about({ kind: 'chain', name, removed: true });
    flushChain(now, tableName, name);
  }
  for (const name of sets) {
    now.about({ kind: 'set', name, removed: true });
    deleteSet(now, tableName, name);
  }
  for (const name of chains) {
    const batch = freedLate ? later : now;
    batch.about({ kind: 'chain', name, removed: true });
    deleteChain(batch, tableName, name);
  }
}

const isDispatch = ({ decl }: ElementChange): boolean => decl.kind === 'dispatch';

export interface EncodeOptions {
  readonly chainsFreedLate: boolean;
  /** Lets others have their turn, now and then. */
  readonly turn: () => Promise<void>;
}

/** A change of the ruleset, of a table that is as the change supposes. */
export async function encodeChange(
  change: RulesetChange,
  { chainsFreedLate, turn }: EncodeOptions,
): Promise<Batches> {
  const batches = emptyBatches();
  const { now } = batches;
  const { sets, removedSets, elements, chains, removedChains } = change;
  // Deletions first, so that an interface can change its chain.
  const writeAll = async (some: readonly ElementChange[]): Promise<void> => {
    for (const { decl, added, removed } of some) {
      for (const part of parts(removed)) {
        writeElements(now, 'delete', decl.name, eachElement(part));
        await turn();
      }
      for (const part of parts(added)) {
        writeElements(now, 'add', decl.name, eachElement(part));
        await turn();
      }
    }
  };
  const fillAll = async (some: readonly Chain[]): Promise<void> => {
    for (const chain of some) {
      writeRules(now, chain);
      await turn();
    }
  };
  for (const decl of sets) writeSetDecl(now, decl);
  for (const chain of chains) writeChainDecl(now, chain);
  await writeAll(elements.filter((one) => !isDispatch(one)));
  await fillAll(chains.filter(({ base }) => base === undefined));
  await writeAll(elements.filter(isDispatch));
  await fillAll(chains.filter(({ base }) => base !== undefined));
  const gone = removedSets.map(({ name }) => name);
  writeRemovals(batches, removedChains, gone, chainsFreedLate);
  return batches;
}

/** So many are no long work. */
export const elementsAtOnce = 2000;

export function parts<T>(items: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / elementsAtOnce);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * elementsAtOnce, (index + 1) * elementsAtOnce),
  );
}
