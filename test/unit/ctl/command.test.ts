/** The command as a person runs it, against sockets served here with what a daemon would say. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Endpoints, serveSocket } from '../../../src/host/socket.ts';
import { peerManifest } from '../../support/manifests.ts';

const launcher = new URL('../../../src/tortie.ts', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'tortiectl-'));
const closing: (() => Promise<void>)[] = [];

const peer = {
  name: 'Global_172_30_0_1',
  address: '172.30.0.1',
  port: 179,
  type: 'global',
  state: 'Established',
};
const status = (state: string) => ({
  node: 'n',
  version: '0',
  inSync: true,
  peers: [{ ...peer, state, since: '2026-01-01T00:00:00Z' }],
  kernel: { installed: 0, pending: 0 },
  problems: [],
});
const routeOf = (prefix: string, from: string) => ({
  prefix,
  nextHop: '172.30.0.12',
  from,
  best: true,
  multipath: false,
  origin: 'IGP',
  asPath: '',
  communities: [],
  reason: 'the only path',
});

const bgp = (state: string): Endpoints => ({
  'GET /status': () => ({ status: 200, body: status(state) }),
  'GET /rib': ({ query }) => {
    const received = query.get('received');
    if (received === '1.2.3.4') return { status: 404, body: { error: 'There is no neighbour "1.2.3.4".' } };
    const routes = [routeOf('fd00:65::/64', 'x'), routeOf('10.65.2.0/24', received ?? 'everyone')];
    const chosen = routes.filter(({ prefix }) => query.get('prefix') === null || prefix.startsWith('fd'));
    return {
      status: 200,
      type: 'application/x-ndjson',
      chunks: chosen.map((route) => `${JSON.stringify(route)}\n`),
    };
  },
});
const felix: Endpoints = {
  'GET /policy': ({ query }) =>
    query.get('pod') === 'front'
      ? {
          status: 200,
          body: {
            namespace: query.get('namespace'),
            pod: 'front',
            interface: 'cali1',
            ingress: { isolated: false, tiers: [] },
            egress: { isolated: false, tiers: [] },
          },
        }
      : { status: 404, body: { error: 'There is no pod default/nobody on this node.' } },
};

async function serve(name: string, endpoints: Endpoints): Promise<void> {
  const served = await serveSocket(join(dir, name), endpoints);
  if (!served.ok) throw new Error(served.error);
  closing.push(served.value.close);
}

beforeAll(async () => {
  await serve('up.sock', bgp('Established'));
  await serve('half.sock', bgp('Active'));
  await serve('felix.sock', felix);
});
afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
  rmSync(dir, { recursive: true });
});

function tortiectl(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = argv.map((word) => word.replace('DIR', dir));
  return new Promise((resolve) => {
    execFile(process.execPath, [launcher, 'ctl', ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test.each([
  ['up', 0],
  ['half', 1],
  ['nobody', 2],
])('node status of a speaker that is %s exits with %i', async (name, code) => {
  expect((await tortiectl('node', 'status', '--socket', `DIR/${name}.sock`)).code).toBe(code);
});

test('a socket nobody answers on is named, with what to do', async () => {
  const { stdout, stderr } = await tortiectl('node', 'status', '--socket', 'DIR/nobody.sock');
  expect(stdout).toBe('Tortie process is not running.\n');
  expect(stderr).toMatch(/nobody\.sock does not answer.*Is "tortie bgp" running here\? .*--socket/);
});

test('-o json and -o yaml print the whole status, parseable', async () => {
  const [json, yaml] = await Promise.all(
    ['json', 'yaml'].map((form) => tortiectl('node', 'status', '-o', form, '--socket', 'DIR/up.sock')),
  );
  expect(JSON.parse(json?.stdout ?? '')).toEqual(status('Established'));
  expect(parse(yaml?.stdout ?? '')).toEqual(status('Established'));
});

test('bgp routes prints IPv4 before IPv6, and only what lies within a prefix if one is given', async () => {
  const all = await tortiectl('bgp', 'routes', '-o', 'json', '--socket', 'DIR/up.sock');
  expect(JSON.parse(all.stdout).map(({ prefix }: { prefix: string }) => prefix)).toEqual([
    '10.65.2.0/24',
    'fd00:65::/64',
  ]);
  const some = await tortiectl(
    'bgp',
    'routes',
    'fd00::/8',
    '--longer',
    '-o',
    'json',
    '--socket',
    'DIR/up.sock',
  );
  expect(JSON.parse(some.stdout)).toHaveLength(1);
});

test('--received asks the speaker for what this neighbour sent', async () => {
  const { stdout } = await tortiectl('bgp', 'routes', '--received', '172.30.0.1', '--socket', 'DIR/up.sock');
  expect(stdout).toMatch(/10\.65\.2\.0\/24 +172\.30\.0\.12 +172\.30\.0\.1 /);
});

test.each([
  [
    ['bgp', 'routes', '--received', '1.2.3.4', '--socket', 'DIR/up.sock'],
    1,
    'There is no neighbour "1.2.3.4".',
  ],
  [['bgp', 'routes', '10.0.0', '--socket', 'DIR/up.sock'], 2, '"10.0.0" is neither a prefix nor an address.'],
  [
    ['policy', 'show', 'nobody', '--socket', 'DIR/felix.sock'],
    1,
    'There is no pod default/nobody on this node.',
  ],
  [['completion', 'tcsh'], 2, '"tcsh" has no completion here. There is: bash, zsh, fish.'],
  [['nonsense'], 2, "unknown command 'nonsense'"],
])('%j exits with %i and says why', async (argv, code, why) => {
  const done = await tortiectl(...argv);
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code, stderr: expect.stringContaining(why) });
});

test('policy show takes the namespace by -n or before a slash', async () => {
  const asked = await Promise.all([
    tortiectl('policy', 'show', 'front', '-n', 'shop', '--socket', 'DIR/felix.sock'),
    tortiectl('policy', 'show', 'shop/front', '--socket', 'DIR/felix.sock'),
  ]);
  for (const { stdout } of asked) expect(stdout).toContain('Pod shop/front\n');
});

describe('bash completes', () => {
  const bin = mkdtempSync(join(tmpdir(), 'tortiectl-bin-'));
  const store = join(bin, 'store');
  const complete = async (line: string): Promise<string> => {
    const { stdout: script } = await tortiectl('completion', 'bash');
    const words = line.split(' ');
    const run = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _tortiectl; echo "\${COMPREPLY[@]}"`;
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
    return new Promise((resolve, reject) => {
      execFile('bash', ['-c', run], { env }, (error, stdout) =>
        error === null ? resolve(stdout.trim()) : reject(error),
      );
    });
  };
  beforeAll(() => {
    mkdirSync(store);
    for (const name of ['rack1', 'rack2'])
      writeFileSync(join(store, `${name}.yaml`), JSON.stringify(peerManifest(name, 65000)));
    writeFileSync(join(bin, 'tortiectl'), `#!/bin/sh\nexec ${process.execPath} ${launcher} ctl "$@"\n`, {
      mode: 0o755,
    });
  });
  afterAll(() => rmSync(bin, { recursive: true }));

  test.each([
    ['tortiectl no', 'node'],
    ['tortiectl node s', 'status'],
    ['tortiectl bgp routes --rec', '--received'],
    ['tortiectl bgp routes 10.0.0.0/8 --adv', '--advertised'],
    ['tortiectl completion z', 'zsh'],
    ['tortiectl get bgpp', 'bgppeer'],
    ['tortiectl migrate ', 'check --help'],
    ['tortiectl --context other descr', 'describe'],
    ['tortiectl doctor --sc', '--scope'],
  ])('%j with %s', async (line, word) => {
    expect(await complete(line)).toBe(word);
  });

  test('names of objects, of the cluster the line is about', async () => {
    expect(await complete(`tortiectl --datastore dir:${store} describe bgppeer ra`)).toBe('rack1 rack2');
  });
});

test.each(['bash', 'zsh'])('the completion script for %s is sound', async (shell) => {
  const { stdout } = await tortiectl('completion', shell);
  // zsh runs the same functions; its own two lines are none bash knows.
  const script = stdout.replace(/^#compdef.*\nautoload.*\n/, '');
  // Which zsh keeps for itself: to set them would empty its PATH, or its line.
  expect(script).not.toMatch(/\b(path|words)=/);
  await new Promise<void>((resolve, reject) => {
    execFile('bash', ['-n', '-c', script], (error) => (error === null ? resolve() : reject(error)));
  });
});

test('the completion script for fish has every command and kind', async () => {
  const { stdout } = await tortiectl('completion', 'fish');
  for (const word of ['doctor', 'migrate', 'status', 'describe'])
    expect(stdout).toContain(`__tortiectl_at ""' -f -a ${word}`);
  expect(stdout).toContain(`__tortiectl_at "get"' -f -a bgppeer`);
});

test.each([
  [['validate', '-f', 'DIR/good.yaml'], 0, '1 object looked at: nothing is wrong.'],
  [['validate', '-f', 'DIR/bad.yaml'], 1, 'bad.yaml:1 BGPPeer/x spec.asNumber: must be an AS number'],
  [['--datastore', 'dir:DIR/nowhere', 'get', 'bgppeers'], 2, ''],
  [['doctor', '--scope', 'node', '--only', 'nonsense'], 2, ''],
])('%j exits with %i', async (argv, code, said) => {
  writeFileSync(join(dir, 'good.yaml'), JSON.stringify(peerManifest('x', 65000)));
  writeFileSync(join(dir, 'bad.yaml'), JSON.stringify(peerManifest('x', 'nonsense')));
  const done = await tortiectl(...argv);
  expect({ code: done.code, said: done.stdout }).toEqual({ code, said: expect.stringContaining(said) });
});

test('validate reads standard input and tells in JSON', async () => {
  const child = spawn(process.execPath, [launcher, 'ctl', 'validate', '-f', '-', '-o', 'json']);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.stdin.end(JSON.stringify(peerManifest('x', 'nonsense')));
  expect(await ended).toBe(1);
  expect(JSON.parse(said)).toMatchObject({ objects: 1, flaws: [{ file: 'standard input', line: 1 }] });
});

test('a reader that has seen enough is no failure', async () => {
  const pipe = `${process.execPath} ${launcher} ctl --help | true; exit \${PIPESTATUS[0]}`;
  const code = await new Promise((resolve) => {
    execFile('bash', ['-c', pipe], (error) => resolve(error === null ? 0 : error.code));
  });
  expect(code).toBe(0);
});
