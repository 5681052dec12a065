/**
 * The examples of docs/CLI.md are what the program prints of one small cluster (test/support/example-cluster.ts).
 * `UPDATE_GOLDEN=1` writes them anew. Points in time may differ; what asks a daemon's socket or writes an archive is not run here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  casesFile,
  peersFile,
  policyFile,
  writeExampleCluster,
  writeLeftByCalico,
  writePolicies,
  wrongFile,
} from '../../support/example-cluster.ts';

const script = new URL('../../../src/tortie.sh', import.meta.url).pathname;
const file = new URL('../../../docs/CLI.md', import.meta.url);
const root = mkdtempSync(join(tmpdir(), 'tortiectl-examples-'));
afterAll(() => rmSync(root, { recursive: true }));

const ofSockets = /^(bgp|diags|policy show|node status$|doctor --scope node)/;

/** "status", "label node node1 rack=1", as a shell would split them. */
const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

let clusters = 0;
function answer(command: string): string {
  const directory = join(root, String(clusters++));
  writeExampleCluster(directory, new Date(), command.startsWith('create') ? ['BGPPeer'] : []);
  if (command.startsWith('migrate')) writeLeftByCalico(directory);
  if (command.startsWith('policy')) writePolicies(directory);
  writeFileSync(join(root, 'peers.yaml'), command.startsWith('validate') ? wrongFile : peersFile);
  writeFileSync(join(root, 'policy.yaml'), policyFile);
  writeFileSync(join(root, 'cases.yaml'), casesFile);
  const { stdout, stderr } = spawnSync(
    script,
    ['ctl', '--datastore', `dir:${directory}`, ...wordsOf(command)],
    { cwd: root, encoding: 'utf8', env: { ...process.env, COLUMNS: '80', NO_COLOR: '1' } },
  );
  return `${stdout}${stderr}`.replaceAll(directory, 'PATH').trimEnd();
}

interface Example {
  readonly command: string;
  readonly shown: string;
}

/** Of every fence that begins with a prompt: each command with what stands below it. */
const examplesIn = (page: string): readonly Example[] =>
  [...page.matchAll(/```text\n(\$ tortiectl [\s\S]*?)\n```/g)].flatMap(([, fence = '']) =>
    fence
      .split(/^\$ tortiectl /m)
      .slice(1)
      .map((one) => {
        const [command = '', ...lines] = one.split('\n');
        return { command, shown: lines.join('\n').trimEnd() };
      }),
  );

/** Without points in time, and with one space between columns, whose width they decide. */
const steady = (text: string): string =>
  text
    .replace(/\d{4}-\d\d-\d\d(T[\d:.]+Z)?|\b\d\d:\d\d:\d\d\b/g, 'WHEN')
    .replace(/ {2,}/g, ' ')
    .replace(/-{2,}/g, '-');

const runnable = (page: string): readonly Example[] =>
  examplesIn(page).filter(({ command }) => !ofSockets.test(command));

if (process.env['UPDATE_GOLDEN'] === '1') {
  const before = readFileSync(file, 'utf8');
  const after = runnable(before).reduce((page, { command, shown }) => {
    const said = answer(command);
    if (steady(said) === steady(shown)) return page;
    return page.replace(`$ tortiectl ${command}\n${shown}`, () => `$ tortiectl ${command}\n${said}`);
  }, before);
  writeFileSync(file, after);
}

const examples = runnable(readFileSync(file, 'utf8'));

test('there are examples to hold against the program', () => {
  expect(examples.length).toBeGreaterThan(12);
});

describe('the page shows what is printed by', () => {
  test.each(examples)('tortiectl $command', ({ command, shown }) => {
    expect(steady(shown)).toBe(steady(answer(command)));
  });
});
