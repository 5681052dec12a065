/** What the nodes say of themselves, out of their CalicoNodeStatus objects. Another version may have written them: what lacks counts as empty. */
import type { BgpReport, FelixReport, NodeReport } from '../../model/node-report.ts';
import { kinds } from '../../store/kinds.ts';
import type { Manifest } from '../../store/objects.ts';
import { at, nameOf, textAt } from './json.ts';
import type { Place } from './source.ts';

export const reportPlace: Place = { kind: 'CalicoNodeStatus', ...kinds.CalicoNodeStatus };
export const nodePlace: Place = { kind: 'Node', ...kinds.Node };

/** Reports are refreshed every five minutes: one older than this is of a daemon that does not run, or cannot write. */
const staleMs = 6 * 60_000;

export interface Reported {
  readonly node: string;
  readonly report: NodeReport;
}

export function reportedBy(item: Manifest): Reported {
  const bgp = at(item, 'status', 'tortie', 'bgp') as Partial<BgpReport> | undefined;
  const felix = at(item, 'status', 'tortie', 'felix') as Partial<FelixReport> | undefined;
  return {
    node: textAt(item, 'spec', 'node') || nameOf(item),
    report: {
      ...(isGiven(bgp) ? { bgp: { ...noBgp, ...bgp } } : {}),
      ...(isGiven(felix) ? { felix: { ...noFelix, ...felix } } : {}),
    },
  };
}

const isGiven = <T>(value: T | undefined | null): value is T => typeof value === 'object' && value !== null;

const noDaemon = { version: 'unknown', at: '', inSync: false, problems: [] };
const noBgp: BgpReport = {
  ...noDaemon,
  sessions: { established: 0, total: 0 },
  peers: [],
  originated: [],
  kernel: { installed: 0, pending: 0 },
  sees: [],
};
const noFelix: FelixReport = { ...noDaemon, dataplane: 'waiting', endpoints: { ready: 0, total: 0 } };

/** In ms; negative for a report from the future; infinite if it does not say. */
export function ageOf({ at: written }: { readonly at: string }, now: Date): number {
  const time = Date.parse(written);
  return Number.isNaN(time) ? Number.POSITIVE_INFINITY : now.getTime() - time;
}

export const isStale = (report: { readonly at: string }, now: Date): boolean => ageOf(report, now) > staleMs;
