/** What the parts of the scenario share: the lab they act on, and how they tell what they saw. */
import type { Paint } from '../ctl/style.ts';
import { checkConnectivity, matrixFailures, type Patience } from './checks.ts';
import type { Cluster } from './cluster.ts';
import { routedHosts } from './hosts.ts';
import { wordsFor } from './lab.ts';
import type { Seen } from './matrix.ts';
import { type Report, verdictLegend, verdictTable } from './report.ts';
import type { LabState } from './state.ts';

export interface Stage {
  readonly state: LabState;
  readonly cluster: Cluster;
  readonly report: Report;
  readonly paint: Paint;
  readonly signal: AbortSignal;
  /** Tables are shown. */
  readonly theatre: boolean;
}

/** Starting six Node processes and more on a small machine takes its time. */
export const startMs = 120_000;
export const settleMs = 20_000;
export const healMs = 60_000;

export const within = ({ signal }: Stage, withinMs: number): Patience => ({ signal, withinMs });

function stop({ signal }: Stage): void {
  signal.throwIfAborted();
}

/** Prints what is done or what is wrong, and keeps the latter. */
export function tell(stage: Stage, wrong: readonly string[], done: string, failures: string[]): void {
  stop(stage);
  if (wrong.length === 0) stage.report.step(done);
  for (const text of wrong.slice(0, 12)) stage.report.wrong(text);
  if (wrong.length > 12) stage.report.wrong(`… and ${wrong.length - 12} more.`);
  failures.push(...wrong);
}

export async function showConnectivity(
  stage: Stage,
  cut: readonly string[],
  failures: string[],
): Promise<readonly Seen[]> {
  stage.report.wait('connecting everybody with everybody');
  const seen = await checkConnectivity(stage.state, cut, within(stage, settleMs));
  if (stage.theatre) {
    stage.report.heading(
      cut.length === 0 ? 'Connectivity, no policy in the way' : 'Connectivity with the link cut',
    );
    stage.report.block(verdictTable(seen, routedHosts(stage.state.topology), stage.paint));
    stage.report.block(verdictLegend(seen));
  }
  tell(
    stage,
    matrixFailures(seen),
    `connectivity is as expected: ${wordsFor(seen.length, 'connection')} tried`,
    failures,
  );
  return seen;
}
