/**
 * What attributes came lately, by the octets they came as: neighbours say the same again and again, with other prefixes
 * or in other messages. It changes no meaning: whatever is not found here is decoded, and only what needed no repair is
 * kept. Who decodes with one memo gets one and the same object for the same octets, so `===` tells most equal sets.
 *
 * A fixed number of places, one for each hash: the newest stays. Size is bounded by `places` times LONGEST_KEY octets.
 */
import { Reader } from '../../src/lib/bytes.ts';
import { announcementOf, canCarry, decodeNlri, familyOf, type Nlri } from './family.ts';
import { attributeCodes, EXTENDED_LENGTH, OPTIONAL, TRANSITIVE } from './iana.ts';
import type { Announcement, CodecContext, PathAttributes } from './message.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly attributes: PathAttributes;
}

/** Octets; what is longer is decoded each time. */
const LONGEST_KEY = 512;

/** Where the parts of MP_REACH_NLRI are. */
interface Reach {
  readonly valueAt: number;
  readonly hopEnd: number;
  readonly end: number;
}

export class AttributeMemo {
  readonly #entries: (Entry | undefined)[];
  /** The attributes asked for last: all octets but prefixes. Length 0: they cannot be kept. */
  readonly #key = new Uint8Array(LONGEST_KEY);
  #length = 0;
  #hash = 0;

  /** @param places  a power of two */
  constructor(places = 1024) {
    this.#entries = new Array<Entry | undefined>(places).fill(undefined);
  }

  /**
   * The announcement of an UPDATE whose attributes, at `frame[start..end)`, are known. Undefined: decode it, and
   * `remember` what comes out.
   * @param classic  the prefixes of its NLRI field
   */
  recall(
    frame: Uint8Array,
    start: number,
    end: number,
    classic: Nlri,
    ctx: CodecContext,
  ): Announcement | undefined {
    const isClassic = classic.prefixes.length > 0;
    this.#key[0] = (ctx.fourOctetAs ? 1 : 0) | (ctx.peerType === 'ibgp' ? 2 : 0);
    this.#length = 1;
    this.#hash = this.#key[0];
    const reach = this.#gather(frame, start, end);
    if (reach === 'unfit' || isClassic !== (reach === undefined)) {
      this.#length = 0;
      return undefined;
    }
    const entry = this.#entries[this.#place()];
    if (entry === undefined || !this.#isKey(entry.key)) return undefined;
    return reach === undefined
      ? classicAnnouncement(entry.attributes, classic, ctx)
      : reachAnnouncement(entry.attributes, frame, reach, ctx);
  }

  /** What the attributes of the last `recall` came to. */
  remember(announced: readonly Announcement[]): void {
    const attributes = announced[0]?.attributes;
    if (this.#length === 0 || announced.length !== 1 || attributes === undefined) return;
    this.#entries[this.#place()] = { key: this.#key.slice(0, this.#length), attributes };
  }

  /** Puts all octets that say attributes into the key, and finds the one MP_REACH_NLRI there may be. */
  #gather(frame: Uint8Array, start: number, end: number): Reach | undefined | 'unfit' {
    let reach: Reach | undefined;
    let fits = true;
    for (let at = start; at < end; ) {
      const code = octetAt(frame, at + 1);
      const valueAt = at + ((octetAt(frame, at) & EXTENDED_LENGTH) === 0 ? 3 : 4);
      const next = valueAt + lengthAt(frame, at);
      if (next > end || !fits || code === attributeCodes.mpUnreach) return 'unfit';
      if (code !== attributeCodes.mpReach) fits = this.#add(frame, at, next);
      else {
        fits = reach === undefined;
        reach = { valueAt, hopEnd: valueAt + 4 + octetAt(frame, valueAt + 3), end: next };
        fits &&= this.#addReach(frame, at, reach);
      }
      at = next;
    }
    return fits ? reach : 'unfit';
  }

  /** Its flags and code, its family and next hop. */
  #addReach(frame: Uint8Array, at: number, { valueAt, hopEnd, end }: Reach): boolean {
    if (hopEnd >= end || (octetAt(frame, at) & (OPTIONAL | TRANSITIVE)) !== OPTIONAL) return false;
    return this.#add(frame, at, at + 2) && this.#add(frame, valueAt, hopEnd);
  }

  /** False if the key cannot hold it. */
  #add(frame: Uint8Array, from: number, to: number): boolean {
    if (this.#length + to - from > LONGEST_KEY) return false;
    let hash = this.#hash;
    let length = this.#length;
    for (let at = from; at < to; at += 1) {
      const octet = frame[at] ?? 0;
      this.#key[length] = octet;
      length += 1;
      hash = Math.imul(hash ^ octet, 0x01000193); // FNV-1a
    }
    this.#hash = hash;
    this.#length = length;
    return true;
  }

  #place(): number {
    return (this.#hash ^ (this.#hash >>> 15)) & (this.#entries.length - 1);
  }

  #isKey(key: Uint8Array): boolean {
    if (key.byteLength !== this.#length) return false;
    for (let at = 0; at < key.byteLength; at += 1) if (key[at] !== this.#key[at]) return false;
    return true;
  }
}

/** 0 past the end. */
const octetAt = (frame: Uint8Array, at: number): number => frame[at] ?? 0;

/** Octets of the value of the attribute at `at`. */
const lengthAt = (frame: Uint8Array, at: number): number =>
  (octetAt(frame, at) & EXTENDED_LENGTH) === 0
    ? octetAt(frame, at + 2)
    : octetAt(frame, at + 2) * 256 + octetAt(frame, at + 3);

const classicAnnouncement = (
  attributes: PathAttributes,
  nlri: Nlri,
  ctx: CodecContext,
): Announcement | undefined =>
  ctx.families.has('ipv4-unicast') ? announcementOf('ipv4-unicast', attributes, nlri) : undefined;

function reachAnnouncement(
  attributes: PathAttributes,
  frame: Uint8Array,
  { valueAt, hopEnd, end }: Reach,
  ctx: CodecContext,
): Announcement | undefined {
  const afi = octetAt(frame, valueAt) * 256 + octetAt(frame, valueAt + 1);
  const family = familyOf(afi, octetAt(frame, valueAt + 2));
  if (family === undefined || !ctx.families.has(family) || !canCarry(family, attributes.nextHop, ctx))
    return undefined;
  const hasIds = ctx.addPathReceive?.has(family) === true;
  const nlri = decodeNlri(new Reader(frame, hopEnd + 1, end), family, hasIds);
  return nlri.ok && nlri.value.prefixes.length > 0
    ? announcementOf(family, attributes, nlri.value)
    : undefined;
}
