/** What the speaker says of its node in the API (CalicoNodeStatus.status.tortie.bgp): compact, with its trouble first. */
import { type Address, formatPrefix, type Prefix, versionOf } from '../../src/lib/net.ts';
import type { BgpReport, SessionCounts, SessionReport } from '../../src/model/node-report.ts';
import { startupTaint } from '../../src/model/node-report.ts';
import { formatProblem } from '../../src/model/problem.ts';
import type { Node } from '../../src/model/resource.ts';
import { addressesOf, type Router, routerOf } from '../../src/model/router.ts';
import type { BgpStatus, PeerStatus } from '../../src/model/status.ts';
import { hashOf, observersOf } from '../intent/observers.ts';
import type { IpamMode } from '../intent.ts';
import type { Speaker } from '../speaker/turn.ts';

/** An object of etcd should stay small: lists are cut, counts are whole. */
const most = { problems: 10, peers: 50, originated: 100, sees: 50 };

export interface ReportSources {
  readonly status: BgpStatus;
  readonly speaker: Speaker;
  readonly nodes: readonly Node[];
  readonly ipam: IpamMode;
  /** The kernel has the learned route of this prefix. */
  readonly forwards: (prefix: Prefix) => boolean;
}

export function bgpReport(sources: ReportSources): Omit<BgpReport, 'at'> {
  const { status, speaker } = sources;
  const { version, asn, routerId, inSync, kernel } = status;
  const v6 = countsOf(status.peers.filter(({ address }) => address.includes(':')));
  const resources = new Map(speaker.life.config?.peers.map((peer) => [peer.key, peer.resource]));
  return {
    version,
    inSync,
    problems: status.problems.slice(0, most.problems).map(formatProblem),
    ...(asn === undefined ? {} : { asn }),
    ...(routerId === undefined ? {} : { routerId }),
    sessions: { ...countsOf(status.peers), ...(v6.total === 0 ? {} : { v6 }) },
    peers: status.peers
      .filter(({ type, state }) => type !== 'node-to-node mesh' || state !== 'Established')
      .sort((a, b) => Number(isUp(a)) - Number(isUp(b)))
      .slice(0, most.peers)
      .map((peer) => sessionReport(peer, resources.get(`${peer.address} ${peer.port}`))),
    originated: (speaker.life.config?.origins ?? []).slice(0, most.originated).map(formatPrefix),
    kernel,
    sees: seenNodes(sources).slice(0, most.sees),
  };
}

const isUp = ({ state }: PeerStatus): boolean => state === 'Established';

const countsOf = (peers: readonly PeerStatus[]): SessionCounts => ({
  established: peers.filter(isUp).length,
  total: peers.length,
});

const sessionReport = (peer: PeerStatus, resource: string | undefined): SessionReport => ({
  name: resource ?? peer.name,
  address: peer.address,
  type: peer.type,
  asn: peer.peerAsn,
  state: peer.state,
  since: peer.since,
  received: peer.prefixesReceived,
  accepted: peer.prefixesAccepted,
  advertised: peer.prefixesAdvertised,
  ...(peer.lastError === undefined ? {} : { lastError: peer.lastError }),
});

/** Of the nodes that wait with the startup taint, those this node is to observe and can reach the pods of; by name. */
function seenNodes(sources: ReportSources): readonly string[] {
  const { nodes, status } = sources;
  const candidates = nodes
    .filter(({ deleting }) => !deleting)
    .map(({ meta, ready }) => ({ name: meta.name, ready, hash: hashOf(meta.name) }));
  const observed = nodes
    .filter(({ meta, taints }) => meta.name !== status.node && taints.some(({ key }) => key === startupTaint))
    .filter(({ meta }) => observersOf(meta.name, candidates).includes(status.node));
  if (observed.length === 0) return [];
  const reached = nextHopsOf(sources);
  return observed
    .filter((node) => isSeen(node, sources, reached))
    .map(({ meta }) => meta.name)
    .sort();
}

function isSeen(node: Node, sources: ReportSources, reached: ReadonlySet<Address>): boolean {
  const router = routerOf(node);
  if (sources.ipam === 'pod-cidrs') {
    const expected = router.podCidrs.filter((cidr) => hasFamily(router, cidr));
    return expected.length > 0 && expected.every(sources.forwards);
  }
  return addressesOf(router).some((address) => reached.has(address)) || hasNothingToTell(router, sources);
}

/** A family in which the node has no address is not originated by it. */
const hasFamily = (router: Router, cidr: Prefix): boolean =>
  (versionOf(cidr) === 4 ? router.ipv4 : router.ipv6) !== undefined;

/** A node that holds no block yet has no route; that it said so, to the end, shows that routes of its will come. */
function hasNothingToTell(router: Router, { speaker }: ReportSources): boolean {
  const addresses = addressesOf(router);
  return [...speaker.neighbours.values()].some(
    ({ config, session }) =>
      addresses.includes(config.address) &&
      session?.adjRibIn.isComplete(session.negotiated.families) &&
      session.adjRibIn.acceptedSize === 0,
  );
}

/** Next hops of the routes that are chosen and in the kernel. */
function nextHopsOf({ speaker, forwards }: ReportSources): ReadonlySet<Address> {
  const found = new Set<Address>();
  for (const prefix of speaker.locRib.prefixes())
    for (const { source, nextHop } of speaker.locRib.choice(prefix))
      if (source.type !== 'local' && !found.has(nextHop) && forwards(prefix)) found.add(nextHop);
  return found;
}
