/**
 * What a node tells each kind of neighbour, row by row as Calico does: from resources to what the export policy says.
 * What no row of a kernel is asked about (default route, routes of hosts) the speaker never reads, so it cannot tell it.
 */
import { describe, expect, test } from 'vitest';
import type { SpeakerConfig } from '../../../bgp/config.ts';
import { type IpamMode, intentOf } from '../../../bgp/intent.ts';
import { compileExport } from '../../../bgp/policy/export.ts';
import { compileGuard, compileImport } from '../../../bgp/policy/import.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, blockAffinity, ipPool, node, nodePeer } from '../../support/resources.ts';
import { routeOf, sequence } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const cluster = { 'projectcalico.org/RouteReflectorClusterID': '244.0.0.1' };
const one = node('node1', { ips: ['10.0.0.1'] });
const two = node('node2', { ips: ['10.0.0.2'] });
const reflector = node('node1', { ips: ['10.0.0.1'], labels: { rr: 'true' }, annotations: cluster });
const world: readonly Resource[] = [
  two,
  node('node3', { ips: ['10.0.0.3'] }),
  bgpPeer('tor', '10.0.0.254'),
  ipPool('10.244.0.0/16'),
  ipPool('10.250.0.0/16', { disableBgpExport: true }),
  blockAffinity('node1', '10.244.1.0/26'),
  blockAffinity('node1', '10.250.1.0/26'),
  blockAffinity('node1', '10.244.9.0/26', { state: 'pending' }),
  bgpConfiguration({ loadBalancerIps: ['192.0.2.0/24'], clusterIps: ['10.96.0.0/12'] }),
];
const asNode = [one, ...world];
const asReflector = [reflector, nodePeer('rr', 'has(rr)', { nodeSelector: '!has(rr)' }), ...world];

function configOf(resources: readonly Resource[], ipam: IpamMode = 'blocks'): SpeakerConfig {
  const { config } = intentOf('node1', resources, ipam);
  if (config === undefined) throw new Error('no configuration');
  return config;
}

const own = routeOf({ key: 'local', type: 'local' }, { nextHop: v4('10.0.0.1') });
const byNode = routeOf(
  { key: '10.0.0.3 179', type: 'ibgp', address: address('10.0.0.3') },
  { localPref: 100, nextHop: v4('10.0.0.3') },
);
const byClient: Path = { ...byNode, source: { ...byNode.source, isClient: true } };
const byTor = routeOf(
  { key: '192.0.2.9 179', type: 'ebgp' },
  { asPath: sequence(65000), nextHop: v4('10.0.0.254') },
);

/** "told", "originated, not told" …: whether the neighbour hears of it. */
function isTold(config: SpeakerConfig, to: string, where: string, path: Path): boolean {
  const peer = config.peers.find(({ address: at }) => at === address(to));
  if (peer === undefined) throw new Error(`no session with ${to}`);
  const rule = compileExport(config, peer, { families: ['ipv4-unicast'] });
  return rule(prefix(where), path).ok;
}
const originates = (config: SpeakerConfig, where: string): boolean => config.origins.includes(prefix(where));
/** It comes into the Loc-RIB when the node at 10.0.0.2 or 10.0.0.3 tells it. */
function isTaken(config: SpeakerConfig, where: string): boolean {
  const peer = config.peers.find(({ address: at }) => at === address('10.0.0.3'));
  if (peer === undefined) throw new Error('no session with node3');
  return compileImport(config, peer, compileGuard(config))(prefix(where), byNode).ok;
}

const [mesh, tor, client] = ['10.0.0.2', '10.0.0.254', '10.0.0.2'];

describe('what a node originates', () => {
  const config = configOf(asNode);

  test.each([
    ['its own confirmed block', '10.244.1.0/26', true],
    ['a pod inside its own block, which the block stands for', '10.244.1.7/32', false],
    ['a block that it has only claimed', '10.244.9.0/26', false],
    ['a block of another node', '10.244.2.0/26', false],
  ])('%s: %s is %s', (_, where, expected) => {
    expect(originates(config, where)).toBe(expected);
  });

  test('with pod CIDRs instead of blocks is these', () => {
    const withCidr = node('node1', { ips: ['10.0.0.1'], podCidrs: ['10.244.1.0/24'] });
    expect(configOf([withCidr, ...world], 'pod-cidrs').origins).toEqual([prefix('10.244.1.0/24')]);
  });
});

describe('who is told', () => {
  const [plain, reflecting] = [configOf(asNode), configOf(asReflector)];

  test.each<readonly [what: string, where: string, path: Path, mesh: boolean, tor: boolean, client: boolean]>(
    [
      ['the own block', '10.244.1.0/26', own, true, true, true],
      ['a pod of ours from a borrowed block', '10.244.2.7/32', own, true, true, true],
      ['another node’s block', '10.244.2.0/26', byNode, false, true, true],
      ['another node’s pod from a borrowed block', '10.244.3.7/32', byNode, false, true, true],
      ['what the ToR told', '10.244.5.0/26', byTor, true, false, true],
      ['a block of a pool with disableBGPExport', '10.250.1.0/26', own, false, false, false],
      ['another node’s of such a pool', '10.250.2.0/26', byNode, false, false, false],
      ['a range of Services', '192.0.2.0/24', own, true, true, true],
      ['a Service of ours', '192.0.2.7/32', own, true, true, true],
    ],
  )('%s (%s)', (_, where, path, toMesh, toTor, toClient) => {
    const reflected = path === byNode ? byClient : path;
    const fromTor = { ...path, source: { ...path.source, key: '10.0.0.254 179' } };
    expect({
      mesh: isTold(plain, mesh, where, path),
      tor: isTold(plain, tor, where, path === byTor ? fromTor : path),
      client: isTold(reflecting, client, where, reflected),
    }).toEqual({ mesh: toMesh, tor: toTor, client: toClient });
  });
});

describe('addresses of Services that other nodes announce', () => {
  test('are told on by a reflector, for load balancers and external addresses, and never written to its kernel', () => {
    const config = configOf(asReflector);
    expect(isTaken(config, '192.0.2.0/24')).toBe(true);
    expect(isTaken(config, '192.0.2.7/32')).toBe(true);
    expect(isTold(config, client, '192.0.2.7/32', byClient)).toBe(true);
    expect(config.unprogrammed).toEqual([prefix('192.0.2.0/24')]);
    expect(isTaken(config, '10.96.0.0/12')).toBe(false);
  });

  test('are not even taken by other nodes', () => {
    const config = configOf(asNode);
    expect(isTaken(config, '192.0.2.7/32')).toBe(false);
    expect(config.unprogrammed).toBeUndefined();
  });
});

test('what a pod of ours has from another node’s block is taken back by nobody: a /32 inside our own blocks is another’s', () => {
  const config = configOf(asNode);
  expect(isTaken(config, '10.244.1.9/32')).toBe(true);
  expect(isTaken(config, '10.244.1.0/26')).toBe(false);
  expect(isTaken(config, '10.244.1.0/27')).toBe(false);
});
