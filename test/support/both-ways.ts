/** The one check every wire vector gets: it decodes, encodes back to itself, and each truncation of it is refused. */
import { expect } from 'vitest';
import { decodeMessage, encodeMessage } from '../../bgp/wire/codec.ts';
import type { CodecContext, Message } from '../../bgp/wire/message.ts';
import { bytesOf, context, decoded, hexOf } from './wire.ts';

export function bothWays(hex: string, meaning: Message, ctx: CodecContext = context()): void {
  expect(decoded(hex, ctx)).toEqual(meaning);
  expect(hexOf(encodeMessage(meaning, ctx))).toBe(hex.replace(/\s/g, ''));
  everyTruncationFails(bytesOf(hex), ctx);
}

/** Cut short with the header still telling the old length, and with the length mended: no throw, and no silent success. */
export function everyTruncationFails(bytes: Uint8Array, ctx: CodecContext = context()): void {
  for (let length = 0; length < bytes.byteLength; length += 1) {
    const cut = bytes.slice(0, length);
    expect(decodeMessage(cut, ctx).ok).toBe(false);
    if (length < 19) continue;
    cut[16] = length >> 8;
    cut[17] = length & 255;
    const result = decodeMessage(cut, ctx);
    if (result.ok) expect(saysSomethingElse(result.value, decodeMessage(bytes, ctx))).toBe(true);
  }
}

/** A shorter message may be a sound one; then it must not be taken for the whole. */
function saysSomethingElse(short: Message, whole: ReturnType<typeof decodeMessage>): boolean {
  return !whole.ok || JSON.stringify(short, plain) !== JSON.stringify(whole.value, plain);
}

const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}` : value);
