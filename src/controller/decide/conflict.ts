/**
 * Accepted of BGPPeers that are right by themselves and not beside others: two that describe one neighbour of a node
 * differently, two that are the ends of one session and do not fit, and one that names a BGPFilter which is not there. Which
 * of two is in force, and what does not fit, is what the speakers say too: `src/model/peering.ts`, `src/model/ends.ts`.
 */
import { settingsByNode } from '../../model/bgp-configuration.ts';
import { endsOf } from '../../model/ends.ts';
import { amongNodes, type Contest, claimsOf, describeTarget, neighbourhoodOf } from '../../model/peering.ts';
import type { BgpConfiguration, BgpPeer, Node } from '../../model/resource.ts';
import { routerOf } from '../../model/router.ts';
import type { Verdict } from './condition.ts';

/** So many nodes are named. */
const most = 5;

export interface Peerings {
  readonly peers: readonly BgpPeer[];
  readonly nodes: readonly Node[];
  readonly configurations: readonly BgpConfiguration[];
}

/** @returns by name of the BGPPeer, what is to be said instead of that all is well; False where it is not in force somewhere */
export function conflictsOf({ peers, nodes, configurations }: Peerings): ReadonlyMap<string, Verdict> {
  const settingsOf = settingsByNode(configurations);
  const suspects = suspectsOf(peers);
  if (suspects.length === 0) return new Map();
  const routers = nodes.map((node) => routerOf(node, settingsOf(node.meta.name)));
  const around = neighbourhoodOf(routers);
  const pairs = new Map<string, Pair>();
  for (const own of around.routers)
    for (const contest of claimsOf(own, suspects, around).contests) {
      const key = `${contest.winner.peer.meta.name} ${contest.loser.peer.meta.name}`;
      const pair = pairs.get(key) ?? { contest, nodes: [] };
      pair.nodes.push(own.name);
      pairs.set(key, pair);
    }
  const verdicts = new Map<string, Verdict>();
  // Who is not in force somewhere says so, whatever else there is to be said of it.
  for (const pair of pairs.values()) verdicts.set(pair.contest.winner.peer.meta.name, wins(pair));
  for (const pair of pairs.values()) verdicts.set(pair.contest.loser.peer.meta.name, loses(pair));
  return verdicts;
}

/** @returns by name of the BGPPeer, what does not fit between the two nodes of a session, or two reflectors of one cluster */
export function mismatchesOf({ peers, nodes, configurations }: Peerings): ReadonlyMap<string, Verdict> {
  const settingsOf = settingsByNode(configurations);
  const around = neighbourhoodOf(nodes.map((node) => routerOf(node, settingsOf(node.meta.name))));
  const among = amongNodes(peers, around);
  if (among.length === 0) return new Map();
  const found = new Map<string, string[]>();
  for (const own of around.routers) {
    const { nodeToNodeMeshEnabled } = settingsOf(own.name);
    const claims = claimsOf(own, among, around).inForce;
    for (const { ref, what: flaw, fix: remedy } of endsOf(own, claims, among, around, nodeToNodeMeshEnabled)
      .problems)
      found.set(ref.name, [...(found.get(ref.name) ?? []), `${flaw} ${remedy}`]);
  }
  return new Map([...found].map(([name, flaws]) => [name, mismatched(flaws)]));
}

const mismatched = ([first = '', ...others]: readonly string[]): Verdict => ({
  type: 'Accepted',
  status: 'True',
  reason: 'Mismatch',
  message: others.length === 0 ? first : `${first} So it is ${others.length} times more.`,
});

interface Pair {
  /** One of them, for its words. */
  readonly contest: Contest;
  readonly nodes: string[];
}

/** Those that could be with a neighbour of another: mostly none, so that the nodes need not be gone through. */
function suspectsOf(peers: readonly BgpPeer[]): readonly BgpPeer[] {
  const groups = new Map<string, BgpPeer[]>();
  const isAmongNodes = peers.some(({ remote }) => remote.kind === 'nodes');
  for (const peer of peers) {
    const { remote } = peer;
    if (remote.kind === 'workloads') continue; // which pods are where, the speakers say
    const key =
      remote.kind === 'link'
        ? `link ${remote.interface}`
        : remote.kind === 'address' && !isAmongNodes
          ? `address ${remote.ip}`
          : remote.kind === 'range'
            ? 'ranges'
            : 'nodes';
    groups.set(key, [...(groups.get(key) ?? []), peer]);
  }
  return [...groups.values()].filter((group) => group.length > 1).flat();
}

const fix = 'Delete one of the two, or make them agree in all but node and nodeSelector.';
const order =
  'a global one counts before one for some nodes, then the longer-standing, then the first by name';

function what({ contest: { winner, loser } }: Pair, other: string): string {
  return winner.key === loser.key
    ? `BGPPeer/${other} describes the same neighbour, ${describeTarget(winner.to)}, differently`
    : `peerRange overlaps that of BGPPeer/${other}`;
}

const wins = (pair: Pair): Verdict => ({
  type: 'Accepted',
  status: 'True',
  reason: 'Conflict',
  message: `In force, although ${what(pair, pair.contest.loser.peer.meta.name)}, which is not in force on ${nameSome(pair.nodes)}: ${order}. ${fix}`,
});

const loses = (pair: Pair): Verdict => ({
  type: 'Accepted',
  status: 'False',
  reason: 'Conflict',
  message: `Not in force on ${nameSome(pair.nodes)}: ${what(pair, pair.contest.winner.peer.meta.name)} and counts there: ${order}. ${fix}`,
});

const nameSome = (nodes: readonly string[]): string =>
  nodes.length <= most
    ? nodes.join(', ')
    : `${nodes.slice(0, most).join(', ')} and ${nodes.length - most} more`;

/** @param filters  names of those that are there */
export function filterMissing({ filters }: BgpPeer, known: ReadonlySet<string>): Verdict | undefined {
  const missing = filters.find((name) => !known.has(name));
  if (missing === undefined) return undefined;
  return {
    type: 'Accepted',
    status: 'False',
    reason: 'FilterMissing',
    message: `spec.filters: There is no BGPFilter/${missing}, so routes that no filter before it decides are neither accepted from this neighbour nor told to it. Create it, or take its name out.`,
  };
}

/** Of a BGPConfiguration for one node. @param nodes  by name */
export function nodeMissing(
  { meta, override }: BgpConfiguration,
  nodes: ReadonlyMap<string, Node>,
): Verdict | undefined {
  const name = meta.name.slice('node.'.length);
  if (override === undefined || nodes.has(name)) return undefined;
  return {
    type: 'Accepted',
    status: 'True',
    reason: 'NoNode',
    message: `Every field is understood, but there is no Node ${name}, so it is in force nowhere.`,
  };
}
