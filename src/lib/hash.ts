/**
 * SHA-1 and SHA-256 (FIPS 180-4) of UTF-8 text, for stable names.
 *
 * Written out because pure rooms may not import `node:crypto`. Names are short and few: clear before fast.
 * Not for secrets.
 */

/** FIPS 180-4 §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const roundConstants = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
] as const;

const rotateLeft = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
const rotateRight = (word: number, by: number): number => (word >>> by) | (word << (32 - by));
const hex = (words: Iterable<number>): string =>
  [...words].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');

/** A lone surrogate is written as U+FFFD, as every encoder does. */
export function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text.toWellFormed()) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return bytes;
}

/** FIPS 180-4 §5.1.1: a one bit, zeros, and the length in bits as 64 bits; as 32-bit words, 16 to a block. */
function paddedWords(text: string): Int32Array {
  const bytes = utf8(text);
  const words = new Int32Array((((bytes.length + 8) >> 6) + 1) * 16);
  [...bytes, 0x80].forEach((byte, index) => {
    words[index >> 2] = (words[index >> 2] ?? 0) | (byte << (24 - (index & 3) * 8));
  });
  words[words.length - 2] = Math.floor(bytes.length / 0x20000000);
  words[words.length - 1] = bytes.length << 3;
  return words;
}

/** FIPS 180-4 §6.1.2, one round's f and K by quarter of the eighty. */
const quarters = [
  { f: (b: number, c: number, d: number): number => (b & c) ^ (~b & d), k: 0x5a827999 },
  { f: (b: number, c: number, d: number): number => b ^ c ^ d, k: 0x6ed9eba1 },
  { f: (b: number, c: number, d: number): number => (b & c) ^ (b & d) ^ (c & d), k: 0x8f1bbcdc },
  { f: (b: number, c: number, d: number): number => b ^ c ^ d, k: 0xca62c1d6 },
] as const;

/** The 40 lower-case hex digits of SHA-1 (FIPS 180-4 §6.1). */
export function sha1Hex(text: string): string {
  const words = paddedWords(text);
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const schedule = new Int32Array(80);
  for (let block = 0; block < words.length; block += 16) {
    schedule.set(words.subarray(block, block + 16));
    for (let t = 16; t < 80; t += 1) schedule[t] = rotateLeft(xorOf(schedule, t), 1);
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
    quarters.forEach(({ f, k }, quarter) => {
      for (let t = quarter * 20; t < quarter * 20 + 20; t += 1) {
        const next = (rotateLeft(a, 5) + f(b, c, d) + e + k + (schedule[t] ?? 0)) | 0;
        [a, b, c, d, e] = [next, a, rotateLeft(b, 30), c, d];
      }
    });
    addTo(state, [a, b, c, d, e]);
  }
  return hex(state);
}

const xorOf = (w: Int32Array, t: number): number =>
  (w[t - 3] ?? 0) ^ (w[t - 8] ?? 0) ^ (w[t - 14] ?? 0) ^ (w[t - 16] ?? 0);

function addTo(state: Int32Array, words: readonly number[]): void {
  for (const [index, word] of words.entries()) state[index] = (state[index] ?? 0) + word;
}

/** The 64 lower-case hex digits of SHA-256 (FIPS 180-4 §6.2). */
export function sha256Hex(text: string): string {
  const words = paddedWords(text);
  const state = Int32Array.of(
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19,
  );
  const schedule = new Int32Array(64);
  for (let block = 0; block < words.length; block += 16) {
    schedule.set(words.subarray(block, block + 16));
    for (let t = 16; t < 64; t += 1) schedule[t] = expanded(schedule, t);
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
    roundConstants.forEach((constant, t) => {
      const first = (h + bigSigma1(e) + ((e & f) ^ (~e & g)) + constant + (schedule[t] ?? 0)) | 0;
      const second = (bigSigma0(a) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [a, b, c, d, e, f, g, h] = [(first + second) | 0, a, b, c, (d + first) | 0, e, f, g];
    });
    addTo(state, [a, b, c, d, e, f, g, h]);
  }
  return hex(state);
}

const bigSigma0 = (x: number): number => rotateRight(x, 2) ^ rotateRight(x, 13) ^ rotateRight(x, 22);
const bigSigma1 = (x: number): number => rotateRight(x, 6) ^ rotateRight(x, 11) ^ rotateRight(x, 25);

function expanded(w: Int32Array, t: number): number {
  const early = w[t - 15] ?? 0;
  const late = w[t - 2] ?? 0;
  const sigma0 = rotateRight(early, 7) ^ rotateRight(early, 18) ^ (early >>> 3);
  const sigma1 = rotateRight(late, 17) ^ rotateRight(late, 19) ^ (late >>> 10);
  return (w[t - 16] ?? 0) + sigma0 + (w[t - 7] ?? 0) + sigma1;
}
