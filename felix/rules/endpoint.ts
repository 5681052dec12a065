/**
 * The two chains of a local endpoint, and the map elements that lead to them.
 *
 * `from-<interface>` judges what the pod sends (egress), `to-<interface>` what it gets (ingress). Interface names are
 * unique on a node, so they name the chains.
 */
import type { LocalEndpoint } from '../../src/model/endpoint.ts';
import type { Chain, Element, Rule } from './model.ts';
import { commentOf } from './name.ts';
import type { Direction } from './policy.ts';

/** What holds for an endpoint in one direction. */
export type Isolation =
  /** Its Pod is not known, so neither is what selects it: nothing passes until it is. */
  | { readonly kind: 'closed' }
  /** No policy selects it. */
  | { readonly kind: 'open' }
  /** What none of these chains accepts is dropped. In order; their order changes nothing but the reading. */
  | { readonly kind: 'isolated'; readonly policyChains: readonly string[] };

export const endpointChainName = (direction: Direction, interfaceName: string): string =>
  `${direction === 'Egress' ? 'from' : 'to'}-${interfaceName}`;

export const dispatchElement = (direction: Direction, interfaceName: string): Element => ({
  kind: 'dispatch',
  interface: interfaceName,
  chain: endpointChainName(direction, interfaceName),
});

export function endpointChain(endpoint: LocalEndpoint, direction: Direction, isolation: Isolation): Chain {
  return {
    name: endpointChainName(direction, endpoint.interface),
    rules: rulesOf(endpoint, direction, isolation),
  };
}

function rulesOf(endpoint: LocalEndpoint, direction: Direction, isolation: Isolation): readonly Rule[] {
  const comment = (tail: string): string => commentOf(`${endpoint.namespace}/${endpoint.pod}`, ` ${tail}`);
  switch (isolation.kind) {
    case 'closed':
      return [{ matches: [], verdict: { kind: 'drop' }, comment: comment('is not known yet') }];
    case 'open':
      return [
        {
          matches: [],
          verdict: { kind: 'accept' },
          comment: comment(`no ${direction.toLowerCase()} policy`),
        },
      ];
    case 'isolated':
      return [
        {
          // A pod always reaches itself: this is what comes back by a Service's address, in and out of one interface.
          matches: [
            { kind: 'interface', way: direction === 'Egress' ? 'out' : 'in', name: endpoint.interface },
          ],
          verdict: { kind: 'accept' },
          comment: comment('to itself'),
        },
        ...isolation.policyChains.map((chain): Rule => ({ matches: [], verdict: { kind: 'jump', chain } })),
        {
          matches: [],
          verdict: { kind: 'drop' },
          comment: comment(`no ${direction.toLowerCase()} policy allows it`),
        },
      ];
  }
}
