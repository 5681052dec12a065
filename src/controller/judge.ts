/** The conditions and Events of every object that can be right or wrong, as the cluster is at this moment. */
import { type Kind, keyOf, type Node, type Resource, type ResourceRef, refOf } from '../model/resource.ts';
import { isPolicy } from '../policy/convert.ts';
import { acceptedOf, describe, invalidReason } from './decide/accepted.ts';
import type { Verdict } from './decide/condition.ts';
import { statusIn } from './decide/condition.ts';
import { conflictsOf, filterMissing, mismatchesOf, nodeMissing } from './decide/conflict.ts';
import type { Notice, Subject } from './decide/notice.ts';
import { readyOf } from './decide/peer.ts';
import { endpointVerdict, policyVerdict, tierVerdict, unconvertedText } from './decide/policy.ts';
import { allocatableOf } from './decide/pool.ts';
import type { Shown } from './placard.ts';
import { reportsByNode } from './untaint.ts';
import { policiesByTier, type World } from './world.ts';

/** The kinds that carry conditions. */
const judged = [
  'BGPPeer',
  'BGPConfiguration',
  'BGPFilter',
  'IPPool',
  'IPReservation',
  'IPAMConfiguration',
  'FelixConfiguration',
  'CalicoNetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'ClusterNetworkPolicy',
  'Tier',
  'NetworkSet',
  'GlobalNetworkSet',
  'HostEndpoint',
  'Profile',
] as const satisfies readonly Kind[];

const isJudged = (kind: Kind): boolean => judged.some((one) => one === kind);

type Secondly = Partial<
  Record<Kind, (resource: Resource | undefined, ref: ResourceRef, isValid: boolean) => Verdict | undefined>
>;

/** @param now  wall clock, ms since 1970 */
export function judge(world: World, now: number): ReadonlyMap<string, Shown> {
  const flaws = world.flaws();
  const nodes = new Map(world.all('Node').map((node) => [node.meta.name, node]));
  const reports = reportsByNode(world);
  const pools = world.all('IPPool');
  const blocks = world.all('IPAMBlock');
  const refs = new Map<string, { readonly ref: ResourceRef; readonly resource?: Resource }>();
  for (const { ref } of flaws.values()) if (isJudged(ref.kind)) refs.set(keyOf(ref), { ref });
  for (const kind of judged)
    for (const resource of world.all(kind)) {
      const ref = refOf(resource);
      refs.set(keyOf(ref), { ref, resource });
    }

  const members = policiesByTier(world);
  const beside = besideOthers(world, nodes);
  /** Besides Accepted. */
  const secondOf: Secondly = {
    BGPPeer: (peer, _, isValid) =>
      readyOf(peer?.kind === 'BGPPeer' ? peer : undefined, isValid, nodes, reports, now),
    IPPool: (pool) => (pool?.kind === 'IPPool' ? allocatableOf(pool, pools, blocks) : undefined),
    Tier: (tier, { name }, isValid) =>
      tierVerdict(tier?.kind === 'Tier' ? tier : undefined, isValid, members.get(name) ?? []),
  };
  const verdictsOf = (key: string, ref: ResourceRef, resource: Resource | undefined): readonly Verdict[] => {
    const problems = flaws.get(key)?.problems ?? [];
    const isValid = problems.length === 0;
    const accepted = isValid ? (beside(resource) ?? acceptedOf([])) : acceptedOf(problems);
    const second = secondOf[ref.kind]?.(resource, ref, isValid);
    return second === undefined ? [accepted] : [accepted, second];
  };
  return new Map(
    [...refs].map(([key, { ref, resource }]) => [key, { ref, verdicts: verdictsOf(key, ref, resource) }]),
  );
}

/** What is to be said of an object that is right by itself; undefined: that it is. */
function besideOthers(
  world: World,
  nodes: ReadonlyMap<string, Node>,
): (resource: Resource | undefined) => Verdict | undefined {
  const tiers = new Set(world.all('Tier').map(({ meta }) => meta.name));
  const profiles = new Set(world.all('Profile').map(({ meta }) => meta.name));
  const has = { node: (name: string) => nodes.has(name), profile: (name: string) => profiles.has(name) };
  const filters = new Set(world.all('BGPFilter').map(({ meta }) => meta.name));
  const peerings = {
    peers: world.all('BGPPeer'),
    nodes: [...nodes.values()],
    configurations: world.all('BGPConfiguration'),
  };
  const [conflicts, mismatches] = [conflictsOf(peerings), mismatchesOf(peerings)];
  return (resource) => {
    if (resource === undefined) return undefined;
    if (isPolicy(resource)) return policyVerdict(resource, tiers);
    if (resource.kind === 'HostEndpoint') return endpointVerdict(resource, has);
    if (resource.kind === 'BGPConfiguration') return nodeMissing(resource, nodes);
    if (resource.kind !== 'BGPPeer') return undefined;
    return (
      filterMissing(resource, filters) ??
      conflicts.get(resource.meta.name) ??
      mismatches.get(resource.meta.name)
    );
  };
}

/** The Events of a status that changed. @param before  status.conditions as it was */
export const noticesOf = (about: Subject, verdicts: readonly Verdict[], before: unknown): readonly Notice[] =>
  verdicts.flatMap((verdict): readonly Notice[] => {
    const found = eventOf(about.kind, verdict, statusIn(before, verdict.type));
    return found === undefined ? [] : [{ about, message: verdict.message, ...found }];
  });

/** @param was  status of this condition before; undefined: it had none */
function eventOf(
  kind: Kind,
  { type, status, reason }: Verdict,
  was: unknown,
): Pick<Notice, 'type' | 'reason'> | undefined {
  if (type === 'Accepted')
    return status === 'False'
      ? { type: 'Warning', reason: reason === 'Invalid' ? invalidReason(kind) : reason }
      : undefined;
  if (type !== 'Ready' || was === status) return undefined;
  if (kind === 'Tier') return status === 'False' ? { type: 'Warning', reason } : undefined;
  if (status === 'True') return { type: 'Normal', reason: 'PeerUp' };
  if (reason === 'NoNodes') return { type: 'Warning', reason };
  // One that was just made has yet to come up.
  return reason === 'SessionsDown' && was !== undefined ? { type: 'Warning', reason: 'PeerDown' } : undefined;
}

/** Wrong objects of kinds without conditions of ours, with what their Event says. */
export function wrongElsewhere(
  world: World,
): readonly { readonly ref: ResourceRef; readonly message: string }[] {
  const flawed = [...world.flaws().values()]
    .filter(({ ref }) => ref.kind === 'NetworkPolicy' || ref.kind === 'Service')
    .map(({ ref, problems }) => ({ ref, message: describe(problems) }));
  const known = new Set(flawed.map(({ ref }) => keyOf(ref)));
  const unconverted = world.all('NetworkPolicy').flatMap((policy) => {
    const [ref, message] = [refOf(policy), unconvertedText(policy)];
    return message === undefined || known.has(keyOf(ref)) ? [] : [{ ref, message }];
  });
  return [...flawed, ...unconverted];
}
