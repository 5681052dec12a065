/** What the scenario changes and breaks while packets are watched: a policy, and a cable. Both are undone. */
import { announcing } from './blocks.ts';
import { failLink, heal } from './break.ts';
import {
  checkConnectivity,
  checkPolicy,
  checkRouting,
  connectivityPlan,
  matrixFailures,
  momentOfPackets,
  momentOfTor,
  momentSessionLost,
  routingFailures,
} from './checks.ts';
import { probeNamespace, probePod } from './cluster.ts';
import { datastoreOf } from './datastore.ts';
import { afterChange, type Expectations } from './expect.ts';
import { judgedSources } from './hosts.ts';
import { attemptKey, attemptsFor, judge } from './matrix.ts';
import { durationText } from './report.ts';
import { healMs, type Stage, settleMs, showConnectivity, tell, within } from './stage.ts';
import { readPods } from './state.ts';

type TimeName =
  | 'policyAdded'
  | 'policyRemoved'
  | 'packetsStopped'
  | 'torLostSession'
  | 'torWithdrew'
  | 'torRelearned'
  | 'packetsFlow';

/** Milliseconds until each was seen; absent: not done, or not seen in time. */
export type Times = Partial<Record<TimeName, number>>;

export interface Findings {
  readonly times: Times;
  readonly failures: string[];
}

/** Tells how long after `since` something was seen; that it was not seen in time is a failure. */
function note(
  stage: Stage,
  { times, failures }: Findings,
  name: TimeName,
  at: number | undefined,
  since: number,
  text: string,
): void {
  const ms = (at ?? since) - since;
  if (at !== undefined) times[name] = Math.round(ms);
  tell(
    stage,
    at === undefined ? [`${text}: not in time.`] : [],
    `${text} after ${durationText(ms)}`,
    failures,
  );
}

/** Writes change/ into the store and waits for packets to follow; then takes it away again. */
export async function changePolicy(stage: Stage, findings: Findings): Promise<void> {
  const { cluster, state, report } = stage;
  const { expectations } = cluster;
  const files = Object.entries(cluster.change);
  if (expectations === undefined || files.length === 0) return;
  if (stage.theatre) report.heading(`Policy change: ${files.map(([name]) => name).join(', ')}`);
  const attempts = changedAttempts(stage, expectations);
  const datastore = datastoreOf(state);
  const written = performance.now();
  for (const [name, text] of files) await datastore.put(`lab-change-${name}`, text);
  report.wait('waiting for packets to follow the new policy');
  const after = { attempts, expected: afterChange(expectations) };
  const added = await momentOfPackets(state, after, within(stage, settleMs));
  note(stage, findings, 'policyAdded', added, written, 'the new policy is written: packets follow');
  const seen = await checkPolicy(state, after.expected, within(stage, settleMs));
  tell(stage, matrixFailures(seen), 'every other verdict is as before', findings.failures);
  const taken = performance.now();
  for (const [name, text] of files) await datastore.drop(`lab-change-${name}`, text);
  const before = { attempts, expected: expectations.reach };
  const removed = await momentOfPackets(state, before, within(stage, settleMs));
  note(stage, findings, 'policyRemoved', removed, taken, 'the policy is taken away: packets follow');
}

/** The attempts that must come out differently after the change. */
function changedAttempts({ state }: Stage, { reach, change }: Expectations) {
  const sources = judgedSources(state.topology, readPods(state.name));
  const attempts = attemptsFor(
    sources,
    change.map(({ target }) => target),
  );
  const before = new Map(judge(attempts, new Set(), reach).map((seen) => [attemptKey(seen), seen.expected]));
  return judge(attempts, new Set(), change).filter((seen) => before.get(attemptKey(seen)) !== seen.expected);
}

/** Cuts the first node's cable, sees packets and the ToR follow, and plugs it in again. */
export async function cutLink(stage: Stage, findings: Findings): Promise<void> {
  const [node] = (await announcing(stage.state)).topology.nodes;
  if (node === undefined) return;
  const { report } = stage;
  const prefixes = node.podCidrs.join(' and ');
  if (stage.theatre) report.heading(`Link failure: ${node.name} - tor`);
  const pulled = performance.now();
  const cut = await failLink(stage.state, node.name, 'tor');
  const lost = [`${probeNamespace}/${probePod(node.name)}`];
  const stopped = await momentOfPackets(cut, connectivityPlan(cut, lost), within(stage, settleMs));
  note(
    stage,
    findings,
    'packetsStopped',
    stopped,
    pulled,
    `the link is cut: nobody reaches ${node.name}'s pods`,
  );
  report.wait('waiting for the ToR to miss the node');
  const missed = await momentSessionLost(cut, node.address.v4, within(stage, healMs));
  note(
    stage,
    findings,
    'torLostSession',
    missed,
    pulled,
    `the ToR ends its session with ${node.name} (hold time 3 s)`,
  );
  await showConnectivity(stage, lost, findings.failures);
  // The other nodes announce the prefixes too, with the lost node as next hop, until their own hold time is over.
  report.wait('waiting for the other nodes to miss it too');
  const withdrew = await momentOfTor(cut, node.podCidrs, false, within(stage, healMs));
  note(stage, findings, 'torWithdrew', withdrew, pulled, `the ToR has no path to ${prefixes} any more`);
  await mend(stage, findings);
}

async function mend(stage: Stage, findings: Findings): Promise<void> {
  const { report } = stage;
  const plugged = performance.now();
  const { state } = await heal({
    ...stage.state,
    failedLinks: stage.state.topology.nodes.slice(0, 1).map(({ name }) => name),
  });
  const prefixes = (await announcing(state)).topology.nodes[0]?.podCidrs ?? [];
  report.wait('waiting for the ToR to learn the routes again');
  const [learned, flow] = await Promise.all([
    momentOfTor(state, prefixes, true, within(stage, healMs)),
    momentOfPackets(state, connectivityPlan(state, []), within(stage, healMs)),
  ]);
  note(
    stage,
    findings,
    'torRelearned',
    learned,
    plugged,
    'the link is whole again: the ToR has the routes back',
  );
  note(stage, findings, 'packetsFlow', flow, plugged, 'everybody reaches everybody again');
  report.wait('waiting for sessions and routes');
  const routing = await checkRouting(state, within(stage, healMs));
  tell(stage, routingFailures(routing), 'every session and route is back', findings.failures);
  const seen = await checkConnectivity(state, [], within(stage, settleMs));
  tell(stage, matrixFailures(seen), 'connectivity is as before', findings.failures);
}
