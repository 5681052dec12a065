/** Ready of a BGPPeer: the sessions of all nodes that it selects, in one sentence. */
import type { CalicoNodeStatus, SessionReport } from '../../model/node-report.ts';
import type { BgpPeer, Node } from '../../model/resource.ts';
import { matchesSelector } from '../../model/selector.ts';
import type { Verdict } from './condition.ts';

/** A report that was not renewed for so long (it is every five minutes) says nothing of today. */
const staleMs = 15 * 60_000;
/** So many nodes are named. */
const most = 10;

/** @param peer  undefined: there has been no valid form of it yet. @param nodes  by name. @param now  wall clock, ms since 1970 */
export function readyOf(
  peer: BgpPeer | undefined,
  accepted: boolean,
  nodes: ReadonlyMap<string, Node>,
  reports: ReadonlyMap<string, CalicoNodeStatus>,
  now: number,
): Verdict {
  if (peer === undefined || !accepted)
    return verdict('False', 'NotAccepted', 'The object is wrong: see the condition Accepted.');
  const selected = withSomebody(peer, selectedBy(peer, nodes), nodes);
  if (selected.length === 0) return verdict('False', 'NoNodes', noNodes(peer));
  const states = selected.map((node) => stateOn(peer, node, reports.get(node), now));
  const of = (state: State['state']): readonly State[] => states.filter((one) => one.state === state);
  const [up, down, unknown, idle] = [of('up'), of('down'), of('unknown'), of('idle')];
  const parts = [
    ...(up.length > 0 || (down.length === 0 && idle.length === 0)
      ? [`Established on ${up.length} of ${states.length} ${states.length === 1 ? 'node' : 'nodes'}`]
      : []),
    ...group(down, 'down on'),
    ...group(unknown, 'no report from'),
    ...group(idle, peer.remote.kind === 'workloads' ? 'no such pod on' : 'nobody has dialled yet on'),
  ];
  const message = parts.join('; ');
  if (down.length > 0) return verdict('False', 'SessionsDown', message);
  return unknown.length > 0
    ? verdict('Unknown', 'NoReport', message)
    : verdict('True', up.length === 0 && idle.length > 0 ? 'Waiting' : 'Established', message);
}

/** Of a peer that is nodes: those that have another node to peer with. */
function withSomebody(
  { remote }: BgpPeer,
  selected: readonly string[],
  nodes: ReadonlyMap<string, Node>,
): readonly string[] {
  if (remote.kind !== 'nodes') return selected;
  const others = [...nodes.values()].filter(({ meta }) => matchesSelector(remote.selector, meta.labels));
  const [only] = others;
  if (only === undefined) return [];
  return others.length > 1 ? selected : selected.filter((name) => name !== only.meta.name);
}

const verdict = (status: Verdict['status'], reason: string, message: string): Verdict => ({
  type: 'Ready',
  status,
  reason,
  message,
});

/** There may be as many peers as nodes, and each names its own: that must not look at all nodes each time. */
function selectedBy({ node, nodeSelector }: BgpPeer, nodes: ReadonlyMap<string, Node>): readonly string[] {
  if (node !== undefined) return nodes.has(node) ? [node] : [];
  if (nodeSelector === undefined) return [...nodes.keys()];
  return [...nodes.values()]
    .filter(({ meta }) => matchesSelector(nodeSelector, meta.labels))
    .map(({ meta }) => meta.name);
}

function noNodes({ node, nodeSelector, remote }: BgpPeer): string {
  if (remote.kind === 'nodes')
    return 'There are no two nodes of which spec.nodeSelector or spec.node names one and spec.peerSelector the other. Correct them, or label the nodes.';
  if (node !== undefined) return `There is no Node ${node}. Correct spec.node, or add the node.`;
  return nodeSelector === undefined
    ? 'There are no nodes yet.'
    : 'spec.nodeSelector matches no node. Correct it, or label the nodes that should have this peer.';
}

interface State {
  readonly node: string;
  /** idle: nobody of a range has dialled, or no pod that is selected is there. */
  readonly state: 'up' | 'down' | 'unknown' | 'idle';
  readonly why: string;
}

function stateOn(peer: BgpPeer, node: string, status: CalicoNodeStatus | undefined, now: number): State {
  const report = status?.report.bgp;
  if (report === undefined || !(Date.parse(report.at) >= now - staleMs))
    return { node, state: 'unknown', why: '' };
  const own = report.peers.filter(
    ({ name, type }) => name === peer.meta.name && type !== 'node-to-node mesh',
  );
  const isOpen = peer.remote.kind === 'range' || peer.remote.kind === 'workloads';
  if (own.length === 0 && isOpen) return { node, state: 'idle', why: '' };
  if (own.length === 0) {
    // The list is cut at its end, so only a whole one proves that there is no session.
    const isWhole = report.peers.length < 50;
    return isWhole ? { node, state: 'down', why: 'it has no session' } : { node, state: 'unknown', why: '' };
  }
  const bad = own.find(({ state }) => state !== 'Established');
  return bad === undefined ? { node, state: 'up', why: '' } : { node, state: 'down', why: reasonOf(bad) };
}

const reasonOf = ({ lastError, state }: SessionReport): string =>
  lastError === undefined ? state : lastError.replace(/\.$/, '');

/** "down on node3, node7: connection refused; down on node4: hold timer expired": nodes with one reason stand together. */
function group(states: readonly State[], words: string): readonly string[] {
  const byWhy = new Map<string, string[]>();
  for (const { node, why } of states) byWhy.set(why, [...(byWhy.get(why) ?? []), node]);
  return [...byWhy].map(([why, nodes]) => `${words} ${nameSome(nodes)}${why === '' ? '' : `: ${why}`}`);
}

const nameSome = (nodes: readonly string[]): string =>
  nodes.length <= most
    ? nodes.join(', ')
    : `${nodes.slice(0, most).join(', ')} and ${nodes.length - most} more`;
