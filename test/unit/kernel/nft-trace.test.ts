/** Messages in which the kernel tells of a packet's steps: read as they are written, and cut anywhere without an error. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeTrace,
  type TraceMessage,
  traceTypes,
  traceVerdicts,
} from '../../../src/kernel/netlink/nft/trace.ts';
import { encodeTrace } from '../../support/nft-trace.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const name = fc.stringMatching(/^[a-z][a-z0-9/_-]{0,30}$/);
const verdicts = Object.keys(traceVerdicts) as readonly (keyof typeof traceVerdicts)[];
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const message: fc.Arbitrary<TraceMessage> = fc
  .record({
    id: u32,
    family: fc.integer({ min: 0, max: 255 }),
    table: name,
    chain: name,
    type: fc.constantFrom(...traceTypes.flatMap((type) => type ?? [])),
    handle: optional(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    verdict: optional(fc.constantFrom(...verdicts)),
    target: optional(name),
    in: optional(u32),
    out: optional(u32),
    mark: optional(u32),
    network: optional(fc.uint8Array({ maxLength: 40 })),
    transport: optional(fc.uint8Array({ maxLength: 20 })),
  })
  .map(({ target, ...rest }) => {
    // Only what a rule decides leads somewhere.
    const leads = rest.type !== 'policy' && rest.verdict !== undefined && target !== undefined;
    const known = Object.fromEntries(
      Object.entries({ ...rest, ...(leads ? { target } : {}) }).filter(([, value]) => value !== undefined),
    );
    return known as object as TraceMessage;
  });

const read = (bytes: Uint8Array, end = bytes.byteLength): TraceMessage | undefined =>
  decodeTrace(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, end);

test('a step is read as it was written', () => {
  fc.assert(
    fc.property(message, (one) => {
      expect(read(encodeTrace(one))).toEqual(one);
    }),
    { numRuns: 300 },
  );
});

test('cut anywhere it is nothing, or what stands before the cut', () => {
  fc.assert(
    fc.property(message, fc.nat(), (one, cut) => {
      const bytes = encodeTrace(one);
      const found = read(bytes, cut % (bytes.byteLength + 1));
      if (found !== undefined) expect(one).toMatchObject(found);
    }),
    { numRuns: 300 },
  );
});

test('any octets are read without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      read(bytes);
    }),
  );
});

test('a verdict and a type that are not known have no name, and the rest is told', () => {
  const bytes = encodeTrace({ id: 7, family: 2, table: 't', chain: 'c', type: 'rule', verdict: 'drop' });
  const view = new DataView(bytes.buffer);
  // NFTA_VERDICT_CODE is the last thing there.
  view.setUint32(bytes.byteLength - 4, 4711);
  expect(read(bytes)).toEqual({ id: 7, family: 2, table: 't', chain: 'c', type: 'rule' });
});
