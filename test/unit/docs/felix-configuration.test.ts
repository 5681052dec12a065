/**
 * The tables of docs/FELIX-CONFIGURATION.md are made of the tables of the model. `UPDATE_GOLDEN=1` writes them; what stands
 * around them is written by people.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fieldNames } from '../../../src/model/felix-configuration.ts';
import { felixDefaults, felixFields, type Shape } from '../../../src/model/felix-fields.ts';
import { refusedFelixFields } from '../../../src/model/felix-refused.ts';
import { formatDuration, shownText, shownValue } from '../../../src/model/felix-shown.ts';

const file = new URL('../../../docs/FELIX-CONFIGURATION.md', import.meta.url);

const cell = (text: string): string => text.replaceAll('|', '\\|');

function takes(shape: Shape): string {
  switch (shape.kind) {
    case 'flag':
      return 'true, false';
    case 'number':
      return `${shape.least} to ${shape.most}`;
    case 'word':
      return shape.words.join(', ');
    case 'duration':
      return `duration, ${formatDuration(shape.leastMs)} to ${formatDuration(shape.mostMs)}`;
    case 'text':
      return `text like \`${shape.example}\`, at most ${shape.most}`;
    case 'pattern':
      return 'regular expression';
    case 'interfaces':
      return 'names or /patterns/, with commas';
    case 'address':
      return shape.version === undefined ? 'address' : `IPv${shape.version} address`;
    case 'ports':
      return 'list of {protocol, port, net}';
    case 'portRange':
      return 'first:last';
    case 'rate':
      return 'number/second, minute, hour or day';
  }
}

const fields = [
  '| field | default | takes | change | what |',
  '|---|---|---|---|---|',
  ...fieldNames.map((name) => {
    const row = felixFields[name];
    const isOurs = 'extension' in row && row.extension === true;
    const usual = shownText(shownValue(name, felixDefaults));
    return `| \`${name}\`${isOurs ? ' (extension)' : ''} | ${cell(usual)} | ${cell(takes(row.shape))} | ${row.effect} | ${cell(row.what)} |`;
  }),
].join('\n');

/** Fields that share a reason share a row. */
const byReason = Object.entries(refusedFelixFields).reduce(
  (rows, [name, { why, harmless }]) =>
    rows.set(why, [
      ...(rows.get(why) ?? []),
      harmless.length === 0
        ? `\`${name}\``
        : `\`${name}\` (but ${harmless.map((one) => JSON.stringify(one)).join(', ')})`,
    ]),
  new Map<string, readonly string[]>(),
);
const refused = [
  '| why, and what to do | fields, and what of each is taken |',
  '|---|---|',
  ...[...byReason].map(([why, names]) => `| ${cell(why)} | ${cell(names.join(', '))} |`),
].join('\n');

const between = (page: string, name: string, text: string): string =>
  page.replace(
    new RegExp(`<!-- ${name} -->[\\s\\S]*<!-- /${name} -->`),
    () => `<!-- ${name} -->\n${text}\n<!-- /${name} -->`,
  );

test('the tables of docs/FELIX-CONFIGURATION.md say what the program does', () => {
  const page = readFileSync(file, 'utf8');
  const wanted = between(between(page, 'fields', fields), 'refused', refused);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, wanted);
  expect(readFileSync(file, 'utf8')).toBe(wanted);
  expect(wanted).toContain('| `connectionPolicy` (extension) | Keep |');
});
