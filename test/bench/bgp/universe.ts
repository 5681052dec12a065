/**
 * Which prefixes a bench is about, in a form that finds the number of a prefix by one look-up, and who announces what
 * about them. All of it follows from a `Plan`, so the injector, the monitor and the one who compares need not send it
 * to each other.
 */
import { seededRandom } from '../../../src/lib/random.ts';

export interface Plan {
  readonly family: 4 | 6;
  readonly count: number;
  /** table: 1 to 30 prefixes of one attribute set, lengths of 22 to 24 (44 to 48); single: one set; small: /26, one set. */
  readonly form: 'table' | 'single' | 'small';
  /** Sessions that announce. */
  readonly injectors: number;
  /** All announce the same prefixes, each best for its share; otherwise each has `count` of its own. */
  readonly isShared: boolean;
  /** The sessions are of the AS of the one measured. */
  readonly isInternal?: boolean;
}

/** Slots are the /24s (/48s, /26s) from 20.0.0.0 (2a00::) on; a prefix has one, two or four, aligned. */
export interface Universe {
  readonly total: number;
  readonly slotBits: number;
  /** By number of the prefix: its first slot, and its length. */
  readonly slots: Uint32Array;
  readonly lengths: Uint8Array;
  /** By slot: number of the prefix that begins there plus one, or 0. */
  readonly numbers: Uint32Array;
}

const base4 = 20 * 2 ** 24;

export function universeOf({ family, count, form, injectors, isShared }: Plan): Universe {
  const total = isShared ? count : count * injectors;
  const slotBits = form === 'small' ? 26 : family === 4 ? 24 : 48;
  const slots = new Uint32Array(total);
  const lengths = new Uint8Array(total);
  const random = seededRandom(count);
  let next = 0;
  for (let number = 0; number < total; number += 1) {
    const dice = form === 'table' ? random() : 0;
    const doublings = dice < 0.7 ? 0 : dice < 0.85 ? 1 : 2;
    const size = 2 ** doublings;
    next = Math.ceil(next / size) * size;
    slots[number] = next;
    lengths[number] = slotBits - doublings;
    next += size;
  }
  const numbers = new Uint32Array(next);
  for (let number = 0; number < total; number += 1) numbers[slots[number] ?? 0] = number + 1;
  return { total, slotBits, slots, lengths, numbers };
}

/** The address of a slot as 32 bits: of IPv4 all of it, of IPv6 the octets after 2a00. */
export const addressOf = (slot: number, slotBits: number): number =>
  slotBits === 48 ? slot : base4 + slot * 2 ** (32 - slotBits);

/** The number of a prefix from those 32 bits and its length; -1: nobody announces it. */
export function numberOf({ slotBits, numbers, lengths }: Universe, address: number, length: number): number {
  const slot = slotBits === 48 ? address : (address - base4) / 2 ** (32 - slotBits);
  const number = (numbers[slot] ?? 0) - 1;
  return number >= 0 && lengths[number] === length ? number : -1;
}

/** A run of prefixes of one attribute set, by number. */
export interface Group {
  /** The last AS of its path: which of all announcements it is. */
  readonly identity: number;
  readonly isBest: boolean;
  readonly numbers: readonly number[];
}

/** Identities of a session's groups begin here; those of churn lie above all of them. */
const identitiesFrom = (session: number): number => 1_000_000 + session * 2_000_000;
export const churnIdentity = (sequence: number): number => 1_000_000_000 + sequence;

/** The session whose announcement of a shared prefix is the best. */
const bestOf = (number: number, injectors: number): number => ((number * 2654435761) >>> 8) % injectors;

/** What a session announces, in the order it does. */
export function groupsOf(plan: Plan, session: number): readonly Group[] {
  const { count, form, injectors, isShared } = plan;
  const random = seededRandom(1000 + session);
  const first = isShared ? 0 : session * count;
  const best: number[] = [];
  const others: number[] = [];
  for (let number = first; number < first + count; number += 1)
    (isShared && bestOf(number, injectors) !== session ? others : best).push(number);
  const groups: Group[] = [];
  for (const [numbers, isBest] of [
    [best, true],
    [others, false],
  ] as const)
    for (let at = 0; at < numbers.length; ) {
      const size = form === 'table' ? 1 + Math.floor(30 * random() ** 3) : numbers.length;
      groups.push({
        identity: identitiesFrom(session) + groups.length,
        isBest,
        numbers: numbers.slice(at, at + size),
      });
      at += size;
    }
  return shuffled(groups, random);
}

function shuffled(groups: Group[], random: () => number): readonly Group[] {
  for (let at = groups.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const [a, b] = [groups[at], groups[other]];
    if (a === undefined || b === undefined) continue;
    groups[at] = b;
    groups[other] = a;
  }
  return groups;
}

/** By number of the prefix: the identity that must be the best in the end. */
export function bestIdentities(plan: Plan, total: number): Uint32Array {
  const identities = new Uint32Array(total);
  for (let session = 0; session < plan.injectors; session += 1)
    for (const { identity, isBest, numbers } of groupsOf(plan, session))
      if (isBest) for (const number of numbers) identities[number] = identity;
  return identities;
}
