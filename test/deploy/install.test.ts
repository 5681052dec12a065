/** The chart and the single manifest on a real API server: what is there, who may write what, and what is left. */

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { render } from '../../deploy/files.ts';
import { type ApiServer, createApiServer } from '../support/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';
import { type ChartObject, containersOf, helm, kubectl, objectsOf, root } from './tools.ts';

const ground = createPlayground('in');
const address = '10.97.0.1';
const api: ApiServer = createApiServer(ground, 'api', [address]);
const soon = { within: 60_000, every: 200 };
const scratch = mkdtempSync(join(tmpdir(), 'tortie-in-'));
let admin = '';

const asAdmin = (...argv: readonly string[]): string => kubectl('--kubeconfig', admin, ...argv);
const chart = (...argv: readonly string[]): string =>
  helm('--kubeconfig', admin, '-n', 'kube-system', ...argv);

/** What of ours the server has, as "kind/name". */
const present = (): readonly string[] =>
  asAdmin(
    ...['get', '-A', '-l', 'app.kubernetes.io/name=tortie', '-o', 'name'],
    [
      ...['serviceaccounts', 'daemonsets', 'deployments', 'poddisruptionbudgets', 'roles', 'rolebindings'],
      ...[
        'clusterroles',
        'clusterrolebindings',
        'validatingadmissionpolicies',
        'validatingadmissionpolicybindings',
      ],
    ].join(),
  )
    .split('\n')
    .filter((line) => line !== '')
    .sort();

beforeAll(async () => {
  await api.start();
  admin = api.kubeconfig('admin', address);
});
afterAll(async () => {
  await api.close();
  await ground.close();
  rmSync(scratch, { recursive: true });
});

test('kubectl applies the single manifest, again without a change, and deletes it', () => {
  const apply = () => asAdmin('apply', '--server-side', '-f', 'deploy/manifest/tortie.yaml');
  const first = apply().trim().split('\n');
  expect(first.length).toBe(objectsOf(readFileSync(`${root}deploy/manifest/tortie.yaml`, 'utf8')).length);
  expect(
    asAdmin('apply', '-f', 'deploy/manifest/tortie.yaml', '--server-side', '--dry-run=server'),
  ).toBeTruthy();
  expect(present().length).toBeGreaterThan(12);
  asAdmin('delete', '--wait=false', '-f', 'deploy/manifest/tortie.yaml');
  expect(present()).toEqual([]);
});

test('helm installs it into an empty cluster with one command, pools included', async () => {
  await eventually(() => {
    // The definitions of before are gone for good.
    expect(asAdmin('get', 'crds', '-o', 'name')).toBe('');
  }, soon);
  chart(
    ...['install', 'tortie', 'deploy/chart', '--set', 'ipam=blocks'],
    ...['--set', 'ipPools[0].name=pods,ipPools[0].cidr=10.244.0.0/16,ipPools[0].blockSize=26'],
    ...['--set', 'bgpConfiguration.asNumber=64500'],
  );
  expect(chart('list', '-o', 'json')).toContain('"status":"deployed"');
  expect(asAdmin('get', 'ippools', '-o', 'jsonpath={.items[*].spec.blockSize}')).toBe('26');
  expect(asAdmin('get', 'bgpconfigurations', 'default', '-o', 'jsonpath={.spec.asNumber}')).toBe('64500');
  const node = JSON.parse(
    asAdmin('-n', 'kube-system', 'get', 'ds', 'tortie-node', '-o', 'json'),
  ) as ChartObject;
  expect(node.spec?.template?.spec.containers.map(({ name }) => name)).toEqual(['bgp', 'felix']);
});

/** A token as kubelet gets one for a pod: it names the pod and its node. */
async function tokenFor(pod: string | undefined, account = 'tortie-node'): Promise<string> {
  const path = `/api/v1/namespaces/kube-system/serviceaccounts/${account}/token`;
  const bound = pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod } };
  const { status, body } = await api.request('POST', path, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 3600, ...bound },
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return (body as { readonly status: { readonly token: string } }).status.token;
}

/** Path of a kubeconfig of that account, and of that pod if there is one. */
async function kubeconfigOf(name: string, account: string, pod?: string): Promise<string> {
  const config = parse(readFileSync(admin, 'utf8')) as { users: { user: { token: string } }[] };
  const path = join(scratch, name);
  const [first] = config.users;
  if (first !== undefined) first.user.token = await tokenFor(pod, account);
  writeFileSync(path, stringify(config), { mode: 0o600 });
  return path;
}

/** kubectl as the node agent of that pod. */
async function agent(name: string, pod?: string): Promise<(...argv: readonly string[]) => string> {
  const path = await kubeconfigOf(name, 'tortie-node', pod);
  return (...argv) => kubectl('--kubeconfig', path, ...argv);
}

/** As the daemons do it: a merge patch of the status alone, without reading it. */
async function patchStatus(node: string, token: string): Promise<unknown> {
  const path = `/apis/projectcalico.org/v3/caliconodestatuses/${node}/status`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/merge-patch+json' };
  const asked = request(`https://${address}:6443${path}`, { method: 'PATCH', ca: api.certificate, headers });
  asked.end('{"status":{"lastUpdated":"2026-01-01T00:00:00Z"}}');
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return json(response);
}

const manifest = (kind: string, name: string, spec: object): string => {
  const path = join(scratch, 'object.yaml');
  writeFileSync(path, stringify({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec }));
  return path;
};
const status = (node: string): string =>
  manifest('CalicoNodeStatus', node, { node, classes: ['BGP'], updatePeriodSeconds: 0 });
const affinity = (node: string, state = 'pending'): string =>
  manifest('BlockAffinity', `${node}-10-244-0-0-26`, {
    node,
    cidr: '10.244.0.0/26',
    state,
    type: 'host',
    deleted: false,
  });
const block = (node: string, cidr = '10.244.0.0/26'): string =>
  manifest('IPAMBlock', cidr.replace(/[./]/g, '-'), {
    ...{ cidr, affinity: `host:${node}`, allocations: Array(64).fill(null), attributes: [], deleted: false },
    ...{
      unallocated: Array.from({ length: 64 }, (_, index) => index),
      strictAffinity: false,
      sequenceNumber: 1,
    },
    sequenceNumberForAllocation: {},
  });

/** The block of node1 as it is now, but with other fields of its spec. */
function changed(as: (...argv: readonly string[]) => string, spec: object): string {
  const now = JSON.parse(as('get', 'ipamblock', '10-244-0-0-26', '-o', 'json')) as { readonly spec: object };
  const path = join(scratch, 'object.yaml');
  writeFileSync(path, stringify({ ...now, spec: { ...now.spec, ...spec } }));
  return path;
}

test('a node agent writes the objects of its own node, and is refused in words for another’s', async () => {
  for (const node of ['node1', 'node2']) {
    await api.request('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: node } });
    const made = await api.request('POST', '/api/v1/namespaces/kube-system/pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `agent-${node}`, namespace: 'kube-system' },
      spec: {
        nodeName: node,
        serviceAccountName: 'tortie-node',
        containers: [{ name: 'felix', image: 'tortie' }],
      },
    });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
  }
  const one = await agent('one', 'agent-node1');
  const two = await agent('two', 'agent-node2');
  const nobody = await agent('nobody');
  // The policy holds from a moment after it was made.
  await eventually(
    () => expect(() => two('create', '--dry-run=server', '-f', status('node1'))).toThrow(/of node node1/),
    soon,
  );

  expect(one('create', '-f', status('node1'))).toContain('created');
  expect(() => two('create', '-f', status('node9'))).toThrow(
    /agent of node node2 may write no CalicoNodeStatus but its own/,
  );
  expect(() => nobody('create', '-f', status('node2'))).toThrow(/names no node, so it may write nothing/);
  expect(await patchStatus('node1', await tokenFor('agent-node1'))).toMatchObject({
    kind: 'CalicoNodeStatus',
  });
  expect(await patchStatus('node1', await tokenFor('agent-node2'))).toMatchObject({
    message: expect.stringContaining('of node node1'),
  });

  expect(one('create', '-f', affinity('node1'))).toContain('created');
  expect(() => two('create', '-f', affinity('node9'))).toThrow(/may not claim a block for another node/);
  const claim = ['delete', 'blockaffinity', 'node1-10-244-0-0-26'];
  expect(() => two(...claim)).toThrow(/drop another's claim that is not pendingDeletion/);

  expect(one('create', '-f', block('node1'))).toContain('created');
  expect(() => two('create', '-f', block('node1', '10.244.1.0/26'))).toThrow(/create blocks of its own only/);
  expect(() => two('replace', '-f', changed(one, { affinity: 'host:node2' }))).toThrow(
    /may not make a block of .*host:node1.* one of .*host:node2/,
  );
  // Borrowing: an address of another's block, which stays the other's and cannot go.
  const given = (attribute: object) => ({
    allocations: [0, ...Array(63).fill(null)],
    attributes: [{ handle_id: 'h', secondary: { node: 'node2' }, ...attribute }],
  });
  expect(two('replace', '-f', changed(one, given({})))).toContain('replaced');
  expect(() => two('delete', 'ipamblock', '10-244-0-0-26')).toThrow(/that has an address in use/);
  // An empty block is taken back, claim and all, as when a pool has no other.
  expect(two('replace', '-f', changed(one, given({ releasedAt: '2026-01-01T00:00:00Z' })))).toContain(
    'replaced',
  );
  expect(two('delete', 'ipamblock', '10-244-0-0-26')).toContain('deleted');
  expect(two('replace', '-f', affinity('node1', 'pendingDeletion'))).toContain('replaced');
  expect(two(...claim)).toContain('deleted');
  // Whoever else may, may.
  expect(asAdmin('delete', 'caliconodestatus', 'node1')).toContain('deleted');
});

test('an upgrade back to pod CIDRs and a rollback are one command each', () => {
  chart('upgrade', 'tortie', 'deploy/chart', '--reuse-values', '--set', 'ipam=pod-cidrs');
  const args = (): string =>
    asAdmin(
      '-n',
      'kube-system',
      'get',
      'ds',
      'tortie-node',
      '-o',
      'jsonpath={.spec.template.spec.containers[*].args}',
    );
  expect(args()).toContain('--ipam=pod-cidrs');
  chart('rollback', 'tortie', '1');
  expect(args()).toContain('--ipam=blocks');
});

test('helm uninstall leaves the definitions and what people made of them, and nothing else', () => {
  // Nobody runs pods here, so the hook that cleans nodes would wait for ever.
  chart('uninstall', 'tortie', '--no-hooks');
  expect(present()).toEqual([]);
  expect(asAdmin('get', 'ippools', '-o', 'name').trim()).toBe('ippool.projectcalico.org/pods');
});

test('the hook of helm uninstall ends when every node is clean, and not before', async () => {
  const path = join(scratch, 'object.yaml');
  writeFileSync(path, render('--show-only', 'templates/uninstall.yaml'));
  expect(asAdmin('create', '-f', path).trim().split('\n')).toHaveLength(5);
  const [job] = objectsOf(readFileSync(path, 'utf8')).filter(({ kind }) => kind === 'Job');
  const args = job === undefined ? [] : containersOf(job).flatMap((one) => one.args);
  expect(args).toEqual(['clean', '--wait-for', 'kube-system/tortie-clean']);
  const env = { KUBECONFIG: await kubeconfigOf('clean', 'tortie-clean') };
  // 127.0.0.1 and the test's own link are the same server.
  const waiting = ground.tortie('api', args, { env });
  const done = (ready: number): Promise<unknown> =>
    api.request(
      'PATCH',
      '/apis/apps/v1/namespaces/kube-system/daemonsets/tortie-clean/status',
      {
        status: {
          observedGeneration: 1,
          desiredNumberScheduled: 2,
          numberReady: ready,
          currentNumberScheduled: 2,
          numberMisscheduled: 0,
        },
      },
      'application/merge-patch+json',
    );
  const asked = (): number => api.audit().filter(({ user }) => user.endsWith(':tortie-clean')).length;
  await done(1);
  await eventually(() => expect(asked(), waiting.output()).toBeGreaterThan(1), soon);
  const before = asked();
  await eventually(() => expect(asked(), waiting.output()).toBeGreaterThan(before + 1), soon);
  expect(waiting.process.exitCode).toBeNull();
  await done(2);
  await eventually(() => expect(waiting.process.exitCode, waiting.output()).toBe(0), soon);
});
