import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatSelector,
  matchesSelector,
  parseSelector,
  type Selector,
} from '../../../src/model/selector.ts';

const key = fc.constantFrom('a', 'b', 'in', 'not', 'has', 'all', 'contains', 'k8s.io/x-y_z');
const value = fc.oneof(
  fc.constantFrom('', 'a', 'ab', 'b'),
  fc.string().filter((text) => !(text.includes('"') && text.includes("'"))),
);
const values = fc.uniqueArray(value, { maxLength: 4 }).map((list) => [...list].sort());

const { selector } = fc.letrec<{ selector: Selector; positive: Selector }>((tie) => ({
  selector: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('positive'),
    tie('positive').map((of): Selector => ({ kind: 'not', of })),
  ),
  positive: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Selector>({ kind: 'all' }, { kind: 'global' }),
    key.map((name): Selector => ({ kind: 'has', key: name })),
    fc.record({
      kind: fc.constantFrom('equals', 'notEquals', 'contains', 'startsWith', 'endsWith'),
      key,
      value,
    }) as fc.Arbitrary<Selector>,
    fc.record({ kind: fc.constantFrom('in', 'notIn'), key, values }) as fc.Arbitrary<Selector>,
    fc.record({
      kind: fc.constantFrom('and', 'or'),
      of: fc.array(tie('selector'), { minLength: 2, maxLength: 3 }),
    }) as fc.Arbitrary<Selector>,
  ),
}));
const labels = fc.dictionary(key, value, { maxKeys: 4 });

test('what was formatted reads back to the same value', () => {
  fc.assert(
    fc.property(selector, (original) => {
      expect(parseSelector(formatSelector(original))).toEqual({ ok: true, value: original });
    }),
  );
});

test('formatting is canonical: it changes nothing when done again', () => {
  fc.assert(
    fc.property(selector, (original) => {
      const text = formatSelector(original);
      const again = parseSelector(text);
      expect(again.ok && formatSelector(again.value)).toBe(text);
    }),
  );
});

test('arbitrary text gives a selector or a sentence with a position, never an exception', () => {
  const word = fc.constantFrom(
    ...'a b in not has( all() global() ) ( ! && || == != { } , "x" \'y\' contains = &'.split(' '),
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(word).map((words) => words.join(' ')),
  );
  fc.assert(
    fc.property(text, (input) => {
      const result = parseSelector(input);
      if (!result.ok) expect(result.error).toMatch(/^at character \d+: expected /);
    }),
  );
});

test('a double negation means the same as none', () => {
  fc.assert(
    fc.property(selector, labels, (original, given) => {
      const twice = parseSelector(`!(!${formatSelector(original)})`);
      expect(twice.ok && matchesSelector(twice.value, given)).toBe(matchesSelector(original, given));
    }),
  );
});

test('!= and "not in" are the exact opposites of == and "in", missing label included', () => {
  fc.assert(
    fc.property(key, value, values, labels, (name, one, many, given) => {
      expect(matchesSelector({ kind: 'notEquals', key: name, value: one }, given)).toBe(
        !matchesSelector({ kind: 'equals', key: name, value: one }, given),
      );
      expect(matchesSelector({ kind: 'notIn', key: name, values: many }, given)).toBe(
        !matchesSelector({ kind: 'in', key: name, values: many }, given),
      );
    }),
  );
});
