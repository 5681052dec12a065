/** Flannel's configuration, and what it never did. Pure. */
import { parsePrefix } from '../../lib/net.ts';
import { parseJson } from '../../store/kubernetes/api.ts';
import type { Manifest } from '../../store/objects.ts';
import { at, listAt, nameOf, namespaceOf, textAt } from '../cluster/json.ts';
import { differs, unsupported, type Verdict, works } from './verdict.ts';

const backends: Readonly<Record<string, (name: string) => Verdict>> = {
  'host-gw': (name) => works(name, 'plain routes to the nodes, as Tortie does; BGP tells them.'),
  vxlan: (name) =>
    differs(
      name,
      'packets are routed, never encapsulated.',
      'All nodes must be on one network, or have BGPPeers with their ToR routers; the MTU of new pods grows by 50.',
    ),
  udp: (name) =>
    differs(
      name,
      'packets are routed, never encapsulated.',
      'All nodes must be on one network, or have BGPPeers with their ToR routers.',
    ),
  wireguard: (name) =>
    unsupported(
      name,
      'packets between nodes are not encrypted.',
      'Encrypt below (MACsec, IPsec of the hosts) or in the applications (mTLS).',
    ),
};

/** @param config  the ConfigMap kube-flannel-cfg */
export function flannelConfig(config: Manifest): readonly Verdict[] {
  const name = `ConfigMap/${namespaceOf(config)}/${nameOf(config)}`;
  const net = parseJson(textAt(config, 'data', 'net-conf.json'));
  if (net === undefined)
    return [unsupported(`${name} net-conf.json`, 'is not JSON.', 'Correct it, so that it can be judged.')];
  const type = textAt(net, 'Backend', 'Type') || 'udp';
  const judge = backends[type];
  const networks = ['Network', 'IPv6Network']
    .map((field) => textAt(net, field))
    .filter((text) => parsePrefix(text) !== undefined);
  return [
    judge?.(`${name} Backend ${type}`) ??
      unsupported(
        `${name} Backend ${type}`,
        'is a way between nodes that is not there.',
        'All nodes must be on one network, or have BGPPeers with their ToR routers.',
      ),
    ...(networks.length === 0
      ? []
      : [
          differs(
            `${name} Network`,
            `pods have addresses in ${networks.join(' and ')}: nodes keep their podCIDRs (--ipam pod-cidrs).`,
            `Make an IPPool of ${networks.join(' and one of ')}, so that routes in it are taken from neighbours.`,
          ),
        ]),
    differs(
      name,
      'addresses of pods that leave the cluster are translated by Flannel (--ip-masq), and not here.',
      'Translate at the edge of the network, or keep an nftables masquerade rule of your own.',
    ),
  ];
}

/** Flannel enforces no policy: what was written and never held will hold. */
export function sleepingPolicies(policies: readonly Manifest[]): readonly Verdict[] {
  if (policies.length === 0) return [];
  const names = policies.slice(0, 5).map((policy) => `${namespaceOf(policy)}/${nameOf(policy)}`);
  const more = policies.length > 5 ? `, and ${policies.length - 5} more` : '';
  return [
    differs(
      'NetworkPolicy',
      `${policies.length} exist that Flannel never enforced (${names.join(', ')}${more}); they will hold at once.`,
      'Read them before the change: tortiectl get networkpolicy -A -o wide.',
    ),
  ];
}

/** Other networks, by the DaemonSets they run as. */
const networks: readonly (readonly [name: RegExp, network: string])[] = [
  [/^calico-node$/, 'Calico'],
  [/^canal$/, 'Canal'],
  [/^kube-flannel/, 'Flannel'],
  [/^cilium$/, 'Cilium'],
  [/^weave-net$/, 'Weave'],
  [/^kube-router$/, 'kube-router'],
  [/^antrea-agent$/, 'Antrea'],
];

export interface Running {
  readonly network: string;
  readonly daemonSet: string;
}

export const runningNetworks = (daemonSets: readonly Manifest[]): readonly Running[] =>
  daemonSets.flatMap((one) => {
    const network = networks.find(([name]) => name.test(nameOf(one)))?.[1];
    return network === undefined ? [] : [{ network, daemonSet: `${namespaceOf(one)}/${nameOf(one)}` }];
  });

export function podCidrs(nodes: readonly Manifest[]): readonly Verdict[] {
  const without = nodes.filter(
    (node) => listAt(node, 'spec', 'podCIDRs').length === 0 && at(node, 'spec', 'podCIDR') === undefined,
  );
  if (without.length === 0) return [];
  return [
    differs(
      'Node spec.podCIDRs',
      `${without.length} of ${nodes.length} Nodes have none.`,
      'Run Tortie with --ipam blocks and an IPPool, or the controller manager with --allocate-node-cidrs.',
    ),
  ];
}
