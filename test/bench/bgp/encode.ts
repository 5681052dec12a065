/** UPDATEs written once, before the clock starts. A few lines of its own: the codec measured must not write its own test. */
import { seededRandom } from '../../../src/lib/random.ts';
import { addressOf, churnIdentity, type Group, groupsOf, type Plan, type Universe } from './universe.ts';

/** Whom a session speaks as. */
export interface Voice {
  readonly asn: number;
  /** The next hop it names: the address it speaks from, dotted or as eight groups of hexadecimal. */
  readonly nextHop: string;
  readonly isInternal: boolean;
}

const mostOctets = 4096;
/** Written in pieces that end where a message ends, so that a KEEPALIVE can go between two. */
const pieceOctets = 256 * 1024;

/** Grows as needed; cut into pieces at the end. */
class Sheet {
  #bytes = Buffer.allocUnsafe(1 << 20);
  #at = 0;
  readonly #ends: number[] = [];
  #lastEnd = 0;

  message(type: number, body: Buffer): void {
    const length = 19 + body.length;
    if (this.#at + length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(this.#bytes.length * 2);
      this.#bytes.copy(grown, 0, 0, this.#at);
      this.#bytes = grown;
    }
    this.#bytes.fill(0xff, this.#at, this.#at + 16);
    this.#bytes.writeUInt16BE(length, this.#at + 16);
    this.#bytes[this.#at + 18] = type;
    body.copy(this.#bytes, this.#at + 19);
    this.#at += length;
    if (this.#at - this.#lastEnd >= pieceOctets) this.#cut();
  }

  /** Octets so far. */
  get length(): number {
    return this.#at;
  }

  #cut(): void {
    this.#ends.push(this.#at);
    this.#lastEnd = this.#at;
  }

  whole(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  pieces(): readonly Buffer[] {
    if (this.#lastEnd < this.#at) this.#cut();
    return this.#ends.map((end, index) => this.#bytes.subarray(this.#ends[index - 1] ?? 0, end));
  }
}

export function message(type: number, body: Buffer): Buffer {
  const sheet = new Sheet();
  sheet.message(type, body);
  return Buffer.concat(sheet.pieces());
}

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const u32 = (value: number): number[] => [(value >>> 24) & 255, (value >>> 16) & 255, ...u16(value)];

const addressOctets = (text: string): number[] =>
  text.includes(':')
    ? text.split(':').flatMap((group) => u16(Number.parseInt(group, 16)))
    : text.split('.').map(Number);

const attribute = (flags: number, code: number, body: readonly number[]): number[] =>
  body.length > 255
    ? [flags | 0x10, code, ...u16(body.length), ...body]
    : [flags, code, body.length, ...body];

/** An IPv6 announcement needs room for its prefixes inside the attributes. */
function nlri({ slots, lengths, slotBits }: Universe, number: number): number[] {
  const length = lengths[number] ?? 0;
  const address = addressOf(slots[number] ?? 0, slotBits);
  const octets = slotBits === 48 ? [0x2a, 0x00, ...u32(address)] : u32(address);
  return [length, ...octets.slice(0, Math.ceil(length / 8))];
}

const octetsEach = (universe: Universe): number => (universe.slotBits === 48 ? 7 : 5);

/** The attributes of a group but for its next hop: the best has two or three AS numbers, any other four or more. */
function attributesOf(voice: Voice, { identity, isBest }: Group, isShared: boolean): number[] {
  const random = seededRandom(identity);
  const dice = (sides: number): number => Math.floor(random() * sides);
  const between = isShared ? (isBest ? 0 : 2 + dice(4)) : dice(6);
  const path = [
    ...(voice.isInternal ? [] : [voice.asn]),
    ...Array.from({ length: between }, () => 1000 + dice(60_000)),
    identity,
  ];
  const communities = Array.from({ length: dice(6) }, () => [
    ...u16(1000 + dice(60_000)),
    ...u16(dice(65_535)),
  ]);
  return [
    ...attribute(0x40, 1, [dice(5) === 0 ? 2 : 0]),
    ...attribute(0x40, 2, [2, path.length, ...path.flatMap(u32)]),
    ...(dice(4) === 0 ? attribute(0x80, 4, u32(dice(1000))) : []),
    ...(voice.isInternal ? attribute(0x40, 5, u32(100)) : []),
    ...(communities.length > 0 ? attribute(0xc0, 8, communities.flat()) : []),
  ];
}

function announce(sheet: Sheet, universe: Universe, voice: Voice, group: Group, isShared: boolean): void {
  const attributes = attributesOf(voice, group, isShared);
  const room = mostOctets - 19 - 4 - attributes.length - 60;
  const each = Math.floor(room / octetsEach(universe));
  for (let at = 0; at < group.numbers.length; at += each) {
    const prefixes = group.numbers.slice(at, at + each).flatMap((number) => nlri(universe, number));
    const hop = addressOctets(voice.nextHop);
    const [all, tail] =
      universe.slotBits === 48
        ? [[...attribute(0x80, 14, [0, 2, 1, 16, ...hop, 0, ...prefixes]), ...attributes], []]
        : [[...attributes, ...attribute(0x40, 3, hop)], prefixes];
    sheet.message(2, Buffer.from([0, 0, ...u16(all.length), ...all, ...tail]));
  }
}

/** All a session announces. */
export function announcements(
  plan: Plan,
  universe: Universe,
  session: number,
  voice: Voice,
): readonly Buffer[] {
  const sheet = new Sheet();
  for (const group of groupsOf(plan, session)) announce(sheet, universe, voice, group, plan.isShared);
  return sheet.pieces();
}

/** The same, taken back in as few messages as hold it. */
export function withdrawals(plan: Plan, universe: Universe, session: number): readonly Buffer[] {
  const sheet = new Sheet();
  const numbers = groupsOf(plan, session).flatMap((group) => group.numbers);
  const each = Math.floor((mostOctets - 40) / octetsEach(universe));
  for (let at = 0; at < numbers.length; at += each) {
    const prefixes = numbers.slice(at, at + each).flatMap((number) => nlri(universe, number));
    if (universe.slotBits === 48) {
      const all = attribute(0x80, 15, [0, 2, 1, ...prefixes]);
      sheet.message(2, Buffer.from([0, 0, ...u16(all.length), ...all]));
    } else sheet.message(2, Buffer.from([...u16(prefixes.length), ...prefixes, 0, 0]));
  }
  return sheet.pieces();
}

/** Messages behind each other. */
export interface Row {
  readonly bytes: Buffer;
  /** By message: where it ends. */
  readonly ends: Uint32Array;
}

/**
 * One UPDATE each: the prefix with number (sequence × a prime) mod total, with attributes never seen before. A buffer for each would be
 * collected while the changes are told, on the processors that the speaker needs.
 */
export function churn(universe: Universe, voice: Voice, from: number, count: number): Row {
  const sheet = new Sheet();
  const ends = new Uint32Array(count);
  for (let index = 0; index < count; index += 1) {
    const number = ((from + index) * 7919) % universe.total;
    const group = { identity: churnIdentity(from + index), isBest: true, numbers: [number] };
    announce(sheet, universe, voice, group, false);
    ends[index] = sheet.length;
  }
  return { bytes: sheet.whole(), ends };
}
