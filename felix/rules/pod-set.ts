/**
 * The named sets that policies need: which pods, or which addresses, and what each member is.
 *
 * A set is named after what it means and nothing else, so two policies, or two rules, that mean the same share it, and
 * a pod added or relabelled changes its members in one place and no rule at all.
 */
import type { IpVersion } from '../../src/lib/net.ts';
import { canonicalLabels, everything, type LabelSelector } from '../../src/model/labels.ts';
import type { PolicyPeer, Protocol } from '../../src/model/resource.ts';
import { type Element, elementKey, type SetDecl } from './model.ts';
import { commentOf, objectName } from './name.ts';
import { addressOf, type Span } from './span.ts';
import { describePeer } from './words.ts';

export type PodPeer = Extract<PolicyPeer, { kind: 'pods' }>;
export type BlockPeer = Extract<PolicyPeer, { kind: 'ipBlock' }>;

/** Which pods; pods of the host network and finished ones are never among them. */
export type PodScope =
  | { readonly kind: 'every' }
  /** With an endpoint on this node. */
  | { readonly kind: 'local' }
  /** Of the one namespace, or of those that a selector matches. */
  | { readonly kind: 'selected'; readonly namespace: string | LabelSelector; readonly pods: LabelSelector };

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
}

export interface SetSpec {
  readonly decl: SetDecl;
  readonly content: /** With `port`: each address with the number its pod has for that name; pods without it are no members. */
    | { readonly kind: 'pods'; readonly scope: PodScope; readonly port?: NamedPort }
    /** The same for as long as the set is there. */
    | { readonly kind: 'fixed'; readonly elements: readonly Element[] };
}

export const scopeOf = (peer: PodPeer, ownNamespace: string): PodScope => ({
  kind: 'selected',
  namespace: peer.namespaceSelector ?? ownNamespace,
  pods: peer.podSelector ?? everything,
});

/** One text for all scopes that mean the same pods by reordering. */
function canonicalScope(scope: PodScope): string {
  if (scope.kind !== 'selected') return scope.kind;
  const namespace =
    typeof scope.namespace === 'string'
      ? ['named', scope.namespace]
      : ['labelled', canonicalLabels(scope.namespace)];
  return JSON.stringify([namespace, canonicalLabels(scope.pods)]);
}

function describeScope(scope: PodScope): string {
  if (scope.kind !== 'selected') return scope.kind === 'every' ? 'every pod' : 'pods of this node';
  const { namespace, pods } = scope;
  return typeof namespace === 'string'
    ? describePeer({ kind: 'pods', podSelector: pods }, namespace)
    : describePeer({ kind: 'pods', podSelector: pods, namespaceSelector: namespace }, '');
}

/** The addresses of these pods. */
export const podSet = (scope: PodScope, version: IpVersion): SetSpec => ({
  decl: {
    name: objectName(`pods${version}`, '', canonicalScope(scope)),
    kind: 'address',
    version,
    comment: commentOf(describeScope(scope)),
  },
  content: { kind: 'pods', scope },
});

/** Each address of these pods with the port its pod calls by that name. */
export const portSet = (scope: PodScope, port: NamedPort, version: IpVersion): SetSpec => ({
  decl: {
    name: objectName(
      `ports${version}`,
      port.name,
      JSON.stringify([canonicalScope(scope), port.name, port.protocol]),
    ),
    kind: 'port',
    version,
    comment: commentOf(describeScope(scope), `: ${port.protocol} ${port.name}`),
  },
  content: { kind: 'pods', scope, port },
});

/** Exactly the addresses of `spans`, which are merged. */
export function rangeSet(spans: readonly Span[], version: IpVersion): SetSpec {
  const elements = spans.map(
    ({ first, last }): Element => ({
      kind: 'range',
      first: addressOf(version, first),
      last: addressOf(version, last),
    }),
  );
  const identity = elements.map(elementKey).join(', ');
  return {
    decl: {
      name: objectName(`nets${version}`, '', identity),
      kind: 'range',
      version,
      comment: 'what ipBlocks leave',
    },
    content: { kind: 'fixed', elements },
  };
}
