/**
 * Userdata: octets the kernel keeps with an object for whoever made it. nft's form is a list of type, length, value, one octet
 * each of the first two; types it does not know it passes over, so a hash of ours stands beside its comment.
 */

import type { MessageWriter } from '../writer.ts';
import { RULE as RULE_ATTRIBUTE } from './numbers.ts';

/** Of rules: enum nftnl_udata_rule_types, and one of our own. */
const RULE = { COMMENT: 0, HASH: 0x74 } as const;
/** Of sets: enum nftnl_udata_set_types. */
const SET = { KEY_ORDER: 0, DATA_ORDER: 1, COMMENT: 7 } as const;
/** Of elements: enum nftnl_udata_set_elem_types, nftnl_udata_set_elem_flags. */
const ELEMENT_FLAGS = 1;
const OPEN = 1;
/** The kernel keeps 256 octets of a rule, with the hash. */
const COMMENT_OCTETS = 128;

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** In host order, as nft writes it. */
const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);

/** Of an element that is the start of an interval without an end: the last one there can be is in it. */
export const openInterval = Uint8Array.from([ELEMENT_FLAGS, 4, ...u32(OPEN)]);

function comment(type: number, words: string | undefined): readonly number[] {
  if (words === undefined) return [];
  const bytes = utf8.encode(words).subarray(0, COMMENT_OCTETS);
  return [type, bytes.byteLength + 1, ...bytes, 0];
}

/** @param hash  0..2^53-1 */
export function writeRuleUserdata(writer: MessageWriter, words: string | undefined, hash: number): void {
  const at = writer.open(RULE_ATTRIBUTE.USERDATA, 0);
  if (words !== undefined) {
    const length = Math.min(COMMENT_OCTETS, words.length);
    if (isAscii(words))
      writer
        .u8(RULE.COMMENT)
        .u8(length + 1)
        .field(words, length)
        .u8(0);
    else writer.bytes(Uint8Array.from(comment(RULE.COMMENT, words)));
  }
  writer
    .u8(RULE.HASH)
    .u8(8)
    .be32(Math.floor(hash / 0x1_0000_0000))
    .be32(hash >>> 0)
    .close(at)
    .pad();
}

const isAscii = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
};

export interface SetUserdata {
  readonly keyOrder: number;
  readonly dataOrder?: number;
  readonly comment?: string | undefined;
}

export const setUserdata = ({ keyOrder, dataOrder, comment: words }: SetUserdata): Uint8Array =>
  Uint8Array.from([
    ...[SET.KEY_ORDER, 4, ...u32(keyOrder)],
    ...(dataOrder === undefined ? [] : [SET.DATA_ORDER, 4, ...u32(dataOrder)]),
    ...comment(SET.COMMENT, words),
  ]);

function eachEntry(
  view: DataView,
  start: number,
  end: number,
  visit: (type: number, from: number, to: number) => void,
): void {
  for (let at = start; at + 2 <= end; ) {
    const to = at + 2 + view.getUint8(at + 1);
    if (to > end) return;
    visit(view.getUint8(at), at + 2, to);
    at = to;
  }
}

const words = (view: DataView, from: number, to: number): string =>
  text.decode(new Uint8Array(view.buffer, view.byteOffset + from, Math.max(0, to - from - 1)));

export interface RuleUserdata {
  readonly comment?: string;
  /** Absent: the rule is not one of ours. */
  readonly hash?: number;
}

export function readRuleUserdata(view: DataView, start: number, end: number): RuleUserdata {
  let found: RuleUserdata = {};
  eachEntry(view, start, end, (type, from, to) => {
    if (type === RULE.COMMENT) found = { ...found, comment: words(view, from, to) };
    if (type === RULE.HASH && to - from === 8) found = { ...found, hash: Number(view.getBigUint64(from)) };
  });
  return found;
}

/** The comment of a set; undefined if it has none. */
export function readSetComment(view: DataView, start: number, end: number): string | undefined {
  let found: string | undefined;
  eachEntry(view, start, end, (type, from, to) => {
    if (type === SET.COMMENT) found = words(view, from, to);
  });
  return found;
}
