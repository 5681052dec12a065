/**
 * By which nodes a connection to a Service comes to one of its backends, and whose address it has there.
 *
 *   in the cluster, to an address of the Service   translated on the client's own node
 *   to a NodePort                                  translated on the node that has the address, which the client goes to first
 *   from outside                                   translated on any node it is sent to
 *
 * Source: kube-proxy's chains of a Service: what is masqueraded, and what policy Local leaves alone.
 */
import { type Address, formatAddress } from '../lib/net.ts';
import type { Cluster } from './cluster.ts';
import { nodeOf } from './meet.ts';
import { outgoingAs, ownAddress } from './outgoing.ts';
import type { Dialled } from './service.ts';
import type { Who } from './who.ts';

export interface Way {
  /** The node that translates, where it is not the client's. */
  readonly by?: string;
  /** The address with which the client comes there, where it is not its own. */
  readonly as?: Address;
  /** The address that the backend sees, where it is not what the translating node was asked with. */
  readonly seen?: Address;
  readonly words?: string;
}

/** Of a client outside, more nodes than these are not looked at one by one. */
const mostNodes = 32;

/** An external address and a NodePort of policy Cluster are masqueraded, and so is a cluster address that outside asks. */
const isMasked = ({ way, service }: Dialled): boolean =>
  way !== 'cluster' && way !== 'headless' && service.externalTrafficPolicy === 'Cluster';

/** @param node  the backend's; undefined: it is on none that is known */
export function waysOf(
  cluster: Cluster,
  from: Who,
  source: Address,
  dialled: Dialled,
  node: string | undefined,
): readonly Way[] {
  const own = nodeOf(from);
  const { at, address } = dialled;
  if (at !== undefined && at !== own && address !== undefined) {
    const as =
      from.spot?.kind === 'workload' && own !== undefined
        ? outgoingAs(cluster, own, source, address)
        : undefined;
    return [byNode(cluster, dialled, at, node, as === undefined ? undefined : { node: own ?? '', as })];
  }
  if (own !== undefined) return [inside(cluster, from, dialled, own, node)];
  if (from.spot !== undefined || dialled.way === 'headless') return [{}];
  return outside(cluster, dialled, node);
}

function inside(cluster: Cluster, from: Who, dialled: Dialled, own: string, node: string | undefined): Way {
  const isChanged = isMasked(dialled) && from.spot?.kind === 'workload' && own !== node;
  const seen = isChanged ? ownAddress(cluster, own, dialled.version) : undefined;
  return seen === undefined ? {} : { seen, words: masked(own, seen) };
}

function byNode(
  cluster: Cluster,
  dialled: Dialled,
  at: string,
  node: string | undefined,
  changed: { readonly node: string; readonly as: Address } | undefined,
): Way {
  const seen = isMasked(dialled) && at !== node ? ownAddress(cluster, at, dialled.version) : undefined;
  const before =
    changed === undefined
      ? ''
      : `with node ${changed.node}'s address ${formatAddress(changed.as)} in place of its own (natOutgoing), `;
  return {
    by: at,
    ...(changed === undefined ? {} : { as: changed.as }),
    ...(seen === undefined ? {} : { seen }),
    words: `${before}${seen === undefined ? `by node ${at}` : masked(at, seen)}`,
  };
}

/** By the backend's own node, or by any other, unless the policy is Local. */
function outside(
  cluster: Cluster,
  { service, way, version }: Dialled,
  node: string | undefined,
): readonly Way[] {
  const isKept =
    (way === 'cluster' ? service.internalTrafficPolicy : service.externalTrafficPolicy) === 'Local';
  const direct: Way = node === undefined ? {} : { by: node, words: `by node ${node}` };
  const others = cluster.nodes.flatMap(({ meta: { name } }) => {
    const seen = name === node ? undefined : ownAddress(cluster, name, version);
    return seen === undefined || isKept ? [] : [{ by: name, seen, words: masked(name, seen) }];
  });
  return [direct, ...others.slice(0, mostNodes)];
}

const masked = (node: string, seen: Address): string =>
  `by node ${node}, which asks the backend with its own address ${formatAddress(seen)}`;
