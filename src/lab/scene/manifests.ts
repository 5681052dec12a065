/** The resources of the scenes, as a person would write them. */
import type { Manifest } from './ground.ts';

const calico = 'projectcalico.org/v3';

export const nodeAsn = 64512;

export const node = (
  name: string,
  address: string,
  podCIDR: string,
  metadata: { readonly annotations?: object; readonly labels?: object } = {},
): Manifest => ({
  ...{ apiVersion: 'v1', kind: 'Node', metadata: { name, ...metadata } },
  ...{ spec: { podCIDRs: [podCIDR] }, status: { addresses: [{ type: 'InternalIP', address }] } },
});

export const bgpConfiguration = (spec: object): Manifest => ({
  ...{ apiVersion: calico, kind: 'BGPConfiguration', metadata: { name: 'default' } },
  ...{ spec: { asNumber: nodeAsn, ...spec } },
});

export const ipPool = (name: string, cidr: string): Manifest => ({
  ...{ apiVersion: calico, kind: 'IPPool', metadata: { name }, spec: { cidr } },
});

export const bgpPeer = (name: string, spec: object): Manifest => ({
  ...{ apiVersion: calico, kind: 'BGPPeer', metadata: { name }, spec },
});

/** Lets a network of the fabric in, which no pool holds. */
export const letIn = (name: string, cidr: string): Manifest => ({
  ...{ apiVersion: calico, kind: 'BGPFilter', metadata: { name } },
  ...{ spec: { importV4: [{ action: 'Accept', matchOperator: 'In', cidr }] } },
});

export const service = (name: string, address: string, port: number): Manifest => ({
  ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' } },
  spec: {
    ...{ type: 'LoadBalancer', clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ipFamilies: ['IPv4'] },
    ...{ externalTrafficPolicy: 'Local', ports: [{ port, protocol: 'UDP' }] },
  },
  status: { loadBalancer: { ingress: [{ ip: address }] } },
});

export const endpoints = (of: string, pods: Readonly<Record<string, string>>): Manifest => ({
  ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
  metadata: { name: `${of}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  endpoints: Object.entries(pods).map(([nodeName, address]) => ({
    ...{ addresses: [address], nodeName, conditions: { ready: true, serving: true, terminating: false } },
  })),
});
