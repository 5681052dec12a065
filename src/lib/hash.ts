/**
 * SHA-1 and SHA-256 (FIPS 180-4) of UTF-8 text, for stable names.
 *
 * Written out because pure rooms may not import `node:crypto`. Names are short; those of rules are tens of thousands, so SHA-256 is written to
 * be fast.
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
const constants = Int32Array.from(roundConstants);

const rotateLeft = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
const rotateRight = (word: number, by: number): number => (word >>> by) | (word << (32 - by));
const digits: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

function hex(words: Int32Array): string {
  let text = '';
  for (const word of words) {
    text += digits[word >>> 24];
    text += digits[(word >>> 16) & 0xff];
    text += digits[(word >>> 8) & 0xff];
    text += digits[word & 0xff];
  }
  return text;
}

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
  const words = new Int32Array((((text.length + 8) >> 6) + 1) * 16);
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return paddedBytes(utf8(text));
    place(words, index, code);
  }
  return padded(words, text.length);
}

function paddedBytes(bytes: readonly number[]): Int32Array {
  const words = new Int32Array((((bytes.length + 8) >> 6) + 1) * 16);
  for (const [index, byte] of bytes.entries()) place(words, index, byte);
  return padded(words, bytes.length);
}

function place(words: Int32Array, index: number, byte: number): void {
  words[index >> 2] = (words[index >> 2] ?? 0) | (byte << (24 - (index & 3) * 8));
}

function padded(words: Int32Array, length: number): Int32Array {
  place(words, length, 0x80);
  words[words.length - 2] = Math.floor(length / 0x20000000);
  words[words.length - 1] = length << 3;
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
  const w = new Int32Array(64);
  for (let block = 0; block < words.length; block += 16) {
    for (let t = 0; t < 16; t += 1) w[t] = words[block + t] ?? 0;
    for (let t = 16; t < 64; t += 1) {
      const sum = smallSigma1(w[t - 2] ?? 0) + (w[t - 7] ?? 0) + smallSigma0(w[t - 15] ?? 0);
      w[t] = sum + (w[t - 16] ?? 0);
    }
    compress(state, w);
  }
  return hex(state);
}

/** FIPS 180-4 §6.2.2, steps 2 to 4. */
function compress(state: Int32Array, w: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let t = 0; t < 64; t += 1) {
    const first = (h + bigSigma1(e) + ((e & f) ^ (~e & g)) + (constants[t] ?? 0) + (w[t] ?? 0)) | 0;
    const second = (bigSigma0(a) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
  state[4] = (state[4] ?? 0) + e;
  state[5] = (state[5] ?? 0) + f;
  state[6] = (state[6] ?? 0) + g;
  state[7] = (state[7] ?? 0) + h;
}

const bigSigma0 = (x: number): number => rotateRight(x, 2) ^ rotateRight(x, 13) ^ rotateRight(x, 22);
const bigSigma1 = (x: number): number => rotateRight(x, 6) ^ rotateRight(x, 11) ^ rotateRight(x, 25);

const smallSigma0 = (x: number): number => rotateRight(x, 7) ^ rotateRight(x, 18) ^ (x >>> 3);
const smallSigma1 = (x: number): number => rotateRight(x, 17) ^ rotateRight(x, 19) ^ (x >>> 10);
