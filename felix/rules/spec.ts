/**
 * The named sets that rules ask for: what the members are, told apart from which they are now. `rules/` asks, `calc/` answers.
 *
 * A set is named after what it means and nothing else, so policies that mean the same share it, and a pod added or relabelled
 * changes members in one place and no rule at all.
 */
import type { ServiceRef } from '../../src/model/policy.ts';
import type { Selector } from '../../src/model/selector.ts';
import type { Element, SetDecl } from './model.ts';

export type SetContent =
  /** Kind 'address': the addresses of endpoints that satisfy the selector, and single addresses of network sets that do. */
  | { readonly kind: 'endpoints'; readonly selector: Selector }
  /** Kind 'range': the wider prefixes of network sets that satisfy it, merged. Only asked for while there are any. */
  | { readonly kind: 'networks'; readonly selector: Selector }
  /**
   * Kind 'port': what endpoints that satisfy the selector call by this name. `protocol` absent: of any protocol. `local`: only
   * those of this node, for a named port at the endpoint's own side.
   */
  | {
      readonly kind: 'namedPort';
      readonly selector: Selector;
      readonly name: string;
      readonly protocol?: number;
      readonly local?: true;
    }
  /** Kind 'port': address, protocol and port of each ready backend. */
  | { readonly kind: 'servicePorts'; readonly service: ServiceRef }
  /** Kind 'address': the backends' addresses. */
  | { readonly kind: 'serviceAddresses'; readonly service: ServiceRef }
  /** Kind 'address': the own addresses of nodes whose labels satisfy the selector. */
  | { readonly kind: 'nodes'; readonly selector: Selector }
  /** The same for as long as the set is there. */
  | { readonly kind: 'fixed'; readonly elements: readonly Element[] };

export interface SetSpec {
  readonly decl: SetDecl;
  readonly content: SetContent;
}
