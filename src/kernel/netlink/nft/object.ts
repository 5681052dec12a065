/** Messages about the objects of a table: written so that `nft list` shows them as if nft had made them. */
import type { NftBatch } from './batch.ts';
import { anonymousName, verdictData } from './expression.ts';
import {
  CHAIN,
  DATA,
  DATA_VERDICT,
  DESC_SIZE,
  ELEMENT,
  ELEMENTS,
  FLAG,
  HOOK,
  type HookName,
  hookNames,
  INTERVAL_END,
  type KeyType,
  LIST_ELEM,
  MSG,
  RULE,
  SET,
  SET_FLAG,
  TABLE,
  TABLE_FLAGS,
} from './numbers.ts';
import { setUserdata, writeRuleUserdata } from './userdata.ts';

/** One that is there stays as it is, and is woken if it was made dormant. @param flags  see TABLE_OWNED */
export function addTable(batch: NftBatch, table: string, flags = 0): void {
  batch.begin(MSG.NEWTABLE, FLAG.CREATE).stringAttribute(TABLE, table).be32Attribute(TABLE_FLAGS, flags);
  batch.writer.end();
}

/** With all that is in it. */
export function deleteTable(batch: NftBatch, table: string): void {
  batch.begin(MSG.DELTABLE).stringAttribute(TABLE, table).end();
}

export interface Base {
  readonly hook: HookName;
  readonly priority: number;
  readonly type: 'filter' | 'nat';
}

const ACCEPT = 1;

/** One that is there stays as it is. A base chain has the policy accept. */
export function addChain(batch: NftBatch, table: string, name: string, base?: Base): void {
  const writer = batch.begin(MSG.NEWCHAIN, FLAG.CREATE);
  writer.stringAttribute(TABLE, table).stringAttribute(CHAIN.NAME, name);
  if (base !== undefined) {
    const at = writer.open(CHAIN.HOOK);
    writer
      .be32Attribute(HOOK.NUMBER, hookNames.indexOf(base.hook))
      .be32Attribute(HOOK.PRIORITY, base.priority >>> 0)
      .close(at)
      .be32Attribute(CHAIN.POLICY, ACCEPT)
      .stringAttribute(CHAIN.TYPE, base.type);
  }
  writer.end();
}

export function deleteChain(batch: NftBatch, table: string, name: string): void {
  batch.begin(MSG.DELCHAIN).stringAttribute(TABLE, table).stringAttribute(CHAIN.NAME, name).end();
}

/** Takes all rules out of the chain. */
export function flushChain(batch: NftBatch, table: string, name: string): void {
  batch.begin(MSG.DELRULE).stringAttribute(TABLE, table).stringAttribute(RULE.CHAIN, name).end();
}

/** Starts a rule at the end of a chain: its expressions follow, then `endRule`. Returns what that needs. */
export function beginRule(batch: NftBatch, table: string, chain: string): number {
  const writer = batch.begin(MSG.NEWRULE, FLAG.CREATE | FLAG.APPEND);
  writer.stringAttribute(TABLE, table).stringAttribute(RULE.CHAIN, chain);
  return writer.open(RULE.EXPRESSIONS);
}

export function endRule(batch: NftBatch, open: number, comment: string | undefined, hash: number): void {
  batch.writer.close(open);
  writeRuleUserdata(batch.writer, comment, hash);
  batch.writer.end();
}

export interface SetShape {
  readonly key: KeyType;
  /** Its elements are starts of intervals, and their ends. */
  readonly interval?: boolean;
  /** A map to verdicts, or to keys of this type. */
  readonly data?: KeyType | 'verdict';
  readonly comment?: string | undefined;
}

export function flagsOf({ interval, data }: SetShape): number {
  return (interval === true ? SET_FLAG.INTERVAL : 0) | (data === undefined ? 0 : SET_FLAG.MAP);
}

/** One that is there stays as it is. */
export function addSet(batch: NftBatch, table: string, name: string, shape: SetShape): void {
  writeSet(batch, table, name, shape, batch.nextSetId());
}

/** A set of one rule: it comes before the rule and goes with it. Returns its id for `lookUp` and `addElements`. */
export function addAnonymousSet(batch: NftBatch, table: string, shape: SetShape, size: number): number {
  const id = batch.nextSetId();
  writeSet(batch, table, anonymousName, shape, id, size);
  return id;
}

function writeSet(
  batch: NftBatch,
  table: string,
  name: string,
  shape: SetShape,
  id: number,
  size?: number,
): void {
  const { key, data, comment } = shape;
  const ownFlags = size === undefined ? 0 : SET_FLAG.ANONYMOUS | SET_FLAG.CONSTANT;
  const writer = batch.begin(MSG.NEWSET, FLAG.CREATE);
  writer
    .stringAttribute(TABLE, table)
    .stringAttribute(SET.NAME, name)
    .be32Attribute(SET.FLAGS, flagsOf(shape) | ownFlags)
    .be32Attribute(SET.KEY_TYPE, key.type)
    .be32Attribute(SET.KEY_LEN, key.length);
  if (data === 'verdict') writer.be32Attribute(SET.DATA_TYPE, DATA_VERDICT).be32Attribute(SET.DATA_LEN, 0);
  else if (data !== undefined)
    writer.be32Attribute(SET.DATA_TYPE, data.type).be32Attribute(SET.DATA_LEN, data.length);
  writer.be32Attribute(SET.ID, id);
  if (size !== undefined) {
    const at = writer.open(SET.DESC);
    writer.be32Attribute(DESC_SIZE, size).close(at);
  }
  const dataOrder = data === undefined || data === 'verdict' ? undefined : data.order;
  writer.bytesAttribute(
    SET.USERDATA,
    setUserdata({ keyOrder: key.order, comment, ...(dataOrder === undefined ? {} : { dataOrder }) }),
  );
  writer.end();
}

export function deleteSet(batch: NftBatch, table: string, name: string): void {
  batch.begin(MSG.DELSET).stringAttribute(TABLE, table).stringAttribute(SET.NAME, name).end();
}

export interface NftElement {
  readonly key: Uint8Array;
  /** The key is the first one that is not in the interval. */
  readonly isEnd?: boolean;
  readonly userdata?: Uint8Array;
  /** In a map of verdicts, the chain to jump to; in another, what the key stands for. */
  readonly jump?: string;
  readonly data?: Uint8Array;
}

/** The list of a message has a 16-bit length; below this there is room for one element more. */
const LIST_OCTETS = 48_000;

/**
 * As many messages as are needed.
 * @param set  its name, or the id of one without a name
 */
export function changeElements(
  batch: NftBatch,
  kind: 'add' | 'delete',
  table: string,
  set: string | number,
  elements: Iterable<NftElement>,
): void {
  const { writer } = batch;
  let list: number | undefined;
  const close = (): void => {
    if (list === undefined) return;
    writer.close(list).end();
    list = undefined;
  };
  for (const element of elements) {
    if (list !== undefined && writer.length - list > LIST_OCTETS) close();
    list ??= beginElements(batch, kind, table, set);
    const at = writer.open(LIST_ELEM);
    writeElement(batch, element);
    writer.close(at);
  }
  close();
}

function beginElements(batch: NftBatch, kind: 'add' | 'delete', table: string, set: string | number): number {
  const writer = kind === 'add' ? batch.begin(MSG.NEWSETELEM, FLAG.CREATE) : batch.begin(MSG.DELSETELEM);
  writer.stringAttribute(TABLE, table);
  writer.stringAttribute(ELEMENTS.SET, typeof set === 'string' ? set : anonymousName);
  if (typeof set === 'number') writer.be32Attribute(ELEMENTS.SET_ID, set);
  return writer.open(ELEMENTS.LIST);
}

function writeElement({ writer }: NftBatch, { key, isEnd, userdata, jump, data }: NftElement): void {
  const at = writer.open(ELEMENT.KEY);
  writer.bytesAttribute(DATA.VALUE, key).close(at);
  if (isEnd === true) writer.be32Attribute(ELEMENT.FLAGS, INTERVAL_END);
  if (jump !== undefined) {
    const value = writer.open(ELEMENT.DATA);
    verdictData(writer, 'jump', jump);
    writer.close(value);
  }
  if (data !== undefined) {
    const value = writer.open(ELEMENT.DATA);
    writer.bytesAttribute(DATA.VALUE, data).close(value);
  }
  if (userdata !== undefined) writer.bytesAttribute(ELEMENT.USERDATA, userdata);
}
