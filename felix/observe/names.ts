/** Who has an address, in the words of the cluster. */
import type { Address } from '../../src/lib/net.ts';
import type { Graph } from '../calc/graph.ts';
import { endpointAt } from '../calc/inputs.ts';

/** Of two that have one address the first kind counts: a pod's host endpoint or network set says less than the pod. */
const kinds = ['pod', 'node', 'HostEndpoint', 'NetworkSet', 'GlobalNetworkSet'] as const;
type Kind = (typeof kinds)[number];

/** "pod shop/front" of the key it has among the endpoints of the graph: "shop/front", or "NetworkSet/shop/partners". */
function nameOf(key: string): { readonly kind: Kind; readonly name: string } {
  const kind = kinds.slice(2).find((each) => key.startsWith(`${each}/`));
  if (kind === undefined) return { kind: 'pod', name: `pod ${key}` };
  return { kind, name: `${kind} ${key.slice(kind.length + 1)}` };
}

/** Looks through all endpoints and nodes once, whatever the number of addresses. */
export function whoAre(
  { members }: Pick<Graph, 'members'>,
  addresses: ReadonlySet<Address>,
): ReadonlyMap<Address, string> {
  const found = new Map<Address, { readonly kind: Kind; readonly name: string }>();
  const note = (
    has: readonly Address[],
    make: () => { readonly kind: Kind; readonly name: string },
  ): void => {
    for (const address of has) {
      if (!addresses.has(address)) continue;
      const [before, now] = [found.get(address), make()];
      if (before === undefined || kinds.indexOf(now.kind) < kinds.indexOf(before.kind))
        found.set(address, now);
    }
  };
  for (const [key, endpoint] of members.endpoints.entries()) note(endpoint.addresses, () => nameOf(key));
  for (const [name, node] of members.nodes.entries())
    note(node.addresses, () => ({ kind: 'node', name: `node ${name}` }));
  return new Map([...found].map(([address, { name }]) => [address, name]));
}

/** The pod of this node that has the interface; undefined: none that is known. */
export function whoseInterface({ inputs }: Pick<Graph, 'inputs'>, name: string): string | undefined {
  const endpoint = endpointAt(inputs, name);
  return endpoint === undefined ? undefined : `pod ${endpoint.namespace}/${endpoint.pod}`;
}
