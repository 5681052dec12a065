/** What CI sees of the policy commands: exit codes, and where a finding stands. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { casesFile, policyFile, writePolicies } from '../../support/example-cluster.ts';

const script = new URL('../../../src/tortie.sh', import.meta.url).pathname;
const root = mkdtempSync(join(tmpdir(), 'tortiectl-policy-'));
afterAll(() => rmSync(root, { recursive: true }));

const directory = join(root, 'cluster');
mkdirSync(directory);
writePolicies(directory);
writeFileSync(join(root, 'policy.yaml'), policyFile);
writeFileSync(join(root, 'cases.yaml'), casesFile);
writeFileSync(join(root, 'wrong.yaml'), 'kind: NetworkPolicy\napiVersion: v2\n');
writeFileSync(join(root, 'allow.yaml'), policyFile.split('---')[1]?.replace('- { action: Pass }', '') ?? '');

interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const tortiectl = (...args: readonly string[]): Promise<Done> =>
  new Promise((resolve) => {
    const child = spawn(script, ['ctl', '--datastore', `dir:${directory}`, ...args], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1' },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (part: Buffer) => {
      stdout += part.toString();
    });
    child.stderr.on('data', (part: Buffer) => {
      stderr += part.toString();
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });

test.concurrent.each([
  ['policy why shop/front-2 shop/db:5432', 0, 'ALLOWED'],
  ['policy why ops/probe shop/db:5432', 1, 'DENIED'],
  ['policy why ops/probe 10.96.7.7:5432', 1, '→ pod shop/db (10.65.2.3) TCP 5432: DENIED'],
  ['policy why shop/front-2 svc:shop/db', 0, '→ Service shop/db (10.96.7.7) TCP 5432 → pod shop/db'],
  ['policy why shop/front-2 svc:shop/db:80', 2, 'Service shop/db has no port 80'],
  ['policy why ops/nobody shop/db:5432', 2, 'There is no pod ops/nobody.'],
  ['policy preview -f allow.yaml', 0, 'No verdict changes.'],
  ['policy preview -f policy.yaml', 1, 'will be ALLOWED'],
  ['policy preview -f wrong.yaml', 2, 'wrong.yaml:2'],
  [
    'policy lint -f policy.yaml --offline',
    1,
    'policy.yaml:8 KubernetesNetworkPolicy shop/default-deny spec.ingress.0',
  ],
  ['policy lint -f cluster', 0, 'nothing is odd'],
  ['policy test -f cases.yaml', 1, '1 not as expected'],
  ['policy show shop/db --socket none.sock', 0, 'KubernetesNetworkPolicy shop/db-from-front'],
  ['policy show shop/nobody --socket none.sock', 1, 'There is no pod shop/nobody.'],
])(
  'tortiectl %s exits with %i',
  async (command, code, says) => {
    const done = await tortiectl(...command.split(' '));
    expect({ ...done, said: `${done.stdout}${done.stderr}` }).toMatchObject({
      code,
      said: expect.stringContaining(says),
    });
  },
  60_000,
);
