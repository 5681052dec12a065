/**
 * RFC 7606 once more, to be short and obvious: how much an UPDATE may cost at least and at most. It shares no code with the
 * codec. Families are IPv4 and IPv6 unicast, both negotiated.
 */
import type { CodecContext, Family } from '../../bgp/wire/message.ts';

/** 0 accept, 1 attribute discard, 2 treat-as-withdraw, 3 session reset. */
export type Cost = 0 | 1 | 2 | 3;

/** Thrown inside, and nowhere else: the session ends. */
class Reset extends Error {}

const u16 = (octets: Uint8Array, at: number): number => (octets[at] ?? 0) * 256 + (octets[at + 1] ?? 0);
const u32 = (octets: Uint8Array, at: number): number => u16(octets, at) * 65536 + u16(octets, at + 2);

/** How many prefixes; undefined if that is no list of prefixes. */
function countNlri(octets: Uint8Array, family: Family, ctx: CodecContext): number | undefined {
  const width = family === 'ipv4-unicast' ? 32 : 128;
  let count = 0;
  for (let at = 0; at < octets.length; count += 1) {
    if (ctx.addPathReceive?.has(family)) at += 4;
    const length = octets[at];
    if (length === undefined || length > width) return undefined;
    at += 1 + Math.ceil(length / 8);
    if (at > octets.length) return undefined;
  }
  return count;
}

const asnAt = (octets: Uint8Array, at: number, size: 2 | 4): number =>
  at + size > octets.length ? 0 : size === 2 ? u16(octets, at) : u32(octets, at);

function isPath(octets: Uint8Array, size: 2 | 4, mostKind: number): boolean {
  for (let at = 0; at < octets.length; ) {
    const kind = octets[at] ?? 0;
    const count = octets[at + 1] ?? 0;
    if (kind < 1 || kind > mostKind || count === 0) return false;
    for (let index = 0; index < count; index += 1)
      if (asnAt(octets, at + 2 + index * size, size) === 0) return false; // it runs past the end, or is AS 0
    at += 2 + count * size;
  }
  return true;
}

const isHost4 = (octets: Uint8Array): boolean => {
  const first = octets[0] ?? 0;
  return first !== 0 && first !== 127 && first < 224;
};
/** The address that packets would go to: the second one where the first says nothing more than "on this link". */
function isHost6(octets: Uint8Array): boolean {
  const local = (part: Uint8Array): boolean => part[0] === 0xfe && ((part[1] ?? 0) & 0xc0) === 0x80;
  const [first, second] = [octets.subarray(0, 16), octets.subarray(16)];
  const hop = local(second) && first.every((octet) => octet === 0) ? second : first;
  const rest = hop.subarray(0, 15).some((octet) => octet !== 0);
  return hop[0] !== 0xff && (rest || (hop[15] ?? 0) > 1);
}

interface State {
  /** Prefixes announced; of these, such as we negotiated. */
  reachable: number;
  spoken: number;
  readonly seen: Set<number>;
}
type Rule = readonly [
  flags: number,
  malformed: Cost,
  isSound: (value: Uint8Array, ctx: CodecContext, state: State) => boolean,
];

const sized = (length: number) => (value: Uint8Array) => value.length === length;
const listOf = (size: number) => (value: Uint8Array) => value.length > 0 && value.length % size === 0;
const aggregator = (size: 2 | 4) => (value: Uint8Array) =>
  value.length === size + 4 && (size === 2 ? u16(value, 0) : u32(value, 0)) !== 0;

/** RFC 7606 §7, RFC 6793 §6, RFC 8092 §6, RFC 9234 §5. */
const rules: Readonly<Record<number, Rule>> = {
  1: [0x40, 2, (value) => value.length === 1 && (value[0] ?? 9) <= 2],
  2: [0x40, 2, (value, ctx) => isPath(value, ctx.fourOctetAs ? 4 : 2, 2)],
  3: [0x40, 2, (value) => value.length === 4 && isHost4(value)],
  4: [0x80, 2, sized(4)],
  5: [0x40, 2, sized(4)],
  6: [0x40, 1, sized(0)],
  7: [0xc0, 1, (value, ctx) => aggregator(ctx.fourOctetAs ? 4 : 2)(value)],
  8: [0xc0, 2, listOf(4)],
  9: [0x80, 2, sized(4)],
  10: [0x80, 2, listOf(4)],
  16: [0xc0, 2, listOf(8)],
  17: [0xc0, 1, (value, ctx) => !ctx.fourOctetAs && value.length >= 6 && isPath(value, 4, 4)],
  18: [0xc0, 1, (value, ctx) => !ctx.fourOctetAs && aggregator(4)(value)],
  32: [0xc0, 2, listOf(12)],
  35: [0xc0, 2, (value) => value.length === 4 && u32(value, 0) !== 0],
};
const insideOnly = [5, 9, 10];
/** Known by framings that are not told again here: never a reset. */
const framed = [22, 23, 24, 25, 26, 29, 40, 128];

function costOfReach(value: Uint8Array, ctx: CodecContext, state: State): Cost {
  const hopLength = value[3];
  if (value.length < 5 || hopLength === undefined || 4 + hopLength + 1 > value.length) throw new Reset();
  const rest = value.subarray(4 + hopLength + 1);
  const family = familyOf(value);
  if (family === undefined) {
    state.reachable += rest.length > 0 ? 1 : 0;
    return 0;
  }
  const isShort = family === 'ipv4-unicast' && hopLength === 4;
  const isLong =
    (hopLength === 16 || hopLength === 32) &&
    (family === 'ipv6-unicast' || ctx.extendedNextHop?.has(family) === true);
  const count = countNlri(rest, family, ctx);
  if (!(isShort || isLong) || count === undefined) throw new Reset();
  state.reachable += count;
  state.spoken += count;
  const hop = value.subarray(4, 4 + hopLength);
  return (isShort ? isHost4(hop) : isHost6(hop)) ? 0 : 2;
}

const familyOf = (value: Uint8Array): Family | undefined => {
  if (value[2] !== 1) return undefined;
  return ({ 1: 'ipv4-unicast', 2: 'ipv6-unicast' } as const)[u16(value, 0)];
};

function costOfUnreach(value: Uint8Array, ctx: CodecContext): Cost {
  if (value.length < 3) throw new Reset();
  const family = familyOf(value);
  if (family !== undefined && countNlri(value.subarray(3), family, ctx) === undefined) throw new Reset();
  return 0;
}

/** @returns least and most */
function costOf(
  flags: number,
  code: number,
  value: Uint8Array,
  ctx: CodecContext,
  state: State,
): [Cost, Cost] {
  if (code === 14 || code === 15) {
    if ((flags & 0xc0) !== 0x80) throw new Reset();
    const cost = code === 14 ? costOfReach(value, ctx, state) : costOfUnreach(value, ctx);
    return [cost, cost];
  }
  if (framed.includes(code)) return [0, 2];
  const rule = rules[code];
  if (rule === undefined) {
    if ((flags & 0x80) === 0) throw new Reset(); // RFC 4271 §6.3
    return [0, 0];
  }
  const [wanted, malformed, isSound] = rule;
  if ((flags & 0xc0) !== wanted) return [2, 2]; // RFC 7606 §3 c
  if (insideOnly.includes(code) && ctx.peerType === 'ebgp') return [1, 1];
  return isSound(value, ctx, state) ? [0, 0] : [malformed, malformed];
}

/** @param frame  an UPDATE whose header is right. @returns what it costs at least and at most */
export function costOfUpdate(frame: Uint8Array, ctx: CodecContext): readonly [least: Cost, most: Cost] {
  try {
    return walk(frame.subarray(19), ctx);
  } catch (error) {
    if (error instanceof Reset) return [3, 3];
    throw error;
  }
}

interface Raw {
  readonly flags: number;
  readonly code: number;
  /** Undefined: the field's lengths cut it short. */
  readonly value: Uint8Array | undefined;
}

/** Up to the first that is cut short. */
function attributesOf(field: Uint8Array): Raw[] {
  const all: Raw[] = [];
  for (let at = 0; at < field.length; ) {
    const [flags = 0, code = 0, length = 0] = field.subarray(at);
    const head = (flags & 0x10) === 0 ? 3 : 4;
    const end = at + head + (head === 3 ? length : u16(field, at + 2));
    const isCut = at + head > field.length || end > field.length;
    all.push({ flags, code, value: isCut ? undefined : field.subarray(at + head, end) });
    if (isCut) break;
    at = end;
  }
  return all;
}

function costOfRaw({ flags, code, value }: Raw, ctx: CodecContext, state: State): [Cost, Cost] {
  const isNaming = code === 14 || code === 15;
  const isRepeated = state.seen.has(code);
  if (isNaming && (isRepeated || value === undefined)) throw new Reset(); // RFC 7606 §3 g, j
  if (value === undefined) return [2, 2]; // RFC 7606 §4
  if (isRepeated) return [1, 1]; // RFC 7606 §3 g
  state.seen.add(code);
  return costOf(flags, code, value, ctx, state);
}

function walk(body: Uint8Array, ctx: CodecContext): readonly [Cost, Cost] {
  const attributesAt = 2 + u16(body, 0) + 2;
  const nlriAt = attributesAt + u16(body, attributesAt - 2);
  if (attributesAt > body.length || nlriAt > body.length) throw new Reset();
  const withdrawn = countNlri(body.subarray(2, attributesAt - 2), 'ipv4-unicast', ctx);
  const announced = countNlri(body.subarray(nlriAt), 'ipv4-unicast', ctx);
  if (withdrawn === undefined || announced === undefined) throw new Reset();
  const state: State = { reachable: announced, spoken: announced, seen: new Set() };
  const costs = attributesOf(body.subarray(attributesAt, nlriAt)).map((raw) => costOfRaw(raw, ctx, state));
  if (state.spoken > 0 && !isWhole(announced > 0, ctx, state)) costs.push([2, 2]); // RFC 7606 §3 d
  const [least, most] = [0, 1].map(
    (side) => Math.max(0, ...(costs.map((cost) => cost[side] ?? 0) as Cost[])) as Cost,
  );
  return [withPlace(least ?? 0, state), withPlace(most ?? 0, state)];
}

function isWhole(hasClassic: boolean, ctx: CodecContext, { seen }: State): boolean {
  const needed = [1, 2, ...(hasClassic ? [3] : []), ...(ctx.peerType === 'ibgp' ? [5] : [])];
  return needed.every((code) => seen.has(code));
}

/** RFC 7606 §5.2: where nothing is announced, the announcement itself may be what broke. */
const withPlace = (cost: Cost, { reachable }: State): Cost => (cost === 2 && reachable === 0 ? 3 : cost);
