/** What the lab tells an API server: manifests completed, the right paths, namespaces first, nobody's labels taken away. */
import { describe, expect, test } from 'vitest';
import type { Ask } from '../../../src/lab/api/client.ts';
import { admissible, grants, putAll } from '../../../src/lab/api/cluster.ts';
import { apiObjects } from '../../../src/lab/api/objects.ts';
import { kubeconfigFor } from '../../../src/lab/api/server.ts';
import { at } from '../../../src/lab/tor/tor.ts';
import type { Json } from '../../../src/store/store.ts';

const core = {
  resources: [
    { kind: 'Pod', name: 'pods', namespaced: true },
    { kind: 'Pod', name: 'pods/status', namespaced: true },
    { kind: 'Namespace', name: 'namespaces', namespaced: false },
  ],
};

/** Serves core/v1, has one Namespace "shop", and says yes to everything. */
function server() {
  const asked: string[] = [];
  const bodies: Json[] = [];
  const ask: Ask = async (method, path, body) => {
    if (method !== 'GET') {
      asked.push(`${method} ${path.replace(/\?.*/, '')}`);
      bodies.push(body ?? null);
    }
    if (path === '/api/v1') return { status: 200, body: core };
    const isThere = path === '/api/v1/namespaces/shop' || method !== 'GET';
    return { status: isThere ? 200 : 404, body: {} };
  };
  return { asked, bodies, objects: apiObjects(ask) };
}

const pod = (name: string, namespace?: string): Json => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
});

describe('what an API server admits', () => {
  test('a container without an image gets one, and its own is kept', () => {
    const given = { kind: 'Pod', spec: { containers: [{ name: 'a' }, { name: 'b', image: 'mine' }] } };
    const containers = at(admissible(given), 'spec', 'containers');
    expect(containers).toEqual([
      { name: 'a', image: 'tortie.lab/none' },
      { name: 'b', image: 'mine' },
    ]);
  });

  test('a Pod without containers gets one', () => {
    expect(at(admissible({ kind: 'Pod' }), 'spec', 'containers')).toHaveLength(1);
  });

  test('a Node is ready unless its manifest says something about that', () => {
    expect(at(admissible({ kind: 'Node' }), 'status', 'conditions')).toMatchObject([
      { type: 'Ready', status: 'True' },
    ]);
    const down = { kind: 'Node', status: { conditions: [{ type: 'Ready', status: 'False' }] } };
    expect(at(admissible(down), 'status', 'conditions')).toEqual(down.status.conditions);
  });

  test('everything else is as it was written', () => {
    const other = { kind: 'ConfigMap', data: { a: '1' } };
    expect(admissible(other)).toEqual(other);
  });
});

describe('putting a cluster', () => {
  test('makes namespaces first, those nobody wrote down too, and leaves those that are there alone', async () => {
    const { asked, objects } = server();
    await putAll(objects, [
      pod('a', 'shop'),
      pod('b', 'other'),
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'mine' } },
    ]);
    expect(asked).toEqual([
      'POST /api/v1/namespaces',
      'PATCH /api/v1/namespaces/mine',
      'PATCH /api/v1/namespaces/shop/pods/a',
      'PATCH /api/v1/namespaces/other/pods/b',
    ]);
  });

  test('writes a status apart, with podIP as the first of podIPs', async () => {
    const { asked, bodies, objects } = server();
    const given = pod('a') as { readonly [key: string]: Json };
    await objects.put({ ...given, status: { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] } });
    expect(asked).toEqual([
      'PATCH /api/v1/namespaces/default/pods/a',
      'PATCH /api/v1/namespaces/default/pods/a/status',
    ]);
    expect(at(bodies[0], 'status')).toBeUndefined();
    expect(at(bodies[1], 'status', 'podIP')).toBe('10.0.0.1');
  });

  test('removes at once, and only the object of the uid that was meant', async () => {
    const { bodies, objects } = server();
    await objects.remove({ apiVersion: 'v1', kind: 'Pod', name: 'a' }, 'u1');
    expect(bodies).toEqual([{ gracePeriodSeconds: 0, preconditions: { uid: 'u1' } }]);
  });
});

test('every role that is installed is bound to the daemon it is for, and nobody gets more', () => {
  const bindings = grants().filter((one) => /Binding$/.test(String(at(one, 'kind'))));
  const holders: Record<string, string> = {
    'tortie-bgp': 'tortie-bgp',
    'tortie-passwords': 'tortie-bgp',
    'tortie-felix': 'tortie-felix',
    'tortie-controller': 'tortie-controller',
  };
  const roles = bindings.map((one) => String(at(one, 'roleRef', 'name')));
  expect(new Set(roles)).toEqual(new Set(Object.keys(holders)));
  expect(bindings.map((one) => at(one, 'subjects'))).toEqual(
    roles.map((role) => [expect.objectContaining({ kind: 'User', name: holders[role] })]),
  );
});

test('a kubeconfig is whole in itself: server, authority and token', () => {
  const text = kubeconfigFor('tortie-bgp', { server: '172.30.0.2:6443', certificate: 'CERT' });
  expect(text).toContain('server: https://172.30.0.2:6443');
  expect(text).toContain(`certificate-authority-data: ${Buffer.from('CERT').toString('base64')}`);
  expect(text).not.toContain('token-of-admin');
});
