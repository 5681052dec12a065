/**
 * docs/RFC.md is made from the tests' names, so that the index of what is conformant cannot lie.
 *
 *   node test/house/rfc.ts --write   makes it anew
 *   node test/house/rfc.ts           fails if it is not what the tests say
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

interface Claim {
  readonly rfc: number;
  readonly clause: string;
  readonly says: string;
  readonly file: string;
}

const root = new URL('../..', import.meta.url).pathname;
const target = `${root}docs/RFC.md`;
const named =
  /\b(?:test|describe)(?:\.each\([^)]*\))?\(\s*(['"`])(RFC (\d+)(?: (§[\w.]+(?: [a-z0-9])*))?.*?)\1\s*,/gs;

const testFiles = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .sort();

function claimsOf(file: string): readonly Claim[] {
  return [...readFileSync(`${root}test/${file}`, 'utf8').matchAll(named)].map(
    ([, , name = '', rfc, clause = '']) => ({
      rfc: Number(rfc),
      clause,
      says: name
        .replace(/^RFC \d+(?: §[\w.]+(?: [a-z0-9])*)?[:,]?\s*/, '')
        .replace(/\$\{[^}]*\}|%s|\$\w+/g, '…')
        .replaceAll('|', '\\|'),
      file: `test/${file}`,
    }),
  );
}

function render(claims: readonly Claim[]): string {
  const order = (a: Claim, b: Claim): number =>
    a.rfc - b.rfc ||
    a.clause.localeCompare(b.clause, 'en', { numeric: true }) ||
    a.file.localeCompare(b.file) ||
    a.says.localeCompare(b.says);
  const sections = [...new Set(claims.map(({ rfc }) => rfc))]
    .sort((a, b) => a - b)
    .map((rfc) => {
      const rows = claims
        .filter((claim) => claim.rfc === rfc)
        .sort(order)
        .map(({ clause, says, file }) => `| ${clause} | ${says} | \`${file}\` |`);
      return `## RFC ${rfc}\n\n| clause | what a test shows | where |\n|---|---|---|\n${rows.join('\n')}\n`;
    });
  return `# What the tests say of each RFC

Made from the names of the tests by \`npm run rfc -- --write\`; \`…\` stands for the rows of a table of cases. Where we differ from
another implementation's reading: [RFC-DIFFERENCES.md](RFC-DIFFERENCES.md).

${sections.join('\n')}`;
}

const text = render(testFiles.flatMap(claimsOf));
if (process.argv.includes('--write')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('rfc: docs/RFC.md is not what the tests say. Run: npm run rfc -- --write');
  process.exitCode = 1;
}
