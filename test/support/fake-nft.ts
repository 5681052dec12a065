/** As much of nft as tells which inet tables exist and which of them a script touches. */
import { kernelError } from '../../src/kernel/kernel-error.ts';
import type { FakeState } from './fake-state.ts';

const statement =
  /^\s*(?:(add|create|delete|destroy|flush|insert|replace)\s+)?(table|chain|rule|set|map|element|ruleset)\b(?:\s+inet\s+([^\s;{]+))?/;

/** Runs all or nothing. Returns the inet tables it touched. Throws a KernelError. */
export function runFakeNft(state: FakeState, script: string): ReadonlySet<string> {
  const tables = new Set(state.tables);
  const touched = new Set<string>();
  script.split('\n').forEach((line, index) => {
    const [, verb = 'add', object, table] = statement.exec(line) ?? [];
    if (object === 'ruleset') {
      for (const name of tables) touched.add(name);
      tables.clear();
    }
    if (table === undefined) return;
    touched.add(table);
    if (object === 'table') runTable(tables, verb, table, index, line);
    else if (!tables.has(table)) throw missing(index, line);
  });
  state.tables.clear();
  for (const name of tables) state.tables.add(name);
  return touched;
}

function runTable(tables: Set<string>, verb: string, table: string, index: number, line: string): void {
  if (verb === 'add' || verb === 'create') {
    tables.add(table);
    return;
  }
  if (!tables.has(table) && verb !== 'destroy') throw missing(index, line);
  if (verb !== 'flush') tables.delete(table);
}

const missing = (index: number, line: string): Error =>
  kernelError(
    'run an nft transaction',
    'EINVAL',
    `line ${index + 1}: Could not process rule: No such file or directory: "${line.trim()}"`,
  );
