/**
 * nf_tables messages, from include/uapi/linux/netfilter/nf_tables.h: the objects of an inet table, as far as a small change
 * of a ruleset needs them. All integers are in network order there, unlike elsewhere in netlink.
 *
 * Rules and sets are written so that `nft list` shows them as if nft had made them: comments are in its own userdata form.
 */
import type { NftMessage } from '../kernel.ts';
import { MessageWriter } from './writer.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFPROTO_INET = 1;
const MSG = {
  NEWCHAIN: 3,
  DELCHAIN: 5,
  NEWRULE: 6,
  DELRULE: 8,
  NEWSET: 9,
  DELSET: 11,
  NEWSETELEM: 12,
  DELSETELEM: 14,
} as const;
const CREATE = 0x400;
const APPEND = 0x800;
const LIST_ELEM = 1;
/** enum nft_verdicts, and of netfilter.h. */
const CODE = { accept: 1, drop: 0, jump: -3 } as const;
const REG_VERDICT = 0;
const REG_1 = 1;
/** enum nft_meta_keys. */
export const META = { IIFNAME: 6, OIFNAME: 7, NFPROTO: 15, L4PROTO: 16 } as const;
/** enum nft_payload_bases. */
export const BASE = { NETWORK: 1, TRANSPORT: 2 } as const;
/** enum nft_cmp_ops. */
export const CMP = { EQ: 0, NEQ: 1, LTE: 3, GTE: 5 } as const;
/** Numbers of nft's own data types, which it reads back from a set. */
export const KEY = { ipv4: { type: 7, length: 4 }, ipv6: { type: 8, length: 16 } } as const;

const text = new TextEncoder();

/** Writes the attributes of one message, expression or element. */
type Write = (writer: MessageWriter) => void;

function message(kind: keyof typeof MSG, flags: number, write: Write): NftMessage {
  const writer = new MessageWriter(256);
  writer.u8(NFPROTO_INET).u8(0).u16(0); // struct nfgenmsg: family, version, res_id
  write(writer);
  return { type: (NFNL_SUBSYS_NFTABLES << 8) | MSG[kind], flags, body: writer.written.slice() };
}

const be32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
};
const number = (writer: MessageWriter, type: number, value: number): MessageWriter =>
  writer.bytesAttribute(type, be32(value));

const TABLE_1: (table: string) => Write = (table) => (writer) => writer.stringAttribute(1, table);

export interface ObjectName {
  readonly table: string;
  readonly name: string;
}

/** A regular chain; one that is there stays as it is. */
export const addChain = ({ table, name }: ObjectName): NftMessage =>
  message('NEWCHAIN', CREATE, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(3, name);
  });

export const deleteChain = ({ table, name }: ObjectName): NftMessage =>
  message('DELCHAIN', 0, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(3, name);
  });

/** Takes all rules out of the chain. */
export const flushChain = ({ table, name }: ObjectName): NftMessage =>
  message('DELRULE', 0, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(2, name);
  });

/** @param comment  at most 127 octets */
export const appendRule = (
  { table, name }: ObjectName,
  expressions: readonly Write[],
  comment: string | undefined,
): NftMessage =>
  message('NEWRULE', CREATE | APPEND, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(2, name);
    writer.nest(4, () => {
      for (const expression of expressions) writer.nest(LIST_ELEM, () => expression(writer));
    });
    if (comment !== undefined) writer.bytesAttribute(7, userdata(0, text.encode(`${comment}\0`)));
  });

/** nft's own type, length, value. */
const userdata = (type: number, value: Uint8Array): Uint8Array =>
  Uint8Array.from([type, value.byteLength, ...value]);

export interface SetShape {
  readonly key: (typeof KEY)[keyof typeof KEY];
  readonly comment?: string;
}

const KEY_BYTE_ORDER = 0;
const COMMENT = 7;
const BIG_ENDIAN = 2;

/** A set of single addresses. @param id  of its own within the transaction */
export const addSet = ({ table, name }: ObjectName, { key, comment }: SetShape, id: number): NftMessage =>
  message('NEWSET', CREATE, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(2, name);
    number(writer, 3, 0); // flags
    number(writer, 4, key.type);
    number(writer, 5, key.length);
    number(writer, 10, id);
    const order = new Uint8Array(new Uint32Array([BIG_ENDIAN]).buffer); // in host order, of all things
    const words = comment === undefined ? [] : userdata(COMMENT, text.encode(`${comment}\0`));
    writer.bytesAttribute(13, Uint8Array.from([...userdata(KEY_BYTE_ORDER, order), ...words]));
  });

export const deleteSet = ({ table, name }: ObjectName): NftMessage =>
  message('DELSET', 0, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(2, name);
  });

/** A key, and in a map of verdicts the chain to jump to. */
export interface SetElement {
  readonly key: Uint8Array;
  readonly jump?: string;
}

/** @param elements  so many that the message stays below 64 KiB: its list has a 16-bit length */
export const changeElements = (
  kind: 'add' | 'delete',
  { table, name }: ObjectName,
  elements: readonly SetElement[],
): NftMessage =>
  message(kind === 'add' ? 'NEWSETELEM' : 'DELSETELEM', kind === 'add' ? CREATE : 0, (writer) => {
    TABLE_1(table)(writer);
    writer.stringAttribute(2, name);
    writer.nest(3, () => {
      for (const { key, jump } of elements) {
        writer.nest(LIST_ELEM, () => {
          writer.nest(1, () => writer.bytesAttribute(1, key));
          if (jump !== undefined) writer.nest(2, () => verdictData(writer, 'jump', jump));
        });
      }
    });
  });

function verdictData(writer: MessageWriter, code: keyof typeof CODE, chain?: string): void {
  writer.nest(2, () => {
    number(writer, 1, CODE[code]);
    if (chain !== undefined) writer.stringAttribute(2, chain);
  });
}

const expression =
  (name: string, write: Write): Write =>
  (writer) => {
    writer.stringAttribute(1, name);
    writer.nest(2, () => write(writer));
  };

export const metaLoad = (key: number): Write =>
  expression('meta', (writer) => {
    number(writer, 2, key);
    number(writer, 1, REG_1);
  });

export const payloadLoad = (base: number, offset: number, length: number): Write =>
  expression('payload', (writer) => {
    number(writer, 1, REG_1);
    number(writer, 2, base);
    number(writer, 3, offset);
    number(writer, 4, length);
  });

export const compare = (op: number, value: Uint8Array): Write =>
  expression('cmp', (writer) => {
    number(writer, 1, REG_1);
    number(writer, 2, op);
    writer.nest(3, () => writer.bytesAttribute(1, value));
  });

export const lookUp = (set: string): Write =>
  expression('lookup', (writer) => {
    writer.stringAttribute(1, set);
    number(writer, 2, REG_1);
  });

export const verdict = (code: keyof typeof CODE, chain?: string): Write =>
  expression('immediate', (writer) => {
    number(writer, 1, REG_VERDICT);
    writer.nest(2, () => verdictData(writer, code, chain));
  });
