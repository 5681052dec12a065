/** The conditions and Events of every object that can be right or wrong, as the cluster is at this moment. */
import { type Kind, keyOf, type Node, type Resource, type ResourceRef, refOf } from '../model/resource.ts';
import { acceptedOf, describe, invalidReason } from './decide/accepted.ts';
import type { Verdict } from './decide/condition.ts';
import { statusIn } from './decide/condition.ts';
import { conflictsOf, filterMissing, mismatchesOf, nodeMissing } from './decide/conflict.ts';
import type { Notice, Subject } from './decide/notice.ts';
import { readyOf } from './decide/peer.ts';
import { allocatableOf } from './decide/pool.ts';
import type { Shown } from './placard.ts';
import { reportsByNode } from './untaint.ts';
import type { World } from './world.ts';

/** The kinds that carry conditions. */
const judged = [
  'BGPPeer',
  'BGPConfiguration',
  'BGPFilter',
  'IPPool',
  'IPReservation',
  'IPAMConfiguration',
  'FelixConfiguration',
] as const satisfies readonly Kind[];

const isJudged = (kind: Kind): boolean => judged.some((one) => one === kind);

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

  const beside = besideOthers(world, nodes);
  const verdictsOf = (key: string, ref: ResourceRef, resource: Resource | undefined): readonly Verdict[] => {
    const problems = flaws.get(key)?.problems ?? [];
    const accepted = problems.length === 0 ? (beside(resource) ?? acceptedOf([])) : acceptedOf(problems);
    if (ref.kind === 'BGPPeer') {
      const peer = resource?.kind === 'BGPPeer' ? resource : undefined;
      return [accepted, readyOf(peer, problems.length === 0, nodes, reports, now)];
    }
    if (ref.kind === 'IPPool' && resource?.kind === 'IPPool')
      return [accepted, allocatableOf(resource, pools, blocks)];
    return [accepted];
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
  const filters = new Set(world.all('BGPFilter').map(({ meta }) => meta.name));
  const peerings = {
    peers: world.all('BGPPeer'),
    nodes: [...nodes.values()],
    configurations: world.all('BGPConfiguration'),
  };
  const [conflicts, mismatches] = [conflictsOf(peerings), mismatchesOf(peerings)];
  return (resource) => {
    if (resource?.kind === 'BGPConfiguration') return nodeMissing(resource, nodes);
    if (resource?.kind !== 'BGPPeer') return undefined;
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
  if (status === 'True') return { type: 'Normal', reason: 'PeerUp' };
  if (reason === 'NoNodes') return { type: 'Warning', reason };
  // One that was just made has yet to come up.
  return reason === 'SessionsDown' && was !== undefined ? { type: 'Warning', reason: 'PeerDown' } : undefined;
}

/** Wrong objects of kinds without conditions of ours, with what their Event says. */
export function wrongElsewhere(
  world: World,
): readonly { readonly ref: ResourceRef; readonly message: string }[] {
  return [...world.flaws().values()]
    .filter(({ ref }) => ref.kind === 'NetworkPolicy' || ref.kind === 'Service')
    .map(({ ref, problems }) => ({ ref, message: describe(problems) }));
}
