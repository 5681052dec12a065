/** Selectors that match nothing: most often a slip of the pen, and nothing else says so. */
import { everything, type LabelSelector, matchesLabels } from '../../../model/labels.ts';
import type { NetworkPolicy, PolicyPeer } from '../../../model/resource.ts';
import { formatSelector, matchesSelector } from '../../../model/selector.ts';
import { selectorText } from '../../objects/columns.ts';
import type { Finding } from '../check.ts';
import type { ClusterFacts } from './facts.ts';

export function peerSelectors({ peers, nodes }: ClusterFacts): readonly Finding[] {
  return peers.flatMap(({ meta, node, nodeSelector }): readonly Finding[] => {
    const subject = `BGPPeer/${meta.name}`;
    const why = 'No node has a session with this neighbour.';
    if (node !== undefined && !nodes.some((one) => one.meta.name === node))
      return [
        {
          severity: 'warning',
          subject,
          evidence: `spec.node is ${node}, and there is no such Node.`,
          why,
          fix: 'Correct the name; the Nodes are listed by: tortiectl get nodes.',
        },
      ];
    if (nodeSelector !== undefined && !nodes.some((one) => matchesSelector(nodeSelector, one.meta.labels)))
      return [
        {
          severity: 'warning',
          subject,
          evidence: `spec.nodeSelector is "${formatSelector(nodeSelector)}", which holds for none of ${nodes.length} Nodes.`,
          why,
          fix: 'Correct the selector, or label the nodes: tortiectl label node NAME KEY=VALUE.',
        },
      ];
    return [];
  });
}

export function policySelectors({ policies, pods, namespaces }: ClusterFacts): readonly Finding[] {
  const isPod = (namespace: string | undefined, selector: LabelSelector): boolean =>
    pods.some(({ meta }) => meta.namespace === namespace && matchesLabels(selector, meta.labels));
  const isPeer = (policy: NetworkPolicy, peer: Extract<PolicyPeer, { kind: 'pods' }>): boolean => {
    const { namespaceSelector, podSelector = everything } = peer;
    if (namespaceSelector === undefined) return isPod(policy.meta.namespace, podSelector);
    return namespaces
      .filter(({ meta }) => matchesLabels(namespaceSelector, meta.labels))
      .some(({ meta }) => isPod(meta.name, podSelector));
  };
  return policies.flatMap((policy): readonly Finding[] => {
    const { podSelector, ingress, egress } = policy;
    const subject = `NetworkPolicy/${policy.meta.namespace}/${policy.meta.name}`;
    const own: readonly Finding[] = isPod(policy.meta.namespace, podSelector)
      ? []
      : [
          {
            severity: 'warning',
            subject,
            evidence: `spec.podSelector is ${selectorText(podSelector)}, which no pod of namespace ${policy.meta.namespace} has.`,
            why: 'The policy protects nothing: pods it was written for are open.',
            fix: 'Compare with the labels of the pods: kubectl get pods --show-labels.',
          },
        ];
    const directions = [
      ['ingress', 'from', ingress],
      ['egress', 'to', egress],
    ] as const;
    const peers = directions.flatMap(([direction, word, rules]) =>
      rules.flatMap(({ peers: those = [] }, rule) =>
        those.flatMap((peer, index): readonly Finding[] =>
          peer.kind === 'ipBlock' || isPeer(policy, peer)
            ? []
            : [
                {
                  severity: 'note',
                  subject,
                  evidence: `spec.${direction}[${rule}].${word}[${index}] (${peerText(peer)}) matches no pod there is.`,
                  why: 'The rule allows nobody at the moment.',
                  fix: 'If pods were meant that exist, compare the labels: kubectl get pods -A --show-labels; kubectl get namespaces --show-labels.',
                },
              ],
        ),
      ),
    );
    return [...own, ...peers];
  });
}

const peerText = ({ namespaceSelector, podSelector }: Extract<PolicyPeer, { kind: 'pods' }>): string =>
  [
    ...(namespaceSelector === undefined ? [] : [`namespaceSelector ${selectorText(namespaceSelector)}`]),
    ...(podSelector === undefined ? [] : [`podSelector ${selectorText(podSelector)}`]),
  ].join(', ');
