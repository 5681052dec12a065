import { describe, expect, test } from 'vitest';
import { parseAddress, parsePrefix } from '../../../src/lib/net.ts';
import { expandList } from '../../../src/store/schema/manifest.ts';
import { flaws, resource } from './schema.ts';

describe('Node', () => {
  const node = (rest: string) => `{apiVersion: v1, kind: Node, metadata: {name: n1}, ${rest}}`;

  test('podCIDRs and addresses are read, what is not ours is let pass', () => {
    expect(
      resource(
        node(
          'spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, "fd00:1::/64"], taints: [{key: x, effect: NoSchedule}, {key: y, value: z, effect: NoExecute, timeAdded: now}], unschedulable: true}, status: {addresses: [{type: Hostname, address: not an ip}, {type: InternalIP, address: 192.168.0.1}, {type: InternalIP, address: "fd00::1"}, {type: InternalIP, address: 192.168.0.1}], nodeInfo: {}}',
        ),
      ),
    ).toEqual({
      kind: 'Node',
      meta: { name: 'n1', labels: {}, annotations: {} },
      podCidrs: [parsePrefix('10.1.0.0/24'), parsePrefix('fd00:1::/64')],
      internalIps: [parseAddress('192.168.0.1'), parseAddress('fd00::1')],
      taints: [
        { key: 'x', effect: 'NoSchedule' },
        { key: 'y', value: 'z', effect: 'NoExecute' },
      ],
      unschedulable: true,
      ready: true,
      deleting: false,
    });
  });

  test('podCIDR alone serves too, and a new node has neither', () => {
    expect(resource(node('spec: {podCIDR: 10.1.0.0/24}'))).toMatchObject({
      podCidrs: [parsePrefix('10.1.0.0/24')],
    });
    expect(resource(node('spec: {}'))).toMatchObject({ podCidrs: [], internalIps: [] });
  });

  test.each([
    ['[{type: Ready, status: "True"}]', true],
    ['[{type: DiskPressure, status: "False"}, {type: Ready, status: "False"}]', false],
    ['[{type: Ready, status: Unknown}]', false],
    ['[]', true],
  ])('with the conditions %s it is ready: %s', (conditions, ready) => {
    expect(resource(node(`status: {conditions: ${conditions}}`))).toMatchObject({ ready });
  });

  test.each(['Node', 'Pod', 'Service'])('a %s with a deletionTimestamp is being deleted', (kind) => {
    const deleting = (metadata: string) => resource(`{apiVersion: v1, kind: ${kind}, metadata: ${metadata}}`);
    expect(deleting('{name: a, deletionTimestamp: "2030-01-01T00:00:00Z"}')).toMatchObject({
      deleting: true,
    });
    expect(deleting('{name: a, deletionTimestamp: null}')).toMatchObject({ deleting: false });
  });

  test.each([
    ['spec: {podCIDRs: [10.1.0.0]}', 'spec.podCIDRs[0]: must be an IP prefix'],
    ['spec: {podCIDRs: 10.1.0.0/24}', 'spec.podCIDRs: must be a list, but is the text "10.1.0.0/24".'],
    [
      'spec: {podCIDRs: [10.1.0.0/24, 10.2.0.0/24]}',
      'spec.podCIDRs[1]: is a second prefix of its IP version: 10.2.0.0/24.',
    ],
    [
      'status: {addresses: [{type: InternalIP, address: 1.2.3}]}',
      'status.addresses[0].address: must be an IP address, but is the text "1.2.3"',
    ],
  ])('%s is refused', (rest, expected) => {
    expect(flaws(node(rest))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('Pod', () => {
  const pod = (rest: string) =>
    `{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, ${rest}}`;

  test('node, addresses and the ports of all containers are read', () => {
    expect(
      resource(
        pod(
          'spec: {nodeName: n1, volumes: [], initContainers: [{ports: [{name: init, containerPort: 1}]}], containers: [{name: c, ports: [{containerPort: 80, protocol: UDP, hostPort: 8080}]}, {name: d}]}, status: {phase: Running, podIP: 10.1.0.5, podIPs: [{ip: 10.1.0.5}, {ip: "fd00:1::5"}]}',
        ),
      ),
    ).toEqual({
      kind: 'Pod',
      meta: { name: 'web', namespace: 'default', labels: { app: 'web' }, annotations: {} },
      nodeName: 'n1',
      hostNetwork: false,
      finished: false,
      ips: [parseAddress('10.1.0.5'), parseAddress('fd00:1::5')],
      ports: [
        { name: 'init', protocol: 'TCP', port: 1 },
        { protocol: 'UDP', port: 80 },
      ],
      deleting: false,
    });
  });

  test.each([
    ['status: {podIP: ""}', []],
    ['status: {podIPs: []}', []],
    ['status: {podIP: 10.1.0.5, podIPs: []}', [parseAddress('10.1.0.5')]],
    ['spec: {}', []],
  ])('addresses of %s', (rest, ips) => {
    expect(resource(pod(rest))).toMatchObject({ ips });
  });

  test.each([
    ['Succeeded', true],
    ['Failed', true],
    ['Pending', false],
    ['Running', false],
    ['Unknown', false],
  ])('a pod whose phase is %s is finished: %s', (phase, finished) => {
    expect(resource(pod(`status: {phase: ${phase}}`))).toMatchObject({ finished });
  });

  test.each([
    ['spec: {hostNetwork: "true"}', 'spec.hostNetwork: must be true or false, but is the text "true".'],
    [
      'spec: {containers: [{ports: [{containerPort: 0}]}]}',
      'spec.containers[0].ports[0].containerPort: must be a port',
    ],
    ['spec: {containers: [{ports: [{}]}]}', 'spec.containers[0].ports[0].containerPort: is missing.'],
    ['status: {podIPs: [{ip: x}]}', 'status.podIPs[0].ip: must be an IP address, but is the text "x"'],
    ['spec: {nodeName: 5}', 'spec.nodeName: must be a text, but is 5.'],
  ])('%s is refused', (rest, expected) => {
    expect(flaws(pod(rest))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('Service', () => {
  const service = (rest: string) => `{apiVersion: v1, kind: Service, metadata: {name: web}, ${rest}}`;

  test('addresses, policies and what the load balancer gave are read', () => {
    expect(
      resource(
        service(
          'spec: {type: LoadBalancer, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "fd00::1"], externalIPs: [192.0.2.1], loadBalancerIP: 198.51.100.1, loadBalancerClass: tortie.io/bgp, externalTrafficPolicy: Local, ipFamilies: [IPv4, IPv6], allocateLoadBalancerNodePorts: false, ports: [{port: 80, nodePort: 30080}, {name: dns, port: 53, protocol: UDP, targetPort: dns}]}, status: {loadBalancer: {ingress: [{ip: 198.51.100.1, ipMode: VIP}, {hostname: a.example}]}}',
        ),
      ),
    ).toEqual({
      kind: 'Service',
      meta: { name: 'web', namespace: 'default', labels: {}, annotations: {} },
      type: 'LoadBalancer',
      clusterIps: [parseAddress('10.96.0.1'), parseAddress('fd00::1')],
      externalIps: [parseAddress('192.0.2.1')],
      loadBalancerIp: parseAddress('198.51.100.1'),
      loadBalancerClass: 'tortie.io/bgp',
      ingressIps: [parseAddress('198.51.100.1')],
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Cluster',
      ports: [
        { protocol: 'TCP', port: 80, nodePort: 30080 },
        { name: 'dns', protocol: 'UDP', port: 53 },
      ],
      ipFamilies: [4, 6],
      allocateLoadBalancerNodePorts: false,
      deleting: false,
    });
  });

  test.each([
    ['spec: {clusterIP: None}', { clusterIps: [], ipFamilies: [] }],
    ['spec: {clusterIPs: [None], clusterIP: None}', { clusterIps: [] }],
    ['spec: {clusterIP: ""}', { clusterIps: [] }],
    ['spec: {clusterIP: "fd00::1"}', { clusterIps: [parseAddress('fd00::1')], ipFamilies: [6] }],
    [
      'spec: {}',
      { type: 'ClusterIP', externalTrafficPolicy: 'Cluster', allocateLoadBalancerNodePorts: true },
    ],
    ['spec: {loadBalancerIP: ""}', { ingressIps: [], externalIps: [] }],
  ])('%s', (rest, expected) => {
    expect(resource(service(rest))).toMatchObject(expected);
  });

  test.each([
    ['spec: {clusterIPs: [x]}', 'spec.clusterIPs[0]: must be an IP address, but is the text "x"'],
    ['spec: {externalTrafficPolicy: Global}', 'spec.externalTrafficPolicy: must be one of Cluster, Local'],
    [
      'status: {loadBalancer: {ingress: [{ip: x}]}}',
      'status.loadBalancer.ingress[0].ip: must be an IP address',
    ],
  ])('%s is refused', (rest, expected) => {
    expect(flaws(service(rest))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('EndpointSlice', () => {
  const slice = (rest: string) =>
    `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, ${rest}}`;

  test('an endpoint without conditions is ready and serving; a draining one may be serving only', () => {
    expect(
      resource(
        slice(
          'addressType: IPv4, endpoints: [{addresses: [10.1.0.2], nodeName: n1}, {addresses: [10.1.0.3], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [10.1.0.4], conditions: {ready: false}}]',
        ),
      ),
    ).toMatchObject({
      kind: 'EndpointSlice',
      service: 'web',
      family: 4,
      endpoints: [
        {
          addresses: [parseAddress('10.1.0.2')],
          nodeName: 'n1',
          ready: true,
          serving: true,
          terminating: false,
        },
        { addresses: [parseAddress('10.1.0.3')], ready: false, serving: true, terminating: true },
        { ready: false, serving: false, terminating: false },
      ],
    });
  });

  test('host names of an FQDN slice are let pass, and none has no endpoints at all', () => {
    expect(resource(slice('addressType: FQDN, endpoints: [{addresses: [a.example]}]'))).toMatchObject({
      family: 'FQDN',
      endpoints: [{ addresses: [] }],
    });
    expect(resource(slice('addressType: IPv6, endpoints: null'))).toMatchObject({ family: 6, endpoints: [] });
  });

  test.each([
    ['endpoints: []', 'addressType: is missing.'],
    ['addressType: IPv4, endpoints: [{addresses: [x]}]', 'endpoints[0].addresses[0]: must be an IP address'],
  ])('%s is refused', (rest, expected) => {
    expect(flaws(slice(rest))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('Namespace', () => {
  test('the label with its own name is always there and cannot lie', () => {
    expect(
      resource(
        '{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b, kubernetes.io/metadata.name: other}}}',
      ),
    ).toMatchObject({ meta: { labels: { a: 'b', 'kubernetes.io/metadata.name': 'shop' } } });
  });
});

describe('metadata', () => {
  const namespace = (metadata: string) => `{apiVersion: v1, kind: Namespace, metadata: ${metadata}}`;

  test('the uid is kept, fields we do not read are let pass', () => {
    expect(
      resource(
        namespace(
          '{name: a, uid: u, resourceVersion: "7", generation: 1, managedFields: [], annotations: {x: y}}',
        ),
      ),
    ).toMatchObject({ meta: { name: 'a', uid: 'u', annotations: { x: 'y' } } });
  });

  test.each([
    ['{}', 'metadata.name: is missing. Give the object a name, in quotes if it is a number.'],
    ['{name: 5}', 'metadata.name: must be a text, but is 5.'],
    ['{name: Shop}', 'metadata.name: cannot be a name: the text "Shop".'],
    ['{name: a/b}', 'metadata.name: cannot be a name'],
    ['{name: ".."}', 'metadata.name: cannot be a name'],
    ['{name: a, namespace: b}', 'metadata.namespace: is given for a kind that is not in any namespace.'],
    ['{name: a, labels: {v: 1}}', 'metadata.labels.v: must be a text, but is 1. Give a text, in quotes.'],
    ['{name: a, labels: []}', 'metadata.labels: must be an object with named fields, but is a list.'],
    ['{name: a, annotations: {v: true}}', 'metadata.annotations.v: must be a text, but is true.'],
    ['x', 'metadata: must be an object with named fields, but is the text "x".'],
  ])('%s is refused', (metadata, expected) => {
    expect(flaws(namespace(metadata))).toEqual([expect.stringContaining(expected)]);
  });
});

describe('kinds', () => {
  test.each([
    ['[1]', ': must be an object with apiVersion, kind and metadata, but is a list.'],
    ['{kind: Pod}', 'apiVersion: is missing.'],
    ['{apiVersion: v1}', 'kind: is missing.'],
    [
      '{apiVersion: apps/v1, kind: Deployment}',
      'kind: "Deployment" of apps/v1 is not a kind Tortie reads. Remove this object',
    ],
    ['{apiVersion: projectcalico.org/v3, kind: BGPPear}', 'Did you mean BGPPeer?'],
    [
      '{apiVersion: projectcalico.org/v3, kind: WorkloadEndpoint}',
      'kind: WorkloadEndpoint is not supported in this version.',
    ],
    [
      '{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy}',
      'apiVersion: must be networking.k8s.io/v1 or projectcalico.org/v3 for a NetworkPolicy, but is the text "crd.projectcalico.org/v1".',
    ],
    [
      '{apiVersion: crd.projectcalico.org/v1, kind: BGPPeer}',
      'apiVersion: must be projectcalico.org/v3 for a BGPPeer, but is the text "crd.projectcalico.org/v1".',
    ],
  ])('%s is refused', (yaml, expected) => {
    expect(flaws(yaml)).toEqual([expect.stringContaining(expected)]);
  });

  test('flaws of metadata and of the body come together', () => {
    expect(flaws('{apiVersion: v1, kind: Node, metadata: {name: A}, spec: {podCIDR: x}}')).toHaveLength(2);
  });

  test('a List yields its items with their place, and a PodList gives them their kind', () => {
    const item = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } };
    expect(expandList({ apiVersion: 'v1', kind: 'List', items: [item, item] })).toEqual([
      { json: item, path: ['items', 0] },
      { json: item, path: ['items', 1] },
    ]);
    expect(expandList({ apiVersion: 'v1', kind: 'PodList', items: [{ metadata: { name: 'a' } }] })).toEqual([
      { json: item, path: ['items', 0] },
    ]);
    expect(expandList(item)).toEqual([{ json: item, path: [] }]);
  });
});

describe('a hundred thousand pods fit', () => {
  const pod = (name: string, annotations: string): string =>
    `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: web, pod-template-hash: abc}, annotations: ${annotations}}}`;

  test('for those with equal labels share them', () => {
    const [one, two] = [resource(pod('a', '{}')), resource(pod('b', '{}'))];
    expect(two.meta.labels).toBe(one.meta.labels);
    expect(two.meta.annotations).toBe(one.meta.annotations);
  });

  test('and what nobody here reads of their annotations is not kept', () => {
    const annotations =
      '{cni.projectcalico.org/podIP: 10.0.0.1/32, qos.projectcalico.org/ingressBandwidth: 1M, kubernetes.io/config.hash: a, checksum/config: b, k8s.v1.cni.cncf.io/network-status: c}';
    expect(Object.keys(resource(pod('a', annotations)).meta.annotations)).toEqual([
      'cni.projectcalico.org/podIP',
      'qos.projectcalico.org/ingressBandwidth',
      'kubernetes.io/config.hash',
    ]);
  });
});
