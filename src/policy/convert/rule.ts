/** A rule of projectcalico.org/v3: the selectors of each side become one, within the policy's namespace if it has one. */
import type { CalicoEntity, CalicoRule } from '../../model/policy.ts';
import type { Selector } from '../../model/selector.ts';
import type { Entity, Rule } from '../policy.ts';
import { both, inNamespace, namedAccounts, namespaced, ofAccounts } from '../selectors.ts';

/** @param namespace  the policy's; absent: it is in none */
export const convertRules = (rules: readonly CalicoRule[], namespace: string | undefined): readonly Rule[] =>
  rules.map((rule, index) => convertRule(rule, index + 1, namespace));

function convertRule(rule: CalicoRule, number: number, namespace: string | undefined): Rule {
  const { action, ipVersion, protocol, notProtocol, icmp, notIcmp, annotations } = rule;
  const name = annotations['name'];
  return {
    action,
    ...(ipVersion === undefined ? {} : { version: ipVersion }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(notProtocol === undefined ? {} : { notProtocol }),
    ...(icmp === undefined ? {} : { icmp }),
    ...(notIcmp === undefined ? {} : { notIcmp }),
    source: entityOf(rule.source, namespace),
    destination: entityOf(rule.destination, namespace),
    number,
    ...(name === undefined ? {} : { name }),
  };
}

function entityOf(entity: CalicoEntity, namespace: string | undefined): Entity {
  const { nets, notNets, notSelector, services, ports, notPorts } = entity;
  const selector = selectorOf(entity, namespace);
  return {
    ...(nets === undefined ? {} : { nets }),
    ...(notNets === undefined ? {} : { notNets }),
    ...(selector === undefined ? {} : { selector }),
    ...(notSelector === undefined ? {} : { notSelector }),
    ...(services === undefined ? {} : { service: services }),
    ...(ports === undefined ? {} : { ports }),
    ...(notPorts === undefined ? {} : { notPorts }),
  };
}

/**
 * Undefined: any address, an endpoint's or not.
 *
 * A selector of a policy in a namespace means that namespace unless a namespaceSelector says others. A notSelector says so too:
 * beside it, the side is an endpoint of the namespace.
 */
function selectorOf(entity: CalicoEntity, namespace: string | undefined): Selector | undefined {
  const { selector, notSelector, namespaceSelector, serviceAccounts } = entity;
  const place =
    namespaceSelector !== undefined
      ? namespaced(namespaceSelector)
      : namespace !== undefined && (selector ?? notSelector ?? serviceAccounts) !== undefined
        ? inNamespace(namespace)
        : undefined;
  const parts = [
    place,
    ...(serviceAccounts === undefined
      ? []
      : [
          serviceAccounts.names.length === 0 ? undefined : namedAccounts(serviceAccounts.names),
          serviceAccounts.selector === undefined ? undefined : ofAccounts(serviceAccounts.selector),
        ]),
    selector,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : both(...parts);
}
