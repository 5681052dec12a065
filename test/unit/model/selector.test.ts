import { describe, expect, test } from 'vitest';
import { formatSelector, matchesSelector, parseSelector } from '../../../src/model/selector.ts';

function canonical(text: string): string {
  const result = parseSelector(text);
  return result.ok ? formatSelector(result.value) : `error ${result.error}`;
}

function matches(text: string, labels: Record<string, string>): boolean {
  const result = parseSelector(text);
  if (!result.ok) throw new Error(`${text}: ${result.error}`);
  return matchesSelector(result.value, labels);
}

describe('meaning', () => {
  test.each([
    // selector, label k = v, label k = other, label k missing
    ['k == "v"', true, false, false],
    ['k != "v"', false, true, true],
    ['k in {"v", "w"}', true, false, false],
    ['k not in {"v", "w"}', false, true, true],
    ['k in {}', false, false, false],
    ['k not in {}', true, true, true],
    ['k contains "v"', true, false, false],
    ['k starts with "v"', true, false, false],
    ['k ends with "v"', true, false, false],
    ['k contains ""', true, true, false],
    ['has(k)', true, true, false],
    ['!has(k)', false, false, true],
    ['!k == "v"', false, true, true],
    ['all()', true, true, true],
    ['global()', true, true, true],
    ['', true, true, true],
    [' \t', true, true, true],
  ])('%s', (text, present, other, missing) => {
    expect([matches(text, { k: 'v' }), matches(text, { k: 'other' }), matches(text, {})]).toEqual([
      present,
      other,
      missing,
    ]);
  });

  test('contains, starts with and ends with look at the right part', () => {
    const labels = { k: 'abc' };
    expect(matches("k contains 'b'", labels)).toBe(true);
    expect(matches("k starts with 'b'", labels)).toBe(false);
    expect(matches("k starts with 'ab'", labels)).toBe(true);
    expect(matches("k ends with 'b'", labels)).toBe(false);
    expect(matches("k ends with 'bc'", labels)).toBe(true);
  });

  test('"!" binds to one operand only', () => {
    expect(canonical('!a == "b" && c == "d"')).toBe('(!a == "b" && c == "d")');
  });

  test('"&&" binds tighter than "||"', () => {
    expect(canonical('has(a) || has(b) && has(c)')).toBe('(has(a) || (has(b) && has(c)))');
    expect(canonical('(has(a) || has(b)) && has(c)')).toBe('((has(a) || has(b)) && has(c))');
  });

  test('a label named like a member of every object is still missing', () => {
    expect(matches('has(constructor)', {})).toBe(false);
    expect(matches('has(toString)', { toString: 'x' })).toBe(true);
  });
});

describe('text', () => {
  test.each([
    ["a=='b'", 'a == "b"'],
    ['a  !=\t"b"', 'a != "b"'],
    ['a startswith "b"', 'a starts with "b"'],
    ['a ends \t with "b"', 'a ends with "b"'],
    ['a endswith "b"', 'a ends with "b"'],
    ['a notin {"b"}', 'a not in {"b"}'],
    ['a not  in{"b"}', 'a not in {"b"}'],
    ['a in{"b"}', 'a in {"b"}'],
    ["a contains'b'", 'a contains "b"'],
    ["a in { 'c', 'a', 'c', }", 'a in {"a", "c"}'],
    ['a in { }', 'a in {}'],
    [`a == 'say "hi"'`, `a == 'say "hi"'`],
    [`a == "it's"`, `a == "it's"`],
    ['has( a )', 'has(a)'],
    ['all( )', 'all()'],
    ['global(\t)', 'global()'],
    ["contains contains 'contains'", 'contains contains "contains"'],
    ["in in {'in'}", 'in in {"in"}'],
    ["not not in {'x'}", 'not not in {"x"}'],
    ['has == "x"', 'has == "x"'],
    ['all != "x"', 'all != "x"'],
    ['!!has(a)', 'has(a)'],
    ['! ! !has(a)', '!has(a)'],
    ['!(!has(a))', 'has(a)'],
    ['((has(a)))', 'has(a)'],
    ['has(a)&&has(b)||has(c)', '((has(a) && has(b)) || has(c))'],
    ['projectcalico.org/x-y_z.0/a == "1"', 'projectcalico.org/x-y_z.0/a == "1"'],
  ])('%s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each([
    ['a = "b"', 'at character 3: expected "==", "!=", "in"'],
    ['a == b', 'at character 6: expected a text in quotes, but found "b"'],
    ['a == "b', 'at character 6: expected a text in quotes'],
    ['a', 'at character 2: expected "==", "!=", "in"'],
    ['has(a) & has(b)', 'at character 8: expected "&&", "||" or the end, but found "& has(b)"'],
    ['has(a) | has(b)', 'at character 8: expected "&&", "||" or the end'],
    ['has(a) &&', 'at character 10: expected a label name'],
    ['has(a)\n&& has(b)', 'at character 7: expected "&&", "||" or the end, but found "\\n&& has(b)"'],
    ['has (a)', 'at character 5: expected "==", "!=", "in"'],
    ['all ()', 'at character 5: expected "==", "!=", "in"'],
    ['has()', 'at character 5: expected a label name'],
    ['has(a', 'at character 6: expected ")", but the text ends'],
    ['(has(a)', 'at character 8: expected "&&", "||" or ")", but the text ends'],
    ['has(a))', 'at character 7: expected "&&", "||" or the end, but found ")"'],
    ['a in "b"', 'at character 6: expected "{"'],
    ['a in {"b" "c"}', 'at character 11: expected "," or "}"'],
    ['a in {,}', 'at character 7: expected a text in quotes or "}"'],
    ['a in {"b",,}', 'at character 11: expected a text in quotes'],
    ['a inx {"b"}', 'at character 3: expected "==", "!=", "in"'],
    ['a containsx "b"', 'at character 3: expected "==", "!=", "in"'],
    ['!', 'at character 2: expected a label name'],
    ['a == "b" c == "d"', 'at character 10: expected "&&", "||" or the end'],
    ['ä == "b"', 'at character 1: expected a label name'],
  ])('%j is refused', (text, expected) => {
    expect(canonical(text)).toContain(`error ${expected}`);
  });

  test('a label name of 512 characters is taken, one of 513 refused', () => {
    expect(canonical(`has(${'x'.repeat(512)})`)).toBe(`has(${'x'.repeat(512)})`);
    expect(canonical(`has(${'x'.repeat(513)})`)).toContain('has 513 characters, the most is 512');
  });

  test('nesting beyond any sensible depth is refused, not a stack overflow', () => {
    expect(canonical('('.repeat(100_000))).toContain('no more than 512 nested "("');
    expect(canonical(`${'('.repeat(500)}has(a)${')'.repeat(500)}`)).toBe('has(a)');
  });
});
