/**
 * policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy: tier kube-admin or kube-baseline, order by priority.
 *
 * What the API has and we do not do makes the rule it is in fail closed: a Deny or a Pass becomes a rule that denies everything,
 * an Accept is left out.
 */

import { everything } from '../../model/labels.ts';
import type {
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyPods,
  ClusterPolicyProtocol,
  ClusterPolicyRule,
  Direction,
} from '../../model/policy.ts';
import type { Selector } from '../../model/selector.ts';
import type { Converted, Entity, Rule, Unconverted } from '../policy.ts';
import { both, ofLabels, ofNamespaces, pods } from '../selectors.ts';
import { byProtocol, type PortLine, type ProtocolPorts } from './ports.ts';

const tiers = { Admin: 'kube-admin', Baseline: 'kube-baseline' } as const;
const actions = { Accept: 'Allow', Deny: 'Deny', Pass: 'Pass' } as const;

export function convertCluster(policy: ClusterNetworkPolicy): Converted {
  const { meta, tier, priority, subject } = policy;
  const [ingress, egress] = [rulesOf(policy.ingress, 'Ingress'), rulesOf(policy.egress, 'Egress')];
  const types: Direction[] = [
    ...(policy.ingress.length === 0 ? [] : ['Ingress' as const]),
    ...(policy.egress.length === 0 ? [] : ['Egress' as const]),
  ];
  return {
    policy: {
      id: `ClusterNetworkPolicy ${meta.name}`,
      kind: 'ClusterNetworkPolicy',
      name: meta.name,
      tier: tiers[tier],
      order: priority,
      selector: selectorOf(subject),
      types,
      ingress: ingress.rules,
      egress: egress.rules,
      stage: 'normal',
      onForward: false,
      onEveryNode: false,
    },
    unconverted: [...ingress.unconverted, ...egress.unconverted],
  };
}

const selectorOf = (subject: ClusterPolicyPods): Selector =>
  both(
    ofNamespaces(subject.namespaceSelector),
    pods(subject.kind === 'pods' ? subject.podSelector : everything),
  );

interface Rules {
  readonly rules: readonly Rule[];
  readonly unconverted: readonly Unconverted[];
}

function rulesOf(rules: readonly ClusterPolicyRule[], direction: Direction): Rules {
  const converted = rules.map((rule, index) => ruleOf(rule, index, direction));
  return {
    rules: converted.flatMap(({ rules: own }) => own),
    unconverted: converted.flatMap(({ unconverted }) => unconverted),
  };
}

function ruleOf(rule: ClusterPolicyRule, index: number, direction: Direction): Rules {
  const number = index + 1;
  const label = { number, ...(rule.name === undefined ? {} : { name: rule.name }) };
  const flaws = flawsOf(rule);
  if (flaws.length > 0) {
    const allows = rule.action === 'Accept';
    const at = ['spec', direction.toLowerCase(), String(index)];
    return {
      rules: allows ? [] : [{ action: 'Deny', source: {}, destination: {}, ...label }],
      unconverted: flaws.map((what) => ({
        at,
        what,
        instead: allows ? 'allows nothing' : 'denies everything',
      })),
    };
  }
  const { protocols = [] } = rule;
  const services: readonly ProtocolPorts[] =
    protocols.length === 0 ? [{}] : byProtocol(protocols.flatMap(lineOf));
  return {
    rules: rule.peers.flatMap(entityOf).flatMap((remote) =>
      services.map(({ protocol, ports }): Rule => {
        const asked = ports === undefined ? {} : { ports };
        return {
          action: actions[rule.action],
          ...(protocol === undefined ? {} : { protocol }),
          ...(direction === 'Ingress'
            ? { source: remote, destination: asked }
            : { source: {}, destination: { ...remote, ...asked } }),
          ...label,
        };
      }),
    ),
    unconverted: [],
  };
}

const flawsOf = ({ peers, protocols = [] }: ClusterPolicyRule): readonly string[] =>
  [...peers, ...protocols].flatMap((part) => (part.kind === 'unsupported' ? [part.what] : []));

function entityOf(peer: ClusterPolicyPeer): readonly Entity[] {
  switch (peer.kind) {
    case 'namespaces':
    case 'pods':
      return [{ selector: selectorOf(peer) }];
    case 'nodes':
      return [{ nodes: ofLabels(peer.nodeSelector) }];
    case 'networks':
      return [{ nets: peer.networks }];
    case 'unsupported':
      return [];
  }
}

function lineOf(protocol: ClusterPolicyProtocol): readonly PortLine[] {
  switch (protocol.kind) {
    case 'numbered': {
      const { ports } = protocol;
      return [{ protocol: protocol.protocol, ...(ports === undefined ? {} : { port: ports }) }];
    }
    case 'named':
      return [{ port: { name: protocol.name } }];
    case 'unsupported':
      return [];
  }
}
