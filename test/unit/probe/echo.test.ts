/** Echoes and ICMP errors as octets. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeEcho, hear } from '../../../felix/probe/echo.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const id = fc.integer({ min: 0, max: 0xffff });

const sumOf = (octets: Uint8Array): number => {
  let sum = 0;
  for (let at = 0; at < octets.byteLength; at += 2) sum += ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
};

test('RFC 792: with its checksum an echo sums to all ones; RFC 4443 §2.3: in IPv6 the kernel writes it', () => {
  fc.assert(
    fc.property(id, (one) => {
      expect(sumOf(encodeEcho(4, one))).toBe(0xffff);
      expect([...encodeEcho(6, one).subarray(0, 4)]).toEqual([128, 0, 0, 0]);
    }),
  );
});

test('RFC 792, RFC 4443 §4.2: a reply is ours by its identifier', () => {
  fc.assert(
    fc.property(id, id, (mine, other) => {
      for (const [version, type, protocol] of [
        [4, 0, 1],
        [6, 129, 58],
      ] as const) {
        const reply = encodeEcho(version, mine);
        reply[0] = type;
        expect(hear(version, reply, { protocol, icmpId: mine })).toEqual({ kind: 'reply' });
        if (other !== mine) expect(hear(version, reply, { protocol, icmpId: other })).toBeUndefined();
        expect(hear(version, reply, { protocol: 6, sourcePort: mine })).toBeUndefined();
      }
    }),
  );
});

const head4 = (protocol: string): string => `4500 003c 0000 4000 40${protocol} 0000 0a410102 0a410203`;
const head6 = (next: string): string =>
  `60000000 0028 ${next}40 fd000065000100000000000000000001 fd000065000200000000000000000002`;

test('RFC 792, RFC 4443 §3.1: an error is about the probe whose beginning it carries', () => {
  const refused = bytes(`0303 0000 00000000 ${head4('11')} ee48 0035 0008 0000`);
  expect(hear(4, refused, { protocol: 17, sourcePort: 61_000 })).toEqual({ kind: 'error', type: 3, code: 3 });
  expect(hear(4, refused, { protocol: 17, sourcePort: 61_001 })).toBeUndefined();
  expect(hear(4, refused, { protocol: 6, sourcePort: 61_000 })).toBeUndefined();
  const prohibited = bytes(`0101 0000 00000000 ${head6('3a')} 8000 0000 1234 0001`);
  expect(hear(6, prohibited, { protocol: 58, icmpId: 0x1234 })).toEqual({ kind: 'error', type: 1, code: 1 });
  expect(hear(6, prohibited, { protocol: 58, icmpId: 0x1235 })).toBeUndefined();
});

test('any octets are heard without an error', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom(4 as const, 6 as const),
      (octets, version) => {
        hear(version, octets, { protocol: version === 4 ? 1 : 58, icmpId: 1 });
        hear(version, octets, { protocol: 6, sourcePort: 1 });
      },
    ),
  );
});
