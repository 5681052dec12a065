import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../bgp/wire/codec.ts';
import { FrameReader } from '../../../bgp/wire/frame.ts';
import type {
  Capability,
  CodecContext,
  Message,
  PathAttributes,
  Role,
  UpdateMessage,
} from '../../../bgp/wire/message.ts';
import { encodeUpdates } from '../../../bgp/wire/update-encode.ts';
import { asn, ipv4, ipv6, isLinkLocal6, prefix4, prefix6 } from '../../../src/lib/net.ts';
import { context } from '../../support/wire.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const anyAsn = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 0xffffffff })).map(asn);
const router = fc.integer({ min: 1, max: 0xffffffff }).map(ipv4);
const host4 = fc.integer({ min: 0x01000000, max: 0x7effffff }).map(ipv4);
const u128 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
const host6 = fc.bigInt({ min: 2n, max: (0xffn << 120n) - 1n }).map(ipv6);
const linkLocal = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((low) => ipv6((0xfe80n << 112n) | low));
const anyPrefix4 = fc
  .tuple(u32, fc.integer({ min: 0, max: 32 }))
  .map(([address, length]) => prefix4(ipv4(address), length));
const anyPrefix6 = fc
  .tuple(u128, fc.integer({ min: 0, max: 128 }))
  .map(([address, length]) => prefix6(ipv6(address), length));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

const segment = fc.record({
  kind: fc.constantFrom('set' as const, 'sequence' as const),
  asns: fc.array(anyAsn, { minLength: 1, maxLength: 20 }),
});

/** Codes that no row claims. */
const unknownCode = fc.constantFrom(19, 27, 36, 100, 200, 254);
const unknowns = fc
  .uniqueArray(fc.record({ flags: fc.constant(0xe0), code: unknownCode, body: bytes(300) }), {
    minLength: 1,
    maxLength: 3,
    selector: (attribute) => attribute.code,
  })
  .map((list) => list.sort((a, b) => a.code - b.code));

const optional = {
  med: u32,
  atomicAggregate: fc.constant(true as const),
  aggregator: fc.record({ asn: anyAsn, address: router }),
  communities: fc.array(u32, { minLength: 1, maxLength: 100 }),
  extendedCommunities: fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), {
    minLength: 1,
    maxLength: 20,
  }),
  largeCommunities: fc.array(fc.tuple(u32, u32, u32), { minLength: 1, maxLength: 20 }),
  unknown: unknowns,
};
const internal = {
  localPref: u32,
  originatorId: router,
  clusterList: fc.array(router, { minLength: 1, maxLength: 8 }),
};
const mandatory = {
  origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
  asPath: fc.array(segment, { maxLength: 4 }),
};
const requiredInside = ['origin', 'asPath', 'localPref'] as const;
const requiredOutside = ['origin', 'asPath'] as const;

const common = (ctx: CodecContext): fc.Arbitrary<Omit<PathAttributes, 'nextHop'>> =>
  ctx.peerType === 'ibgp'
    ? fc.record({ ...mandatory, ...optional, ...internal }, { requiredKeys: [...requiredInside] })
    : fc.record({ ...mandatory, ...optional }, { requiredKeys: [...requiredOutside] });

const update = (ctx: CodecContext): fc.Arbitrary<UpdateMessage> =>
  fc
    .oneof(
      fc
        .array(anyPrefix4, { minLength: 1, maxLength: 50 })
        .map((withdrawn) => ({ withdrawn, announced: [] })),
      fc
        .array(anyPrefix6, { minLength: 1, maxLength: 50 })
        .map((withdrawn) => ({ withdrawn, announced: [] })),
      fc
        .tuple(common(ctx), host4, fc.array(anyPrefix4, { minLength: 1, maxLength: 50 }))
        .map(([attributes, nextHop, prefixes]) => ({
          withdrawn: [],
          announced: [{ family: 'ipv4-unicast' as const, attributes: { ...attributes, nextHop }, prefixes }],
        })),
      fc
        .tuple(
          common(ctx),
          host6,
          fc.option(linkLocal, { nil: undefined }),
          fc.array(anyPrefix6, { minLength: 1, maxLength: 50 }),
        )
        // One that stands where the global one should is alone (RFC 2545 §3).
        .filter(([, nextHop, second]) => second === undefined || !isLinkLocal6(nextHop))
        .map(([attributes, nextHop, second, prefixes]) => ({
          withdrawn: [],
          announced: [
            {
              family: 'ipv6-unicast' as const,
              attributes: { ...attributes, nextHop, ...(second === undefined ? {} : { linkLocal: second }) },
              prefixes,
            },
          ],
        })),
    )
    .map((parts) => ({ kind: 'update', flaws: [], ...parts }));

const family = fc.constantFrom('ipv4-unicast' as const, 'ipv6-unicast' as const);
const capability: fc.Arbitrary<Capability> = fc.oneof(
  family.map((value): Capability => ({ kind: 'multiprotocol', family: value })),
  fc.constant<Capability>({ kind: 'routeRefresh' }),
  anyAsn.map((value): Capability => ({ kind: 'fourOctetAs', asn: value })),
  fc.constantFrom<Capability>({ kind: 'extendedMessage' }, { kind: 'enhancedRouteRefresh' }),
  fc.record({
    kind: fc.constant('role' as const),
    role: fc.constantFrom<Role>('provider', 'rs', 'rs-client', 'customer', 'peer'),
  }),
  fc.record({
    kind: fc.constant('extendedNextHop' as const),
    families: fc.array(fc.record({ family, nextHop: fc.constantFrom(4 as const, 6 as const) }), {
      maxLength: 4,
    }),
  }),
  fc.record({
    kind: fc.constant('gracefulRestart' as const),
    isRestarting: fc.boolean(),
    isNotification: fc.boolean(),
    restartTime: fc.integer({ min: 0, max: 4095 }),
    families: fc.array(fc.record({ family, isForwarding: fc.boolean() }), { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('addPath' as const),
    families: fc.array(
      fc
        .record({ family, receive: fc.boolean(), send: fc.boolean() })
        .filter(({ receive, send }) => receive || send),
      { maxLength: 4 },
    ),
  }),
  fc.record({
    kind: fc.constant('longLivedGracefulRestart' as const),
    families: fc.array(
      fc.record({
        family,
        isForwarding: fc.boolean(),
        staleTime: fc.integer({ min: 0, max: 0xffffff }),
      }),
      { maxLength: 4 },
    ),
  }),
  fc.record({
    kind: fc.constant('unknown' as const),
    code: fc.integer({ min: 72, max: 255 }),
    body: bytes(60),
  }),
);
const open: fc.Arbitrary<Message> = fc.record({
  kind: fc.constant('open' as const),
  version: fc.constant(4),
  asField: fc.integer({ min: 1, max: 65535 }),
  holdTime: u16.filter((value) => value !== 1 && value !== 2),
  bgpId: router,
  capabilities: fc.array(capability, { maxLength: 12 }),
});
const notification: fc.Arbitrary<Message> = fc.record({
  kind: fc.constant('notification' as const),
  code: u8,
  subcode: u8,
  data: bytes(300),
});
const anyContext: fc.Arbitrary<CodecContext> = fc.record({
  fourOctetAs: fc.boolean(),
  peerType: fc.constantFrom('ebgp' as const, 'ibgp' as const),
  families: fc.constant(context().families),
});
const message: fc.Arbitrary<readonly [Message, CodecContext]> = anyContext.chain((ctx) =>
  fc.tuple(
    fc.oneof(
      { arbitrary: update(ctx) as fc.Arbitrary<Message>, weight: 5 },
      { arbitrary: open, weight: 1 },
      { arbitrary: notification, weight: 1 },
      { arbitrary: fc.constant<Message>({ kind: 'keepalive' }), weight: 1 },
      {
        arbitrary: family.map(
          (value): Message => ({ kind: 'routeRefresh', subtype: 'request', family: value }),
        ),
        weight: 1,
      },
      {
        arbitrary: family.map(
          (value): Message => ({ kind: 'update', withdrawn: [], announced: [], endOfRib: value, flaws: [] }),
        ),
        weight: 1,
      },
    ),
    fc.constant(ctx),
  ),
);

/** Neighbouring sequences may come back as one: a path means the same either way. */
function plainPath(decoded: Message): Message {
  if (decoded.kind !== 'update') return decoded;
  const announced = decoded.announced.map((announcement) => {
    const path: { kind: string; asns: number[] }[] = [];
    for (const { kind, asns } of announcement.attributes.asPath) {
      const last = path.at(-1);
      if (kind === 'sequence' && last?.kind === 'sequence') last.asns.push(...asns);
      else path.push({ kind, asns: [...asns] });
    }
    return { ...announcement, attributes: { ...announcement.attributes, asPath: path as never } };
  });
  return { ...decoded, announced };
}

/** The exact bytes at an odd offset inside a larger buffer of rubbish, so that reading outside would be seen. */
function embedded(frame: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(frame.byteLength + 64).fill(0xa5);
  buffer.set(frame, 33);
  return buffer.subarray(33, 33 + frame.byteLength);
}

test('decode(encode(message)) is the message, for two- and four-octet neighbours inside and outside', () => {
  fc.assert(
    fc.property(message, ([value, ctx]) => {
      const result = decodeMessage(embedded(encodeMessage(value, ctx)), ctx);
      expect(result.ok && plainPath(result.value)).toEqual(plainPath(value));
    }),
    { numRuns: 1000 },
  );
});

test('encodeUpdates keeps every prefix, in order, in messages of at most 4096 octets', () => {
  const ctx = context();
  fc.assert(
    fc.property(
      fc.array(anyPrefix4, { maxLength: 3000 }),
      fc.array(anyPrefix6, { maxLength: 600 }),
      common(ctx),
      host4,
      host6,
      (p4, p6, attributes, hop4, hop6) => {
        const frames = encodeUpdates(
          {
            withdrawn: [...p6, ...p4],
            announced: [
              { family: 'ipv4-unicast', attributes: { ...attributes, nextHop: hop4 }, prefixes: p4 },
              { family: 'ipv6-unicast', attributes: { ...attributes, nextHop: hop6 }, prefixes: p6 },
            ],
          },
          ctx,
        );
        const updates = frames.map((frame) => {
          expect(frame.byteLength).toBeLessThanOrEqual(4096);
          const result = decodeMessage(frame, ctx);
          if (!result.ok || result.value.kind !== 'update') throw new Error('not an UPDATE');
          return result.value;
        });
        expect(updates.flatMap((value) => value.withdrawn)).toEqual([...p4, ...p6]);
        expect(updates.flatMap((value) => value.announced.flatMap((each) => each.prefixes))).toEqual([
          ...p4,
          ...p6,
        ]);
      },
    ),
    { numRuns: 20 },
  );
});

test('RFC 7911 §3, RFC 8654: Path Identifiers, and messages of up to 65535 octets, keep every path', () => {
  const ids = fc.array(u32, { minLength: 3000, maxLength: 3000 });
  fc.assert(
    fc.property(
      fc.array(anyPrefix4, { maxLength: 3000 }),
      fc.array(anyPrefix6, { maxLength: 3000 }),
      ids,
      fc.boolean(),
      fc.boolean(),
      (p4, p6, pathIds, isExtended, isOverIpv6) => {
        const both = new Set(['ipv4-unicast', 'ipv6-unicast'] as const);
        const ctx = context({
          addPathSend: both,
          addPathReceive: both,
          extendedMessages: isExtended,
          extendedReceive: isExtended,
          extendedNextHop: new Set(['ipv4-unicast']),
        });
        const attributes = { origin: 'igp', asPath: [] } as const;
        const hop6 = ipv6((0xfe80n << 112n) + 1n);
        const hop4 = isOverIpv6 ? hop6 : ipv4(0x0a000001);
        const ids4 = pathIds.slice(0, p4.length);
        const ids6 = pathIds.slice(0, p6.length);
        const frames = encodeUpdates(
          {
            withdrawn: [...p6, ...p4],
            withdrawnIds: [...ids6, ...ids4],
            announced: [
              {
                family: 'ipv4-unicast',
                attributes: { ...attributes, nextHop: hop4 },
                prefixes: p4,
                pathIds: ids4,
              },
              {
                family: 'ipv6-unicast',
                attributes: { ...attributes, nextHop: hop6 },
                prefixes: p6,
                pathIds: ids6,
              },
            ],
          },
          ctx,
        );
        const updates = frames.map((frame) => {
          expect(frame.byteLength).toBeLessThanOrEqual(isExtended ? 65535 : 4096);
          const result = decodeMessage(frame, ctx);
          if (!result.ok || result.value.kind !== 'update') throw new Error('not an UPDATE');
          expect(result.value.flaws).toEqual([]);
          return result.value;
        });
        expect(updates.flatMap((value) => value.withdrawn)).toEqual([...p4, ...p6]);
        expect(updates.flatMap((value) => value.withdrawnIds ?? [])).toEqual([...ids4, ...ids6]);
        const announced = updates.flatMap((value) => value.announced);
        expect(announced.flatMap((each) => each.prefixes)).toEqual([...p4, ...p6]);
        expect(announced.flatMap((each) => each.pathIds ?? [])).toEqual([...ids4, ...ids6]);
        for (const { family: of, attributes: told } of announced)
          expect(told.nextHop).toBe(of === 'ipv4-unicast' ? hop4 : hop6);
      },
    ),
    { numRuns: 20 },
  );
});

/** A valid message with some octets changed, some removed from the end, and the header length put right or not. */
const mutated = fc
  .tuple(message, fc.array(fc.tuple(fc.nat(), u8), { maxLength: 6 }), fc.nat({ max: 20 }), fc.boolean())
  .map(([[value, ctx], changes, cut, mend]) => {
    const whole = encodeMessage(value, ctx);
    const frame = whole.slice(0, Math.max(0, whole.byteLength - cut));
    for (const [at, octet] of changes)
      if (frame.byteLength > 19) frame[19 + (at % (frame.byteLength - 19))] = octet;
    if (mend && frame.byteLength >= 19) new DataView(frame.buffer).setUint16(16, frame.byteLength);
    return [frame, ctx] as const;
  });

const framed = fc.tuple(u8, bytes(120), anyContext).map(([type, body, ctx]) => {
  const frame = new Uint8Array(19 + body.byteLength).fill(0xff, 0, 16);
  new DataView(frame.buffer).setUint16(16, frame.byteLength);
  frame[18] = type % 7;
  frame.set(body, 19);
  return [frame, ctx] as const;
});

test('no bytes make the decoder throw, and what lies around them changes nothing', () => {
  const arbitrary = fc.oneof(mutated, framed, fc.tuple(bytes(200), anyContext));
  fc.assert(
    fc.property(arbitrary, ([frame, ctx]) => {
      expect(decodeMessage(embedded(frame), ctx)).toEqual(decodeMessage(frame, ctx));
    }),
    { numRuns: 3000 },
  );
});

test('whatever is decoded from changed bytes can be sent on and is then understood alike', () => {
  fc.assert(
    fc.property(mutated, ([frame, ctx]) => {
      const result = decodeMessage(frame, ctx);
      if (!result.ok || result.value.kind !== 'update') return;
      for (const sent of encodeUpdates(result.value, ctx))
        expect(decodeMessage(sent, ctx)).toMatchObject({ ok: true, value: { flaws: [] } });
    }),
    { numRuns: 1500 },
  );
});

test('a stream cut anywhere yields the same messages', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat({ max: 5000 }), { maxLength: 10 }),
      (messages, cuts) => {
        const frames = messages.map(([value, ctx]) => [...encodeMessage(value, ctx)]);
        const stream = Uint8Array.from(frames.flat());
        const ends = [...cuts.map((cut) => cut % (stream.byteLength + 1)), stream.byteLength].sort(
          (a, b) => a - b,
        );
        const reader = new FrameReader();
        const seen: number[][] = [];
        let start = 0;
        for (const end of ends) {
          reader.push(stream.subarray(start, end));
          start = end;
          for (let frame = reader.next(); frame?.ok; frame = reader.next()) seen.push([...frame.value]);
        }
        expect(seen).toEqual(frames);
      },
    ),
    { numRuns: 100 },
  );
});
