/** What the kernel and nft say when they refuse, and how others' changes are told from ours. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errnoName, isKernelError, kernelError } from '../../../src/kernel/kernel-error.ts';
import { decodeError } from '../../../src/kernel/netlink/error.ts';
import { eachMessage } from '../../../src/kernel/netlink/reader.ts';
import { MessageWriter } from '../../../src/kernel/netlink/writer.ts';
import { explain } from '../../../src/kernel/nft.ts';
import { inetTableTouched } from '../../../src/kernel/nft-watch.ts';
import { mergeNextHops } from '../../../src/kernel/routes.ts';
import { ipv6, prefix6 } from '../../../src/lib/net.ts';
import { bodyBytes, messageIn, viewOf } from '../../support/netlink.ts';

const NLMSG_ERROR = 2;
const CAPPED = 0x100;
const ACK_TLVS = 0x200;

/** NLMSG_ERROR with -errno, the header of a request of `original` octets and, unless capped, its payload. */
function errorMessage(flags: number, original: number, words: string): Uint8Array {
  const writer = new MessageWriter(64).begin(NLMSG_ERROR, flags, 7).u32(-101 >>> 0);
  writer.u32(original).u16(24).u16(5).u32(7).u32(0);
  if ((flags & CAPPED) === 0) for (let at = 16; at < original; at++) writer.u8(0xee);
  if (words !== '') writer.stringAttribute(1, words);
  return writer.end().written.slice();
}

describe('an error message', () => {
  test('tells errno and the words of its extended ACK', () => {
    expect(
      decodeError(messageIn(errorMessage(CAPPED | ACK_TLVS, 60, 'Nexthop has invalid gateway'))),
    ).toEqual({
      seq: 7,
      errno: 101,
      words: 'Nexthop has invalid gateway',
    });
  });

  test('may carry the whole request before the words', () => {
    expect(decodeError(messageIn(errorMessage(ACK_TLVS, 60, 'because'))).words).toBe('because');
  });

  test('may have no words', () => {
    expect(decodeError(messageIn(errorMessage(CAPPED, 60, ''))).words).toBe('');
  });

  test('that is cut gives errno as far as there is one', () => {
    const bytes = errorMessage(CAPPED | ACK_TLVS, 60, 'because');
    for (let length = 0; length <= bytes.byteLength; length++) {
      const message = { ...messageIn(bytes), end: length };
      expect([0, 101]).toContain(decodeError(message).errno);
    }
  });
});

test('a kernel error is one sentence with what was asked, the code and the words', () => {
  const error = kernelError('set link cali1 up', errnoName(19), 'there is no link cali1');
  expect(error.message).toBe('cannot set link cali1 up: ENODEV (there is no link cali1)');
  expect(isKernelError(error)).toBe(true);
  expect(isKernelError(new Error('other'))).toBe(false);
});

test('an errno without a name keeps its number', () => {
  expect(errnoName(524)).toBe('E524');
});

describe('a complaint of nft', () => {
  const script = 'add table inet tortie\nadd rule inet tortie nope accept\n';

  test('is told with the line of the script it is about', () => {
    const words =
      '/dev/stdin:2:1-31: Error: Could not process rule: No such file or directory\nadd rule …\n^^^^\n';
    expect(explain(words, script)).toBe(
      'line 2: Could not process rule: No such file or directory: "add rule inet tortie nope accept"',
    );
  });

  test('about the size of a transaction names the limit', () => {
    expect(explain('netlink: Error: Could not process rule: Message too long\n', script)).toContain(
      'net.core.wmem_max',
    );
  });

  test('of another form is told as it is, in three lines at most', () => {
    expect(explain('a\nb\nc\nd\n', script)).toBe('a b c');
  });

  test('about a very long line shows its beginning', () => {
    const words = '/dev/stdin:1:1-2: Error: too long\n';
    expect(explain(words, 'x'.repeat(10_000)).length).toBeLessThan(300);
  });
});

describe('an nftables event', () => {
  const NFPROTO_INET = 1;
  const event = (kind: number, family: number, table: string): Uint8Array =>
    bodyBytes(
      (writer) => writer.u8(family).u8(0).u16(0).stringAttribute(1, table).stringAttribute(3, 'chain'),
      (10 << 8) | kind,
    );

  test('of any object names its inet table', () => {
    for (const kind of [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 18, 22])
      expect(inetTableTouched(messageIn(event(kind, NFPROTO_INET, 'tortie')))?.table).toBe('tortie');
  });

  test('of another family, of the generation or of another subsystem names none', () => {
    expect(inetTableTouched(messageIn(event(6, 2, 'tortie')))).toBeUndefined();
    expect(inetTableTouched(messageIn(event(15, NFPROTO_INET, 'tortie')))).toBeUndefined();
    const other = bodyBytes((writer) => writer.u8(1).u8(0).u16(0).stringAttribute(1, 'tortie'), 1 << 8);
    expect(inetTableTouched(messageIn(other))).toBeUndefined();
  });
});

test('messages in a buffer are walked to its end, and garbage ends the walk without an exception', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 8 }),
      fc.uint8Array({ maxLength: 30 }),
      (bodies, garbage) => {
        const writer = new MessageWriter(16);
        for (const [index, body] of bodies.entries())
          writer
            .begin(index + 20, 0, index)
            .bytesAttribute(1, body)
            .end();
        const bytes = Uint8Array.from([...writer.written, ...garbage]);
        const types: number[] = [];
        eachMessage(viewOf(bytes), 0, bytes.byteLength, ({ type }) => types.push(type));
        expect(types.slice(0, bodies.length)).toEqual(bodies.map((_, index) => index + 20));
      },
    ),
  );
});

test('next hops of one IPv6 route listed one by one are merged, those of different owners are not', () => {
  const dst = prefix6(ipv6(0xfd00n << 112n), 64);
  const one = {
    dst,
    table: 254,
    protocol: 80,
    metric: 1024,
    type: 'unicast',
    nextHops: [{ ifindex: 2 }],
  } as const;
  const other = { ...one, nextHops: [{ ifindex: 3 }] };
  const foreign = { ...one, protocol: 2 };
  expect(mergeNextHops([one, foreign, other])).toEqual([
    { ...one, nextHops: [{ ifindex: 2 }, { ifindex: 3 }] },
    foreign,
  ]);
});
