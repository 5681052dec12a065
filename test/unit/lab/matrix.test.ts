import { describe, expect, test } from 'vitest';
import { afterChange, allows, parseExpectations } from '../../../src/lab/expect.ts';
import { attemptKey, attemptsFor, isWrong, judge, matrixOf, wrongText } from '../../../src/lab/matrix.ts';

const web = { host: 'a/web', protocol: 'TCP', port: 80 } as const;
const attempts = attemptsFor(['a/web', 'a/one', 'b/two'], [web]);
const keys = attempts.map(attemptKey);

test('every source is tried over both families, and nobody against itself', () => {
  expect(keys).toEqual([
    'a/one > a/web TCP 80 IPv4',
    'a/one > a/web TCP 80 IPv6',
    'b/two > a/web TCP 80 IPv4',
    'b/two > a/web TCP 80 IPv6',
  ]);
});

test('what was seen is wrong where it differs from what was expected, in either direction', () => {
  const seen = judge(attempts, new Set(keys.slice(0, 3)), [{ target: web, sources: ['a/*'] }]);
  expect(seen.filter(isWrong).map(wrongText)).toEqual([
    'b/two > a/web TCP 80 IPv4: expected to be dropped, and got through',
  ]);
  const nothing = judge(attempts, new Set(), [{ target: web, sources: ['b/two'] }]);
  expect(nothing.filter(isWrong)).toHaveLength(2);
});

test('without expectations nothing is judged, and so nothing is wrong', () => {
  const seen = judge(attempts, new Set(), undefined);
  expect(seen.some(isWrong)).toBe(false);
  expect(seen.every(({ expected }) => expected === undefined)).toBe(true);
});

test('a cell shows expected and seen, and one family alone by its number', () => {
  const seen = judge(attempts, new Set(keys.slice(0, 3)), [{ target: web, sources: ['a/one'] }]);
  expect(matrixOf(seen, ['a/one', 'b/two'])).toEqual({
    columns: ['a/one', 'b/two'],
    rows: [
      {
        head: 'a/web TCP 80',
        cells: [
          { text: '✓ ✓', wrong: false },
          { text: '· ✓4', wrong: true },
        ],
      },
    ],
  });
});

test('the cell of a host against itself is empty', () => {
  const names = ['one', 'two'];
  const targets = names.map((host) => ({ host, protocol: 'TCP', port: 7 }) as const);
  const { rows } = matrixOf(judge(attemptsFor(names, targets), new Set(), undefined), names);
  expect(rows.map(({ cells }) => cells.map(({ text }) => text))).toEqual([
    ['', '·'],
    ['·', ''],
  ]);
});

describe('expectations', () => {
  test.each([
    [['everyone'], 'client', true],
    [['everyone', '-client'], 'client', false],
    [['shop/*'], 'shop/api', true],
    [['shop/*'], 'shopping/api', false],
    [['shop/*', '-shop/api'], 'shop/api', false],
    [[], 'shop/api', false],
    [['client'], 'client-b', false],
  ])('%j and source "%s": %s', (sources, source, expected) => {
    expect(allows(sources, source)).toBe(expected);
  });

  test('a change replaces the lines for the same destination and leaves the others', () => {
    const parsed = parseExpectations(
      'reach: {x/a TCP 1: [], x/b UDP 2: []}\nchange: {x/b UDP 2: [everyone]}',
      'f',
    );
    expect(parsed.ok && afterChange(parsed.value).map(({ sources }) => sources)).toEqual([[], ['everyone']]);
  });

  test.each([
    [
      'reach: {x/a HTTP 1: []}',
      'expect.yaml reach: "x/a HTTP 1" is not "NAMESPACE/POD PROTOCOL PORT", for example "shop/api TCP 8080".',
    ],
    [
      'reach: {x/a TCP 1: x/b}',
      'expect.yaml reach: "x/a TCP 1" needs a list of sources, for example [shop/front] or [].',
    ],
    ['- reach', 'expect.yaml: it is not a mapping. Write "reach:" and under it one line a destination.'],
  ])('"%s" is refused with what to write', (text, error) => {
    expect(parseExpectations(text, 'expect.yaml')).toEqual({ ok: false, error });
  });
});
