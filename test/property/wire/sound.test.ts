/** UPDATEs whose attributes become words straight from octets, against the way that knows RFC 7606. */
import { expect, test } from 'vitest';
import { lengthOf, pack } from '../../../bgp/rib/pack.ts';
import { AttributeView, plainOf } from '../../../bgp/rib/view.ts';
import { decodeFrame, decodeMessage } from '../../../bgp/wire/codec.ts';
import { checkHeader } from '../../../bgp/wire/frame.ts';
import type { CodecContext, Family, Message } from '../../../bgp/wire/message.ts';
import { type Random, seededRandom } from '../../../src/lib/random.ts';
import { ok, type Result } from '../../../src/lib/result.ts';
import { maybe, soundFrame } from '../../fuzz/messages.ts';
import { mutated } from '../../fuzz/mutate.ts';
import { withoutViews } from '../../support/wire.ts';

const both: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const some = (random: Random): ReadonlySet<Family> => new Set(both.filter(() => maybe(random)));

function contextOf(random: Random): CodecContext {
  const ids = some(random);
  return {
    fourOctetAs: random() < 0.8,
    peerType: maybe(random) ? 'ibgp' : 'ebgp',
    families: random() < 0.8 ? new Set(both) : some(random),
    addPathReceive: ids,
    addPathSend: ids,
    extendedNextHop: some(random),
  };
}

const viewsIn = (said: Result<Message, unknown>): readonly AttributeView[] =>
  said.ok && said.value.kind === 'update'
    ? said.value.announced.map(({ attributes }) => attributes).filter((one) => one instanceof AttributeView)
    : [];

const wordsOf = ({ words, at }: AttributeView): Uint32Array => words.slice(at, at + lengthOf(words[at] ?? 0));

/** A sound message or what became of one; its header is sound. */
function frameOf(random: Random, ctx: CodecContext): Uint8Array {
  const sound = soundFrame(random, ctx);
  const frame = random() < 0.3 ? sound : mutated(random, sound, soundFrame(random, ctx));
  const header = frame.byteLength < 19 ? undefined : checkHeader(frame);
  return header?.ok === true && header.value.length === frame.byteLength ? frame : sound;
}

test('what is read without a look at RFC 7606 is what the long way reads, of sound messages and of mutated ones', () => {
  const random = seededRandom(4760);
  let views = 0;
  for (let number = 0; number < 8000; number += 1) {
    const ctx = contextOf(random);
    const frame = frameOf(random, ctx);
    const said = decodeFrame(frame, ctx);
    expect(said.ok ? ok(withoutViews(said.value)) : said).toStrictEqual(decodeMessage(frame, ctx));
    for (const view of viewsIn(said)) {
      views += 1;
      const packed = pack(view.plain);
      expect(wordsOf(view)).toEqual(packed.slice(0, lengthOf(packed[0] ?? 0)));
    }
  }
  expect(views).toBeGreaterThan(1000);
});

test('the words of a view are its own, whatever is read after it', () => {
  const random = seededRandom(4271);
  const views = Array.from({ length: 2000 }, () => {
    const ctx = contextOf(random);
    return viewsIn(decodeFrame(soundFrame(random, ctx), ctx));
  }).flat();
  const words = views.map(wordsOf);
  for (let number = 0; number < 500; number += 1) {
    const ctx = contextOf(random);
    decodeFrame(soundFrame(random, ctx), ctx);
  }
  expect(views.map(wordsOf)).toEqual(words);
});

test('a view reads, field by field, as the objects it stands for', () => {
  const random = seededRandom(7606);
  for (let number = 0; number < 300; number += 1) {
    const ctx = { ...contextOf(random), fourOctetAs: true };
    const said = decodeFrame(soundFrame(random, ctx), ctx);
    for (const view of viewsIn(said)) {
      const { plain } = view;
      for (const field of Object.keys(plain) as (keyof typeof plain)[])
        expect(view[field]).toEqual(plain[field]);
      expect(view.linkLocal).toBe(plain.linkLocal);
      expect(plainOf(plain)).toBe(plain);
    }
  }
});
