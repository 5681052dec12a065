/** nftables of the fake kernel: netlink transactions in full, and of nft scripts as much as tells which inet tables they touch. */

import { kernelError } from '../../src/kernel/kernel-error.ts';
import type { NftBatch } from '../../src/kernel/netlink/nft/batch.ts';
import type { CounterSeen, ElementSeen } from '../../src/kernel/netlink/nft/read.ts';
import type { Refused } from '../../src/kernel/nft-batch.ts';
import type { NftTable } from '../../src/kernel/nft-dump.ts';
import { copyTable, emptyTable, type FakeRule, type FakeTable, runSteps } from './fake-nft-table.ts';
import type { FakeState } from './fake-state.ts';

const statement =
  /^\s*(?:(add|create|delete|destroy|flush|insert|replace)\s+)?(table|chain|rule|set|map|element|ruleset)\b(?:\s+inet\s+([^\s;{]+))?(?:\s+([^\s;{]+))?/;

/** Runs all or nothing. Returns the inet tables it touched. Throws a KernelError. */
export function runFakeNft(state: FakeState, script: string): ReadonlySet<string> {
  const tables = copyTables(state.tables);
  const touched = new Set<string>();
  for (const [index, line] of script.split('\n').entries())
    for (const name of runLine(tables, line, index)) touched.add(name);
  replace(state, tables);
  return touched;
}

type Tables = Map<string, FakeTable>;

/** Returns the tables it touched. */
function runLine(tables: Tables, line: string, index: number): readonly string[] {
  const [, verb = 'add', object, table, name = ''] = statement.exec(line) ?? [];
  if (object === 'ruleset') {
    const all = [...tables.keys()];
    tables.clear();
    return all;
  }
  if (table === undefined) return [];
  if (object === 'table') runTable(tables, verb, table, index, line);
  else if (!tables.has(table)) throw missing(index, line);
  else if (object === 'chain' && verb === 'flush') emptyChain(tables.get(table)?.chains.get(name));
  return [table];
}

const copyTables = (tables: ReadonlyMap<string, FakeTable>): Tables =>
  new Map([...tables].map(([name, table]) => [name, copyTable(table)]));

function replace(state: FakeState, tables: Tables): void {
  state.tables.clear();
  for (const [name, table] of tables) state.tables.set(name, table);
}

function emptyChain(chain: { rules: FakeRule[] } | undefined): void {
  if (chain !== undefined) chain.rules = [];
}

function runTable(tables: Tables, verb: string, table: string, index: number, line: string): void {
  if (verb === 'add' || verb === 'create') {
    if (!tables.has(table)) tables.set(table, emptyTable());
    return;
  }
  if (!tables.has(table) && verb !== 'destroy') throw missing(index, line);
  if (verb === 'flush') for (const chain of tables.get(table)?.chains.values() ?? []) emptyChain(chain);
  else tables.delete(table);
}

const missing = (index: number, line: string): Error =>
  kernelError(
    'run an nft transaction',
    'EINVAL',
    `line ${index + 1}: Could not process rule: No such file or directory: "${line.trim()}"`,
  );

/** What a test wants refused of a rule, as an errno name. `isTold`: the kernel says of which chain. */
export interface RefuseRules {
  readonly judge: (rule: FakeRule) => string | undefined;
  readonly isTold: boolean;
}

/** Runs all or nothing, or with `isCheck` nothing. Returns what it did, as nft would write it. Throws an NftRefusal. */
export function writeFakeNft(
  state: FakeState,
  batch: NftBatch,
  { judge, isTold }: RefuseRules,
  isCheck: boolean,
): readonly string[] {
  const tables = copyTables(state.tables);
  const steps = runSteps(tables, batch);
  const refused = steps.flatMap(({ errno, rule }, index): Refused[] => {
    const why = errno ?? (rule === undefined ? undefined : judge(rule));
    if (why === undefined) return [];
    const object = isTold || errno !== undefined ? batch.objectOf(index) : undefined;
    return [{ errno: why, words: '', ...(object === undefined ? {} : { object }) }];
  });
  const [first] = refused;
  if (first !== undefined) {
    const about = first.object === undefined ? '' : `${first.object.kind} ${first.object.name}`;
    throw Object.assign(kernelError('run an nft transaction', first.errno, about), { refused });
  }
  if (!isCheck) replace(state, tables);
  return steps.map(({ line }) => line);
}

export function dumpFakeNft(state: FakeState, table: string): NftTable | undefined {
  const found = state.tables.get(table);
  if (found === undefined) return undefined;
  const chains = [...found.chains].map(
    ([name, { chain, rules }]) => [name, { ...chain, hashes: rules.map(({ hash }) => hash) }] as const,
  );
  const sets = [...found.sets].map(([name, { set }]) => [name, set] as const);
  return { flags: 0, strangers: 0, chains: new Map(chains), sets: new Map(sets) };
}

export const fakeElements = (state: FakeState, table: string, set: string): readonly ElementSeen[] => [
  ...(state.tables.get(table)?.sets.get(set)?.elements.values() ?? []),
];

/** Of every rule with a comment: nothing passes here. */
export function fakeCounters(state: FakeState, table: string, chain?: string): readonly CounterSeen[] {
  const chains = [...(state.tables.get(table)?.chains.values() ?? [])];
  return chains.flatMap(({ rules }) =>
    rules
      .filter((rule) => rule.comment !== undefined && (chain === undefined || rule.chain === chain))
      .map(({ chain: name, comment = '' }) => ({ chain: name, comment, packets: 0, bytes: 0 })),
  );
}
