/**
 * The meaning of policy, written to be obvious and never to be fast: the oracle that the compiled rules must agree with. It
 * reads policies and the cluster, and knows nothing of chains or sets.
 *
 * It answers with its whole way: at each end, in each direction and stage, the tiers, policies and rules it looked at.
 * Source: Calico's documentation of tiers, profiles and host endpoints; the API documentation of the Kubernetes kinds.
 */
import { containsAddress } from '../lib/net.ts';
import type { ProtoPort } from '../model/felix-fields.ts';
import type { Direction, HostEndpoint } from '../model/policy.ts';
import type { Cluster } from './cluster.ts';
import type { Connection, Spot } from './connection.ts';
import type { Judgement, Moment, Reason } from './judgement.ts';
import { knownHost, knownPod } from './known.ts';
import { type Packet, ruleHolds } from './matches.ts';
import type { Policy } from './policy.ts';
import { builtInProfiles, convertProfile, type ProfileRules } from './profiles.ts';
import { settingsAt } from './settings.ts';
import { pendingPolicies } from './staged.ts';
import { walk } from './walk.ts';

export interface Verdict {
  readonly allowed: boolean;
  /** What the source end lets go, and what the destination end lets in; true where there is nobody of ours. */
  readonly egress: boolean;
  readonly ingress: boolean;
  /** In the order of the packet's way. */
  readonly judgements: readonly Judgement[];
}

/** As policies are enforced; staged ones change nothing. */
export const verdict = (cluster: Cluster, connection: Connection): Verdict =>
  verdictUnder(
    cluster,
    cluster.policies.filter(({ staged }) => staged === undefined),
    connection,
  );

/** As it would be if what is staged were done: sets take their namesakes' place, deletes take theirs away. */
export const pendingVerdict = (cluster: Cluster, connection: Connection): Verdict =>
  verdictUnder(cluster, pendingPolicies(cluster.policies), connection);

/** Under these policies, whatever the cluster's are. */
export function verdictUnder(cluster: Cluster, policies: readonly Policy[], connection: Connection): Verdict {
  const world = { cluster, policies, connection };
  const source = leaving(world);
  const destination = entering(world);
  const [egress, ingress] = [source, destination].map((all) => all.every(({ allowed }) => allowed));
  return {
    allowed: egress === true && ingress === true,
    egress: egress === true,
    ingress: ingress === true,
    judgements: [...source, ...destination],
  };
}

/** What a node says to a packet from outside that it translates and passes on; `endpoint` is of the interface it enters by. */
export function passing(
  cluster: Cluster,
  policies: readonly Policy[],
  connection: Connection,
  endpoint: HostEndpoint,
): readonly Judgement[] {
  const world = { cluster, policies, connection };
  const entered = hostJudgements(world, 'Ingress', endpoint, ['untracked', 'preDnat', 'forward']);
  return entered.every(({ allowed }) => allowed)
    ? [...entered, ...hostJudgements(world, 'Egress', endpoint, ['forward'])]
    : entered;
}

/** What is asked about, and of whom. */
interface World {
  readonly cluster: Cluster;
  /** In force, in this telling. */
  readonly policies: readonly Policy[];
  readonly connection: Connection;
}

const nodeOf = (spot: Spot | undefined): string | undefined =>
  spot?.kind === 'workload' ? (spot.node ?? spot.pod?.nodeName) : spot?.node;

/** Both ends on one known node. */
function isLocal({ from, to }: Connection): boolean {
  const node = nodeOf(from.spot);
  return node !== undefined && node === nodeOf(to.spot);
}

const isSame = ({ from, to }: Connection): boolean =>
  from.spot?.kind === 'workload' &&
  to.spot?.kind === 'workload' &&
  from.spot.pod !== undefined &&
  from.spot.pod === to.spot.pod;

function leaving(world: World): readonly Judgement[] {
  const { connection } = world;
  const { from, to } = connection;
  if (from.spot?.kind === 'host') {
    const toOwn = to.spot?.kind === 'workload' && isLocal(connection);
    return from.spot.endpoint === undefined || toOwn
      ? []
      : hostJudgements(world, 'Egress', from.spot.endpoint, ['untracked', 'normal']);
  }
  if (from.spot === undefined) return [];
  const own = workloadJudgement(world, 'Egress', from.spot);
  if (
    to.spot?.kind === 'host' &&
    isLocal(connection) &&
    own.allowed &&
    own.because.kind !== 'neighbours' &&
    own.because.kind !== 'established'
  ) {
    const action = settingsAt(world.cluster, to.spot.node).defaultEndpointToHostAction;
    return action !== 'Drop'
      ? [own]
      : [own, { ...own, allowed: false, because: { kind: 'endpointToHost', action }, tiers: [] }];
  }
  return from.via === undefined ? [own] : [own, ...hostJudgements(world, 'Egress', from.via, ['forward'])];
}

function entering(world: World): readonly Judgement[] {
  const { connection } = world;
  const { from, to } = connection;
  if (to.spot === undefined) return [];
  if (to.spot.kind === 'host') {
    const fromOwn = from.spot?.kind === 'workload' && isLocal(connection);
    return to.spot.endpoint === undefined || fromOwn
      ? []
      : hostJudgements(world, 'Ingress', to.spot.endpoint, ['untracked', 'preDnat', 'normal']);
  }
  const crossed =
    to.via === undefined ? [] : hostJudgements(world, 'Ingress', to.via, ['untracked', 'preDnat', 'forward']);
  // What untracked policy let through is not tracked, so nobody after it knows it as part of a connection.
  const isUntracked = crossed.some(
    ({ moment, because }) => moment === 'untracked' && because.kind === 'rule',
  );
  const after = isUntracked ? { ...world, connection: { ...connection, established: false } } : world;
  return [...crossed, workloadJudgement(after, 'Ingress', to.spot)];
}

/** Neighbour and listener discovery that a workload needs of its host: RFC 4861 and RFC 2710 types. */
const neighbourTypes: readonly number[] = [130, 131, 132, 133, 135, 136];
const icmp6 = 58;

function workloadJudgement(
  world: World,
  direction: Direction,
  { pod }: Extract<Spot, { kind: 'workload' }>,
): Judgement {
  const { cluster, connection } = world;
  const { from, to, protocol, icmp } = connection;
  const judged = {
    end: direction === 'Egress' ? ('source' as const) : ('destination' as const),
    direction,
    moment: 'normal' as const,
    who: pod === undefined ? 'a pod that is not known' : `pod ${pod.meta.namespace}/${pod.meta.name}`,
    tiers: [],
  };
  const said = (allowed: boolean, because: Reason): Judgement => ({ ...judged, allowed, because });
  if (connection.established === true) return said(true, { kind: 'established' });
  const atHost = to.spot?.kind === 'host' && isLocal(connection);
  if (direction === 'Egress' && atHost && protocol === icmp6 && neighbourTypes.includes(icmp?.type ?? -1))
    return said(true, { kind: 'neighbours' });
  if (direction === 'Ingress' && from.spot?.kind === 'host' && isLocal(connection))
    return said(true, { kind: 'ownHost' });
  if (pod === undefined) return said(false, { kind: 'unknownPod' });
  if (pod.hostNetwork) return said(true, { kind: 'hostNetwork' });
  if (isSame(connection)) return said(true, { kind: 'itself' });
  const { labels } = knownPod(cluster, pod);
  const policies = world.policies.filter(({ stage }) => stage === 'normal');
  const walked = walk(cluster, policies, direction, labels, packetOf(connection, false), true);
  const because: Reason = walked.because ?? { kind: 'profile', profile: `kns.${pod.meta.namespace}` };
  return { ...judged, allowed: walked.outcome !== 'deny', because, tiers: walked.tiers };
}

/**
 * An allow of a policy before the last moment ends the matter for this host endpoint; so does a deny. A failsafe port only keeps
 * that moment's policies away: what it becomes once translated, or tracked, is asked of the next.
 */
function hostJudgements(
  world: World,
  direction: Direction,
  endpoint: HostEndpoint,
  moments: readonly Moment[],
): readonly Judgement[] {
  const judgements: Judgement[] = [];
  for (const moment of moments) {
    const judgement = hostJudgement(world, direction, endpoint, moment);
    judgements.push(judgement);
    const { kind } = judgement.because;
    if (kind !== 'undecided' && !(kind === 'failsafe' && moment !== 'normal')) break;
  }
  return judgements;
}

function hostJudgement(
  world: World,
  direction: Direction,
  endpoint: HostEndpoint,
  moment: Moment,
): Judgement {
  const { cluster, connection } = world;
  const judged = {
    end: direction === 'Egress' ? ('source' as const) : ('destination' as const),
    direction,
    moment,
    who: `host endpoint ${endpoint.meta.name}`,
    tiers: [],
  };
  const said = (allowed: boolean, because: Reason): Judgement => ({ ...judged, allowed, because });
  if (connection.established === true && moment !== 'untracked') return said(true, { kind: 'established' });
  // Before translation, and at the raw hook of either direction, the packet still says what was dialled.
  const packet = packetOf(connection, moment === 'untracked' || moment === 'preDnat');
  const failsafe = failsafeFor(cluster, endpoint.node, direction, moment, packet);
  if (failsafe !== undefined) return said(true, { kind: 'failsafe', failsafe });
  const { labels } = knownHost(cluster, endpoint);
  const closes = moment === 'normal' || moment === 'forward';
  const policies = world.policies.filter((policy) => isAsked(policy, moment));
  const walked = walk(cluster, policies, direction, labels, packet, closes);
  const { tiers, outcome, because } = walked;
  if (because !== undefined) return { ...judged, allowed: outcome === 'allow', because, tiers };
  if (moment !== 'normal') return { ...judged, allowed: true, because: { kind: 'undecided' }, tiers };
  return { ...judged, ...askProfiles(world, endpoint, direction, packet), tiers };
}

const isAsked = ({ stage, onForward }: Policy, moment: Moment): boolean =>
  moment === 'forward' ? stage === 'normal' && onForward : stage === moment;

function packetOf({ from, to, dialled, protocol, icmp }: Connection, isBefore: boolean): Packet {
  const { address, port } = isBefore ? (dialled ?? to) : to;
  return {
    source: from.address,
    destination: address,
    protocol,
    ...(from.port === undefined ? {} : { sourcePort: from.port }),
    ...(port === undefined ? {} : { port }),
    ...(icmp === undefined ? {} : { icmp }),
  };
}

/** Before connection tracking a reply is not known as one, so there the ports of the other direction pass as sources. */
function failsafeFor(
  cluster: Cluster,
  node: string,
  direction: Direction,
  moment: Moment,
  { protocol, sourcePort, port, source, destination }: Packet,
): ProtoPort | undefined {
  if (moment === 'forward') return undefined;
  const { failsafeInboundHostPorts: inbound, failsafeOutboundHostPorts: outbound } = settingsAt(
    cluster,
    node,
  );
  const [own, replies, other] =
    direction === 'Ingress' ? [inbound, outbound, source] : [outbound, inbound, destination];
  const passes = (each: ProtoPort, wanted: number | undefined): boolean =>
    each.protocol === protocol &&
    each.port === wanted &&
    (each.net === undefined || containsAddress(each.net, other));
  return (
    own.find((each) => passes(each, port)) ??
    (moment === 'untracked' ? replies.find((each) => passes(each, sourcePort)) : undefined)
  );
}

/** In the order the endpoint lists them; the first rule that allows or denies decides. */
function askProfiles(
  { cluster }: World,
  endpoint: HostEndpoint,
  direction: Direction,
  packet: Packet,
): { readonly allowed: boolean; readonly because: Reason } {
  for (const profile of endpoint.profiles) {
    const rules = profileNamed(cluster, profile);
    if (rules === undefined) return { allowed: false, because: { kind: 'missingProfile', profile } };
    const decisive = (direction === 'Ingress' ? rules.ingress : rules.egress)
      .filter((rule) => rule.action !== 'Log' && ruleHolds(cluster, rule, packet))
      .at(0);
    if (decisive === undefined || decisive.action === 'Pass') continue;
    return {
      allowed: decisive.action === 'Allow',
      because: { kind: 'profile', profile, rule: decisive },
    };
  }
  return { allowed: false, because: { kind: 'noProfile' } };
}

function profileNamed({ profiles }: Cluster, name: string): ProfileRules | undefined {
  const written = profiles.find(({ meta }) => meta.name === name);
  return written === undefined
    ? builtInProfiles.find((profile) => profile.name === name)
    : convertProfile(written);
}
