/** Who can send and receive in a lab, by the names the matrices use: pods as "namespace/pod", clients by their own. */
import { probeNamespace, probePod, probePort } from './cluster.ts';
import type { Target } from './expect.ts';
import type { Host } from './probe.ts';
import type { PodRecord } from './state.ts';
import { netnsPath, type Topology } from './topology.ts';

/** Ports the lab opens on the clients: one to be named in policies' expectations, one for plain connectivity. */
export const clientPorts = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: probePort },
] as const;

export function hostsOf(topology: Topology, pods: readonly PodRecord[]): ReadonlyMap<string, Host> {
  return new Map<string, Host>([
    ...pods
      .filter(({ state }) => state === 'running')
      .map(
        ({ namespace, pod, netns, addresses }) =>
          [`${namespace}/${pod}`, { netnsPath: netnsPath(netns), addresses }] as const,
      ),
    ...topology.clients.map(
      ({ name, netns, address }) =>
        [name, { netnsPath: netnsPath(netns), addresses: [address.v4, address.v6] }] as const,
    ),
  ]);
}

const clientNames = (topology: Topology): readonly string[] => topology.clients.map(({ name }) => name);

/** The lab's own pod on each node, and the first client: none of them is under a policy. */
export const routedHosts = (topology: Topology): readonly string[] => [
  ...topology.nodes.map(({ name }) => `${probeNamespace}/${probePod(name)}`),
  ...clientNames(topology).slice(0, 1),
];

export const routedTargets = (topology: Topology): readonly Target[] =>
  routedHosts(topology).map((host) => ({ host, protocol: 'TCP', port: probePort }));

/** Those a policy may be about: the cluster's pods and the clients. */
export const judgedSources = (topology: Topology, pods: readonly PodRecord[]): readonly string[] => [
  ...pods
    .filter(({ namespace }) => namespace !== probeNamespace)
    .map(({ namespace, pod }) => `${namespace}/${pod}`)
    .sort(),
  ...clientNames(topology),
];

/** Every container port of the cluster's own pods. */
export const podTargets = (pods: readonly PodRecord[]): readonly Target[] =>
  pods
    .filter(({ namespace }) => namespace !== probeNamespace)
    .flatMap(({ namespace, pod, ports }) => ports.map((port) => ({ host: `${namespace}/${pod}`, ...port })));
