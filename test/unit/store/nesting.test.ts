/** A text that is too deep for a parser is refused before it is parsed, and nothing that people write is. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { readDocuments } from '../../../src/store/dir/documents.ts';
import { checkNesting, deepest } from '../../../src/store/dir/nesting.ts';

const megabyte = 1 << 20;
const filled = (unit: string): string => unit.repeat(Math.ceil(megabyte / unit.length));

describe('a megabyte', () => {
  test.each(['[', '{"a":', '{a: [', '- ', '? ', '- ? ', '[\n', '- [\n', '{ "]": ', "['}', ", '{a: ]'])(
    'of %j is refused at once, with the line and what to do',
    (unit) => {
      const cpu = process.cpuUsage();
      const { documents, broken } = readDocuments('deep.yaml', filled(unit));
      const { user, system } = process.cpuUsage(cpu);
      expect(user + system).toBeLessThan(2_000_000);
      expect(documents).toEqual([]);
      expect(broken).toHaveLength(1);
      expect(broken[0]).toMatchObject({
        where: expect.stringMatching(/^deep\.yaml:\d+$/),
        what: `has more than ${deepest} lists and objects in one another, and is not read. What this file held before stays.`,
        fix: 'Close the brackets that are open there, or take out what is not a manifest.',
      });
    },
  );

  test.each(['"', "'", '" [', '\\"', '|\n [', '# [', 'a: "[" ', '[] ', '---\n[\n'])(
    'of %j takes no time to look at',
    (unit) => {
      const cpu = process.cpuUsage();
      checkNesting(filled(unit));
      const { user, system } = process.cpuUsage(cpu);
      expect(user + system).toBeLessThan(2_000_000);
    },
  );
});

test('steps to the right are counted, with ? and without', () => {
  const stairs = (unit: string, steps: number): string =>
    Array.from({ length: steps }, (_, step) => `${' '.repeat(step)}${unit}`).join('\n');
  expect(checkNesting(stairs('a:', deepest))).toMatchObject({ ok: true });
  expect(checkNesting(stairs('a:', deepest + 1))).toEqual({ ok: false, error: deepest + 1 });
  expect(checkNesting(stairs('?', deepest + 1))).toMatchObject({ ok: false });
});

test('brackets in quotes, comments and texts count for nothing', () => {
  const many = '['.repeat(1000);
  const text = `a: "${many} \\" ${many}"\nb: '${many} '' ${many}' # ${many}\nc: |\n  ${many}\n\n   ${many}\nd: >-\n  ${many}\ne:\n  - |+\n    ${many}\n`;
  expect(checkNesting(text)).toMatchObject({ ok: true });
});

test('property: what is written of ordinary values is never refused, in blocks or in brackets', () => {
  const value = fc.object({
    maxDepth: 12,
    key: fc.string(),
    values: [fc.string(), fc.integer(), fc.boolean()],
  });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 4 }), (all) => {
      for (const text of [
        all.map((one) => stringify(one)).join('---\n'),
        all.map((one) => JSON.stringify(one, undefined, 2)).join('\n---\n'),
        stringify(all, { collectionStyle: 'flow' }),
      ])
        expect(checkNesting(text)).toMatchObject({ ok: true });
    }),
    { numRuns: 100 },
  );
});
