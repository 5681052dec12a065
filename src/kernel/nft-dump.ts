/** Reading nftables back by netlink: what is in a table, without `nft`, whose listing takes seconds of a large one. */
import { isKernelError } from './kernel-error.ts';
import { ELEMENTS, FAMILY, MSG, messageType, RULE, SET_FLAG, TABLE } from './netlink/nft/numbers.ts';
import {
  type ChainSeen,
  type CounterSeen,
  type ElementSeen,
  type RuleSeen,
  readChain,
  readCounter,
  readElements,
  readRule,
  readSet,
  readTable,
  type SetSeen,
} from './netlink/nft/read.ts';
import type { Decode, Requests } from './netlink/requests.ts';
import type { MessageWriter } from './netlink/writer.ts';

/** An inet table as the kernel has it, without the elements of its sets, nor sets without a name. */
export interface NftTable {
  /** Not 0: dormant, and so not in force, or of an owner. */
  readonly flags: number;
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly sets: ReadonlyMap<string, SetSeen>;
  /** How many named objects and flow tables there are: things we never make. */
  readonly strangers: number;
}

export interface NftChain extends ChainSeen {
  /** In order. Their hashes: of a rule that is not ours undefined. */
  readonly hashes: readonly (number | undefined)[];
}

interface Asked {
  readonly kind: number;
  readonly family?: number;
  readonly attributes?: readonly (readonly [number, string])[];
}

/** An object that went away while it was dumped is no error: there is nothing of it. */
async function dump<T>(
  requests: Requests,
  { kind, family = FAMILY.inet, attributes = [] }: Asked,
  decode: Decode<T>,
): Promise<readonly T[]> {
  const write = (writer: MessageWriter): void => {
    writer.u8(family).u8(0).u16(0);
    for (const [type, text] of attributes) writer.stringAttribute(type, text);
  };
  try {
    return await requests.dump({ asked: 'read nftables', type: messageType(kind), write }, decode);
  } catch (error) {
    if (isKernelError(error) && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Undefined if there is no such table. */
export async function readNftTable(requests: Requests, table: string): Promise<NftTable | undefined> {
  const isOurs = (seen: { readonly table: string }): boolean => seen.table === table;
  const tables = await dump(requests, { kind: MSG.GETTABLE }, readTable);
  const found = tables.find(isOurs);
  if (found === undefined) return undefined;
  const chains = new Map<string, ChainSeen & { readonly hashes: (number | undefined)[] }>();
  const sets = new Map<string, SetSeen>();
  for (const chain of await dump(requests, { kind: MSG.GETCHAIN }, readChain))
    if (isOurs(chain)) chains.set(chain.name, { ...chain, hashes: [] });
  const inTable = [[TABLE, table]] as const;
  const seen = await dump(requests, { kind: MSG.GETSET, attributes: inTable }, readSet);
  for (const set of seen) if (isOurs(set) && (set.flags & SET_FLAG.ANONYMOUS) === 0) sets.set(set.name, set);
  const rules = await dump<RuleSeen>(requests, { kind: MSG.GETRULE, attributes: inTable }, readRule);
  for (const rule of rules) if (isOurs(rule)) chains.get(rule.chain)?.hashes.push(rule.hash);
  let strangers = 0;
  for (const kind of [MSG.GETOBJ, MSG.GETFLOWTABLE])
    strangers += (await dump(requests, { kind, attributes: inTable }, readTable)).filter(isOurs).length;
  return { flags: found.flags, chains, sets, strangers };
}

/** In the kernel's order; empty if there is no such set. */
export async function readNftElements(
  requests: Requests,
  table: string,
  set: string,
): Promise<readonly ElementSeen[]> {
  const attributes = [
    [TABLE, table],
    [ELEMENTS.SET, set],
  ] as const;
  const parts = await dump(
    requests,
    { kind: MSG.GETSETELEM, attributes },
    (view, start, end) => readElements(view, start, end).elements,
  );
  return parts.flat();
}

/** Of counted rules, in order; of one chain, or of all of the table. */
export async function readNftCounters(
  requests: Requests,
  table: string,
  chain?: string,
): Promise<readonly CounterSeen[]> {
  const attributes: [number, string][] = [[TABLE, table]];
  if (chain !== undefined) attributes.push([RULE.CHAIN, chain]);
  return dump(requests, { kind: MSG.GETRULE, attributes }, readCounter);
}

/** The base chains of all tables of all families, ours too. */
export async function readNftHooks(requests: Requests): Promise<readonly ChainSeen[]> {
  const seen = await dump(requests, { kind: MSG.GETCHAIN, family: FAMILY.any }, readChain);
  return seen.filter(({ base }) => base !== undefined);
}
