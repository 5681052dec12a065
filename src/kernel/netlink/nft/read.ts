/** Reading what nf_tables says of its objects: in dumps, and in the requests that made them. Bodies lie in view[start, end). */
import { eachAttribute, readString } from '../reader.ts';
import {
  CHAIN,
  CODE,
  DATA,
  ELEMENT,
  ELEMENTS,
  EXPRESSION,
  HOOK,
  type HookName,
  hookNames,
  INTERVAL_END,
  MATCH,
  NFGENMSG,
  RULE,
  SET,
  TABLE,
  TABLE_FLAGS,
  VERDICT,
} from './numbers.ts';
import { type RuleUserdata, readRuleUserdata, readSetComment } from './userdata.ts';

/** Family of a message's object. */
const familyOf = (view: DataView, start: number): number => view.getUint8(start);

const be32 = (view: DataView, from: number, to: number): number =>
  to - from >= 4 ? view.getUint32(from) : 0;

/** Octets as a string of one character each: what maps are keyed by. */
export const keyText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

const octets = (view: DataView, from: number, to: number): string =>
  Buffer.from(view.buffer, view.byteOffset + from, to - from).toString('latin1');

export interface TableSeen {
  readonly table: string;
  readonly flags: number;
}

export function readTable(view: DataView, start: number, end: number): TableSeen {
  let table = '';
  let flags = 0;
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type === TABLE) table = readString(view, from, to);
    if (type === TABLE_FLAGS) flags = be32(view, from, to);
  });
  return { table, flags };
}

export interface BaseSeen {
  /** A hook of another family (netdev ingress) has its number. */
  readonly hook: HookName | number;
  readonly priority: number;
  readonly type: string;
  readonly policy: 'accept' | 'drop';
}

export interface ChainSeen {
  /** See FAMILY in numbers.ts. */
  readonly family: number;
  readonly table: string;
  readonly name: string;
  readonly base?: BaseSeen;
}

export function readChain(view: DataView, start: number, end: number): ChainSeen {
  let table = '';
  let name = '';
  let type = 'filter';
  let policy: BaseSeen['policy'] = 'accept';
  let hook: Pick<BaseSeen, 'hook' | 'priority'> | undefined;
  eachAttribute(view, start + NFGENMSG, end, (attribute, from, to) => {
    if (attribute === TABLE) table = readString(view, from, to);
    if (attribute === CHAIN.NAME) name = readString(view, from, to);
    if (attribute === CHAIN.TYPE) type = readString(view, from, to);
    if (attribute === CHAIN.POLICY && be32(view, from, to) === CODE.drop) policy = 'drop';
    if (attribute === CHAIN.HOOK) hook = readHook(view, from, to);
  });
  const seen = { family: familyOf(view, start), table, name };
  return hook === undefined ? seen : { ...seen, base: { ...hook, type, policy } };
}

function readHook(view: DataView, start: number, end: number): Pick<BaseSeen, 'hook' | 'priority'> {
  let number = 0;
  let priority = 0;
  eachAttribute(view, start, end, (type, from, to) => {
    if (type === HOOK.NUMBER) number = be32(view, from, to);
    if (type === HOOK.PRIORITY) priority = be32(view, from, to) | 0;
  });
  return { hook: hookNames[number] ?? number, priority };
}

export interface RuleSeen extends RuleUserdata {
  readonly table: string;
  readonly chain: string;
}

/** Without looking at its expressions. */
export function readRule(view: DataView, start: number, end: number): RuleSeen {
  let table = '';
  let chain = '';
  let data: RuleUserdata = {};
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type === TABLE) table = readString(view, from, to);
    if (type === RULE.CHAIN) chain = readString(view, from, to);
    if (type === RULE.USERDATA) data = readRuleUserdata(view, from, to);
  });
  return { table, chain, ...data };
}

/** A rule as a trace names it. */
export interface RuleTraced extends Omit<RuleSeen, 'hash'> {
  readonly handle: bigint;
  /** Absent: it does not count. */
  readonly packets?: number;
}

export function readTraced(view: DataView, start: number, end: number): RuleTraced {
  const { hash: _, ...rule } = readRule(view, start, end);
  const packets = readCounter(view, start, end)?.packets;
  let handle = 0n;
  let comment: string | undefined;
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type === RULE.HANDLE && to - from === 8) handle = view.getBigUint64(from);
    if (type === RULE.EXPRESSIONS) comment = readXtComment(view, from, to);
  });
  return {
    ...rule,
    ...(comment === undefined ? {} : { comment }),
    handle,
    ...(packets === undefined ? {} : { packets }),
  };
}

/** What `iptables -m comment` says: an expression of its own, struct xt_comment_info. */
function readXtComment(view: DataView, start: number, end: number): string | undefined {
  let comment: string | undefined;
  eachExpression(view, start, end, (expression, first, last) => {
    if (expression !== 'match') return;
    let name = '';
    eachAttribute(view, first, last, (type, from, to) => {
      if (type === MATCH.NAME) name = readString(view, from, to);
      if (type === MATCH.INFO && name === 'comment') comment = readString(view, from, to);
    });
  });
  return comment;
}

export interface CounterSeen {
  readonly chain: string;
  /** Of the rule; absent: it has none. */
  readonly comment?: string;
  readonly packets: number;
  readonly bytes: number;
}

/** The counter of a rule; undefined of one that does not count. */
export function readCounter(view: DataView, start: number, end: number): CounterSeen | undefined {
  let counted: Pick<CounterSeen, 'packets' | 'bytes'> | undefined;
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type !== RULE.EXPRESSIONS) return;
    eachExpression(view, from, to, (name, data, dataEnd) => {
      if (name === 'counter') counted ??= readNumbers(view, data, dataEnd);
    });
  });
  if (counted === undefined) return undefined;
  const { chain, comment } = readRule(view, start, end);
  return { chain, ...(comment === undefined ? {} : { comment }), ...counted };
}

function readNumbers(view: DataView, start: number, end: number): Pick<CounterSeen, 'packets' | 'bytes'> {
  let bytes = 0;
  let packets = 0;
  eachAttribute(view, start, end, (type, from, to) => {
    if (to - from !== 8) return;
    if (type === 1) bytes = Number(view.getBigUint64(from));
    if (type === 2) packets = Number(view.getBigUint64(from));
  });
  return { packets, bytes };
}

/** Visits (name, first octet of its attributes, their end). */
export function eachExpression(
  view: DataView,
  start: number,
  end: number,
  visit: (name: string, from: number, to: number) => void,
): void {
  eachAttribute(view, start, end, (_, from, to) => {
    let name = '';
    eachAttribute(view, from, to, (type, first, last) => {
      if (type === EXPRESSION.NAME) name = readString(view, first, last);
      if (type === EXPRESSION.DATA) visit(name, first, last);
    });
  });
}

export interface SetSeen {
  readonly table: string;
  readonly name: string;
  /** See SET_FLAG. */
  readonly flags: number;
  readonly keyType: number;
  readonly keyLength: number;
  /** Of maps: DATA_VERDICT, or a type of nft's. */
  readonly dataType?: number;
  readonly comment?: string;
}

export function readSet(view: DataView, start: number, end: number): SetSeen {
  const found = { table: '', name: '', flags: 0, keyType: 0, keyLength: 0 };
  let comment: string | undefined;
  let dataType: number | undefined;
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type === TABLE) found.table = readString(view, from, to);
    if (type === SET.NAME) found.name = readString(view, from, to);
    if (type === SET.FLAGS) found.flags = be32(view, from, to);
    if (type === SET.KEY_TYPE) found.keyType = be32(view, from, to);
    if (type === SET.KEY_LEN) found.keyLength = be32(view, from, to);
    if (type === SET.DATA_TYPE) dataType = be32(view, from, to);
    if (type === SET.USERDATA) comment = readSetComment(view, from, to);
  });
  return {
    ...found,
    ...(dataType === undefined ? {} : { dataType }),
    ...(comment === undefined ? {} : { comment }),
  };
}

export interface ElementSeen {
  /** Its octets: see `keyText`. */
  readonly key: string;
  /** The key is the first one that is not in the interval. */
  readonly isEnd: boolean;
  /** In a map of verdicts, the chain; in another, the octets of its value. */
  readonly jump?: string;
  readonly data?: string;
}

/** The elements of one message, and of which set. */
export function readElements(
  view: DataView,
  start: number,
  end: number,
): { readonly table: string; readonly set: string; readonly elements: readonly ElementSeen[] } {
  let table = '';
  let set = '';
  const elements: ElementSeen[] = [];
  eachAttribute(view, start + NFGENMSG, end, (type, from, to) => {
    if (type === TABLE) table = readString(view, from, to);
    if (type === ELEMENTS.SET) set = readString(view, from, to);
    if (type === ELEMENTS.LIST)
      eachAttribute(view, from, to, (_, first, last) => elements.push(readElement(view, first, last)));
  });
  return { table, set, elements };
}

function readElement(view: DataView, start: number, end: number): ElementSeen {
  let key = '';
  let isEnd = false;
  let value: Pick<ElementSeen, 'jump' | 'data'> | undefined;
  eachAttribute(view, start, end, (type, from, to) => {
    if (type === ELEMENT.FLAGS) isEnd = (be32(view, from, to) & INTERVAL_END) !== 0;
    if (type === ELEMENT.KEY)
      eachAttribute(view, from, to, (kind, first, last) => {
        if (kind === DATA.VALUE) key = octets(view, first, last);
      });
    if (type === ELEMENT.DATA) value = readData(view, from, to);
  });
  return value === undefined ? { key, isEnd } : { key, isEnd, ...value };
}

/** A verdict that is no jump has an empty chain. */
function readData(view: DataView, start: number, end: number): Pick<ElementSeen, 'jump' | 'data'> {
  let found: Pick<ElementSeen, 'jump' | 'data'> = {};
  eachAttribute(view, start, end, (kind, from, to) => {
    if (kind === DATA.VALUE) found = { data: octets(view, from, to) };
    if (kind === DATA.VERDICT) found = { jump: readJump(view, from, to) };
  });
  return found;
}

function readJump(view: DataView, start: number, end: number): string {
  let code: number = CODE.accept;
  let chain = '';
  eachAttribute(view, start, end, (type, from, to) => {
    if (type === VERDICT.CODE) code = be32(view, from, to) | 0;
    if (type === VERDICT.CHAIN) chain = readString(view, from, to);
  });
  return code === CODE.jump ? chain : '';
}
