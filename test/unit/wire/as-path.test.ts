import { describe, expect, test } from 'vitest';
import { asPathLength, mergeAs4Path } from '../../../bgp/wire/as-path.ts';
import { decodeMessage } from '../../../bgp/wire/codec.ts';
import type { AsPath, AsPathSegment, PathAttributes } from '../../../bgp/wire/message.ts';
import { encodeAnnouncement } from '../../../bgp/wire/update-encode.ts';
import { as, context, decodedUpdate, hexOf, prefix, updateHex, v4 } from '../../support/wire.ts';

const old = context({ fourOctetAs: false });
const sequence = (...asns: number[]): AsPathSegment => ({ kind: 'sequence', asns: asns.map(as) });
const set = (...asns: number[]): AsPathSegment => ({ kind: 'set', asns: asns.map(as) });

describe('RFC 6793 §4.2.3: the true path behind a two-octet neighbour', () => {
  const cases: readonly [string, AsPath, AsPath, AsPath][] = [
    [
      'the lead of AS_PATH goes before AS4_PATH',
      [sequence(1, 23456, 3)],
      [sequence(100000, 3)],
      [sequence(1, 100000, 3)],
    ],
    ['equal counts give AS4_PATH', [sequence(23456, 3)], [sequence(100000, 3)], [sequence(100000, 3)]],
    ['a longer AS4_PATH is ignored', [sequence(1)], [sequence(100000, 3)], [sequence(1)]],
    ['a set counts as one', [set(1, 2), sequence(23456)], [sequence(100000)], [set(1, 2), sequence(100000)]],
  ];
  test.each(cases)('%s', (_name, path, as4Path, merged) => {
    expect(mergeAs4Path(path, as4Path)).toEqual(merged);
  });

  const received = (as4: string): PathAttributes | undefined =>
    decodedUpdate(
      updateHex({ attributes: `40010100 4002 08 0203 0001 5ba0 0003 400304 0a000002 ${as4}`, nlri: '080b' }),
      old,
    ).announced[0]?.attributes;

  test('AS4_PATH is merged and not kept', () => {
    expect(received('c0110a 0202 000186a0 00000003')).toEqual({
      origin: 'igp',
      asPath: [sequence(1, 100000, 3)],
      nextHop: v4('10.0.0.2'),
    });
  });

  test('AS4_AGGREGATOR takes the place of an AGGREGATOR with AS_TRANS', () => {
    expect(received('c00706 5ba0 0a000009 c01208 000186a0 0a000008')).toMatchObject({
      aggregator: { asn: 100000, address: v4('10.0.0.8') },
    });
  });

  test('an AGGREGATOR that is not AS_TRANS makes both AS4 attributes untrue', () => {
    expect(
      received('c00706 0007 0a000009 c0110a 0202 000186a0 00000003 c01208 000186a0 0a000008'),
    ).toMatchObject({
      asPath: [sequence(1, 23456, 3)],
      aggregator: { asn: 7, address: v4('10.0.0.9') },
    });
  });

  test('an AS4_AGGREGATOR without AGGREGATOR says nothing', () => {
    expect(received('c01208 000186a0 0a000008')).not.toHaveProperty('aggregator');
  });

  test('RFC 6793 §6: a malformed AS4_PATH is discarded', () => {
    expect(received('c01102 0201')).toMatchObject({ asPath: [sequence(1, 23456, 3)] });
  });

  test('RFC 6793 §3: confederation segments in AS4_PATH are left out', () => {
    expect(received('c01110 0301 0000ffff 0202 000186a0 00000003')).toMatchObject({
      asPath: [sequence(1, 100000, 3)],
    });
  });
});

describe('RFC 6793 §4.2.2: towards a two-octet neighbour', () => {
  const attributes = (asPath: AsPath): PathAttributes => ({
    origin: 'igp',
    asPath,
    nextHop: v4('10.0.0.2'),
    aggregator: { asn: as(100000), address: v4('10.0.0.9') },
  });
  const sent = (asPath: AsPath): string =>
    hexOf(
      encodeAnnouncement(
        { family: 'ipv4-unicast', attributes: attributes(asPath), prefixes: [prefix('11.0.0.0/8')] },
        old,
      )[0] ?? new Uint8Array(0),
    );

  test('large numbers become AS_TRANS, and AS4_PATH and AS4_AGGREGATOR tell the truth', () => {
    expect(sent([sequence(1, 100000)])).toContain(
      '40020602020001' +
        '5ba0' +
        '4003040a000002' +
        'c007065ba00a000009' +
        'c0110a020200000001000186a0' +
        'c01208000186a00a000009',
    );
  });

  test('a path of small numbers needs no AS4_PATH', () => {
    expect(sent([sequence(1, 2)])).not.toContain('c011');
  });

  test('what is sent is understood again', () => {
    const frame = encodeAnnouncement(
      {
        family: 'ipv4-unicast',
        attributes: attributes([sequence(1, 100000), set(4, 200000)]),
        prefixes: [prefix('11.0.0.0/8')],
      },
      old,
    )[0];
    const result = decodeMessage(frame ?? new Uint8Array(0), old);
    expect(result.ok && result.value.kind === 'update' && result.value.announced[0]?.attributes).toEqual(
      attributes([sequence(1, 100000), set(4, 200000)]),
    );
  });
});

test('RFC 4271 §4.3 b: a sequence of more than 255 AS numbers is split', () => {
  const asns = Array.from({ length: 600 }, (_, index) => index + 1);
  const attributes: PathAttributes = { origin: 'igp', asPath: [sequence(...asns)], nextHop: v4('10.0.0.2') };
  const [frame] = encodeAnnouncement(
    { family: 'ipv4-unicast', attributes, prefixes: [prefix('11.0.0.0/8')] },
    context(),
  );
  const decoded = decodedUpdate(hexOf(frame ?? new Uint8Array(0))).announced[0]?.attributes.asPath ?? [];
  expect(decoded.map((segment) => segment.asns.length)).toEqual([255, 255, 90]);
  expect(decoded.flatMap((segment) => segment.asns)).toEqual(asns);
});

test('RFC 4271 §9.1.2.2 a, RFC 5065 §5.3: a set counts one, confederation segments count nothing', () => {
  expect(asPathLength([sequence(1, 2), set(3, 4), { kind: 'confedSequence', asns: [as(5)] }])).toBe(3);
});

test('RFC 5065 §5: a confederation segment from outside every confederation withdraws', () => {
  const message = decodedUpdate(
    updateHex({ attributes: '40010100 4002 06 0301 0000fde9 400304 0a000002', nlri: '080b' }),
  );
  expect(message).toMatchObject({ announced: [], withdrawn: [prefix('11.0.0.0/8')] });
});
