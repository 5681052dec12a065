/** Whatever an attribute says: while the message's framing is whole, RFC 7606 asks for less than a reset. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMessage } from '../../../bgp/wire/codec.ts';
import { bytesOf, context, hexOf, prefix, soundAttributes, updateHex } from '../../support/wire.ts';

/** MP_REACH_NLRI and MP_UNREACH_NLRI name routes, so what is broken in them may reset (RFC 7606 §3 g, §5.3). */
const naming = new Set([14, 15]);

/** What any other attribute may not claim to be: one that we had to know resets (RFC 4271 §6.3). */
const wellKnown = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 32]);

/** One attribute with flags, code and value of any kind and the length it has. Extended length is the framing's, so it is right. */
const attribute = fc
  .record({
    flags: fc.nat(255),
    code: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.nat(255)).filter((code) => !naming.has(code)),
    value: fc.uint8Array({ maxLength: 60 }),
  })
  .map(({ flags: anyFlags, code, value }) => {
    const flags = wellKnown.has(code) ? anyFlags : anyFlags | 0x80;
    const length = (flags & 0x10) === 0 ? [value.length] : [0, value.length];
    return hexOf(Uint8Array.of(flags, code, ...length, ...value));
  });

test('RFC 7606 §2: no value, flag or code of an attribute resets the session, and each route is announced or withdrawn', () => {
  fc.assert(
    fc.property(
      fc.array(attribute, { maxLength: 4 }),
      fc.array(attribute, { maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom('ebgp' as const, 'ibgp' as const),
      (before, after, fourOctetAs, peerType) => {
        const attributes = [...before, soundAttributes, ...after].join('');
        const message = decodeMessage(
          bytesOf(updateHex({ attributes, nlri: '18 0a0000' })),
          context({ fourOctetAs, peerType }),
        );
        if (!message.ok || message.value.kind !== 'update')
          throw new Error(message.ok ? message.value.kind : message.error.why);
        const { announced, withdrawn } = message.value;
        const told = [...announced.flatMap(({ prefixes }) => prefixes), ...withdrawn];
        expect(told).toEqual([prefix('10.0.0.0/24')]);
      },
    ),
    { numRuns: Number(process.env['TORTIE_FUZZ'] ?? 3000) },
  );
});
