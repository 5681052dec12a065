/**
 * What a lab is put through: sessions and routes, connectivity, policy, a policy change and a link failure. `demo` shows
 * the tables, `assert` only the outcome; the checks are the same.
 */
import {
  checkDaemons,
  checkPods,
  checkPolicy,
  checkRouting,
  checkTorLog,
  matrixFailures,
  routingFailures,
} from './checks.ts';
import { changePolicy, cutLink, type Times } from './disrupt.ts';
import { judgedSources } from './hosts.ts';
import type { RouteRow, SessionRow } from './judge.ts';
import { wordsFor } from './lab.ts';
import type { Seen } from './matrix.ts';
import { routeTable, sessionTable, verdictLegend, verdictTable } from './report.ts';
import { type Stage, settleMs, showConnectivity, startMs, tell, within } from './stage.ts';
import { readPods } from './state.ts';

export interface Outcome {
  readonly sessions: readonly SessionRow[];
  readonly routes: readonly RouteRow[];
  readonly connectivity: readonly Seen[];
  readonly policy: readonly Seen[];
  /** Milliseconds until each was seen; absent: not done, or not seen in time. */
  readonly times: Readonly<Times>;
  readonly failures: readonly string[];
  readonly ok: boolean;
}

/** @param disrupt  also change a policy and cut a link; both are undone */
export async function runScenario(stage: Stage, disrupt: boolean): Promise<Outcome> {
  const failures: string[] = [];
  const times: Times = {};
  stage.report.wait(`waiting for ${wordsFor(stage.cluster.podCount, 'pod')}`);
  const podFailures = await checkPods(stage.state, stage.cluster.podCount, within(stage, startMs));
  const dead = checkDaemons(stage.state);
  tell(
    stage,
    [...dead, ...podFailures],
    `${wordsFor(readPods(stage.state.name).length, 'pod')} run`,
    failures,
  );
  const seen = dead.length > 0 ? nothingSeen : await lookAround(stage, failures);
  // A change or a cut is only worth showing on a lab that works.
  if (disrupt && failures.length === 0) {
    await changePolicy(stage, { times, failures });
    if (failures.length === 0) await cutLink(stage, { times, failures });
  }
  if (dead.length === 0) tell(stage, checkDaemons(stage.state), 'no daemon has ended', failures);
  tell(stage, checkTorLog(stage.state), "the ToR's log has no complaint about our messages", failures);
  return { ...seen, times, failures, ok: failures.length === 0 };
}

type SeenAround = Pick<Outcome, 'sessions' | 'routes' | 'connectivity' | 'policy'>;
/** With a daemon gone, everything that hangs on it would only repeat that. */
const nothingSeen: SeenAround = { sessions: [], routes: [], connectivity: [], policy: [] };

async function lookAround(stage: Stage, failures: string[]): Promise<SeenAround> {
  const { sessions, routes } = await showRouting(stage, failures);
  const connectivity = await showConnectivity(stage, [], failures);
  const policy = await showPolicy(stage, failures);
  return { sessions, routes, connectivity, policy };
}

async function showRouting(stage: Stage, failures: string[]) {
  stage.report.wait('waiting for sessions and routes');
  const routing = await checkRouting(stage.state, within(stage, startMs));
  const { sessions, routes } = routing;
  const done = `${wordsFor(sessions.length, 'view')} of sessions and ${wordsFor(routes.length, 'route')} are as they should be, seen from both sides`;
  tell(stage, routingFailures(routing), done, failures);
  if (stage.theatre) {
    stage.report.heading('Sessions');
    stage.report.block(sessionTable(sessions, stage.paint));
    stage.report.heading('Routes to the pods of each node');
    stage.report.block(routeTable(routes, stage.paint));
  }
  return routing;
}

async function showPolicy(stage: Stage, failures: string[]): Promise<readonly Seen[]> {
  const { expectations } = stage.cluster;
  stage.report.wait('sending packets to every port from everywhere');
  const seen = await checkPolicy(stage.state, expectations?.reach, within(stage, settleMs));
  if (stage.theatre || expectations === undefined) {
    stage.report.heading('NetworkPolicy verdicts');
    stage.report.block(
      verdictTable(seen, judgedSources(stage.state.topology, readPods(stage.state.name)), stage.paint),
    );
    stage.report.block(verdictLegend(seen));
  }
  const judged = expectations === undefined ? 'shown, not judged' : 'as expected';
  tell(
    stage,
    matrixFailures(seen),
    `policy is ${judged}: ${wordsFor(seen.length, 'packet')} tried`,
    failures,
  );
  return seen;
}
