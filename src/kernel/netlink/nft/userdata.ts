/**
 * Userdata: octets the kernel keeps with an object for whoever made it. nft's form is a list of type, length, value, one octet
 * each of the first two; types it does not know it passes over, so a hash of ours stands beside its comment.
 */

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
export function ruleUserdata(words: string | undefined, hash: number): Uint8Array {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(hash));
  return Uint8Array.from([...comment(RULE.COMMENT, words), RULE.HASH, 8, ...number]);
}

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
