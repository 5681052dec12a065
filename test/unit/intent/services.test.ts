/** Which addresses of Services are announced: the rows of Calico's table, what we do better, and the words for it. */
import { describe, expect, test } from 'vitest';
import {
  compileServices,
  decideRanges,
  hostOf,
  type ServiceSettings,
  serviceOrigins,
  wantsServices,
} from '../../../bgp/intent/services.ts';
import { formatAddress, formatPrefix } from '../../../src/lib/net.ts';
import type { EndpointSlice, Service } from '../../../src/model/service.ts';
import { bgpConfiguration, node } from '../../support/resources.ts';
import { type EndpointState, endpointSlice, service } from '../../support/services.ts';

const node1 = node('node1');
const excludedNode = node('node1', {
  labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': 'true' },
});
const cordoned = node('node1', { unschedulable: true });

const origins = (
  settings: ServiceSettings,
  of: Service,
  slices: readonly EndpointSlice[],
  host = hostOf(node1),
): readonly string[] =>
  serviceOrigins(decideRanges(settings, host), compileServices(settings, host)(of, slices)).map(formatPrefix);

const reasons = (
  settings: ServiceSettings,
  of: Service,
  slices: readonly EndpointSlice[],
  host = hostOf(node1),
): readonly string[] =>
  compileServices(settings, host)(of, slices).map(
    ({ kind, address, advertised, reason }) =>
      `${kind} ${formatAddress(address)} ${advertised ? 'yes' : 'no'}: ${reason}`,
  );

const ends = (...states: readonly (readonly [node: string, state: EndpointState])[]): EndpointSlice[] => [
  endpointSlice('web', states),
];
const here = ends(['node1', 'ready']);
const elsewhere = ends(['node2', 'ready']);
const nowhere = ends();

const kinds = [
  {
    kind: 'serviceClusterIPs',
    settings: (cidr: string, aggregation = true) => bgpConfiguration({ clusterIps: [cidr], aggregation }),
    service: (policy: 'Cluster' | 'Local') => service('web', { clusterIps: ['10.96.0.9'], policy }),
  },
  {
    kind: 'serviceExternalIPs',
    settings: (cidr: string, aggregation = true) => bgpConfiguration({ externalIps: [cidr], aggregation }),
    service: (policy: 'Cluster' | 'Local') =>
      service('web', { clusterIps: ['172.20.0.1'], externalIps: ['10.96.0.9'], policy }),
  },
  {
    kind: 'serviceLoadBalancerIPs by status',
    settings: (cidr: string, aggregation = true) =>
      bgpConfiguration({ loadBalancerIps: [cidr], aggregation }),
    service: (policy: 'Cluster' | 'Local') =>
      service('web', { type: 'LoadBalancer', clusterIps: ['172.20.0.1'], ingressIps: ['10.96.0.9'], policy }),
  },
  {
    kind: 'serviceLoadBalancerIPs by spec.loadBalancerIP',
    settings: (cidr: string, aggregation = true) =>
      bgpConfiguration({ loadBalancerIps: [cidr], aggregation }),
    service: (policy: 'Cluster' | 'Local') =>
      service('web', {
        type: 'LoadBalancer',
        clusterIps: ['172.20.0.1'],
        loadBalancerIp: '10.96.0.9',
        policy,
      }),
  },
];

const range = '10.96.0.0/16';
const single = '10.96.0.9/32';

describe.each(kinds)('$kind', ({ settings, service: make }) => {
  const cluster = make('Cluster');
  const local = make('Local');

  test('a range is announced whole by every node, whatever the endpoints, and a Cluster service by nothing more', () => {
    for (const slices of [here, elsewhere, nowhere])
      expect(origins(settings(range), cluster, slices)).toEqual([range]);
  });

  test('a Local service in a range has a route of its own from nodes with a ready endpoint only', () => {
    expect(origins(settings(range), local, here)).toEqual([range, single]);
    expect(origins(settings(range), local, elsewhere)).toEqual([range]);
    expect(origins(settings(range), local, nowhere)).toEqual([range]);
  });

  test('an entry of one address is announced for a Cluster service by every node, for a Local one by those with an endpoint', () => {
    for (const slices of [here, elsewhere, nowhere])
      expect(origins(settings(single), cluster, slices)).toEqual([single]);
    expect(origins(settings(single), local, here)).toEqual([single]);
    expect(origins(settings(single), local, elsewhere)).toEqual([]);
  });

  test('without aggregation no range is announced, and a Cluster service by every node while it has an endpoint anywhere', () => {
    expect(origins(settings(range, false), cluster, here)).toEqual([single]);
    expect(origins(settings(range, false), cluster, elsewhere)).toEqual([single]);
    expect(origins(settings(range, false), cluster, nowhere)).toEqual([]);
    expect(origins(settings(range, false), local, here)).toEqual([single]);
    expect(origins(settings(range, false), local, elsewhere)).toEqual([]);
  });

  test('a node with the exclude label announces nothing', () => {
    for (const cidr of [range, single])
      for (const of of [cluster, local])
        expect(origins(settings(cidr), of, here, hostOf(excludedNode))).toEqual([]);
  });

  test('an address outside what is allowed is not announced', () => {
    expect(origins(settings('10.97.0.0/16', false), local, here)).toEqual([]);
  });

  test('a range of everything is never a default route, and its addresses go one by one', () => {
    expect(origins(settings('0.0.0.0/0'), cluster, elsewhere)).toEqual([single]);
    expect(origins(settings('0.0.0.0/0'), cluster, nowhere)).toEqual([]);
  });
});

test('the exclude label counts with the value true only: kubeadm gives it to control planes without one', () => {
  const empty = node('node1', { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } });
  expect([hostOf(empty).isExcluded, hostOf(excludedNode).isExcluded]).toEqual([false, true]);
});

test('an ExternalName service and a headless one have no address to announce', () => {
  const settings = bgpConfiguration({ clusterIps: ['0.0.0.0/0'] });
  expect(
    origins(settings, service('web', { type: 'ExternalName', clusterIps: ['10.96.0.9'] }), here),
  ).toEqual([]);
  expect(origins(settings, service('web', { policy: 'Local' }), here)).toEqual([]);
});

test('an address goes by endpoints of its own family', () => {
  const settings = bgpConfiguration({ clusterIps: ['10.96.0.0/16', 'fd00:96::/112'] });
  const dual = service('web', { clusterIps: ['10.96.0.9', 'fd00:96::9'], policy: 'Local' });
  const v6 = [endpointSlice('web', [['node1', 'ready']], 6)];
  expect(origins(settings, dual, here)).toEqual(['10.96.0.0/16', '10.96.0.9/32', 'fd00:96::/112']);
  expect(origins(settings, dual, v6)).toEqual(['10.96.0.0/16', 'fd00:96::/112', 'fd00:96::9/128']);
  expect(origins(settings, dual, [...here, ...v6])).toHaveLength(4);
});

test('that the load balancer IP is announced says nothing about the cluster IP', () => {
  const settings = bgpConfiguration({ clusterIps: ['10.96.0.0/16'], loadBalancerIps: ['192.0.2.7/32'] });
  const both = service('web', { type: 'LoadBalancer', clusterIps: ['10.96.0.9'], ingressIps: ['192.0.2.7'] });
  expect(origins(settings, both, elsewhere)).toEqual(['10.96.0.0/16', '192.0.2.7/32']);
});

describe('a Local service under drain', () => {
  const settings = bgpConfiguration({ externalIps: ['10.96.0.9/32'] });
  const local = service('web', { externalIps: ['10.96.0.9'], policy: 'Local' });
  const announced = (slices: readonly EndpointSlice[], host = hostOf(node1)): boolean =>
    origins(settings, local, slices, host).length > 0;

  test('is withdrawn as soon as its endpoint here is being stopped, while another is ready', () => {
    expect(announced(ends(['node1', 'serving'], ['node2', 'ready']))).toBe(false);
    expect(announced(ends(['node1', 'serving'], ['node1', 'ready']))).toBe(true);
  });

  test('stays with the last endpoint that still serves, unless its node is cordoned', () => {
    const last = ends(['node1', 'serving'], ['node2', 'starting']);
    expect(announced(last)).toBe(true);
    expect(announced(last, hostOf(cordoned))).toBe(false);
    expect(announced(ends(['node1', 'stopped']))).toBe(false);
  });

  test('is announced from a cordoned node while its endpoint there is ready', () => {
    expect(announced(here, hostOf(cordoned))).toBe(true);
  });

  test('does not count an endpoint that is published before it is ready and is being stopped', () => {
    expect(announced(ends(['node1', 'stoppingButPublished'], ['node2', 'ready']))).toBe(false);
  });
});

test('each choice is explained', () => {
  const settings = bgpConfiguration({ clusterIps: ['10.96.0.0/16'], loadBalancerIps: ['192.0.2.0/24'] });
  const both = service('web', {
    type: 'LoadBalancer',
    clusterIps: ['10.96.0.9'],
    externalIps: ['198.51.100.1'],
    ingressIps: ['192.0.2.7'],
  });
  expect(reasons(settings, both, here)).toEqual([
    'cluster IP 10.96.0.9 no: it goes out as part of 10.96.0.0/16, which every node announces',
    'external IP 198.51.100.1 no: it lies in no prefix of serviceExternalIPs',
    'load balancer IP 192.0.2.7 no: it goes out as part of 192.0.2.0/24, which every node announces',
  ]);
  const local = { ...both, externalTrafficPolicy: 'Local' } as const;
  expect(reasons(settings, local, ends(['node1', 'ready'], ['node1', 'ready']))).toEqual([
    'cluster IP 10.96.0.9 yes: externalTrafficPolicy is Local and 2 IPv4 endpoints are ready here',
    'external IP 198.51.100.1 no: it lies in no prefix of serviceExternalIPs',
    'load balancer IP 192.0.2.7 yes: externalTrafficPolicy is Local and 2 IPv4 endpoints are ready here',
  ]);
  expect(reasons(settings, local, elsewhere).at(-1)).toBe(
    'load balancer IP 192.0.2.7 no: externalTrafficPolicy is Local and no IPv4 endpoint is ready here',
  );
});

test('Services need be read only if some prefix is named', () => {
  expect(wantsServices(bgpConfiguration())).toBe(false);
  expect(wantsServices(bgpConfiguration({ loadBalancerIps: ['192.0.2.7/32'] }))).toBe(true);
});
