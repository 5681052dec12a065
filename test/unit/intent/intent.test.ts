import { describe, expect, test } from 'vitest';
import type { SpeakerConfig } from '../../../bgp/config.ts';
import { intentOf } from '../../../bgp/intent.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import type { BgpPeer, Resource } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, ipPool, node } from '../../support/resources.ts';
import { address, as, prefix, v4 } from '../../support/wire.ts';

const one = node('node1', { ips: ['10.0.0.1', 'fd00::1'], podCidrs: ['10.244.1.0/24', 'fd01:0:0:1::/64'] });
const two = node('node2', { ips: ['10.0.0.2', 'fd00::2'], podCidrs: ['10.244.2.0/24'] });
const three = node('node3', { ips: ['10.0.0.3'], podCidrs: ['10.244.3.0/24'] });

function configOf(resources: readonly Resource[], name = 'node1'): SpeakerConfig {
  const { config } = intentOf(name, resources);
  if (config === undefined) throw new Error('no configuration');
  return config;
}
const names = (resources: readonly Resource[], name = 'node1'): string[] =>
  configOf(resources, name).peers.map((peer) => peer.name);
const problems = (resources: readonly Resource[], name = 'node1'): string[] =>
  intentOf(name, resources).problems.map(formatProblem);

describe('the node itself', () => {
  test('without BGPConfiguration it is AS 64512, port 179, and meshed, as Calico assumes', () => {
    expect(configOf([one, two])).toMatchObject({
      asn: 64512,
      listenPort: 179,
      peers: [{ name: 'Mesh_10_0_0_2' }],
    });
  });

  test('it originates its pod CIDRs with its own addresses as next hops, and is known by its IPv4 address', () => {
    expect(configOf([one])).toMatchObject({
      routerId: v4('10.0.0.1'),
      ownAddress: { ipv4: address('10.0.0.1'), ipv6: address('fd00::1') },
      origins: [prefix('10.244.1.0/24'), prefix('fd01:0:0:1::/64')],
    });
  });

  test('the address annotations, with or without a length, go before InternalIP', () => {
    const annotations = {
      'projectcalico.org/IPv4Address': '192.0.2.1/24',
      'projectcalico.org/IPv6Address': '2001:db8::1',
    };
    expect(configOf([node('node1', { ips: ['10.0.0.1', 'fd00::1'], annotations })]).ownAddress).toEqual({
      ipv4: address('192.0.2.1'),
      ipv6: address('2001:db8::1'),
    });
  });

  test('an annotation that is not an address of its version is told, and InternalIP is used', () => {
    const resources = [
      node('node1', { ips: ['10.0.0.1'], annotations: { 'projectcalico.org/IPv4Address': 'fd00::1/64' } }),
    ];
    expect(configOf(resources).ownAddress).toEqual({ ipv4: address('10.0.0.1') });
    expect(problems(resources)).toEqual([
      `Node/node1 annotation projectcalico.org/IPv4Address: "fd00::1/64" is not an IPv4 address, so the node's InternalIP is used instead. Write an IPv4 address, with or without a prefix length, or remove the annotation.`,
    ]);
  });

  test('without IPv4 its identifier is a hash of its name: stable, not zero, and like a host address', () => {
    const id = configOf([node('node1', { ips: ['fd00::1'] })]).routerId;
    expect(id).toBe(configOf([node('node1', { ips: ['fd00::9'] })]).routerId);
    expect(id).not.toBe(configOf([node('node2', { ips: ['fd00::1'] })], 'node2').routerId);
    expect(id >>> 24).toBeGreaterThan(0);
    expect(id >>> 24).toBeLessThan(127);
  });

  test('no Node object, or one without any address, gives no configuration and says why', () => {
    expect(intentOf('node9', [one])).toEqual({
      config: undefined,
      problems: [
        expect.objectContaining({ where: 'Node/node9', what: expect.stringContaining('no such Node') }),
      ],
    });
    expect(intentOf('node4', [node('node4')])).toEqual({
      config: undefined,
      problems: [
        expect.objectContaining({ where: 'Node/node4', what: expect.stringContaining('cannot speak BGP') }),
      ],
    });
  });

  test('a per-node AS number is followed, here and by the others; one that cannot be is said', () => {
    const own = (ASNumber: string) =>
      node('node1', { ips: ['10.0.0.1'], annotations: { 'projectcalico.org/ASNumber': ASNumber } });
    const tor = bgpPeer('tor', '192.0.2.1');
    expect(configOf([own('1.10'), two, tor])).toMatchObject({
      asn: 65546,
      peers: [
        { name: 'Mesh_10_0_0_2', localAsn: 65546, peerAsn: 64512 },
        { name: 'Global_192_0_2_1', localAsn: 65546, peerAsn: 65000 },
      ],
    });
    expect(configOf([own('65001'), two], 'node2')).toMatchObject({
      asn: 64512,
      peers: [{ localAsn: 64512, peerAsn: 65001 }],
    });
    for (const wrong of ['', '0', '23456', '65535', '1.65536', '4294967296', 'x', '-1']) {
      expect(configOf([own(wrong)]).asn).toBe(64512);
      expect(problems([own(wrong)])).toEqual([
        expect.stringContaining(`"${wrong}" is not an AS number a node can have`),
      ]);
    }
  });
});

describe('what a BGPPeer asks of its session', () => {
  const sessionOf = (part: Partial<BgpPeer>) =>
    configOf([one, { ...bgpPeer('tor', '192.0.2.1'), ...part }]).peers[0];

  test('is our AS, the next hop, the source address, and our AS in paths', () => {
    expect(
      sessionOf({ localAsNumber: as(65010), nextHopMode: 'Self', numAllowedLocalAsNumbers: 2 }),
    ).toMatchObject({ localAsn: 65010, nextHopMode: 'self', allowedOwnAs: 2, localAddress: v4('10.0.0.1') });
    expect(sessionOf({ sourceAddress: 'None' })).not.toHaveProperty('localAddress');
    expect(sessionOf({ nextHopMode: 'Keep' })).toMatchObject({ nextHopMode: 'keep' });
  });

  test('keepOriginalNextHop is for another AS only', () => {
    expect(sessionOf({ keepOriginalNextHop: true })).toMatchObject({ nextHopMode: 'keep' });
    expect(sessionOf({ keepOriginalNextHop: true, asNumber: as(64512) })).not.toHaveProperty('nextHopMode');
    expect(
      sessionOf({ keepOriginalNextHop: true, asNumber: as(64512), localAsNumber: as(65010) }),
    ).toMatchObject({ nextHopMode: 'keep' });
  });

  test('its filters are one list of rules for each direction, in order; from a missing one on nothing passes', () => {
    const reject = { action: 'Reject', operations: [] } as const;
    const lists = { exportV4: [], importV4: [reject], exportV6: [], importV6: [] };
    const filter = (name: string): Resource => ({
      kind: 'BGPFilter',
      meta: { name, labels: {}, annotations: {} },
      ...lists,
    });
    const tor = bgpPeer('tor', '192.0.2.1', { filters: ['b', 'a', 'gone'] });
    const all = [one, tor, filter('a'), filter('b')];
    expect(configOf(all).peers[0]?.filters).toEqual({
      importV4: [
        { ...reject, name: 'BGPFilter/b importV4[0]' },
        { ...reject, name: 'BGPFilter/a importV4[0]' },
        { ...reject, name: 'BGPFilter/gone, which is not there' },
      ],
      exportV4: [{ ...reject, name: 'BGPFilter/gone, which is not there' }],
      importV6: [{ ...reject, name: 'BGPFilter/gone, which is not there' }],
      exportV6: [{ ...reject, name: 'BGPFilter/gone, which is not there' }],
    });
    expect(problems(all)).toEqual([expect.stringContaining('There is no BGPFilter/gone')]);
  });

  test('two that describe one neighbour with other filters are told, and the first by name counts', () => {
    const twice = [one, bgpPeer('a', '192.0.2.1'), bgpPeer('b', '192.0.2.1', { filters: ['x'] })];
    expect(problems(twice)).toContainEqual(
      expect.stringContaining('It and BGPPeer/a describe the same neighbour'),
    );
    expect(configOf(twice).peers).toHaveLength(1);
  });
});

describe('the mesh', () => {
  test('is one session per other node, over IPv4 if both have it, and offers the families we have', () => {
    expect(configOf([one, two, three], 'node1').peers).toEqual([
      {
        key: '10.0.0.2 179',
        name: 'Mesh_10_0_0_2',
        origin: 'node-to-node mesh',
        resource: 'node2',
        address: address('10.0.0.2'),
        port: 179,
        peerAsn: 64512,
        localAsn: 64512,
        localAddress: address('10.0.0.1'),
        holdTimeMs: 30_000,
        connectRetryMs: 5_000,
        restartTimeMs: 120_000,
        families: ['ipv4-unicast', 'ipv6-unicast'],
      },
      expect.objectContaining({ name: 'Mesh_10_0_0_3' }),
    ]);
    expect(configOf([one, three], 'node3').peers).toMatchObject([{ families: ['ipv4-unicast'] }]);
  });

  test('runs over IPv6 where a node has nothing else', () => {
    const six = node('node6', { ips: ['fd00::6'] });
    expect(configOf([one, six]).peers).toMatchObject([
      { name: 'Mesh_fd00__6', localAddress: address('fd00::1') },
    ]);
  });

  test('uses the AS and the port of BGPConfiguration', () => {
    expect(configOf([one, two, bgpConfiguration({ asNumber: 65010, listenPort: 1790 })])).toMatchObject({
      asn: 65010,
      listenPort: 1790,
      peers: [{ key: '10.0.0.2 1790', peerAsn: 65010, localAsn: 65010 }],
    });
  });

  test('restarts in the time BGPConfiguration gives, and sessions of BGPPeers in theirs', () => {
    const mesh = { ...bgpConfiguration(), nodeMeshMaxRestartTimeMs: 30_000 };
    const tor = bgpPeer('tor', '10.0.0.99', { maxRestartTimeMs: 300_000 });
    const rest = bgpPeer('rest', '10.0.0.98');
    expect(configOf([one, two, mesh, tor, rest]).peers.map(({ restartTimeMs }) => restartTimeMs)).toEqual([
      30_000, 120_000, 300_000,
    ]);
  });

  test('is off when BGPConfiguration says so', () => {
    expect(names([one, two, bgpConfiguration({ mesh: false })])).toEqual([]);
  });

  test('leaves out a node without an address, and says so', () => {
    expect(names([one, two, node('node4')])).toEqual(['Mesh_10_0_0_2']);
    expect(problems([one, two, node('node4')])).toEqual([
      expect.stringContaining('Node/node4: It has no address'),
    ]);
  });

  test('leaves out a node that shares no IP version with us, and names both', () => {
    expect(problems([three, node('node6', { ips: ['fd00::6'] })], 'node3')).toEqual([
      'Node/node6: It has fd00::6 and Node/node3 has 10.0.0.3: no IP version in common, so they cannot peer. Give both nodes an address of the same IP version.',
    ]);
  });
});

describe('nodes that clash', () => {
  test('two nodes of one address: both are named, and the twin gets no session', () => {
    const twin = node('node2', { ips: ['10.0.0.1'] });
    expect(names([one, twin, three])).toEqual(['Mesh_10_0_0_3']);
    expect(problems([one, twin, three])).toEqual([
      expect.stringMatching(/Node\/node2: It has the address 10\.0\.0\.1, and so has Node\/node1/),
    ]);
  });

  test('two other nodes of one address: one session to it, and both are named', () => {
    const twins = [node('node4', { ips: ['10.0.0.4'] }), node('node5', { ips: ['10.0.0.4'] })];
    expect(names([one, ...twins])).toEqual(['Mesh_10_0_0_4']);
    expect(problems([one, ...twins])).toEqual([expect.stringMatching(/Node\/node5.*Node\/node4/)]);
  });

  test('two other nodes that share their IPv6 address only still get a session each over IPv4', () => {
    const twins = [
      node('node4', { ips: ['10.0.0.4', 'fd00::4'] }),
      node('node5', { ips: ['10.0.0.5', 'fd00::4'] }),
    ];
    expect(names([one, ...twins])).toEqual(['Mesh_10_0_0_4', 'Mesh_10_0_0_5']);
  });

  test('an equal pod CIDR names both nodes', () => {
    expect(problems([one, node('node2', { ips: ['10.0.0.2'], podCidrs: ['10.244.1.0/24'] })])).toEqual([
      'Node/node2 spec.podCIDRs: The pod CIDR 10.244.1.0/24 is also that of Node/node1: their pods cannot be told apart by address. Give each node a pod CIDR of its own; replacing the Node object makes the API server choose a new one.',
    ]);
  });

  test('an overlap between any two nodes names both, nested ones too', () => {
    const nodes = [
      node('a', { ips: ['10.0.0.4'], podCidrs: ['10.0.0.0/8'] }),
      node('b', { ips: ['10.0.0.5'], podCidrs: ['10.244.2.0/25'] }),
    ];
    const told = problems([one, two, ...nodes]);
    expect(told).toHaveLength(4);
    expect(told).toContainEqual(
      expect.stringMatching(/^Node\/b .*10\.244\.2\.0\/25 lies inside 10\.244\.2\.0\/24 of Node\/node2/),
    );
    expect(told).toContainEqual(
      expect.stringMatching(/^Node\/node1 .*lies inside 10\.0\.0\.0\/8 of Node\/a/),
    );
  });

  test('a hashed identifier that is someone else’s address is told', () => {
    const six = node('node6', { ips: ['fd00::6'] });
    const hash = configOf([six], 'node6').routerId;
    const text = [24, 16, 8, 0].map((shift) => (hash >>> shift) & 255).join('.');
    expect(problems([six, node('node7', { ips: [text, 'fd00::7'] })], 'node6')).toEqual([
      expect.stringContaining('Its BGP identifier would be'),
    ]);
  });
});

describe('BGPPeers', () => {
  test('a global one is for every node, and the node it points at has the other side of each session', () => {
    const peer = bgpPeer('tor', '10.0.0.3', { asNumber: 64512 });
    expect(names([one, three, peer])).toEqual(['Global_10_0_0_3']);
    expect(names([one, three, peer], 'node3')).toEqual(['Node_10_0_0_1']);
    expect(problems([one, three, peer], 'node3')).toEqual([]);
  });

  test('node and nodeSelector choose the nodes', () => {
    const labelled = node('node1', { ips: ['10.0.0.1'], labels: { rack: 'a' } });
    const peers = [
      bgpPeer('byname', '10.9.0.1', { node: 'node1' }),
      bgpPeer('othername', '10.9.0.2', { node: 'node2' }),
      bgpPeer('bylabel', '10.9.0.3', { nodeSelector: "rack == 'a'" }),
      bgpPeer('otherlabel', '10.9.0.4', { nodeSelector: "rack == 'b'" }),
    ];
    expect(names([labelled, ...peers])).toEqual(['Node_10_9_0_3', 'Node_10_9_0_1']);
  });

  test('its port is the given one, a node’s listen port, or 179', () => {
    const resources = [
      one,
      two,
      bgpConfiguration({ listenPort: 1790, mesh: false }),
      bgpPeer('given', '10.9.0.1', { port: 1179 }),
      bgpPeer('node', '10.0.0.2'),
      bgpPeer('tor', 'fd00::ffff'),
    ];
    expect(configOf(resources).peers.map(({ key, name }) => [key, name])).toEqual([
      ['10.9.0.1 1179', 'Global_10_9_0_1_port_1179'],
      ['10.0.0.2 1790', 'Global_10_0_0_2'],
      ['fd00::ffff 179', 'Global_fd00__ffff'],
    ]);
  });

  test('a keepalive time makes a hold time of three, up to what OPEN can say', () => {
    const times = (keepaliveTimeMs: number) =>
      configOf([one, bgpPeer('tor', '10.9.0.1', { keepaliveTimeMs })]).peers.map((peer) => [
        peer.keepaliveTimeMs,
        peer.holdTimeMs,
      ]);
    expect(times(1_000)).toEqual([[1_000, 3_000]]);
    expect(times(30_000_000)).toEqual([[30_000_000, 65_535_000]]);
  });

  test('what is said of a node’s address replaces the mesh session with it', () => {
    expect(
      configOf([one, two, three, bgpPeer('special', '10.0.0.2', { asNumber: 64512, keepaliveTimeMs: 5_000 })])
        .peers,
    ).toMatchObject([{ name: 'Mesh_10_0_0_3' }, { name: 'Global_10_0_0_2', holdTimeMs: 15_000 }]);
  });

  test('two that say the same of one neighbour are one session', () => {
    const resources = [one, bgpPeer('a', '10.9.0.1', { node: 'node1' }), bgpPeer('b', '10.9.0.1')];
    expect(names(resources)).toEqual(['Global_10_9_0_1']);
    expect(problems(resources)).toEqual([]);
  });

  test('where they disagree, a global one wins, then the first by name, and both are named', () => {
    const resources = [
      one,
      bgpPeer('a', '10.9.0.1', { node: 'node1', asNumber: 65001 }),
      bgpPeer('c', '10.9.0.1', { asNumber: 65003 }),
      bgpPeer('b', '10.9.0.1', { asNumber: 65002 }),
    ];
    expect(configOf(resources).peers).toMatchObject([{ name: 'Global_10_9_0_1', peerAsn: as(65002) }]);
    expect(problems(resources)).toEqual([
      expect.stringMatching(
        /^BGPPeer\/c: It and BGPPeer\/b describe the same neighbour, 10\.9\.0\.1 port 179, differently; BGPPeer\/b counts/,
      ),
      expect.stringMatching(/^BGPPeer\/a: It and BGPPeer\/b/),
    ]);
  });

  test('one whose IP version this node does not have is told and left out', () => {
    const resources = [three, bgpPeer('tor6', 'fd00::ffff')];
    expect(names(resources, 'node3')).toEqual([]);
    expect(problems(resources, 'node3')).toEqual([
      'BGPPeer/tor6 spec.peerIP: fd00::ffff cannot be reached from Node/node3, which has no IPv6 address. Give the node an IPv6 address, or use another address of the neighbour.',
    ]);
  });
});

describe('policy', () => {
  test('pools, disabled ones too, and other nodes’ pod CIDRs may come in; our own never', () => {
    const resources = [one, two, three, ipPool('10.244.0.0/16'), ipPool('10.245.0.0/16', { disabled: true })];
    expect(configOf(resources).importPolicy).toEqual({
      within: ['10.244.0.0/16', '10.244.2.0/24', '10.244.3.0/24', '10.245.0.0/16'].map(prefix),
      never: [prefix('10.244.1.0/24'), prefix('fd01:0:0:1::/64')],
      blocks: [],
      services: [],
    });
  });

  test('nothing comes in of a pool that is for load balancers only, nor of addresses of Services', () => {
    const pools = [ipPool('10.244.0.0/16'), ipPool('10.9.0.0/24', { allowedUses: ['LoadBalancer'] })];
    const services = bgpConfiguration({ clusterIps: ['10.96.0.0/12'], loadBalancerIps: ['10.9.0.0/24'] });
    expect(configOf([one, ...pools, services]).importPolicy).toMatchObject({
      within: [prefix('10.244.0.0/16')],
      services: [prefix('10.9.0.0/24'), prefix('10.96.0.0/12')],
    });
  });

  test('a pool with disableBGPExport is not announced', () => {
    expect(
      configOf([one, ipPool('10.244.0.0/16'), ipPool('10.250.0.0/16', { disableBgpExport: true })])
        .exportDeny,
    ).toEqual([prefix('10.250.0.0/16')]);
  });
});
