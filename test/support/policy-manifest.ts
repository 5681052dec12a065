/** Policy resources as a person would write them: what is read of it is the same value again. */
import { formatAddress, formatPrefix } from '../../src/lib/net.ts';
import type { Meta } from '../../src/model/meta.ts';
import type {
  CalicoEntity,
  CalicoPolicySpec,
  CalicoRule,
  ClusterPolicyPeer,
  ClusterPolicyProtocol,
  ClusterPolicyRule,
  GlobalPolicySpec,
  PolicyResource,
  PortMatch,
} from '../../src/model/policy.ts';
import type { NetworkPolicy, PolicyPeer, PolicyRule } from '../../src/model/resource.ts';
import { formatSelector, type Selector } from '../../src/model/selector.ts';
import { apiKindOf, kinds } from '../../src/store/kinds.ts';
import type { Manifest } from './manifests.ts';

type Fields = { readonly [name: string]: unknown };

/** Undefined is a field that is not there. */
const text = (selector: Selector | undefined): string | undefined =>
  selector === undefined ? undefined : formatSelector(selector);

const portText = (port: PortMatch): number | string =>
  'name' in port ? port.name : port.first === port.last ? port.first : `${port.first}:${port.last}`;

const entity = (one: CalicoEntity): Fields => ({
  ...one,
  nets: one.nets?.map(formatPrefix),
  notNets: one.notNets?.map(formatPrefix),
  selector: text(one.selector),
  notSelector: text(one.notSelector),
  namespaceSelector: text(one.namespaceSelector),
  serviceAccounts: one.serviceAccounts && {
    names: one.serviceAccounts.names,
    selector: text(one.serviceAccounts.selector),
  },
  ports: one.ports?.map(portText),
  notPorts: one.notPorts?.map(portText),
});

const rule = ({ source, destination, annotations, notIcmp, ...rest }: CalicoRule): Fields => ({
  ...rest,
  notICMP: notIcmp,
  source: entity(source),
  destination: entity(destination),
  metadata: { annotations },
});

const policy = (spec: CalicoPolicySpec): Fields => ({
  tier: spec.tier,
  order: spec.order,
  selector: text(spec.selector),
  serviceAccountSelector: text(spec.serviceAccountSelector),
  types: spec.types,
  ingress: spec.ingress.map(rule),
  egress: spec.egress.map(rule),
  ...(spec.onEveryNode ? { performanceHints: ['AssumeNeededOnEveryNode'] } : {}),
});

const global = (spec: GlobalPolicySpec): Fields => ({
  ...policy(spec),
  namespaceSelector: text(spec.namespaceSelector),
  doNotTrack: spec.doNotTrack,
  preDNAT: spec.preDnat,
  applyOnForward: spec.applyOnForward,
});

const peer = (one: PolicyPeer): Fields =>
  one.kind === 'ipBlock'
    ? { ipBlock: { cidr: formatPrefix(one.cidr), except: one.except.map(formatPrefix) } }
    : { podSelector: one.podSelector, namespaceSelector: one.namespaceSelector };

const kubernetesRule =
  (side: 'from' | 'to') =>
  ({ peers, ports }: PolicyRule): Fields => ({ [side]: peers?.map(peer), ports });

const kubernetes = ({ podSelector, policyTypes, ingress, egress }: Omit<NetworkPolicy, 'kind'>): Fields => ({
  podSelector,
  policyTypes,
  ingress: ingress.map(kubernetesRule('from')),
  egress: egress.map(kubernetesRule('to')),
});

const clusterPeer = (one: ClusterPolicyPeer): Fields => {
  switch (one.kind) {
    case 'namespaces':
      return { namespaces: one.namespaceSelector };
    case 'pods':
      return { pods: { namespaceSelector: one.namespaceSelector, podSelector: one.podSelector } };
    case 'nodes':
      return { nodes: one.nodeSelector };
    case 'networks':
      return { networks: one.networks.map(formatPrefix) };
    case 'unsupported':
      return { [one.what]: ['x'] };
  }
};

const words: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

function clusterProtocol(one: ClusterPolicyProtocol): Fields {
  if (one.kind === 'named') return { destinationNamedPort: one.name };
  if (one.kind === 'unsupported') return { [one.what]: {} };
  const { ports } = one;
  const port =
    ports === undefined
      ? {}
      : {
          destinationPort:
            ports.first === ports.last
              ? { number: ports.first }
              : { range: { start: ports.first, end: ports.last } },
        };
  return { [words[one.protocol] ?? '']: port };
}

const clusterRule =
  (side: 'from' | 'to') =>
  ({ name, action, peers, protocols }: ClusterPolicyRule): Fields => ({
    name,
    action,
    [side]: peers.map(clusterPeer),
    protocols: protocols?.map(clusterProtocol),
  });

function specOf(resource: PolicyResource | NetworkPolicy): Fields | undefined {
  switch (resource.kind) {
    case 'NetworkPolicy':
      return kubernetes(resource);
    case 'CalicoNetworkPolicy':
      return policy(resource);
    case 'GlobalNetworkPolicy':
      return global(resource);
    case 'StagedNetworkPolicy':
      return { ...policy(resource), stagedAction: resource.stagedAction };
    case 'StagedGlobalNetworkPolicy':
      return { ...global(resource), stagedAction: resource.stagedAction };
    case 'StagedKubernetesNetworkPolicy':
      return { ...kubernetes(resource), stagedAction: resource.stagedAction };
    case 'Tier':
      return { order: resource.order, defaultAction: resource.defaultAction };
    case 'NetworkSet':
    case 'GlobalNetworkSet':
      return { nets: resource.nets.map(formatPrefix) };
    case 'HostEndpoint':
      return {
        node: resource.node,
        interfaceName: resource.interfaceName,
        expectedIPs: resource.expectedIps.map(formatAddress),
        profiles: resource.profiles,
        ports: resource.ports,
      };
    case 'Profile':
      return {
        ingress: resource.ingress.map(rule),
        egress: resource.egress.map(rule),
        labelsToApply: resource.labelsToApply,
      };
    case 'ServiceAccount':
      return undefined;
    case 'ClusterNetworkPolicy':
      return {
        tier: resource.tier,
        priority: resource.priority,
        subject: clusterPeer(resource.subject),
        ingress: resource.ingress.map(clusterRule('from')),
        egress: resource.egress.map(clusterRule('to')),
      };
  }
}

const metaOf = ({ name, namespace, labels, annotations }: Meta): Fields => ({
  name,
  namespace,
  labels,
  annotations,
});

export const policyManifest = (resource: PolicyResource | NetworkPolicy): Manifest =>
  JSON.parse(
    JSON.stringify({
      apiVersion: kinds[resource.kind].apiVersion,
      kind: apiKindOf(resource.kind),
      metadata: metaOf(resource.meta),
      spec: specOf(resource),
    }),
  ) as Manifest;
