/** A cluster from nothing: definitions, Nodes and Pods by a real API server, and the lab's own checks on what came of it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asAdmin } from '../../src/lab/api/client.ts';
import { accessOf } from '../../src/lab/datastore.ts';
import { readState } from '../../src/lab/state.ts';
import { at } from '../../src/lab/tor/tor.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { podManifest } from '../support/manifests.ts';

const launcher = new URL('../../src/tortie.ts', import.meta.url).pathname;
const runRoot = mkdtempSync(join(tmpdir(), 'tortie-i-'));
process.env['TORTIE_LAB_RUN'] = runRoot;
const name = 'install';

interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function lab(...argv: readonly string[]): Promise<Done> {
  const child = spawn(process.execPath, [launcher, 'lab', ...argv, '--name', name], { env: process.env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const ask: ReturnType<typeof asAdmin> = (...asked) =>
  asAdmin(accessOf(name, readState(name)?.api?.port ?? 0))(...asked);
const objects = clusterObjects({ request: ask });

beforeAll(async () => {
  const up = await lab('up', '--api', 'kubernetes', '--nodes', '2');
  expect(up.code, `${up.stdout}${up.stderr}`).toBe(0);
}, 300_000);
afterAll(async () => {
  await lab('down');
  rmSync(runRoot, { recursive: true });
}, 300_000);

const table = 'application/json;as=Table;g=meta.k8s.io;v=v1';

/** What kubectl get shows: the heads of its columns that are always shown, and the rows below. */
async function shown(path: string) {
  const { body } = await ask('GET', path, undefined, undefined, table);
  const columns = at(body, 'columnDefinitions') as readonly {
    readonly name: string;
    readonly priority: number;
  }[];
  const rows = at(body, 'rows') as readonly { readonly cells: readonly unknown[] }[];
  return {
    heads: columns.filter(({ priority }) => priority === 0).map((column) => column.name),
    rows: rows.map(({ cells }) => cells.filter((_, index) => columns[index]?.priority === 0)),
  };
}

test('sessions, routes, connectivity and policy are as written by hand, by packets', {
  timeout: 300_000,
}, async () => {
  const done = await lab('assert', '--json');
  const outcome: unknown = JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '');
  expect(at(outcome, 'failures'), done.stderr).toEqual([]);
  expect(done.code).toBe(0);
  expect(at(outcome, 'policy')).not.toEqual([]);
});

test('kubectl get shows the columns that matter of our kinds', async () => {
  const group = '/apis/projectcalico.org/v3';
  const pools = await shown(`${group}/ippools`);
  expect(pools.heads.slice(0, 2)).toEqual(['Name', 'CIDR']);
  expect(pools.rows.map(([first, second]) => [first, second])).toEqual([
    ['pods-v4', '10.65.0.0/16'],
    ['pods-v6', 'fd00:65::/48'],
  ]);
  const peers = await shown(`${group}/bgppeers`);
  expect(peers.rows[0]).toContain('172.30.0.1');
  expect(peers.rows[0]).toContain('65000');
});

test('a wrong object is refused with the field, and nothing comes of it', async () => {
  const wrong = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'wrong' },
    spec: { cidr: '10.0.0.0/99' },
  };
  await expect(objects.put(wrong)).rejects.toThrow(/cidr/i);
});

test('a Pod made through the API runs, is served as running, and goes when it is deleted with a grace period', {
  timeout: 300_000,
}, async () => {
  const ref = { kind: 'Pod', namespace: 'default', name: 'late' } as const;
  await objects.put(podManifest('late'));
  await eventually(
    async () => {
      const status = at(await objects.get(ref), 'status');
      expect(at(status, 'phase')).toBe('Running');
      expect(at(status, 'podIPs')).toHaveLength(2);
    },
    { within: 60_000, every: 100 },
  );
  await ask('DELETE', '/api/v1/namespaces/default/pods/late');
  await eventually(() => expect(objects.get(ref)).rejects.toThrow('404'), { within: 60_000, every: 100 });
  const { stdout } = await lab('status', '--json');
  expect(JSON.stringify(at(JSON.parse(stdout), 'pods'))).not.toContain('"late"');
});

test('the daemons got by with the rights they are installed with', async () => {
  for (const node of ['node1', 'node2'])
    for (const daemon of ['bgp', 'felix']) {
      const log = readFileSync(join(runRoot, name, node, `${daemon}.log`), 'utf8');
      expect(log).not.toBe('');
      expect(log.split('\n').filter((line) => /forbidden/i.test(line))).toEqual([]);
    }
});
