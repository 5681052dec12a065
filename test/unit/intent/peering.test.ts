/** Who has a session with whom, row by row as Calico constructs them, and what is said where two things do not fit. */
import { describe, expect, test } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../../bgp/config.ts';
import type { LinkNeighbours } from '../../../bgp/intent/explicit.ts';
import { nothingAround, type Surroundings } from '../../../bgp/intent/surroundings.ts';
import { intentOf } from '../../../bgp/intent.ts';
import { formatAddress, type Ipv6 } from '../../../src/lib/net.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import type { Labels, Resource } from '../../../src/model/resource.ts';
import {
  bgpConfiguration,
  bgpPeer,
  linkPeer,
  node,
  nodeConfiguration,
  nodePeer,
  rangePeer,
} from '../../support/resources.ts';
import { address, as, prefix, v4 } from '../../support/wire.ts';

const cluster = (id: string): Labels => ({ 'projectcalico.org/RouteReflectorClusterID': id });
const one = node('node1', { ips: ['10.0.0.1', 'fd00::1'], labels: { rack: 'a' } });
const two = node('node2', { ips: ['10.0.0.2', 'fd00::2'], labels: { rack: 'a' } });
const three = node('node3', { ips: ['10.0.0.3'], labels: { rack: 'b' } });
const reflector = node('rr1', {
  ips: ['10.0.0.8'],
  labels: { rr: 'true' },
  annotations: cluster('244.0.0.1'),
});
const second = node('rr2', { ips: ['10.0.0.9'], labels: { rr: 'true' }, annotations: cluster('244.0.0.2') });
const twin = node('rr2', { ips: ['10.0.0.9'], labels: { rr: 'true' }, annotations: cluster('244.0.0.1') });
const meshless = bgpConfiguration({ mesh: false });
const toReflectors = nodePeer('to-rr', 'has(rr)', { nodeSelector: '!has(rr)' });
const amongReflectors = nodePeer('rr-mesh', 'has(rr)', { nodeSelector: 'has(rr)' });

function configOf(
  resources: readonly Resource[],
  name = 'node1',
  surroundings: Surroundings = nothingAround,
): SpeakerConfig {
  const { config } = intentOf(name, resources, 'pod-cidrs', surroundings);
  if (config === undefined) throw new Error('no configuration');
  return config;
}
const names = (resources: readonly Resource[], name?: string): string[] =>
  configOf(resources, name).peers.map((peer) => peer.name);
const problems = (resources: readonly Resource[], name = 'node1'): string[] =>
  intentOf(name, resources).problems.map(formatProblem);
const clients = (resources: readonly Resource[], name: string): string[] =>
  configOf(resources, name)
    .peers.filter(({ isClient }) => isClient === true)
    .map((peer) => formatAddress(peer.address));
const sessionAt = (resources: readonly Resource[], name: string, ip: string): PeerConfig | undefined =>
  configOf(resources, name).peers.find((peer) => peer.address === address(ip));

describe('the mesh', () => {
  test('is not there where BGPConfiguration disables it', () => {
    expect(names([one, two, meshless])).toEqual([]);
  });

  test('leaves out every node with a cluster id, both ways, and the mesh of the others stays', () => {
    expect(names([one, two, three, reflector])).toEqual(['Mesh_10_0_0_2', 'Mesh_10_0_0_3']);
    expect(names([one, two, three, reflector], 'rr1')).toEqual([]);
  });

  test('meets each node on the port that it listens on', () => {
    const own = nodeConfiguration('node2', { listenPort: 1790 });
    expect(sessionAt([one, two, own], 'node1', '10.0.0.2')).toMatchObject({ port: 1790 });
    expect(configOf([one, two, own], 'node2')).toMatchObject({ listenPort: 1790, peers: [{ port: 179 }] });
  });
});

describe('a BGPPeer with peerSelector', () => {
  test('is a session with each node it selects, but with oneself, over one address for both families', () => {
    const peer = nodePeer('racks', "rack == 'a'");
    expect(configOf([one, two, three, meshless, peer]).peers).toMatchObject([
      {
        name: 'Global_10_0_0_2',
        resource: 'racks',
        peerAsn: 64512,
        families: ['ipv4-unicast', 'ipv6-unicast'],
      },
      // The other side of what it says of node3.
      { name: 'Node_10_0_0_3', resource: 'racks' },
    ]);
  });

  test('takes the AS of each node from its annotation, else that of all', () => {
    const other = node('node2', {
      ips: ['10.0.0.2'],
      annotations: { 'projectcalico.org/ASNumber': '65001' },
    });
    const peer = nodePeer('all', 'all()');
    expect(sessionAt([one, other, peer], 'node1', '10.0.0.2')).toMatchObject({
      peerAsn: 65001,
      localAsn: 64512,
    });
    expect(sessionAt([one, other, peer], 'node2', '10.0.0.1')).toMatchObject({
      peerAsn: 64512,
      localAsn: 65001,
    });
  });

  test('takes the place of the mesh’s session with that node at both ends', () => {
    const peer = nodePeer('p', "rack == 'b'", { node: 'node1' });
    expect(names([one, two, three, peer])).toEqual(['Mesh_10_0_0_2', 'Node_10_0_0_3']);
    expect(names([one, two, three, peer], 'node3')).toEqual(['Mesh_10_0_0_2', 'Node_10_0_0_1']);
  });

  test('whose nodes have no IP version in common with this one is told', () => {
    const far = node('node6', { ips: ['fd00::6'], labels: { rack: 'z' } });
    expect(problems([three, far, meshless, nodePeer('p', "rack == 'z'")], 'node3')).toEqual([
      'BGPPeer/p spec.peerSelector: It selects Node/node6. It has fd00::6 and Node/node3 has 10.0.0.3: no IP version in common, so they cannot peer. Give both nodes an address of the same IP version.',
    ]);
  });
});

describe('the other side of a session between nodes', () => {
  test('is made up where one BGPPeer names the other node, by selector or by address, and nowhere else', () => {
    const bySelector = nodePeer('p', "rack == 'b'", { node: 'node1' });
    const byAddress = bgpPeer('p', '10.0.0.3', { asNumber: 64512, node: 'node1' });
    for (const peer of [bySelector, byAddress]) {
      expect(names([one, two, three, meshless, peer], 'node3')).toEqual(['Node_10_0_0_1']);
      expect(names([one, two, three, meshless, peer], 'node2')).toEqual([]);
    }
  });

  test('speaks with the AS the first was told to, and expects the one that it uses', () => {
    const peer = bgpPeer('p', '10.0.0.3', {
      asNumber: 64512,
      node: 'node1',
      more: { localAsNumber: as(65100) },
    });
    expect(sessionAt([one, three, peer], 'node1', '10.0.0.3')).toMatchObject({
      localAsn: 65100,
      peerAsn: 64512,
    });
    expect(sessionAt([one, three, peer], 'node3', '10.0.0.1')).toMatchObject({
      localAsn: 64512,
      peerAsn: 65100,
    });
    expect(problems([one, three, peer])).toEqual([]);
  });

  test('has what concerns one direction turned round, and all else the same', () => {
    const peer = nodePeer('p', "rack == 'b'", {
      node: 'node1',
      more: {
        holdTimeMs: 9000,
        connectMode: 'Passive',
        role: { own: 'provider', isStrict: true },
        addPath: { send: 2 },
        filters: ['f'],
        localAsNumber: as(65100),
      },
    });
    const resources = [one, three, meshless, peer];
    expect(sessionAt(resources, 'node1', '10.0.0.3')).toMatchObject({
      holdTimeMs: 9000,
      connect: 'passive',
      role: { own: 'provider', isStrict: true },
      addPath: { send: 2 },
    });
    expect(sessionAt(resources, 'node3', '10.0.0.1')).toMatchObject({
      holdTimeMs: 9000,
      connect: 'active',
      role: { own: 'customer', isStrict: true },
      addPath: { receive: true },
      filters: { exportV4: [{ action: 'Reject' }] },
    });
  });

  test('is not made up with reversePeering Manual; who leaves it at that is told', () => {
    const manual = bgpPeer('p', '10.0.0.3', {
      asNumber: 64512,
      node: 'node1',
      more: { reversePeering: 'Manual' },
    });
    expect(names([one, three, meshless, manual], 'node3')).toEqual([]);
    expect(problems([one, three, meshless, manual])).toEqual([
      'BGPPeer/p: It gives Node/node1 a session with Node/node3, and no BGPPeer gives that node its end of it. Leave out reversePeering Manual, or add a BGPPeer for that node.',
    ]);
    const answer = bgpPeer('q', '10.0.0.1', {
      asNumber: 64512,
      node: 'node3',
      more: { reversePeering: 'Manual' },
    });
    expect(problems([one, three, meshless, manual, answer])).toEqual([]);
    // The mesh's session at the other end is its other side too.
    expect(problems([one, three, manual])).toEqual([]);
  });

  test('is not made up by an address with another AS or port than the node has, and that is told', () => {
    const otherAs = bgpPeer('p', '10.0.0.3', { asNumber: 65000, node: 'node1' });
    expect(names([one, three, meshless, otherAs], 'node3')).toEqual([]);
    expect(problems([one, three, meshless, otherAs])).toEqual([
      expect.stringContaining('It expects AS 65000 of Node/node3, which speaks for AS 64512'),
    ]);
    const otherPort = bgpPeer('p', '10.0.0.3', { asNumber: 64512, node: 'node1', port: 1790 });
    expect(names([one, three, meshless, otherPort], 'node3')).toEqual([]);
    expect(problems([one, three, meshless, otherPort])).toEqual([
      expect.stringContaining('with port 1790 of Node/node3, which listens on port 179'),
    ]);
  });

  test('gives way to a BGPPeer of that node’s own; two that do not fit are told with both names', () => {
    const mine = bgpPeer('mine', '10.0.0.3', { asNumber: 64512, node: 'node1' });
    const yours = (more: object) => bgpPeer('yours', '10.0.0.1', { asNumber: 64512, node: 'node3', more });
    const resources = [one, three, mine, yours({ holdTimeMs: 9000 })];
    expect(sessionAt(resources, 'node3', '10.0.0.1')).toMatchObject({ resource: 'yours', holdTimeMs: 9000 });
    expect(sessionAt(resources, 'node1', '10.0.0.3')).toMatchObject({ resource: 'mine', holdTimeMs: 90_000 });
    expect(problems(resources)).toEqual([]);
    const said = (more: object, own: object = {}): string[] =>
      problems([one, three, { ...mine, ...own }, yours(more)]);
    expect(said({ localAsNumber: as(65100) })).toEqual([
      'BGPPeer/mine: By it Node/node1, and by BGPPeer/yours Node/node3, have a session with each other that does not come up: one speaks for AS 64512 and expects AS 64512, the other speaks for AS 65100 and expects AS 64512. Make asNumber and localASNumber of the two agree.',
    ]);
    expect(said({ password: { name: 'a', key: 'b' } })).toEqual([expect.stringContaining('the same Secret')]);
    expect(said({ connectMode: 'Passive' }, { connectMode: 'Passive' })).toEqual([
      expect.stringContaining('both wait to be dialled'),
    ]);
  });
});

describe('route reflection', () => {
  const resources = [one, two, three, reflector, second, toReflectors, amongReflectors];

  test('RFC 4456: nodes are clients of each reflector, and speak among themselves through it', () => {
    expect(configOf(resources, 'rr1').clusterId).toBe(v4('244.0.0.1'));
    expect(names([one, two, reflector, toReflectors, meshless], 'rr1')).toEqual([
      'Node_10_0_0_1',
      'Node_10_0_0_2',
    ]);
    expect(clients([one, two, reflector, toReflectors], 'rr1')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(names(resources)).toEqual(['Mesh_10_0_0_2', 'Mesh_10_0_0_3', 'Node_10_0_0_8', 'Node_10_0_0_9']);
    expect(clients(resources, 'node1')).toEqual([]);
    expect(configOf(resources).clusterId).toBeUndefined();
  });

  test('a reflector of another cluster is a client, one of the same cluster is an equal', () => {
    expect(clients(resources, 'rr1')).toEqual(['10.0.0.9', '10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect(clients([one, reflector, twin, toReflectors, amongReflectors], 'rr1')).toEqual(['10.0.0.1']);
  });

  test('a router outside is a client inside the AS, and none towards another', () => {
    const inside = bgpPeer('inside', '192.0.2.1', { asNumber: 64512 });
    const outside = bgpPeer('outside', '192.0.2.2', { asNumber: 65000 });
    const asOurs = bgpPeer('as-ours', '192.0.2.3', { asNumber: 65000, more: { localAsNumber: as(65000) } });
    expect(clients([reflector, inside, outside, asOurs], 'rr1').sort()).toEqual(['192.0.2.1', '192.0.2.3']);
  });

  test('two reflectors with one cluster id and not the same clients are told, with a node that misses routes', () => {
    const onlyFirst = nodePeer('only', "rack == 'a'", { node: 'rr1' });
    const said = problems([one, three, reflector, twin, onlyFirst, amongReflectors, meshless], 'rr1');
    expect(said).toEqual([
      expect.stringContaining('and so has Node/rr2, but Node/node1 is a client of the first only'),
    ]);
    expect(problems([one, three, reflector, twin, toReflectors, amongReflectors], 'rr1')).toEqual([]);
    expect(problems([one, three, reflector, second, onlyFirst, amongReflectors, meshless], 'rr1')).toEqual(
      [],
    );
  });

  test('a cluster id that cannot be read is told, and the node stays in the mesh', () => {
    const wrong = node('node2', { ips: ['10.0.0.2'], annotations: cluster('rack-1') });
    expect(names([one, wrong])).toEqual(['Mesh_10_0_0_2']);
    expect(problems([one, wrong])).toEqual([
      'Node/node2 annotation projectcalico.org/RouteReflectorClusterID: "rack-1" is not a cluster id, so the node reflects no routes and takes part in the mesh. Write it like an IPv4 address, for example 244.0.0.1, or remove the annotation.',
    ]);
  });
});

describe('two BGPPeers of one neighbour', () => {
  const tor = (name: string, more: object = {}, over: object = {}) =>
    bgpPeer(name, '192.0.2.1', { ...over, more });

  test('that agree are one session; that differ leave the longer-standing in force, and name both', () => {
    const elder = tor('z-elder', { created: '2030-01-01T00:00:00Z' });
    const younger = tor('a-younger', { created: '2031-01-01T00:00:00Z', holdTimeMs: 9000 });
    expect(configOf([one, younger, elder]).peers).toMatchObject([
      { resource: 'z-elder', holdTimeMs: 90_000 },
    ]);
    expect(problems([one, younger, elder])).toEqual([
      'BGPPeer/a-younger: It and BGPPeer/z-elder describe the same neighbour, 192.0.2.1 port 179, differently; BGPPeer/z-elder counts. Delete one of the two, or make them agree in all but node and nodeSelector.',
    ]);
    expect(problems([one, elder, tor('b', { created: '2031-01-01T00:00:00Z' })])).toEqual([]);
  });

  test('a global one counts before one for the node, whichever is older', () => {
    const ofNode = tor('a', { created: '2030-01-01T00:00:00Z' }, { node: 'node1' });
    const global = tor('b', { created: '2031-01-01T00:00:00Z', holdTimeMs: 9000 });
    expect(names([one, ofNode, global])).toEqual(['Global_192_0_2_1']);
    expect(configOf([one, ofNode, global]).peers).toMatchObject([{ resource: 'b' }]);
  });

  test('peerIP and peerSelector that mean the same node are one neighbour', () => {
    const byAddress = bgpPeer('a', '10.0.0.3', {
      asNumber: 64512,
      node: 'node1',
      more: { holdTimeMs: 9000 },
    });
    const bySelector = nodePeer('b', "rack == 'b'", { node: 'node1' });
    expect(problems([one, three, byAddress, bySelector])).toEqual([
      expect.stringContaining('It and BGPPeer/a describe the same neighbour, 10.0.0.3 port 179, differently'),
    ]);
  });
});

describe('peers from a range', () => {
  test('are a template with what each session has, and no session of their own', () => {
    const peer = rangePeer('hosts', '10.9.0.0/24', { asNumber: as(65001), holdTimeMs: 9000, filters: ['f'] });
    const config = configOf([one, peer]);
    expect(config.peers).toEqual([]);
    expect(config.dynamic).toMatchObject([
      {
        key: 'hosts',
        range: prefix('10.9.0.0/24'),
        peerAsns: [65001],
        limit: 100,
        template: {
          origin: 'global',
          resource: 'hosts',
          localAsn: 64512,
          localAddress: address('10.0.0.1'),
          holdTimeMs: 9000,
        },
      },
    ]);
    expect(config.dynamic?.[0]?.template.filters?.importV4).toMatchObject([{ action: 'Reject' }]);
  });

  test('without asNumber are of any AS but ours, and of ours are clients of a reflector', () => {
    expect(configOf([one, rangePeer('a', '10.9.0.0/24')]).dynamic).toMatchObject([{ peerAsns: [] }]);
    const inside = rangePeer('a', '10.9.0.0/24', { asNumber: as(64512) });
    expect(configOf([reflector, inside], 'rr1').dynamic?.[0]?.template.isClient).toBe(true);
    expect(
      configOf([reflector, rangePeer('a', '10.9.0.0/24')], 'rr1').dynamic?.[0]?.template,
    ).not.toHaveProperty('isClient');
  });

  test('two ranges that overlap are told; the longer-standing counts', () => {
    const [wide, narrow] = [rangePeer('wide', '10.9.0.0/16'), rangePeer('narrow', '10.9.7.0/24')];
    expect(configOf([one, wide, narrow]).dynamic?.map(({ key }) => key)).toEqual(['narrow']);
    expect(problems([one, wide, narrow])).toEqual([
      'BGPPeer/wide: Its peerRange 10.9.0.0/16 overlaps 10.9.7.0/24 of BGPPeer/narrow, so a neighbour could be of either; BGPPeer/narrow counts. Delete one of the two, or give them ranges that do not overlap.',
    ]);
  });

  describe('with a password', () => {
    const password = { name: 'bgp', key: 'racks' };
    const range = rangePeer('racks', '10.9.0.0/16', { password });
    test('shut out a named neighbour inside that has none; the problem names both', () => {
      expect(problems([one, range, bgpPeer('tor', '10.9.0.1')])).toEqual([
        'BGPPeer/tor: 10.9.0.1 of BGPPeer/tor has no password and lies inside 10.9.0.0/16, for which BGPPeer/racks has one: the kernel takes nothing unsigned from there, so it cannot dial us, and only we can dial it. Give both the same password, or the range none of its addresses.',
      ]);
      expect(
        problems([one, range, bgpPeer('tor', '10.9.0.1', { more: { connectMode: 'Passive' } })]),
      ).toEqual([expect.stringContaining('there is no session')]);
    });
    test('shut out nodes of the mesh too', () => {
      const nodes = rangePeer('nodes', '10.0.0.0/24', { password });
      expect(problems([one, two, nodes])).toEqual([
        expect.stringContaining(
          'BGPPeer/nodes spec.peerRange: 10.0.0.2 of Node/node2 of the mesh has no password',
        ),
      ]);
    });
    test('leave alone who has a password, is outside, or is only dialled', () => {
      const own = { password: { name: 'bgp', key: 'tor' } };
      for (const peer of [
        bgpPeer('tor', '10.9.0.1', { more: own }),
        bgpPeer('tor', '10.8.0.1'),
        bgpPeer('tor', '10.9.0.1', { more: { connectMode: 'Active' } }),
      ])
        expect(problems([one, range, peer])).toEqual([]);
      expect(problems([one, rangePeer('racks', '10.9.0.0/16'), bgpPeer('tor', '10.9.0.1')])).toEqual([]);
    });
  });

  test('of an IP version that the node has no address of are told', () => {
    expect(problems([three, rangePeer('a', 'fd09::/64')], 'node3')).toEqual([
      expect.stringContaining('BGPPeer/a spec.peerRange: fd09::/64 cannot be reached from Node/node3'),
    ]);
  });
});

test('two peers at one address that do not sign alike are told: the kernel has one password for an address', () => {
  const password = { name: 'bgp', key: 'tor' };
  const plain = bgpPeer('a', '192.0.2.1');
  const [signed, alike] = ['b', 'c'].map((name) =>
    bgpPeer(name, '192.0.2.1', { port: name === 'b' ? 1790 : 1791, more: { password } }),
  );
  if (signed === undefined || alike === undefined) throw new Error('two were made');
  expect(problems([one, plain, signed])).toEqual([
    'BGPPeer/b spec.password: It and BGPPeer/a are with 192.0.2.1, on ports 1790 and 179, and have not the same password: the kernel has one for an address, so only one of them can dial us. Give both the same password.',
  ]);
  expect(problems([one, signed, alike])).toEqual([]);
});

describe('a peer on a link', () => {
  const found: LinkNeighbours = new Map([['eth1', { ifindex: 7, address: address('fe80::9') as Ipv6 }]]);
  const around: Surroundings = { ...nothingAround, linkNeighbours: found };

  test('is the router found there, by its link-local address, and carries both families', () => {
    expect(configOf([three, linkPeer('tor', 'eth1')], 'node3', around).peers).toMatchObject([
      {
        key: 'fe80::9%7 179',
        name: 'Global_fe80__9_7',
        interface: 'eth1',
        peerAsn: 65000,
        families: ['ipv4-unicast', 'ipv6-unicast'],
      },
    ]);
    expect(configOf([three, linkPeer('tor', 'eth1')], 'node3', around).peers[0]).not.toHaveProperty(
      'localAddress',
    );
  });

  test('of no asNumber may be of any AS but ours', () => {
    const { asNumber: _, ...external } = linkPeer('tor', 'eth1');
    for (const place of [around, nothingAround])
      expect(configOf([three, external], 'node3', place).peers).toMatchObject([{ peerAsn: 0, peerAsns: [] }]);
    expect(configOf([three, linkPeer('tor', 'eth1')], 'node3', around).peers[0]).not.toHaveProperty(
      'peerAsns',
    );
  });

  test('that has not shown itself yet is told, and is a neighbour that is blocked', () => {
    expect(configOf([one, linkPeer('tor', 'eth1')]).peers).toMatchObject([
      {
        key: 'eth1 179',
        name: 'Global_eth1',
        interface: 'eth1',
        resource: 'tor',
        blocked: 'no router has been seen on eth1 yet',
      },
    ]);
    expect(problems([one, linkPeer('tor', 'eth1')])).toEqual([
      expect.stringContaining('No router has been seen on that link of Node/node1 yet'),
    ]);
  });
});

describe('what a BGPPeer says of the session', () => {
  const session = (more: object, around?: Surroundings) =>
    configOf([one, bgpPeer('tor', '192.0.2.1', { more })], 'node1', around).peers[0];

  test('comes to the speaker in its own words', () => {
    expect(
      session({
        connectRetryMs: 1000,
        connectMode: 'Active',
        families: [6],
        longLivedMs: 60_000,
        reachableBy: address('10.0.0.254'),
        maxPrefix: { ipv4: { most: 5, warnPercent: 80, action: 'cease' } },
        prefixLimit: { ipv6: 3 },
        gracefulShutdown: true,
        enforceFirstAs: true,
        notificationRestart: true,
        privateAs: 'remove',
      }),
    ).toMatchObject({
      connectRetryMs: 1000,
      connect: 'active',
      families: ['ipv6-unicast'],
      longLivedMs: 60_000,
      reachableBy: address('10.0.0.254'),
      maxPrefix: { 'ipv4-unicast': { most: 5, warnPercent: 80, action: 'cease' } },
      prefixLimit: { 'ipv6-unicast': 3 },
      gracefulShutdown: true,
      enforceFirstAs: true,
      notificationRestart: true,
      privateAs: 'remove',
    });
  });

  test('BFD is there where it is asked for; with BFDIfDirectlyConnected only next to us', () => {
    const bfd = { minTxMs: 300, minRxMs: 300, multiplier: 3 };
    expect(session({ bfd })?.bfd).toEqual(bfd);
    const ifConnected = { bfd: { ...bfd, ifConnected: true } };
    expect(session(ifConnected)?.bfd).toBeUndefined();
    const subnets = [{ prefix: prefix('192.0.2.0/24'), address: address('192.0.2.9'), link: 'eth0' }];
    expect(session(ifConnected, { ...nothingAround, subnets })?.bfd).toEqual(bfd);
  });

  test('where the kernel chooses the source, our address on the network shared with the neighbour goes with the session', () => {
    const subnets = [
      { prefix: prefix('192.0.2.0/24'), address: address('192.0.2.9'), link: 'eth0' },
      { prefix: prefix('198.51.100.0/24'), address: address('198.51.100.9'), link: 'eth1' },
    ];
    const around = { ...nothingAround, subnets };
    expect(session({ sourceAddress: 'None' }, around)?.sharedAddress).toBe(address('192.0.2.9'));
    expect(session({ sourceAddress: 'None' })?.sharedAddress).toBeUndefined();
    expect(session({}, around)?.sharedAddress).toBeUndefined();
  });
});

describe('what BGPConfiguration says of a node', () => {
  const with_ = (more: object) => configOf([one, bgpConfiguration({ more })]);

  test('comes to the speaker, and absent fields are absent', () => {
    expect(
      with_({
        bindMode: 'NodeIP',
        multipath: { ebgp: 2, ibgp: 1, relaxAsPath: true },
        bestPath: { alwaysCompareMed: true, missingMedWorst: true },
        requireEbgpPolicy: true,
        ipv4RoutePriority: 20,
      }),
    ).toMatchObject({
      bind: [address('10.0.0.1'), address('fd00::1')],
      decision: {
        ebgpPaths: 2,
        ibgpPaths: 1,
        relaxAsPath: true,
        alwaysCompareMed: true,
        missingMedWorst: true,
      },
      requirePolicy: true,
      routePriority: { ipv4: 20 },
    });
    for (const field of ['bind', 'requirePolicy', 'routePriority', 'unprogrammed', 'connected'])
      expect(
        with_({ bindMode: 'None', requireEbgpPolicy: false, programClusterRoutes: true }),
      ).not.toHaveProperty(field);
  });

  test('paths through different ASes share the load as with Calico, unless it says otherwise', () => {
    expect(with_({})).toMatchObject({ decision: { relaxAsPath: true } });
    expect(with_({ multipath: { relaxAsPath: false } })).not.toHaveProperty('decision');
  });

  test('an object for one node counts there, field by field, and nowhere else', () => {
    const all = bgpConfiguration({ more: { logLevel: 'warn', ipv4RoutePriority: 20 } });
    const own = nodeConfiguration('node1', { logLevel: 'debug', listenPort: 1790 });
    expect(intentOf('node1', [one, two, all, own])).toMatchObject({
      logLevel: 'debug',
      config: { listenPort: 1790, routePriority: { ipv4: 20 } },
    });
    expect(intentOf('node2', [one, two, all, own])).toMatchObject({
      logLevel: 'warn',
      config: { listenPort: 179, peers: [{ port: 1790 }] },
    });
  });

  test('with programClusterRoutes Disabled nothing that is learned is written to the kernel', () => {
    expect(with_({ programClusterRoutes: false }).unprogrammed).toEqual([
      prefix('0.0.0.0/0'),
      prefix('::/0'),
    ]);
  });

  test('ignoredInterfaces are not the node’s own networks', () => {
    const subnets = [
      { prefix: prefix('10.0.0.0/24'), address: address('10.0.0.1'), link: 'eth0' },
      { prefix: prefix('172.17.0.0/16'), address: address('172.17.0.1'), link: 'docker0' },
      { prefix: prefix('172.18.0.0/16'), address: address('172.18.0.1'), link: 'br-1' },
    ];
    const connected = (ignoredInterfaces: string[]) =>
      configOf([one, bgpConfiguration({ more: { ignoredInterfaces } })], 'node1', {
        ...nothingAround,
        subnets,
      }).connected;
    expect(connected([])).toEqual(subnets.map((subnet) => subnet.prefix));
    expect(connected(['docker0', 'br-*'])).toEqual([prefix('10.0.0.0/24')]);
    expect(connected(['docker', '*'])).toBeUndefined();
  });
});

test('the addresses of the API server are guarded', () => {
  const apiServer = [address('203.0.113.7'), address('fd00::7')];
  expect(configOf([one], 'node1', { ...nothingAround, apiServer }).importPolicy.protected).toEqual([
    prefix('203.0.113.7/32'),
    prefix('fd00::7/128'),
  ]);
});
