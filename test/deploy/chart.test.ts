import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { madeFiles, madeFolders, render } from '../../deploy/files.ts';
import { type Described, valuesDefaults, valuesSchema, valuesTable } from '../../deploy/values.ts';
import { containersOf, helm, kubectl, objectsOf, root, run } from './tools.ts';

const deploy = join(root, 'deploy');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('what is made from the chart is what lies in the tree, and nothing else does', () => {
  const made = madeFiles();
  for (const { path, text } of made) expect(read(`deploy/${path}`), path).toBe(text);
  const there = madeFolders.flatMap((folder) =>
    readdirSync(join(deploy, folder), { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => relative(deploy, join(one.parentPath, one.name))),
  );
  expect(there.sort()).toEqual(made.map(({ path }) => path).sort());
});

test('kubectl finds in the kustomize base the objects of the single manifest', () => {
  const key = ({ kind, metadata }: { kind: string; metadata: { name: string } }): string =>
    `${kind} ${metadata.name}`;
  const sorted = (text: string) => [...objectsOf(text)].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const base = sorted(kubectl('kustomize', 'deploy/kustomize/base'));
  expect(base.length).toBeGreaterThan(20);
  expect(base).toEqual(sorted(read('deploy/manifest/tortie.yaml')));
});

test('with the monitoring component kubectl finds what the chart makes with monitoring on', () => {
  const overlay = mkdtempSync(join(tmpdir(), 'tortie-overlay-'));
  const folder = (name: string): string => relative(realpathSync(overlay), join(deploy, 'kustomize', name));
  const head = { resources: [folder('base')], components: [folder('components/monitoring')] };
  writeFileSync(join(overlay, 'kustomization.yaml'), stringify(head));
  try {
    const found = objectsOf(kubectl('kustomize', overlay));
    const on = ['podMonitor', 'prometheusRule', 'dashboards'].map((one) => `monitoring.${one}.enabled=true`);
    const made = objectsOf(render('--no-hooks', '--set', ['metrics.address=0.0.0.0', ...on].join()));
    const names = (objects: typeof found): readonly string[] =>
      objects
        .filter(({ kind }) => kind !== 'CustomResourceDefinition')
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
        .sort();
    expect(names(found)).toEqual(names(made));
    const args = (objects: typeof found) => objects.flatMap(containersOf).map((one) => [one.name, one.args]);
    expect(Object.fromEntries(args(found))).toEqual(Object.fromEntries(args(made)));
    expect(JSON.stringify(args(found))).toContain('--metrics=0.0.0.0:9091');
  } finally {
    rmSync(overlay, { recursive: true });
  }
});

test('helm finds nothing to complain of, with every option on', () => {
  const all = ['podMonitor', 'prometheusRule', 'dashboards'].map((one) => `monitoring.${one}.enabled=true`);
  for (const set of ['ipam=blocks', ['metrics.address=::', ...all].join()]) {
    expect(helm('lint', '--strict', 'deploy/chart', '--kube-version', '1.30.0', '--set', set)).toContain(
      '0 chart(s) failed',
    );
  }
});

test('metrics that nobody can reach are refused for a PodMonitor, in words', () => {
  expect(() => render('--set', 'monitoring.podMonitor.enabled=true')).toThrow(/metrics.address is loopback/);
});

test('a value that nobody reads is refused by name', () => {
  expect(() => render('--set', 'node.hostNetwork=false')).toThrow(/hostNetwork/);
});

/** Paths of all values that have a default or a description. */
function leaves(path: string, value: unknown): readonly string[] {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMap ? Object.entries(value).flatMap(([name, inner]) => leaves(`${path}.${name}`, inner)) : [path];
}

test('every value has a description and a default, and no object takes a name that is not described', () => {
  function check(path: string, one: Described, value: unknown): void {
    expect(one.description, path).toBeTruthy();
    if (one.properties === undefined) return;
    expect(one.additionalProperties, path).toBe(false);
    if (one.properties['requests'] !== undefined) return; // limits have none on purpose
    for (const [name, inner] of Object.entries(one.properties)) {
      if (name === 'global') continue;
      const given = (value as Record<string, unknown>)[name];
      expect(given, `${path}.${name}`).toBeDefined();
      check(`${path}.${name}`, inner, given);
    }
  }
  check('values', valuesSchema(), valuesDefaults());
  expect(leaves('', valuesDefaults()).length).toBeGreaterThan(30);
});

test('docs/INSTALL.md lists the values as schema and defaults have them', () => {
  expect(read('docs/INSTALL.md')).toContain(valuesTable());
});

test('the chart has the version of the package', () => {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  const chart = read('deploy/chart/Chart.yaml');
  expect(chart).toContain(`\nversion: ${version}\n`);
  expect(chart).toContain(`\nappVersion: ${version}\n`);
});

test('no container is privileged, can gain privileges, write its root or keeps a capability that is not named', () => {
  const containers = objectsOf(render()).flatMap(containersOf);
  expect(containers.map(({ name }) => name).sort()).toEqual(
    ['bgp', 'clean', 'cni', 'cni', 'controller', 'done', 'felix', 'wait'].sort(),
  );
  for (const { name, securityContext: context, resources } of containers) {
    expect(context, name).toMatchObject({
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'RuntimeDefault' },
      capabilities: { drop: ['ALL'] },
    });
    expect(resources?.limits, name).toBeUndefined();
  }
  const added = containers.map(({ name, securityContext }) => [name, securityContext.capabilities.add ?? []]);
  expect(Object.fromEntries(added)).toEqual({
    bgp: ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW', 'SYS_NICE'],
    felix: ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN'],
    clean: ['NET_ADMIN'],
    ...{ cni: [], controller: [], done: [], wait: [] },
  });
});

test('every option the chart gives is one that the command knows', () => {
  const containers = objectsOf(render()).flatMap(containersOf);
  const ours = containers.filter(({ command }) => command[0] === '/usr/local/bin/tortie');
  expect(ours.length).toBe(7);
  for (const { name, args } of ours) {
    const words = args.slice(
      0,
      args.findIndex((one) => one.startsWith('-')),
    );
    const help = run('src/tortie.sh', ...words, '--help');
    for (const option of args.filter((one) => one.startsWith('--'))) {
      expect(help, `${name}: tortie ${words.join(' ')}`).toContain(` ${option.split('=')[0]} `);
    }
  }
});

test('of Secrets the nodes may get those that are named, in their own namespace, and nobody may list any', () => {
  const secretRules = (text: string) =>
    objectsOf(text).flatMap(({ kind, metadata: { namespace }, rules = [] }) =>
      rules
        .filter(({ resources }) => resources.some((one) => one === 'secrets' || one === '*'))
        .map(({ verbs, resourceNames }) => ({ kind, namespace, verbs, resourceNames })),
    );
  const role = { kind: 'Role', namespace: 'tortie', verbs: ['get'] };
  expect(secretRules(render('--namespace', 'tortie'))).toEqual([
    { ...role, resourceNames: ['bgp-passwords'] },
  ]);
  expect(secretRules(render('--namespace', 'tortie', '--set', 'passwordSecrets={a,b}'))).toEqual([
    { ...role, resourceNames: ['a', 'b'] },
  ]);
  expect(secretRules(render('--namespace', 'tortie', '--set', 'passwordSecrets=null'))).toEqual([]);
});
