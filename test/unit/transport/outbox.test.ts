import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox, type Take } from '../../../bgp/transport/outbox.ts';

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

const nothing: Take = () => 0;
const ignored = (): void => undefined;

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
  const outbox = new Outbox(wire, nothing, ignored);
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
  const room = fc.array(fc.constantFrom(0, 0, 1, 25, 1000), { minLength: 1, maxLength: 4 });
  const sheets = fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 5 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(sheets, { maxLength: 4 }),
      fc.boolean(),
      room,
      async (turns, isSkipped, rooms) => {
        const wire = new Wire();
        let asked = 0;
        const take: Take = (bytes) => {
          const taken = bytes.subarray(0, rooms[asked++ % rooms.length]);
          wire.taken.push(Buffer.from(taken));
          return taken.byteLength;
        };
        const outbox = new Outbox(wire, take, ignored);
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
      },
    ),
    { numRuns: 100 },
  );
});

test('who is told to wait is told when there is room, also where all was one piece', async () => {
  const wire = new Wire({ highWaterMark: 100 });
  const drained = Promise.withResolvers<void>();
  const outbox = new Outbox(wire, nothing, drained.resolve);
  const [first, second] = cut([60, 60], 0) as [Uint8Array, Uint8Array];
  expect(outbox.add(first)).toBe(true);
  expect(outbox.add(second)).toBe(false);
  await drained.promise;
  expect(outbox.queued).toBe(0);
  expect(outbox.add(first)).toBe(true);
});

test('what the kernel takes at once never comes to the stream, and who was told to wait hears of it all the same', async () => {
  const wire = new Wire({ highWaterMark: 100 });
  const heard: string[] = [];
  const outbox = new Outbox(
    wire,
    ({ byteLength }) => {
      heard.push(`${byteLength}`);
      return byteLength;
    },
    () => heard.push('drained'),
  );
  expect(outbox.add(new Uint8Array(60))).toBe(true);
  await turn();
  expect(outbox.add(new Uint8Array(120))).toBe(false);
  await turn();
  expect(heard).toEqual(['60', '120', 'drained']);
  expect(wire.calls).toEqual([]);
  expect(outbox.queued).toBe(0);
});

test('while something waits in the stream, nothing overtakes it', async () => {
  const wire = new Wire();
  const asked: number[] = [];
  const outbox = new Outbox(
    wire,
    ({ byteLength }) => {
      asked.push(byteLength);
      return asked.length === 1 ? 10 : byteLength;
    },
    ignored,
  );
  outbox.add(new Uint8Array(30).fill(1));
  outbox.flush();
  outbox.add(new Uint8Array(40).fill(2));
  outbox.flush();
  await turn();
  await turn();
  expect(asked).toEqual([30]);
  expect(Buffer.concat(wire.taken)).toEqual(Buffer.concat([Buffer.alloc(20, 1), Buffer.alloc(40, 2)]));
});

test('a socket that is gone is handed nothing more', async () => {
  const wire = new Wire();
  const outbox = new Outbox(wire, nothing, ignored);
  outbox.add(new Uint8Array(30));
  wire.destroy();
  await turn();
  expect(wire.calls).toEqual([]);
});

test('where sending ends the socket, the rest goes nowhere', async () => {
  const wire = new Wire();
  const asked: number[] = [];
  const outbox = new Outbox(
    wire,
    ({ byteLength }) => {
      asked.push(byteLength);
      wire.destroy();
      return 0;
    },
    ignored,
  );
  for (const message of [new Uint8Array(30), new Uint8Array(50)]) outbox.add(message);
  await turn();
  expect(asked).toEqual([30]);
  expect(wire.calls).toEqual([]);
});
