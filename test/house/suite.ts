/**
 * Runs one test suite as CI does: files that failed get one second go, alone, and are named loudly.
 *
 * These tests run real routers and real clocks, and a machine may stand still for seconds. A file that fails twice fails;
 * one that fails once is a fault to be found, of the test or of the product, and is printed as such, but does not hide
 * whether the change is sound. More than three files are no accident: then there is no second go.
 *
 *   node test/house/suite.ts test|test:cluster|…    the npm script's name
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, relative } from 'node:path';

interface Report {
  readonly testResults: readonly { readonly name: string; readonly status: string }[];
}

const most = 3;
const root = new URL('../..', import.meta.url).pathname;

/** Runs `npm run NAME` and answers with the exit code and the failed files; undefined if it did not come to an end. */
function run(
  name: string,
  files: readonly string[],
): { readonly code: number; readonly failed?: readonly string[] } {
  const report = `${root}node_modules/.cache/tortie-suite/${name.replace(':', '-')}.json`;
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = spawnSync('npm', ['run', name, '--', ...reporters, ...files], {
    cwd: root,
    stdio: 'inherit',
  });
  const failed = failuresOf(report);
  return { code: status ?? 1, ...(failed && { failed }) };
}

function failuresOf(report: string): readonly string[] | undefined {
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    return testResults.filter(({ status }) => status === 'failed').map(({ name }) => relative(root, name));
  } catch {
    return undefined;
  }
}

function suite(name: string): number {
  const first = run(name, []);
  if (first.code === 0) return 0;
  const { failed = [] } = first;
  if (failed.length === 0 || failed.length > most) return first.code;
  console.log(`\nFLAKY OR BROKEN: ${failed.join(', ')} failed and gets a second go, alone.`);
  const second = run(name, failed);
  console.log(
    second.code === 0
      ? `\nFLAKY: ${failed.join(', ')} failed once and passed alone. Find out why.`
      : `\nBROKEN: ${(second.failed ?? failed).join(', ')} failed twice.`,
  );
  return second.code;
}

const [name] = process.argv.slice(2);
if (name === undefined) {
  console.error('usage: node test/house/suite.ts NPM-SCRIPT');
  process.exitCode = 2;
} else process.exitCode = suite(name);
