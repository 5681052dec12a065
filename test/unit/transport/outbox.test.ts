import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox } from '../../../bgp/transport/outbox.ts';

/** Takes all at once; counts how often it was asked, and with how many pieces. */
class Wire extends Writable {
  readonly calls: number[] = [];
  readonly taken: Buffer[] = [];

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #take(chunks: readonly Buffer[], done: () => void): void {
    this.calls.push(chunks.length);
    this.taken.push(...chunks);
    setImmediate(done);
  }
}

/** Messages of these lengths, cut off one sheet. */
function cut(lengths: readonly number[], first: number): readonly Uint8Array[] {
  const sheet = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0)).map((_, at) => first + at);
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return sheet.subarray(at - length, at);
  });
}

test('what is sent in one turn of the loop is one call, and messages of one sheet are one piece of it', async () => {
  const wire = new Wire();
  const outbox = new Outbox(wire);
  for (const message of cut([19, 40, 300], 0)) outbox.add(message);
  expect(outbox.queued).toBe(359);
  expect(wire.calls).toEqual([]);
  await turn();
  expect(wire.calls).toEqual([1]);
  await turn();
  for (const message of [...cut([30, 30], 0), ...cut([50, 60], 7)]) outbox.add(message);
  await turn();
  expect(wire.calls).toEqual([1, 2]);
});

test('whatever sheets messages come from, in whatever turns, they arrive whole and in order', async () => {
  const sheets = fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 5 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(sheets, { maxLength: 4 }), fc.boolean(), async (turns, isSkipped) => {
      const wire = new Wire();
      const outbox = new Outbox(wire);
      const said: Uint8Array[] = [];
      for (const [number, made] of turns.entries()) {
        const messages = made.flatMap((lengths, index) => cut(lengths, number * 16 + index));
        // What lies behind something that is not sent is a piece of its own.
        for (const message of isSkipped ? messages.filter((_, index) => index % 3 !== 1) : messages) {
          said.push(message);
          outbox.add(message);
        }
        await turn();
      }
      wire.end();
      while (!wire.writableFinished) await turn();
      expect(Buffer.concat(wire.taken)).toEqual(Buffer.concat(said));
      expect(outbox.queued).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test('who is told to wait is told when there is room, also where all was one piece', async () => {
  const wire = new Wire({ highWaterMark: 100 });
  const outbox = new Outbox(wire);
  const [first, second] = cut([60, 60], 0) as [Uint8Array, Uint8Array];
  expect(outbox.add(first)).toBe(true);
  expect(outbox.add(second)).toBe(false);
  await new Promise((resolve) => wire.once('drain', resolve));
  expect(outbox.queued).toBe(0);
  expect(outbox.add(first)).toBe(true);
});

test('a socket that is gone is handed nothing more', async () => {
  const wire = new Wire();
  const outbox = new Outbox(wire);
  outbox.add(new Uint8Array(30));
  wire.destroy();
  await turn();
  expect(wire.calls).toEqual([]);
});
