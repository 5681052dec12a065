/**
 * A connection to a Service: each backend it may come to, by each way it may take there, judged as policy sees it. A pod's egress
 * sees the backend, or another node's NodePort, which that node translates; what host endpoints ask before translation (preDNAT,
 * doNotTrack) sees what was dialled; the backend sees the client, or the node that put its own address in the client's place.
 */
import { type Address, formatAddress, versionOf } from '../lib/net.ts';
import type { Cluster } from './cluster.ts';
import type { Connection } from './connection.ts';
import type { Judgement } from './judgement.ts';
import { connectionOf, nodeOf } from './meet.ts';
import type { Policy } from './policy.ts';
import { type Behind, backendsBehind, type Dialled, nameOfService } from './service.ts';
import { pendingPolicies } from './staged.ts';
import { passing, type Verdict, verdictUnder } from './verdict.ts';
import { type Way, waysOf } from './ways.ts';
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

/** Empty: the two have no family in common. */
export function through(cluster: Cluster, from: Who, dialled: Dialled): readonly (Through | Nobody)[] {
  const source = from.addresses.find((each) => versionOf(each) === dialled.version);
  if (source === undefined) return [];
  const only = onlyOf(from, dialled);
  const behind = backendsBehind(cluster, dialled, only?.node);
  if (behind.length === 0) {
    const { way, service } = dialled;
    const isKept = way === 'external' && service.externalTrafficPolicy === 'Local';
    const where =
      only !== undefined
        ? ` on node ${only.node}, and its ${only.policy} is Local`
        : isKept
          ? ', so no node takes its external traffic'
          : '';
    return [{ source, nobody: `Service ${nameOfService(service)} has no ready backend${where}` }];
  }
  return behind.flatMap((one) => {
    const backend = whoHas(cluster, one.address);
    const node = nodeOf(backend) ?? one.node;
    return waysOf(cluster, from, source, dialled, node).map((way) =>
      judged(cluster, from, source, dialled, one, backend, way),
    );
  });
}

/**
 * The only node whose backends are there, by which policy. Whoever is on the node that translates is not held to
 * externalTrafficPolicy: for kube-proxy that is as if it went to a load balancer and came back.
 */
function onlyOf(
  from: Who,
  { way, at, service: { internalTrafficPolicy, externalTrafficPolicy } }: Dialled,
): { readonly node: string; readonly policy: string } | undefined {
  const own = nodeOf(from);
  if (way === 'cluster' && internalTrafficPolicy === 'Local' && own !== undefined)
    return { node: own, policy: 'internalTrafficPolicy' };
  if (at !== undefined && at !== own && externalTrafficPolicy === 'Local')
    return { node: at, policy: 'externalTrafficPolicy' };
  return undefined;
}

function judged(
  cluster: Cluster,
  from: Who,
  source: Address,
  dialled: Dialled,
  { address: destination, port = dialled.port }: Behind,
  backend: Who,
  { by, as, seen, words }: Way,
): Through {
  const traffic = { protocol: dialled.protocol, ...(port === undefined ? {} : { port }) };
  // Who comes to the node that translates, with which address.
  const client = as === undefined ? from : whoSeen(as);
  const after = connectionOf(cluster, client, backend, [as ?? source, destination], traffic);
  const before = { ...after, ...beforeOf(dialled) };
  const first = by === undefined ? before : (untranslated(cluster, from, source, dialled) ?? before);
  // What comes to the backend's node is translated already, unless that node is the one that does so.
  const arriving =
    seen === undefined
      ? by === undefined && nodeOf(from) !== undefined
        ? after
        : before
      : connectionOf(cluster, whoSeen(seen), backend, [seen, destination], traffic);
  const crossed = seen === undefined || by === undefined ? undefined : hostEndpointAt(cluster, by);
  const under = (policies: readonly Policy[]): Verdict => {
    const passed = crossed === undefined ? [] : passing(cluster, policies, before, crossed);
    const leaving = verdictUnder(cluster, policies, first).judgements.filter(isOfSource);
    const entering = verdictUnder(cluster, policies, arriving).judgements.filter((each) => !isOfSource(each));
    return verdictOf([...leaving, ...passed], entering);
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

/** What a packet says before it is translated. */
const beforeOf = ({ address, port }: Dialled): Pick<Connection, 'dialled'> =>
  address === undefined ? {} : { dialled: { address, ...(port === undefined ? {} : { port }) } };

/** As it leaves the client for the node that translates. */
function untranslated(
  cluster: Cluster,
  from: Who,
  source: Address,
  { address, protocol, port }: Dialled,
): Connection | undefined {
  if (address === undefined) return undefined;
  const traffic = { protocol, ...(port === undefined ? {} : { port }) };
  return connectionOf(cluster, from, whoHas(cluster, address), [source, address], traffic);
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
