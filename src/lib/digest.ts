/**
 * 53 bits that stand for a value of plain data: to know whether something is what it was without keeping what it was.
 *
 * Equal values have equal digests, whatever the order of an object's keys. Of two that differ one in 2^53 pairs has the same; whoever
 * does not know the seed cannot make such a pair. Two multiplicative hashes side by side; those of an object's fields are added.
 */

let high = 0;
let low = 0;

/**
 * @param value  primitives, arrays and objects of such; a field that is undefined is a field
 * @param seed  any number of 32 bits, the same for digests that are compared
 * @returns 0..2^53-1
 */
export function digestOf(value: unknown, seed: number): number {
  high = seed ^ 0x6a09_e667;
  low = seed ^ 0x3c6e_f372;
  mix(value, seed);
  const upper = finish(high ^ (low >>> 11));
  return (upper >>> 11) * 0x1_0000_0000 + (finish(low ^ (upper >>> 7)) >>> 0);
}

/** What comes next is of this type: 1 is not "1", and null is no object. */
const tags = {
  string: 1,
  number: 2,
  bigint: 3,
  true: 4,
  false: 5,
  undefined: 6,
  null: 7,
  array: 8,
  object: 9,
};

function word(bits: number): void {
  high = Math.imul(high ^ bits, 0x9e37_79b1);
  high = (high << 13) | (high >>> 19);
  low = Math.imul(low ^ bits, 0x5f35_6495);
  low = (low << 15) | (low >>> 17);
}

/** As `word` of each character, with the state at hand: it is most of the work. */
function text(characters: string, tag: number): void {
  word((characters.length << 4) | tag);
  let upper = high;
  let lower = low;
  for (let at = 0; at < characters.length; at += 1) {
    const code = characters.charCodeAt(at);
    upper = Math.imul(upper ^ code, 0x9e37_79b1);
    upper = (upper << 13) | (upper >>> 19);
    lower = Math.imul(lower ^ code, 0x5f35_6495);
    lower = (lower << 15) | (lower >>> 17);
  }
  high = upper;
  low = lower;
}

function mix(value: unknown, seed: number): void {
  if (typeof value === 'string') text(value, tags.string);
  else if (typeof value === 'number') mixNumber(value);
  else if (typeof value === 'bigint') text(value.toString(36), tags.bigint);
  else if (typeof value === 'boolean') word(value ? tags.true : tags.false);
  else if (value === undefined) word(tags.undefined);
  else if (value === null) word(tags.null);
  else if (Array.isArray(value)) {
    word((value.length << 4) | tags.array);
    for (const item of value) mix(item, seed);
  } else mixFields(value as Readonly<Record<string, unknown>>, seed);
}

function mixNumber(value: number): void {
  word(tags.number);
  word(value | 0);
  if (value === value >>> 0) return;
  word(tags.number);
  text(String(value), tags.number);
}

function mixFields(value: Readonly<Record<string, unknown>>, seed: number): void {
  const highBefore = high;
  const lowBefore = low;
  let highSum = 0;
  let lowSum = 0;
  let count = 0;
  for (const key of Object.keys(value)) {
    high = seed;
    low = ~seed;
    text(key, tags.string);
    mix(value[key], seed);
    highSum = (highSum + finish(high)) | 0;
    lowSum = (lowSum + finish(low)) | 0;
    count += 1;
  }
  high = highBefore;
  low = lowBefore;
  word((count << 4) | tags.object);
  word(highSum);
  word(lowSum);
}

function finish(bits: number): number {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
