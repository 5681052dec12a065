/** Pods as neighbours of their node: which, over what, and where they dial. */
import { describe, expect, test } from 'vitest';
import type { PeerConfig, SpeakerConfig } from '../../../bgp/config.ts';
import { nothingAround } from '../../../bgp/intent/surroundings.ts';
import { intentOf } from '../../../bgp/intent.ts';
import { formatAddress, type Ipv6 } from '../../../src/lib/net.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import type { Resource } from '../../../src/model/resource.ts';
import { bgpConfiguration, bgpPeer, node } from '../../support/resources.ts';
import { address, as, prefix, v4 } from '../../support/wire.ts';
import { namespace, pod, serviceAccount, workloadPeer } from '../../support/workloads.ts';

const own = node('node1', { ips: ['10.0.0.1', 'fd00::1'], labels: { rack: 'a' } });
const other = node('node2', { ips: ['10.0.0.2', 'fd00::2'], labels: { rack: 'b' } });
const router = pod('router', ['10.244.1.5', 'fd00:244:1::5'], { app: 'router' });
const peers = workloadPeer('pods', "app == 'router'");
const peering = { ipv4: v4('169.254.77.1'), ipv6: address('fd00:77::1') as Ipv6 };
const settings = bgpConfiguration({ mesh: false, more: { workloadPeering: peering } });
const meshless = bgpConfiguration({ mesh: false });

function configOf(...resources: readonly Resource[]): SpeakerConfig {
  const { config } = intentOf('node1', [own, other, ...resources]);
  if (config === undefined) throw new Error('no configuration');
  return config;
}
const sessions = (...resources: readonly Resource[]): readonly PeerConfig[] => configOf(...resources).peers;
const pods = (...resources: readonly Resource[]): readonly string[] =>
  sessions(meshless, ...resources).map(({ address: at, workload }) => `${workload} ${formatAddress(at)}`);
const problems = (...resources: readonly Resource[]): readonly string[] =>
  intentOf('node1', [own, other, ...resources]).problems.map(formatProblem);

test('a pod has a session for each of its addresses, which carries its own family, is never dialled, and has its name', () => {
  expect(sessions(settings, peers, router)).toEqual([
    expect.objectContaining({
      key: '10.244.1.5 179',
      name: 'Local_Workload_10_244_1_5',
      workload: 'default/router',
      resource: 'pods',
      peerAsn: 64600,
      localAsn: 64512,
      families: ['ipv4-unicast'],
      connect: 'passive',
      sharedAddress: peering.ipv4,
    }),
    expect.objectContaining({
      key: 'fd00:244:1::5 179',
      families: ['ipv6-unicast'],
      connect: 'passive',
      sharedAddress: peering.ipv6,
    }),
  ]);
  for (const session of sessions(settings, peers, router)) expect(session).not.toHaveProperty('localAddress');
});

test('families, password, times and filters are as of any neighbour', () => {
  const more = {
    families: [4, 6] as const,
    keepaliveTimeMs: 1000,
    password: { name: 's', key: 'k' },
    localAsNumber: as(64700),
    filters: ['f'],
  };
  const [session] = sessions(settings, workloadPeer('pods', 'all()', { more }), router);
  expect(session).toMatchObject({
    families: ['ipv4-unicast', 'ipv6-unicast'],
    holdTimeMs: 3000,
    password: more.password,
    localAsn: 64700,
  });
  expect(session?.filters?.importV4).toHaveLength(1);
});

describe('who is a neighbour', () => {
  const of = (...more: readonly Resource[]) => pods(peers, ...more);
  test('pods of this node that have an address, run, and are not on the host’s network', () => {
    const all = [
      router,
      pod('elsewhere', ['10.244.2.5'], { app: 'router' }, { nodeName: 'node2' }),
      pod('host', ['10.0.0.1'], { app: 'router' }, { hostNetwork: true }),
      pod('done', ['10.244.1.7'], { app: 'router' }, { finished: true }),
      pod('starting', [], { app: 'router' }),
      pod('other', ['10.244.1.8'], { app: 'web' }),
    ];
    expect(of(...all)).toEqual(['default/router 10.244.1.5', 'default/router fd00:244:1::5']);
    expect(problems(meshless, peers, ...all)).toEqual([]);
  });

  test.each([
    ["projectcalico.org/namespace == 'default'", true],
    ["projectcalico.org/orchestrator == 'k8s'", true],
    ["projectcalico.org/serviceaccount == 'bot'", true],
    ["pcns.team == 'net'", true],
    ["pcsa.trusted == 'yes'", true],
    ["pcns.team == 'other'", false],
    ['!has(app)', false],
  ] as const)('by the labels that policies see: %s', (selector, is) => {
    const around = [namespace('default', { team: 'net' }), serviceAccount('bot', { trusted: 'yes' })];
    expect(pods(workloadPeer('pods', selector), router, ...around)).toHaveLength(is ? 2 : 0);
  });

  test.each([
    [{}, true],
    [{ node: 'node1' }, true],
    [{ node: 'node2' }, false],
    [{ nodeSelector: "rack == 'a'" }, true],
    [{ nodeSelector: "rack == 'b'" }, false],
  ] as const)('of a BGPPeer for %j', (scope, is) => {
    expect(pods(workloadPeer('pods', 'all()', scope), router)).toHaveLength(is ? 2 : 0);
    const config = configOf(settings, workloadPeer('pods', 'all()', scope), router);
    expect(config.peeringAddresses ?? []).toEqual(is ? [peering.ipv4, peering.ipv6] : []);
  });

  test('a node without an address of the version has no session over it, and says so if that leaves none', () => {
    const lonely = node('node1', { ips: ['10.0.0.1'] });
    const intent = intentOf('node1', [
      lonely,
      meshless,
      peers,
      router,
      pod('six', ['fd00:244:1::6'], { app: 'router' }),
    ]);
    expect(intent.config?.peers.map(({ key }) => key)).toEqual(['10.244.1.5 179']);
    expect(intent.problems.map(formatProblem)).toEqual([
      expect.stringContaining(
        'BGPPeer/pods spec.localWorkloadSelector: It selects Pod/default/six, which has no address',
      ),
    ]);
  });
});

describe('two BGPPeers that are with one pod', () => {
  const second = workloadPeer('zz', 'has(app)', { more: { asNumber: as(64601) } });
  test('contest: the first counts, and both are named', () => {
    expect(sessions(meshless, second, peers, router).map(({ resource }) => resource)).toEqual([
      'pods',
      'pods',
    ]);
    expect(problems(meshless, second, peers, router)).toEqual([
      expect.stringContaining(
        'BGPPeer/zz: It and BGPPeer/pods describe the same neighbour, Pod/default/router at 10.244.1.5, differently',
      ),
      expect.stringContaining('Pod/default/router at fd00:244:1::5'),
    ]);
  });
  test('agree in silence', () => {
    expect(problems(meshless, workloadPeer('zz', 'has(app)'), peers, router)).toEqual([]);
  });
  test('one of them by its address: as of any neighbour, a global one counts before one for some nodes', () => {
    const byAddress = bgpPeer('by-address', '10.244.1.5', { asNumber: 64602 });
    const local = workloadPeer('pods', 'all()', { node: 'node1' });
    expect(
      sessions(meshless, local, byAddress, router).map(({ resource, peerAsn }) => [resource, peerAsn]),
    ).toEqual([
      ['by-address', 64602],
      ['pods', 64600],
    ]);
  });
});

describe('the peering address', () => {
  test('is the node’s to have only while pods may dial it, and is announced to nobody', () => {
    expect(configOf(settings, router)).not.toHaveProperty('peeringAddresses');
    const config = configOf(settings, peers);
    expect(config.peeringAddresses).toEqual([peering.ipv4, peering.ipv6]);
    expect(config.origins).toEqual([]);
  });
  test('is listened at where the speaker listens at the node’s own addresses alone', () => {
    const bound = bgpConfiguration({ more: { workloadPeering: peering, bindMode: 'NodeIP' } });
    expect(configOf(bound, peers).bind?.map(formatAddress)).toEqual([
      '10.0.0.1',
      'fd00::1',
      '169.254.77.1',
      'fd00:77::1',
    ]);
  });
  test.each([
    ['a node', '10.0.0.2', 'Node/node2 has'],
    ['this node', '10.0.0.1', 'Node/node1 has'],
    ['an interface', '192.0.2.7', 'eth9 of Node/node1 has'],
    ['the API server', '192.0.2.9', 'the API server has'],
  ])('that %s has is a problem, and left to its owner', (_, text, who) => {
    const asked = bgpConfiguration({ mesh: false, more: { workloadPeering: { ipv4: v4(text) } } });
    const around = {
      ...nothingAround,
      subnets: [{ prefix: prefix('192.0.2.0/24'), address: address('192.0.2.7'), link: 'eth9' }],
      apiServer: [address('192.0.2.9')],
    };
    const { config, problems: said } = intentOf(
      'node1',
      [own, other, asked, peers, router],
      'pod-cidrs',
      around,
    );
    expect(config).not.toHaveProperty('peeringAddresses');
    expect(config?.peers[0]).not.toHaveProperty('sharedAddress');
    expect(said.map(formatProblem)).toEqual([expect.stringContaining(`It is ${text}, which ${who} already`)]);
  });
});
