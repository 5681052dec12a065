/** Two that are one: BGP identifiers and addresses that more than one node has. */
import { formatAddress } from '../../../lib/net.ts';
import { type Finding, shared } from '../check.ts';
import type { ClusterFacts } from './facts.ts';

export function routerIds({ reports }: ClusterFacts): readonly Finding[] {
  const ids = reports.flatMap(({ node, report }) =>
    report.bgp?.routerId === undefined ? [] : [{ node, id: report.bgp.routerId }],
  );
  return shared(ids, ({ id }) => id).map(([id, owners]) => ({
    severity: 'error',
    subject: owners.map(({ node }) => node).join(', '),
    evidence: `The reports (CalicoNodeStatus) of these nodes say router id ${id}.`,
    why: 'Two speakers with one BGP Identifier have no session with each other, and a third takes their routes for those of one (RFC 6286).',
    fix: 'Give each node an IPv4 address of its own, or --router-id to one of the speakers.',
  }));
}

export function addresses({ nodes }: ClusterFacts): readonly Finding[] {
  const all = nodes.flatMap((node) =>
    node.internalIps.map((address) => ({ node: node.meta.name, address: formatAddress(address) })),
  );
  const twice = shared(all, ({ address }) => address).map(
    ([address, owners]): Finding => ({
      severity: 'error',
      subject: owners.map(({ node }) => node).join(', '),
      evidence: `status.addresses of these Nodes have the InternalIP ${address}.`,
      why: 'Sessions and routes to one of them reach the other.',
      fix: 'Give each machine its own address, or set --node-ip of the kubelet that has the wrong one.',
    }),
  );
  const without = nodes
    .filter(({ internalIps }) => internalIps.length === 0)
    .map(
      ({ meta }): Finding => ({
        severity: 'error',
        subject: meta.name,
        evidence: 'status.addresses of the Node has no InternalIP.',
        why: 'No other node can have a session with it.',
        fix: 'See that its kubelet runs, and that the cloud provider sets the address; or start the kubelet with --node-ip.',
      }),
    );
  return [...twice, ...without];
}
