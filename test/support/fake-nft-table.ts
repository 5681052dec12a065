/** As much of nf_tables as netlink transactions need: tables with chains, rules, sets and elements, and who refers to whom. */

import type { NftBatch } from '../../src/kernel/netlink/nft/batch.ts';
import { MSG, NFGENMSG, RULE, SET_FLAG } from '../../src/kernel/netlink/nft/numbers.ts';
import {
  type ChainSeen,
  type ElementSeen,
  eachExpression,
  type RuleSeen,
  readChain,
  readElements,
  readRule,
  readSet,
  readTable,
  type SetSeen,
} from '../../src/kernel/netlink/nft/read.ts';
import { eachAttribute, eachMessage, type Message, readString } from '../../src/kernel/netlink/reader.ts';

export interface FakeRule extends RuleSeen {
  /** Names of sets and chains it refers to. */
  readonly uses: readonly string[];
  /** "drop", "jump x"; empty: it goes on. */
  readonly verdict: string;
}

export interface FakeTable {
  readonly chains: Map<string, { readonly chain: ChainSeen; rules: FakeRule[] }>;
  readonly sets: Map<string, { readonly set: SetSeen; readonly elements: Map<string, ElementSeen> }>;
}

export const emptyTable = (): FakeTable => ({ chains: new Map(), sets: new Map() });

export const copyTable = ({ chains, sets }: FakeTable): FakeTable => ({
  chains: new Map([...chains].map(([name, { chain, rules }]) => [name, { chain, rules: [...rules] }])),
  sets: new Map([...sets].map(([name, { set, elements }]) => [name, { set, elements: new Map(elements) }])),
});

/** One message: what it does, as nft would write it, and why the kernel would not, as an errno name. */
export interface FakeStep {
  readonly line: string;
  readonly errno?: string;
  readonly rule?: FakeRule;
}

type Tables = Map<string, FakeTable>;
type Step = (tables: Tables, message: Message) => FakeStep;

const done = (line: string, errno?: string | false): FakeStep =>
  errno === undefined || errno === false ? { line } : { line, errno };

const verdicts: ReadonlyMap<number, string> = new Map([
  [0, 'drop'],
  [1, 'accept'],
  [-3, 'jump'],
  [-5, 'return'],
]);

/** What the expressions of a rule lead to. */
function readFakeRule({ view, start, end }: Message): FakeRule {
  const uses: string[] = [];
  let verdict = '';
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type !== RULE.EXPRESSIONS) return;
    eachExpression(view, from, to, (name, first, last) => {
      if (name === 'lookup')
        eachAttribute(view, first, last, (kind, a, b) => {
          if (kind === 1) uses.push(readString(view, a, b));
        });
      if (name === 'immediate') verdict = readVerdict(view, first, last, uses) ?? verdict;
    });
  });
  return { ...readRule(view, start, end), uses, verdict };
}

function readVerdict(view: DataView, start: number, end: number, uses: string[]): string | undefined {
  let found: string | undefined;
  eachAttribute(view, start, end, (kind, from, to) => {
    if (kind !== 2) return;
    eachAttribute(view, from, to, (data, a, b) => {
      if (data !== 2) return;
      let chain = '';
      eachAttribute(view, a, b, (one, x, y) => {
        if (one === 1) found = verdicts.get(view.getInt32(x)) ?? 'other';
        if (one === 2) chain = readString(view, x, y);
      });
      if (chain === '') return;
      uses.push(chain);
      found = `${found} ${chain}`;
    });
  });
  return found;
}

function isUsed({ chains, sets }: FakeTable, name: string): boolean {
  for (const { rules } of chains.values()) if (rules.some(({ uses }) => uses.includes(name))) return true;
  for (const { elements } of sets.values())
    for (const { jump } of elements.values()) if (jump === name) return true;
  return false;
}

const printable = (key: string): string => {
  const text = key.replace(/\0+$/, '');
  return /^[\x21-\x7e]+$/.test(text) ? `"${text}"` : `0x${Buffer.from(key, 'latin1').toString('hex')}`;
};
const elementLine = ({ key, jump, isEnd }: ElementSeen): string =>
  `${printable(key)}${isEnd ? ' end' : ''}${jump === undefined ? '' : ` : jump ${jump}`}`;

function changeElements(tables: Tables, { view, start, end }: Message, verb: 'add' | 'delete'): FakeStep {
  const { table, set, elements } = readElements(view, start, end);
  const line = `${verb} element inet ${table} ${set} { ${elements.map(elementLine).join(', ')} }`;
  if (set.startsWith('__set')) return done(line);
  const found = tables.get(table);
  const there = found?.sets.get(set);
  if (found === undefined || there === undefined) return done(line, 'ENOENT');
  const change = verb === 'add' ? addElement : deleteElement;
  for (const element of elements) {
    const errno = change(found, there.elements, element);
    if (errno !== undefined) return done(line, errno);
  }
  return done(line);
}

const keyOf = ({ key, isEnd }: ElementSeen): string => `${key}${isEnd ? ' end' : ''}`;

function deleteElement(
  _: FakeTable,
  elements: Map<string, ElementSeen>,
  element: ElementSeen,
): string | undefined {
  return elements.delete(keyOf(element)) ? undefined : 'ENOENT';
}

function addElement(
  { chains }: FakeTable,
  elements: Map<string, ElementSeen>,
  element: ElementSeen,
): string | undefined {
  const before = elements.get(keyOf(element));
  if (element.jump !== undefined && !chains.has(element.jump)) return 'ENOENT';
  if (before !== undefined && before.jump !== element.jump) return 'EEXIST';
  elements.set(keyOf(element), element);
  return undefined;
}

const steps: ReadonlyMap<number, Step> = new Map<number, Step>([
  [
    MSG.NEWTABLE,
    (tables, { view, start, end }) => {
      const { table } = readTable(view, start, end);
      if (!tables.has(table)) tables.set(table, emptyTable());
      return done(`add table inet ${table}`);
    },
  ],
  [
    MSG.DELTABLE,
    (tables, { view, start, end }) => {
      const { table } = readTable(view, start, end);
      return done(`delete table inet ${table}`, !tables.delete(table) && 'ENOENT');
    },
  ],
  [
    MSG.NEWCHAIN,
    (tables, { view, start, end }) => {
      const chain = readChain(view, start, end);
      const found = tables.get(chain.table);
      if (found?.chains.has(chain.name) === false) found.chains.set(chain.name, { chain, rules: [] });
      return done(`add chain inet ${chain.table} ${chain.name}`, found === undefined && 'ENOENT');
    },
  ],
  [
    MSG.DELCHAIN,
    (tables, { view, start, end }) => {
      const { table, name } = readChain(view, start, end);
      const found = tables.get(table);
      const line = `delete chain inet ${table} ${name}`;
      if (found === undefined || !found.chains.has(name)) return done(line, 'ENOENT');
      if (isUsed(found, name)) return done(line, 'EBUSY');
      found.chains.delete(name);
      return done(line);
    },
  ],
  [
    MSG.NEWRULE,
    (tables, message) => {
      const rule = readFakeRule(message);
      const found = tables.get(rule.table);
      const chain = found?.chains.get(rule.chain);
      const words = [rule.verdict, ...(rule.comment === undefined ? [] : [`comment "${rule.comment}"`])];
      const line = `add rule inet ${rule.table} ${rule.chain} ${words.filter((word) => word !== '').join(' ')}`;
      const isThere = (name: string): boolean =>
        name.startsWith('__set') || found?.chains.has(name) === true || found?.sets.has(name) === true;
      if (chain === undefined || !rule.uses.every(isThere)) return { line, errno: 'ENOENT', rule };
      chain.rules.push(rule);
      return { line, rule };
    },
  ],
  [
    MSG.DELRULE,
    (tables, { view, start, end }) => {
      const { table, chain } = readRule(view, start, end);
      const found = tables.get(table)?.chains.get(chain);
      if (found !== undefined) found.rules = [];
      return done(`flush chain inet ${table} ${chain}`, found === undefined && 'ENOENT');
    },
  ],
  [
    MSG.NEWSET,
    (tables, { view, start, end }) => {
      const set = readSet(view, start, end);
      const found = tables.get(set.table);
      const line = `add set inet ${set.table} ${set.name}`;
      if (found === undefined) return done(line, 'ENOENT');
      if ((set.flags & SET_FLAG.ANONYMOUS) !== 0) return done(line);
      const there = found.sets.get(set.name)?.set;
      if (there !== undefined && there.keyType !== set.keyType) return done(line, 'EEXIST');
      if (there === undefined) found.sets.set(set.name, { set, elements: new Map() });
      return done(line);
    },
  ],
  [
    MSG.DELSET,
    (tables, { view, start, end }) => {
      const { table, name } = readSet(view, start, end);
      const found = tables.get(table);
      const line = `delete set inet ${table} ${name}`;
      if (found === undefined || !found.sets.has(name)) return done(line, 'ENOENT');
      if (isUsed(found, name)) return done(line, 'EBUSY');
      found.sets.delete(name);
      return done(line);
    },
  ],
  [MSG.NEWSETELEM, (tables, message) => changeElements(tables, message, 'add')],
  [MSG.DELSETELEM, (tables, message) => changeElements(tables, message, 'delete')],
]);

/** Runs every message of a batch on `tables`, which the caller throws away if one failed. */
export function runSteps(tables: Tables, batch: NftBatch): readonly FakeStep[] {
  const done: FakeStep[] = [];
  const bytes = batch.transaction()?.bytes ?? new Uint8Array();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  eachMessage(view, 0, bytes.byteLength, (message) => {
    const step = message.type >> 8 === 10 ? steps.get(message.type & 0xff) : undefined;
    if (step !== undefined) done.push(step(tables, message));
  });
  return done;
}
