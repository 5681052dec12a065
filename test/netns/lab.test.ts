/** The lab as a person runs it: whole clusters in namespaces, judged by packets. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';

const launcher = new URL('../../src/tortie.ts', import.meta.url).pathname;
const runRoot = mkdtempSync(join(tmpdir(), 'lab-'));

interface Pod {
  readonly pod: string;
  readonly node: string;
  readonly state: string;
  readonly addresses: readonly string[];
}

interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...argv: readonly string[]) {
  const child = spawn(process.execPath, [launcher, 'lab', ...argv], {
    env: { ...process.env, TORTIE_LAB_RUN: runRoot },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const done = new Promise<Done>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, done, output: () => stdout };
}

const lab = (...argv: readonly string[]): Promise<Done> => start(...argv).done;

const namespacesOf = (name: string): readonly string[] =>
  readdirSync('/run/netns').filter((netns) => netns.startsWith(`tortie-${name}-`));

/** Nothing of a lab is left: no namespace, no directory. */
function expectNoTrace(name: string): void {
  expect(namespacesOf(name)).toEqual([]);
  expect(readdirSync(runRoot)).not.toContain(name);
}

afterAll(async () => {
  for (const name of ['sample', 'one', 'two', 'pods', 'cut', 'crash']) await lab('down', '--name', name);
  rmSync(runRoot, { recursive: true, force: true });
});

test('the sample cluster behind BIRD: sessions, routes, connectivity and policy are as written by hand', {
  timeout: 300_000,
}, async () => {
  const done = await lab('assert', '--name', 'sample', '--json');
  const outcome = JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '');
  expect(outcome.failures, done.stderr).toEqual([]);
  expect(done.code).toBe(0);
  expect(outcome).toMatchObject({ ok: true });
  // Each node with the ToR and the two others; each prefix on the ToR and on the two other nodes.
  expect(outcome.sessions).toHaveLength(9);
  expect(outcome.routes).toHaveLength(18);
  expect(outcome.connectivity).toHaveLength(24);
  expect(outcome.policy.length).toBeGreaterThan(100);
  const seen = [
    'policyAdded',
    'policyRemoved',
    'packetsStopped',
    'torLostSession',
    'torWithdrew',
    'torRelearned',
    'packetsFlow',
  ];
  expect(Object.keys(outcome.times)).toEqual(seen);
  expectNoTrace('sample');
});

test('two labs live side by side, and one goes without the other noticing', {
  timeout: 300_000,
}, async () => {
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => lab('up', '--name', name, '--nodes', '1')),
  );
  expect([one?.code, two?.code], `${one?.stdout}${two?.stdout}`).toEqual([0, 0]);
  const again = await lab('up', '--name', 'one');
  expect(again.code).toBe(2);
  expect(again.stderr).toContain('A lab "one" is running already.');
  expect((await lab('down', '--name', 'one')).code).toBe(0);
  expectNoTrace('one');
  const exec = await lab(
    'exec',
    '--name',
    'two',
    'shop/front',
    '--',
    'ip',
    '-4',
    '-o',
    'address',
    'show',
    'eth0',
  );
  expect(exec.stdout).toContain('10.65.1.');
  const still = await lab('assert', '--name', 'two');
  expect(still.code, still.stdout).toBe(0);
  expect((await lab('fail', 'daemon', '--name', 'two', 'node1', 'bgp')).code).toBe(0);
  expect((await lab('status', '--name', 'two')).code).toBe(1);
  expect((await lab('heal', '--name', 'two')).stdout).toContain('bgp on node1 is started again');
  const healed = await lab('assert', '--name', 'two');
  expect(healed.code, healed.stdout).toBe(0);
  await lab('down', '--name', 'two');
  expectNoTrace('two');
});

test('pods that are added, relabelled and deleted while the lab runs are followed', {
  timeout: 300_000,
}, async () => {
  expect((await lab('up', '--name', 'pods', '--nodes', '2')).code).toBe(0);
  const store = join(runRoot, 'pods', 'store');
  const podNamed = async (name: string): Promise<Pod | undefined> => {
    const { pods } = JSON.parse((await lab('status', '--name', 'pods', '--json')).stdout) as { pods: Pod[] };
    return pods.find(({ pod }) => pod === name);
  };
  const manifest =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: late}\nspec: {nodeName: node2, containers: []}\n';
  writeFileSync(join(store, 'late.yaml'), manifest);
  await eventually(
    async () => expect(await podNamed('late')).toMatchObject({ node: 'node2', state: 'running' }),
    {
      within: 30_000,
    },
  );
  rmSync(join(store, 'late.yaml'));
  await eventually(async () => expect(await podNamed('late')).toBeUndefined(), { within: 30_000 });
  expect(namespacesOf('pods')).not.toContain('tortie-pods-default_late');

  const address = (await podNamed('api'))?.addresses[0];
  const ask = async (): Promise<string> => {
    const command = `timeout 1 cat < /dev/tcp/${address}/8080`;
    return (await lab('exec', '--name', 'pods', 'shop/front', '--', 'timeout', '2', 'bash', '-c', command))
      .stdout;
  };
  await eventually(async () => expect(await ask()).toBe('shop/api\n'), { within: 30_000 });
  const pods = join(store, 'pods.yaml');
  const before = readFileSync(pods, 'utf8');
  writeFileSync(pods, before.replace('app: front', 'app: back'));
  await eventually(async () => expect(await ask()).toBe(''), { within: 30_000 });
  writeFileSync(pods, before);
  await eventually(async () => expect(await ask()).toBe('shop/api\n'), { within: 30_000 });
  await lab('down', '--name', 'pods');
  expectNoTrace('pods');
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s in the middle leaves nothing behind, and the exit code is %i',
  { timeout: 300_000 },
  async (signal, code) => {
    const running = start('demo', '--name', 'cut', '--nodes', '1');
    await eventually(() => expect(running.output()).toContain('on the ToR'), { within: 60_000 });
    running.child.kill(signal);
    expect((await running.done).code).toBe(code);
    expectNoTrace('cut');
  },
);

test('what a crashed lab left is told of, and "down" removes it', { timeout: 300_000 }, async () => {
  const running = start('up', '--name', 'crash', '--nodes', '1');
  await eventually(() => expect(namespacesOf('crash').length).toBeGreaterThan(3), { within: 60_000 });
  running.child.kill('SIGKILL');
  await running.done;
  const again = await lab('up', '--name', 'crash');
  expect(again.code).toBe(2);
  expect(again.stderr).toMatch(
    /A lab "crash" was left behind by a crash .* Clean up with: .*lab down --name crash/,
  );
  expect((await lab('down', '--name', 'crash')).code).toBe(0);
  expectNoTrace('crash');
});
