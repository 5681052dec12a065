/** Policy in words, for status, comments and people. */
import { formatPrefix } from '../../src/lib/net.ts';
import type { LabelRequirement, LabelSelector } from '../../src/model/labels.ts';
import type { PolicyPeer, PolicyPort, PolicyRule } from '../../src/model/resource.ts';

function describeRequirement(requirement: LabelRequirement): string {
  switch (requirement.operator) {
    case 'In':
    case 'NotIn': {
      const values = [...new Set(requirement.values)].sort();
      const is = requirement.operator === 'In';
      if (values.length === 1) return `${requirement.key}${is ? '=' : '!='}${values[0]}`;
      return `${requirement.key} ${is ? 'in' : 'not in'} (${values.join(', ')})`;
    }
    case 'Exists':
      return `has ${requirement.key}`;
    case 'DoesNotExist':
      return `without ${requirement.key}`;
  }
}

/**
 * "app=web, tier in (a, b)"; empty for the selector that matches everything. Selectors of one canonical form read the
 * same, so that the comment of a set does not depend on which policy asked for it first.
 */
function describeSelector(selector: LabelSelector): string {
  const labels = Object.entries(selector.matchLabels).map(
    ([key, value]): LabelRequirement => ({ key, operator: 'In', values: [value] }),
  );
  return [...new Set([...labels, ...selector.matchExpressions].map(describeRequirement))].sort().join(', ');
}

/** "pods app=web in namespace shop", "every pod in every namespace", "10.0.0.0/8 except 10.1.0.0/16". */
export function describePeer(peer: PolicyPeer, ownNamespace: string): string {
  if (peer.kind === 'ipBlock') {
    const block = formatPrefix(peer.cidr);
    return peer.except.length === 0 ? block : `${block} except ${peer.except.map(formatPrefix).join(', ')}`;
  }
  const pods = peer.podSelector === undefined ? '' : describeSelector(peer.podSelector);
  const namespaces =
    peer.namespaceSelector === undefined ? undefined : describeSelector(peer.namespaceSelector);
  const where =
    namespaces === undefined
      ? `namespace ${ownNamespace}`
      : namespaces === ''
        ? 'every namespace'
        : `namespaces ${namespaces}`;
  return `${pods === '' ? 'every pod' : `pods ${pods}`} in ${where}`;
}

function describePorts(ports: readonly PolicyPort[]): string {
  const byProtocol = new Map<string, string[]>();
  for (const { protocol, port, endPort } of ports) {
    const text = port === undefined ? 'any port' : endPort === undefined ? `${port}` : `${port}-${endPort}`;
    byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), text]);
  }
  return [...byProtocol].map(([protocol, list]) => `${protocol} ${list.join(', ')}`).join(' and ');
}

/** "allow TCP 80, 443 from pods app=web in namespace shop". */
export function describeRule(
  rule: PolicyRule,
  direction: 'Ingress' | 'Egress',
  ownNamespace: string,
): string {
  const ports =
    rule.ports === undefined || rule.ports.length === 0 ? 'everything' : describePorts(rule.ports);
  const peers =
    rule.peers === undefined || rule.peers.length === 0
      ? 'anyone'
      : rule.peers.map((peer) => describePeer(peer, ownNamespace)).join(' or ');
  return `allow ${ports} ${direction === 'Ingress' ? 'from' : 'to'} ${peers}`;
}
