/** A connection between two that are meant. */
import type { Address } from '../lib/net.ts';
import type { Cluster } from './cluster.ts';
import type { Connection, End } from './connection.ts';
import { hostEndpointAt, type Who } from './who.ts';

export interface Traffic {
  /** IANA number. */
  readonly protocol: number;
  readonly port?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

const anySourcePort = 40_000;

/** A connection between these, with the host endpoints it crosses where the two are not on one node. */
export function connectionOf(
  cluster: Cluster,
  from: Who,
  to: Who,
  [source, destination]: readonly [Address, Address],
  { protocol, port, icmp }: Traffic,
): Connection {
  const [start, end] = [nodeOf(from), nodeOf(to)];
  const apart = start === undefined || start !== end;
  return {
    from: {
      ...endOf(cluster, from, source, apart),
      ...(port === undefined ? {} : { port: anySourcePort }),
    },
    to: { ...endOf(cluster, to, destination, apart), ...(port === undefined ? {} : { port }) },
    protocol,
    ...(icmp === undefined ? {} : { icmp }),
  };
}

/** Where it runs, or is. */
export const nodeOf = ({ spot }: Who): string | undefined =>
  spot?.kind === 'workload' ? (spot.node ?? spot.pod?.nodeName) : spot?.node;

function endOf(cluster: Cluster, who: Who, address: Address, apart: boolean): End {
  const { spot } = who;
  if (spot === undefined) return { address };
  const endpoint = apart
    ? hostEndpointAt(cluster, nodeOf(who), spot.kind === 'host' ? address : undefined)
    : undefined;
  if (endpoint === undefined) return { address, spot };
  return spot.kind === 'host' ? { address, spot: { ...spot, endpoint } } : { address, spot, via: endpoint };
}
