/** GET /connections: what connection tracking knows now of connections that pods of this node take part in. */
import type { Conntrack } from '../../src/kernel/conntrack.ts';
import { formatAddress } from '../../src/lib/net.ts';
import type { Connections, SeenConnections } from '../../src/model/flow.ts';
import { type Graph, localRoutes } from '../calc/graph.ts';

/** Kinds of connections told, at most. */
const mostTold = 50_000;

/** Fails with a KernelError. */
export async function connectionsNow(graph: Graph, conntrack: Pick<Conntrack, 'dump'>): Promise<Connections> {
  const workloads = localRoutes(graph);
  const kinds = new Map<string, SeenConnections>();
  for (const version of [4, 6] as const)
    for (const { original, reply } of await conntrack.dump(version)) {
      if (!workloads.has(original.source) && !workloads.has(reply.source)) continue;
      const { sourcePort: port } = reply;
      const key = `${original.source} ${reply.source} ${original.protocol} ${port ?? ''}`;
      const count = (kinds.get(key)?.count ?? 0) + 1;
      kinds.set(key, {
        source: formatAddress(original.source),
        destination: formatAddress(reply.source),
        protocol: original.protocol,
        ...(port === undefined ? {} : { port }),
        count,
      });
    }
  const connections = [...kinds.values()];
  return {
    node: graph.node,
    connections: connections.slice(0, mostTold),
    more: Math.max(0, connections.length - mostTold),
  };
}
