/** What a person should mend about BFD, from what is known of its thread and its sessions. */
import { formatAddress, type Millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Health, SessionReport } from './says.ts';
import type { WantedSession } from './wanted.ts';

export interface BfdView {
  readonly wanted: WantedSession;
  /** Undefined: the thread has said nothing of it yet. */
  readonly report: SessionReport | undefined;
  /** Of its state. */
  readonly since: Millis;
  /** Times it was taken out of Up. */
  readonly downs: number;
  readonly lastDown: { readonly at: Millis; readonly why: string } | undefined;
}

export interface ThreadView {
  /** Undefined: it does not run. */
  readonly scheduling: string | undefined;
  readonly isRealtime: boolean;
  readonly deaths: number;
  readonly lastDeath: string | undefined;
  readonly health: Health | undefined;
}

/** Without real time an ordinary thread can wait so long for its turn on a busy node (measured: docs/BFD.md). */
const safeWithoutRealtimeMs = 300;

const detectionMs = ({ parameters }: WantedSession): number =>
  (parameters.multiplier * Math.max(parameters.minTxUs, parameters.minRxUs)) / 1000;

export function problemsOf(thread: ThreadView, views: readonly BfdView[]): readonly Problem[] {
  const failures = (thread.health?.failures ?? []).map((failure) => ({
    where: 'BFD',
    what: `This node ${failure}, so no BFD session of that kind comes up.`,
    fix: 'End the other BFD daemon on this node, or take BFD out of its BGPPeers.',
  }));
  const hasty = views.filter(({ wanted }) => detectionMs(wanted) < safeWithoutRealtimeMs);
  const isSlow = thread.scheduling !== undefined && !thread.isRealtime && hasty.length > 0;
  const slow = {
    where: 'BFD',
    what: `The BFD thread has ${thread.scheduling ?? ''}. On a busy node the session with ${hasty.map(({ wanted }) => formatAddress(wanted.address)).join(', ')} can go down without a fault of the path.`,
    fix: 'Give the container bgp the capability SYS_NICE, or let intervals times multiplier be 300 ms or more.',
  };
  const dead = {
    where: 'BFD',
    what: `The BFD thread died ${thread.deaths} times, the last time because ${thread.lastDeath ?? 'of nothing known'}.`,
    fix: 'Tell the maintainers, with the log of this node.',
  };
  return [
    ...failures,
    ...(isSlow ? [slow] : []),
    ...(thread.deaths > 0 && thread.scheduling === undefined ? [dead] : []),
  ];
}

/** Why a session is not up, beyond its state; undefined: it is, or nothing is known. A sentence without a full stop. */
export function hintOf({ wanted, report }: BfdView): string | undefined {
  if (report === undefined || report.state === 'up' || report.state === 'adminDown') return undefined;
  if (report.failure !== undefined) return report.failure;
  if (report.remote.state === 'adminDown') return 'the neighbour has switched BFD off for this session';
  if (report.remote.multiplier > 0) return undefined;
  if (report.discarded > 0)
    return `the last of ${report.discarded} packets from it was discarded: ${report.lastDiscard}`;
  const port = wanted.isMultihop ? 4784 : 3784;
  return `nothing comes from it: is BFD configured there for our address, and does a filter let udp/${port} through`;
}
