/** The bundle, made by the command itself from objects with a secret in every place one was ever seen, and searched for them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { scrub, scrubEvent, scrubLog } from '../../../src/ctl/diags/scrub.ts';
import { allKinds, kinds } from '../../../src/store/kinds.ts';
import type { Manifest } from '../../../src/store/objects.ts';
import { reportManifest } from '../../support/reports.ts';

const launcher = new URL('../../../src/tortie.ts', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'diags-'));
afterAll(() => rmSync(directory, { recursive: true }));

const secret = 'hunter2-do-not-tell';
const lastApplied = {
  'kubectl.kubernetes.io/last-applied-configuration': `{"spec":{"password":"${secret}"}}`,
  'cni.projectcalico.org/podIP': '10.0.0.1/32',
};
const planted: readonly Manifest[] = [
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPPeer',
    metadata: { name: 'tor', annotations: lastApplied, managedFields: [{ manager: secret }] },
    spec: {
      peerIP: '172.30.0.1',
      asNumber: 65000,
      password: { secretKeyRef: { name: secret, key: secret } },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', annotations: lastApplied },
    spec: {
      nodeName: 'node1',
      imagePullSecrets: [{ name: secret }],
      volumes: [{ name: 'v', secret: { secretName: secret } }],
      containers: [
        {
          name: 'main',
          image: `registry/${secret}`,
          args: [`--token=${secret}`],
          command: [secret],
          env: [{ name: 'TOKEN', value: secret }],
          envFrom: [{ secretRef: { name: secret } }],
          ports: [{ containerPort: 80 }],
        },
      ],
    },
    status: {
      phase: 'Running',
      podIPs: [{ ip: '10.0.0.1' }],
      message: secret,
      containerStatuses: [{ imageID: secret }],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node1', annotations: { 'some.cloud/token': secret } },
    spec: { providerID: secret, podCIDRs: ['10.244.1.0/24'], configSource: { token: secret } },
    status: { images: [{ names: [secret] }], addresses: [{ type: 'InternalIP', address: '172.30.0.11' }] },
  },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', annotations: { 'vault/token': secret } } },
  reportManifest('node1') as unknown as Manifest,
];

test('no planted secret is in the archive, what helps is, and only its owner may read it', () => {
  const store = join(directory, 'store');
  mkdirSync(store);
  writeFileSync(join(store, 'all.yaml'), planted.map((one) => stringify(one)).join('---\n'));
  const log = join(directory, 'bgp.log');
  const record = {
    level: 'warn',
    message: `the session ended, password=${secret}`,
    peer: 'tor',
    authorization: secret,
  };
  writeFileSync(log, `${JSON.stringify(record)}\nBearer ${secret}\n`);
  const archive = join(directory, 'out.tar.gz');
  const argv = ['ctl', '--datastore', `dir:${store}`, 'diags', '--file', archive, '--log', log];
  execFileSync(process.execPath, [launcher, ...argv], { stdio: ['ignore', 'pipe', 'ignore'] });

  const unpacked = join(directory, 'unpacked');
  mkdirSync(unpacked);
  execFileSync('tar', ['-xzf', archive, '-C', unpacked, '--strip-components=1']);
  const inside = execFileSync('grep', ['-rl', '', unpacked], { encoding: 'utf8' });
  const everything = inside
    .trim()
    .split('\n')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  expect(everything).not.toContain(secret);
  for (const helpful of [
    '172.30.0.1',
    'asNumber: 65000',
    '10.244.1.0/24',
    'routerId: 172.30.0.11',
    'the session ended',
    'cni.projectcalico.org/podIP',
    'containerPort: 80',
    'net.ipv4.ip_forward',
  ])
    expect(everything).toContain(helpful);
  expect(readFileSync(join(unpacked, 'LACKING.txt'), 'utf8')).toMatch(/bgp\.sock does not answer/);
  expect(statSync(archive).mode & 0o777).toBe(0o600);
});

describe('the allow-list', () => {
  test('lets nothing through in any field it does not name, of any kind', () => {
    const marked = fc.dictionary(
      fc.string({ minLength: 1 }).map((key) => `x${key}`),
      fc.constantFrom(secret, [secret], { inner: secret }),
      { minKeys: 1 },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...allKinds.filter((kind) => kind !== 'CalicoNodeStatus')),
        marked,
        (kind, strange) => {
          const object = {
            apiVersion: kinds[kind].apiVersion,
            kind,
            metadata: { name: 'a', annotations: strange, ...strange },
            spec: strange,
            status: strange,
            data: strange,
            ...strange,
          };
          expect(JSON.stringify(scrub(kind, object as Manifest))).not.toContain(secret);
          expect(JSON.stringify(scrubEvent(object as Manifest))).not.toContain(secret);
        },
      ),
    );
  });

  test.each([
    ['a bearer token', `{"message":"sent Bearer ${secret}"}`],
    ['a password', `{"message":"password: ${secret}"}`],
    [
      'a JSON web token',
      '{"message":"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWh1bnRlcjItZG8tbm90LXRlbGw"}',
    ],
    ['a private key', `{"message":"-----BEGIN EC PRIVATE KEY-----\\n${secret}"}`],
    ['a field of no record of ours', `{"message":"x","config":"${secret}"}`],
    ['a line that is no record', secret],
  ])('of a log leaves out %s', (_, line) => {
    const { text } = scrubLog(line);
    expect(text).not.toContain(secret);
    expect(text).not.toContain('eyJzdWIi');
  });

  test('of a log counts what it leaves out', () => {
    expect(scrubLog('{"message":"a"}\nnonsense\n\n')).toEqual({ text: '{"message":"a"}\n', leftOut: 1 });
  });
});
