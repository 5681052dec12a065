/**
 * A connection to a Service: each backend it may come to, by each way it may take there, judged as policy sees it. A pod's egress
 * sees the backend; what host endpoints ask before translation (preDNAT, doNotTrack) sees the Service; the backend sees the
 * client, or the node that put its own address in the client's place.
 */
import { type Address, formatAddress, versionOf } from '../lib/net.ts';
import type { Cluster } from './cluster.ts';
import type { Judgement } from './judgement.ts';
import { connectionOf, nodeOf } from './meet.ts';
import type { Policy } from './policy.ts';
import { type Behind, backendsBehind, type Dialled, nameOfService } from './service.ts';
import { pendingPolicies } from './staged.ts';
import { passing, type Verdict, verdictUnder } from './verdict.ts';
import { hostEndpointAt, type Who, whoHas } from './who.ts';

/** One backend by one way. */
export interface Through {
  readonly source: Address;
  readonly backend: Who;
  readonly destination: Address;
  readonly port?: number;
  /** Words about the way, where one must be said: "by node2, which puts its own address in the client's place". */
  readonly way?: string;
  readonly verdict: Verdict;
  readonly pending: Verdict;
}

/** Why nothing gets through, whatever policy says: a sentence. */
export interface Nobody {
  readonly source: Address;
  readonly nobody: string;
}

/** Of a client outside, more nodes than these are not looked at one by one. */
const mostNodes = 32;

/** Empty: the two have no family in common. */
export function through(cluster: Cluster, from: Who, dialled: Dialled): readonly (Through | Nobody)[] {
  const source = from.addresses.find((each) => versionOf(each) === dialled.version);
  if (source === undefined) return [];
  const at = nodeOf(from);
  const { internalTrafficPolicy, externalTrafficPolicy } = dialled.service;
  const isLocal = dialled.way === 'cluster' && internalTrafficPolicy === 'Local';
  const behind = backendsBehind(cluster, dialled, isLocal ? at : undefined);
  if (behind.length === 0) {
    const where =
      isLocal && at !== undefined
        ? ` on node ${at}, and its internalTrafficPolicy is Local`
        : dialled.way === 'external' && externalTrafficPolicy === 'Local'
          ? ', so no node takes its external traffic'
          : '';
    return [{ source, nobody: `Service ${nameOfService(dialled.service)} has no ready backend${where}` }];
  }
  return behind.flatMap((one) => {
    const backend = whoHas(cluster, one.address);
    const node = nodeOf(backend) ?? one.node;
    return waysOf(cluster, from, dialled, node).map((way) =>
      judged(cluster, from, source, dialled, one, backend, way),
    );
  });
}

interface Way {
  /** The node that translates. */
  readonly by?: string;
  /** The address that the backend sees. */
  readonly seen?: Address;
  readonly words?: string;
}

/**
 * Who is in the cluster is translated on its own node. A client outside comes by the backend's own node, or by any other, unless
 * the policy is Local. An external address of policy Cluster is masqueraded, and so is a cluster address that outside asks.
 */
function waysOf(
  cluster: Cluster,
  from: Who,
  { service, way, version }: Dialled,
  node: string | undefined,
): readonly Way[] {
  const ownAddress = (name: string): Address | undefined =>
    cluster.nodes
      .find(({ meta }) => meta.name === name)
      ?.internalIps.find((each) => versionOf(each) === version);
  const isMasked = way === 'external' && service.externalTrafficPolicy === 'Cluster';
  const own = nodeOf(from);
  if (own !== undefined) {
    const seen = isMasked && from.spot?.kind === 'workload' && own !== node ? ownAddress(own) : undefined;
    return [seen === undefined ? {} : { seen, words: masked(own, seen) }];
  }
  if (from.spot !== undefined || way === 'headless') return [{}];
  const isKept =
    (way === 'external' ? service.externalTrafficPolicy : service.internalTrafficPolicy) === 'Local';
  const direct: Way = node === undefined ? {} : { by: node, words: `by node ${node}` };
  const others = cluster.nodes.flatMap(({ meta: { name } }) => {
    const seen = name === node ? undefined : ownAddress(name);
    return seen === undefined || isKept ? [] : [{ by: name, seen, words: masked(name, seen) }];
  });
  return [direct, ...others.slice(0, mostNodes)];
}

const masked = (node: string, seen: Address): string =>
  `by node ${node}, which asks the backend with its own address ${formatAddress(seen)}`;

function judged(
  cluster: Cluster,
  from: Who,
  source: Address,
  dialled: Dialled,
  { address: destination, port = dialled.port }: Behind,
  backend: Who,
  { by, seen, words }: Way,
): Through {
  const traffic = { protocol: dialled.protocol, ...(port === undefined ? {} : { port }) };
  const after = connectionOf(cluster, from, backend, [source, destination], traffic);
  const before =
    dialled.address === undefined
      ? after
      : {
          ...after,
          dialled: {
            address: dialled.address,
            ...(dialled.port === undefined ? {} : { port: dialled.port }),
          },
        };
  const isInside = nodeOf(from) !== undefined;
  // What comes to the backend's node is translated already, unless that node is the one that does so.
  const arriving =
    seen === undefined
      ? isInside
        ? after
        : before
      : connectionOf(cluster, whoSeen(seen), backend, [seen, destination], traffic);
  const crossed = seen === undefined || isInside ? undefined : hostEndpointAt(cluster, by);
  const under = (policies: readonly Policy[]): Verdict => {
    const passed = crossed === undefined ? [] : passing(cluster, policies, before, crossed);
    const leaving = verdictUnder(cluster, policies, before).judgements.filter(isOfSource);
    const entering = verdictUnder(cluster, policies, arriving).judgements.filter((each) => !isOfSource(each));
    return verdictOf([...passed, ...leaving], entering);
  };
  return {
    source,
    backend,
    destination,
    ...(port === undefined ? {} : { port }),
    ...(words === undefined ? {} : { way: words }),
    verdict: under(cluster.policies.filter(({ staged }) => staged === undefined)),
    pending: under(pendingPolicies(cluster.policies)),
  };
}

/** Forwarded by that node and not sent by it: nobody's egress policy is asked. */
const whoSeen = (address: Address): Who => ({ label: formatAddress(address), addresses: [address] });

const isOfSource = ({ end }: Judgement): boolean => end === 'source';

function verdictOf(leaving: readonly Judgement[], entering: readonly Judgement[]): Verdict {
  const [egress, ingress] = [leaving, entering].map((all) => all.every(({ allowed }) => allowed));
  return {
    allowed: egress === true && ingress === true,
    egress: egress === true,
    ingress: ingress === true,
    judgements: [...leaving, ...entering],
  };
}
