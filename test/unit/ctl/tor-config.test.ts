/** What a router is told, by vendor. FRR and BIRD load it in test/netns/tor-config.test.ts; the others are for people to review. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { expectGolden } from '../../support/golden.ts';
import { bgpConfiguration, bgpPeer, ipPool, nodeManifest } from '../../support/rack.ts';

const directory = mkdtempSync(join(tmpdir(), 'tortie-tor-'));
afterAll(() => rmSync(directory, { recursive: true }));
const script = new URL('../../../src/tortie.sh', import.meta.url).pathname;

function put(...manifests: readonly object[]): void {
  const documents = manifests.map((manifest) => JSON.stringify(manifest)).join('\n---\n');
  writeFileSync(join(directory, 'all.yaml'), documents);
}

const torConfig = (...words: readonly string[]) =>
  spawnSync(script, ['ctl', '--datastore', `dir:${directory}`, 'bgp', 'tor-config', ...words], {
    encoding: 'utf8',
  });

const nodes = [1, 2].map((number) =>
  nodeManifest(`node${number}`, [`172.30.0.1${number}`, `fd00:30::1${number}`], [`10.244.${number}.0/24`]),
);
const all = [
  ...nodes,
  ipPool('pods', '10.244.0.0/16'),
  bgpConfiguration({ asNumber: 64600, serviceClusterIPs: [{ cidr: '10.96.0.0/12' }] }),
  bgpPeer('tor', '172.30.0.1', 65000, {
    keepaliveTime: '10s',
    ttlSecurity: 1,
    role: 'customer',
    bfd: { minimumSendInterval: '300ms', minimumRecvInterval: '250ms', multiplier: 3 },
    password: { secretKeyRef: { name: 'bgp', key: 'tor' } },
  }),
];

test.each(['frr', 'bird', 'eos', 'nxos', 'junos'])('the side of a %s router', (vendor) => {
  put(...all);
  const { stdout, stderr, status } = torConfig('--vendor', vendor);
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expectGolden(
    `tor-${vendor}.txt`,
    `What ${vendor} is told of two nodes: password, TTL, BFD, role and prefixes must all be there.`,
    stdout,
  );
});

test.each(['frr', 'bird', 'eos', 'nxos', 'junos'])(
  'no password is ever printed, but where it is: %s',
  (vendor) => {
    put(...all);
    expect(torConfig('--vendor', vendor).stdout).toMatch(/<tor[ -]of[ -]Secret[ -]bgp>/);
  },
);

test('a range takes the place of the nodes, where all fit into it', () => {
  put(...all);
  expect(torConfig('--range', '172.30.0.0/24').stdout).toContain(
    'bgp listen range 172.30.0.0/24 peer-group tortie-tor',
  );
  const outside = torConfig('--range', '172.30.0.0/29');
  expect(outside.status).toBe(2);
  expect(outside.stderr).toContain('Node/node1 dials from 172.30.0.11, which is not inside 172.30.0.0/29.');
  expect(torConfig('--range', 'nonsense').stderr).toContain('"nonsense" is not a prefix');
});

test('with two routers one must be named, by address or BGPPeer', () => {
  put(...all, bgpPeer('tor2', '172.30.0.2', 65002));
  expect(torConfig()).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Say which router with --peer: 172.30.0.1, 172.30.0.2.'),
  });
  expect(torConfig('--peer', 'tor2').stdout).toContain('router bgp 65002');
  expect(torConfig('--peer', '172.30.0.1').stdout).toContain('router bgp 65000');
  expect(torConfig('--peer', '172.30.0.3')).toMatchObject({ status: 1, stdout: '' });
});

test("sessions between nodes are no router's", () => {
  put(...nodes, bgpPeer('reflector', '172.30.0.11', 64512));
  expect(torConfig()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('No BGPPeer names a router outside the cluster by peerIP.'),
  });
});
