/** Services and EndpointSlices for tests, as short as the test that makes them. */
import type { EndpointSlice, Service } from '../../src/model/service.ts';
import { address } from './wire.ts';

const meta = (name: string) => ({ name, namespace: 'default', labels: {}, annotations: {} });

export const service = (
  name: string,
  over: {
    type?: Service['type'];
    clusterIps?: string[];
    externalIps?: string[];
    ingressIps?: string[];
    loadBalancerIp?: string;
    policy?: Service['externalTrafficPolicy'];
  } = {},
): Service => ({
  kind: 'Service',
  meta: meta(name),
  type: over.type ?? 'ClusterIP',
  clusterIps: (over.clusterIps ?? []).map(address),
  externalIps: (over.externalIps ?? []).map(address),
  ...(over.loadBalancerIp === undefined ? {} : { loadBalancerIp: address(over.loadBalancerIp) }),
  ingressIps: (over.ingressIps ?? []).map(address),
  externalTrafficPolicy: over.policy ?? 'Cluster',
  internalTrafficPolicy: 'Cluster',
  ports: [],
  ipFamilies: [4],
  allocateLoadBalancerNodePorts: true,
  deleting: false,
});

export const endpointStates = {
  ready: { ready: true, serving: true, terminating: false },
  starting: { ready: false, serving: false, terminating: false },
  /** Being stopped, and still answering. */
  serving: { ready: false, serving: true, terminating: true },
  stopped: { ready: false, serving: false, terminating: true },
  /** publishNotReadyAddresses. */
  stoppingButPublished: { ready: true, serving: true, terminating: true },
} as const;
export type EndpointState = keyof typeof endpointStates;

export const endpointSlice = (
  of: string,
  endpoints: readonly (readonly [nodeName: string, state: EndpointState])[],
  family: 4 | 6 = 4,
): EndpointSlice => ({
  kind: 'EndpointSlice',
  meta: meta(`${of}-${family}`),
  service: of,
  family,
  endpoints: endpoints.map(([nodeName, state], index) => ({
    addresses: [address(family === 4 ? `10.65.0.${index + 1}` : `fd00:65::${index + 1}`)],
    nodeName,
    ...endpointStates[state],
  })),
  ports: [],
});
