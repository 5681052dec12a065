/** Pods as BGP neighbours of the node they run on (BGPPeer.localWorkloadSelector): whether any can be, and who they are. */
import { appliesTo, type Workload } from '../model/peering.ts';
import type { ServiceAccount } from '../model/policy.ts';
import type { BgpPeer, Namespace, Pod, Resource } from '../model/resource.ts';
import type { Router } from '../model/router.ts';
import { podLabels } from './labels.ts';

/** Some pod of this node may be a neighbour. */
export const wantsWorkloads = (own: Pick<Router, 'name' | 'labels'>, peers: Iterable<BgpPeer>): boolean =>
  [...peers].some((peer) => peer.remote.kind === 'workloads' && appliesTo(peer, own));

/** What says which pods there are, and what labels they have. */
export type NeighbourResource = Pod | Namespace | ServiceAccount;

export const isOfNeighbour = (resource: Resource): resource is NeighbourResource =>
  resource.kind === 'Pod' || resource.kind === 'Namespace' || resource.kind === 'ServiceAccount';

/** What makes a pod a neighbour or not; the rest of it changes all the time. */
export function asNeighbour<R extends NeighbourResource>(resource: R): R {
  const { name, namespace, labels } = resource.meta;
  const meta = { name, labels, annotations: {}, ...(namespace === undefined ? {} : { namespace }) };
  return resource.kind === 'Pod' ? { ...resource, meta, ports: [], deleting: false } : { ...resource, meta };
}

/**
 * The pods of a node with the labels that policies see, by name. One on the host's network is the node itself, and one that has
 * finished has given its addresses back.
 */
export function workloadsOf(node: string, resources: Iterable<NeighbourResource>): readonly Workload[] {
  const pods: Pod[] = [];
  const namespaces = new Map<string, Namespace>();
  const accounts = new Map<string, ServiceAccount>();
  for (const resource of resources) {
    if (resource.kind === 'Namespace') namespaces.set(resource.meta.name, resource);
    else if (resource.kind === 'ServiceAccount')
      accounts.set(`${resource.meta.namespace ?? 'default'}/${resource.meta.name}`, resource);
    else pods.push(resource);
  }
  return pods
    .filter(({ nodeName, hostNetwork, finished }) => nodeName === node && !hostNetwork && !finished)
    .map((pod): Workload => {
      const { namespace = 'default', name } = pod.meta;
      const account = accounts.get(`${namespace}/${pod.serviceAccount ?? ''}`);
      return {
        name: `${namespace}/${name}`,
        labels: podLabels(pod, namespaces.get(namespace), account),
        addresses: pod.ips,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
