import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lintFiles } from '../../../src/ctl/policy-lint.ts';
import { builtInTiers } from '../../../src/policy/tiers.ts';
import { readDocuments } from '../../../src/store/dir/documents.ts';
import { readManifest } from '../../../src/store/schema/manifest.ts';

const page = readFileSync(new URL('../../../docs/POLICY.md', import.meta.url), 'utf8');

test('the examples of docs/POLICY.md are sound, and nothing in them is odd', () => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  expect(examples).toHaveLength(2);
  const objects = examples
    .flatMap((text) => readDocuments('POLICY.md', text).documents)
    .map((document) => {
      const read = readManifest(document.json);
      if (!read.ok) throw new Error(JSON.stringify(read.error));
      return { document, resource: read.value };
    });
  expect(lintFiles(objects, undefined)).toEqual({ findings: [], policies: 3, cluster: false });
});

test.each(builtInTiers)(
  'docs/POLICY.md says order and end of tier $name',
  ({ name, order, defaultAction }) => {
    expect(page).toContain(
      `| \`${name}\` | ${order === 1000 ? order : order.toLocaleString('en')} | ${defaultAction} |`,
    );
  },
);
