/**
 * The expressions a rule is made of, in the kernel's terms: each loads a register, looks at one, or does something.
 * They are written as `nft` writes them, so that it can read them back.
 */
import type { MessageWriter } from '../writer.ts';
import { BASE, CMP, CODE, DATA, EXPRESSION, LIST_ELEM, REG, VERDICT } from './numbers.ts';

/** One expression, between `begin` and `end`. Returns what `end` needs. */
function begin(writer: MessageWriter, name: string): readonly [number, number] {
  const outer = writer.open(LIST_ELEM);
  writer.stringAttribute(EXPRESSION.NAME, name);
  return [outer, writer.open(EXPRESSION.DATA)];
}

function end(writer: MessageWriter, [outer, inner]: readonly [number, number]): void {
  writer.close(inner).close(outer);
}

function value(writer: MessageWriter, type: number, bytes: Uint8Array): void {
  const at = writer.open(type);
  writer.bytesAttribute(DATA.VALUE, bytes).close(at);
}

/** An expression whose attributes are all 32-bit numbers: pairs of type and value, in this order. */
function numbers(writer: MessageWriter, name: string, ...pairs: readonly number[]): void {
  const open = begin(writer, name);
  for (let at = 0; at + 1 < pairs.length; at += 2)
    writer.be32Attribute(pairs[at] ?? 0, (pairs[at + 1] ?? 0) >>> 0);
  end(writer, open);
}

export const metaLoad = (writer: MessageWriter, key: number, register: number = REG.R1): void =>
  numbers(writer, 'meta', 2, key, 1, register);
export const metaSet = (writer: MessageWriter, key: number): void =>
  numbers(writer, 'meta', 2, key, 3, REG.R1);
export const ctLoad = (writer: MessageWriter, key: number): void => numbers(writer, 'ct', 1, REG.R1, 2, key);
export const fibLoad = (writer: MessageWriter, result: number, flags: number): void =>
  numbers(writer, 'fib', 1, REG.R1, 2, result, 3, flags);
/** The largest TCP segment that the route to the packet's destination allows, in host order. */
export const routeMss = (writer: MessageWriter): void => numbers(writer, 'rt', 1, REG.R1, 2, 3);

export interface Field {
  readonly base: number;
  /** Octets from the start of that header. */
  readonly offset: number;
  readonly length: number;
}

export const payloadLoad = (
  writer: MessageWriter,
  { base, offset, length }: Field,
  register: number = REG.R1,
): void => numbers(writer, 'payload', 1, register, 2, base, 3, offset, 4, length);

/** @param checksum  offset of the header's internet checksum, if it has one */
export function payloadWrite(
  writer: MessageWriter,
  { base, offset, length }: Field,
  checksum?: number,
): void {
  const sum = checksum === undefined ? [0, 0] : [1, checksum];
  numbers(writer, 'payload', 5, REG.R1, 2, base, 3, offset, 4, length, 6, sum[0] ?? 0, 7, sum[1] ?? 0, 8, 0);
}

export function compare(
  writer: MessageWriter,
  op: number,
  bytes: Uint8Array,
  register: number = REG.R1,
): void {
  const open = begin(writer, 'cmp');
  writer.be32Attribute(1, register).be32Attribute(2, op);
  value(writer, 3, bytes);
  end(writer, open);
}

/** Both ends inclusive. @param op  EQ: in the range; NEQ: not in it */
export function compareRange(writer: MessageWriter, op: number, first: Uint8Array, last: Uint8Array): void {
  if (op === CMP.EQ) {
    compare(writer, CMP.GTE, first);
    compare(writer, CMP.LTE, last);
    return;
  }
  const open = begin(writer, 'range');
  writer.be32Attribute(1, REG.R1).be32Attribute(2, op);
  value(writer, 3, first);
  value(writer, 4, last);
  end(writer, open);
}

/** register = register & mask ^ xor; both of the length compared. */
export function bitwise(writer: MessageWriter, mask: Uint8Array, xor: Uint8Array): void {
  const open = begin(writer, 'bitwise');
  writer.be32Attribute(1, REG.R1).be32Attribute(2, REG.R1).be32Attribute(3, mask.byteLength);
  value(writer, 4, mask);
  value(writer, 5, xor);
  end(writer, open);
}

/** Of a 16-bit value, from host to network order. */
export const toNetworkOrder = (writer: MessageWriter): void =>
  numbers(writer, 'byteorder', 1, REG.R1, 2, REG.R1, 3, 1, 4, 2, 5, 2);

export interface LookUp {
  /** Name of the set; of one without a name, its id within the transaction. */
  readonly set: string | number;
  readonly not?: boolean;
  /** Of a map: where its value goes; 0 is the verdict. */
  readonly into?: number;
}

/** What the kernel is told of a set that has no name yet. */
export const anonymousName = '__set%d';

/** Looks for what is in register 1. Returns where the id of a set without a name stands, which is not part of what the rule means. */
export function lookUp(writer: MessageWriter, { set, not = false, into }: LookUp): number | undefined {
  const open = begin(writer, 'lookup');
  writer.stringAttribute(1, typeof set === 'number' ? anonymousName : set).be32Attribute(2, REG.R1);
  if (into !== undefined) writer.be32Attribute(3, into);
  if (not) writer.be32Attribute(5, 1);
  let at: number | undefined;
  if (typeof set === 'number') {
    writer.be32Attribute(4, set);
    at = writer.length - 4;
  }
  end(writer, open);
  return at;
}

export function immediate(writer: MessageWriter, bytes: Uint8Array, register: number = REG.R1): void {
  const open = begin(writer, 'immediate');
  writer.be32Attribute(1, register);
  value(writer, 2, bytes);
  end(writer, open);
}

export function verdict(writer: MessageWriter, code: keyof typeof CODE, chain?: string): void {
  const open = begin(writer, 'immediate');
  writer.be32Attribute(1, REG.VERDICT);
  const at = writer.open(2);
  verdictData(writer, code, chain);
  writer.close(at);
  end(writer, open);
}

/** NFTA_DATA_VERDICT: of an immediate, and of an element of a map of verdicts. */
export function verdictData(writer: MessageWriter, code: keyof typeof CODE, chain?: string): void {
  const at = writer.open(DATA.VERDICT);
  writer.be32Attribute(VERDICT.CODE, CODE[code] >>> 0);
  if (chain !== undefined) writer.stringAttribute(VERDICT.CHAIN, chain);
  writer.close(at);
}

/** From 0. */
export function counter(writer: MessageWriter): void {
  const open = begin(writer, 'counter');
  writer.be64Attribute(1, 0n).be64Attribute(2, 0n);
  end(writer, open);
}

export const notrack = (writer: MessageWriter): void => numbers(writer, 'notrack');

/** @param over  it matches what is beyond the rate, instead of what is within */
export function limit(writer: MessageWriter, perSecond: number, burst: number, over: boolean): void {
  const open = begin(writer, 'limit');
  writer.be64Attribute(1, BigInt(perSecond)).be64Attribute(2, 1n);
  writer
    .be32Attribute(3, burst)
    .be32Attribute(4, 0)
    .be32Attribute(5, over ? 1 : 0);
  end(writer, open);
}

export const connectionsOver = (writer: MessageWriter, count: number): void =>
  numbers(writer, 'connlimit', 1, count, 2, 1);

/** To the kernel's log, or to an nfnetlink_log group. */
export function log(writer: MessageWriter, prefix: string, group?: number): void {
  const open = begin(writer, 'log');
  writer.stringAttribute(2, prefix);
  if (group !== undefined) {
    const at = writer.open(1, 0);
    writer.be16(group).close(at).u16(0); // padding
  }
  end(writer, open);
}

/** @param code  of ICMPX; without meaning for a TCP reset */
export function reject(writer: MessageWriter, type: number, code: number): void {
  const open = begin(writer, 'reject');
  writer.be32Attribute(1, type).bytesAttribute(2, Uint8Array.of(code));
  end(writer, open);
}

/** Writes register 1 into the maximum segment size option of TCP; the kernel never raises it. */
export function writeMss(writer: MessageWriter): void {
  const open = begin(writer, 'exthdr');
  writer.be32Attribute(7, REG.R1).bytesAttribute(2, Uint8Array.of(2));
  writer.be32Attribute(3, 2).be32Attribute(4, 2).be32Attribute(6, 1);
  end(writer, open);
}

export interface Translation {
  readonly type: number;
  /** NFPROTO_IPV4, NFPROTO_IPV6. */
  readonly family: number;
  /** Registers of the first and last port; the address is in register 1. */
  readonly ports?: readonly [number, number];
  readonly flags: number;
}

export function translate(writer: MessageWriter, { type, family, ports, flags }: Translation): void {
  const open = begin(writer, 'nat');
  writer.be32Attribute(1, type).be32Attribute(2, family).be32Attribute(3, REG.R1);
  if (ports !== undefined) writer.be32Attribute(5, ports[0]).be32Attribute(6, ports[1]);
  if (flags !== 0) writer.be32Attribute(7, flags);
  end(writer, open);
}

export function masquerade(writer: MessageWriter, flags: number, ports?: readonly [number, number]): void {
  const open = begin(writer, 'masq');
  if (flags !== 0) writer.be32Attribute(1, flags);
  if (ports !== undefined) writer.be32Attribute(2, ports[0]).be32Attribute(3, ports[1]);
  end(writer, open);
}

export const transport = (offset: number, length: number): Field => ({
  base: BASE.TRANSPORT,
  offset,
  length,
});
export const network = (offset: number, length: number): Field => ({ base: BASE.NETWORK, offset, length });
