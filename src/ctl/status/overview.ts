/** The whole cluster at a glance, out of its Nodes and their reports: what is wrong, and one line for each session. Pure. */
import type { BgpReport, FelixReport, SessionReport } from '../../model/node-report.ts';
import { ageOf, isStale, type Reported } from '../cluster/reports.ts';
import { ageText } from '../objects/age.ts';

/** up: well · degraded: something is not · down: nothing is known, or nothing works · stale: what is known is old */
export type Health = 'up' | 'degraded' | 'down' | 'stale';

export interface NodeView {
  readonly node: string;
  readonly health: Health;
  /** In words: "in sync", "failing: …", "no report". */
  readonly policy: string;
  readonly bgp?: BgpReport;
  readonly felix?: FelixReport;
}

export interface Trouble {
  /** The node it is about, or the part of Tortie that is on none. */
  readonly node: string;
  /** 1: nothing works there; 2: something does not; 3: worth knowing. */
  readonly rank: 1 | 2 | 3;
  readonly what: string;
  readonly fix: string;
}

export interface Overview {
  readonly nodes: readonly NodeView[];
  readonly troubles: readonly Trouble[];
  readonly sessions: { readonly established: number; readonly total: number };
}

/**
 * @param nodes  names of the cluster's Nodes, or undefined if they could not be read: then those that report
 * @param known  what Kubernetes knows beside the reports (`cluster.ts`)
 */
export function overview(
  nodes: readonly string[] | undefined,
  reports: readonly Reported[],
  now: Date,
  known: readonly Trouble[] = [],
): Overview {
  const byNode = new Map(reports.map((one) => [one.node, one.report]));
  const names = [...(nodes ?? byNode.keys())].sort(byNumber);
  const gone = nodes === undefined ? [] : [...byNode.keys()].filter((name) => !nodes.includes(name));
  const views = names.map((node) =>
    viewOf(
      node,
      byNode.get(node) ?? {},
      now,
      known.filter((one) => one.node === node),
    ),
  );
  const troubles = [
    ...known,
    ...views.flatMap(({ node, bgp, felix }) => troublesOf(node, bgp, felix, now)),
    ...gone.map(
      (node): Trouble => ({
        node,
        rank: 3,
        what: 'reports, but there is no such Node.',
        fix: `It may have left; then: tortiectl delete caliconodestatus ${node}.`,
      }),
    ),
  ];
  const sum = (count: (report: BgpReport) => number): number =>
    views.reduce((total, { bgp }) => total + (bgp === undefined ? 0 : count(bgp)), 0);
  return {
    nodes: views,
    troubles: troubles.sort((a, b) => a.rank - b.rank || byNumber(a.node, b.node)),
    sessions: {
      established: sum((bgp) => bgp.sessions.established),
      total: sum((bgp) => bgp.sessions.total),
    },
  };
}

/** "node2" before "node10". */
const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

function viewOf(
  node: string,
  { bgp, felix }: Reported['report'],
  now: Date,
  known: readonly Trouble[],
): NodeView {
  const policy = felix === undefined ? 'no report' : policyText(felix, now);
  return {
    node,
    health: healthOf(bgp, felix, now, known),
    policy,
    ...(bgp === undefined ? {} : { bgp }),
    ...(felix === undefined ? {} : { felix }),
  };
}

function policyText(felix: FelixReport, now: Date): string {
  if (isStale(felix, now)) return `stale, ${ageText(felix.at, now)} old`;
  const { ready, total } = felix.endpoints;
  if (felix.dataplane !== 'in-sync') return felix.dataplane;
  return ready === total ? 'in-sync' : `${ready}/${total} pods`;
}

function healthOf(
  bgp: BgpReport | undefined,
  felix: FelixReport | undefined,
  now: Date,
  known: readonly Trouble[],
): Health {
  if (bgp === undefined && felix === undefined) return 'down';
  const reported = [bgp, felix].filter((one) => one !== undefined);
  if (known.some(({ rank }) => rank === 1) || reported.every((one) => isStale(one, now))) return 'stale';
  if ([...known, ...troublesOf('', bgp, felix, now)].some(({ rank }) => rank < 3)) {
    const noSession = bgp !== undefined && bgp.sessions.total > 0 && bgp.sessions.established === 0;
    return noSession && felix?.dataplane !== 'in-sync' ? 'down' : 'degraded';
  }
  return 'up';
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const sentence = (text: string): string => (/[.!?]$/.test(text) ? capital(text) : `${capital(text)}.`);

const notReporting = (node: string, daemon: 'bgp' | 'felix'): string =>
  `See that its "tortie ${daemon}" runs and reaches the API server: kubectl -n kube-system get pods --field-selector spec.nodeName=${node}.`;

function troublesOf(
  node: string,
  bgp: BgpReport | undefined,
  felix: FelixReport | undefined,
  now: Date,
): readonly Trouble[] {
  if (bgp === undefined && felix === undefined)
    return [
      { node, rank: 1, what: 'has no report: nothing is known of it.', fix: notReporting(node, 'bgp') },
    ];
  return [
    ...(bgp === undefined ? [missing(node, 'bgp')] : bgpTroubles(node, bgp, now)),
    ...(felix === undefined ? [missing(node, 'felix')] : felixTroubles(node, felix, now)),
  ];
}

const missing = (node: string, daemon: 'bgp' | 'felix'): Trouble => ({
  node,
  rank: 2,
  what: `has no report of "tortie ${daemon}".`,
  fix: notReporting(node, daemon),
});

function freshness(
  node: string,
  daemon: 'bgp' | 'felix',
  report: { readonly at: string },
  now: Date,
): readonly Trouble[] {
  if (isStale(report, now))
    return [
      {
        node,
        rank: 2,
        what: `"tortie ${daemon}" reported last ${report.at === '' ? 'at no known time' : `${ageText(report.at, now)} ago`}: what is shown of it is old.`,
        fix: notReporting(node, daemon),
      },
    ];
  if (ageOf(report, now) < -60_000)
    return [
      {
        node,
        rank: 3,
        what: `"tortie ${daemon}" reports from the future (${report.at}).`,
        fix: 'Set the clock of that node, or yours: chronyc tracking.',
      },
    ];
  return [];
}

const generic = (problems: readonly string[], node: string, daemon: 'bgp' | 'felix'): readonly Trouble[] =>
  problems.map((what) => ({
    node,
    rank: 2,
    what: sentence(what),
    fix: `"tortie ${daemon}" of this node says so.`,
  }));

function bgpTroubles(node: string, bgp: BgpReport, now: Date): readonly Trouble[] {
  const { established, total } = bgp.sessions;
  const listed = bgp.peers.filter((peer) => peer.state !== 'Established');
  const unlisted = total - established - listed.length;
  return [
    ...freshness(node, 'bgp', bgp, now),
    ...listed.map(
      (peer): Trouble => ({
        node,
        rank: established === 0 ? 1 : 2,
        what: peerDown(peer, now),
        fix: `tortiectl doctor --only peers explains it.`,
      }),
    ),
    ...(unlisted > 0
      ? [
          {
            node,
            rank: 2,
            what: `${unlisted} more sessions are not up.`,
            fix: `On the node: tortiectl node status -o wide.`,
          } as const,
        ]
      : []),
    ...(bgp.inSync ? [] : [unread(node, 'bgp')]),
    ...(bgp.kernel.pending > 0
      ? [
          {
            node,
            rank: 3,
            what: `${bgp.kernel.pending} routes are still to be written to the kernel.`,
            fix: 'It passes by itself; if not, see the log of "tortie bgp".',
          } as const,
        ]
      : []),
    ...generic(bgp.problems, node, 'bgp'),
  ];
}

const unread = (node: string, daemon: 'bgp' | 'felix'): Trouble => ({
  node,
  rank: 2,
  what: `"tortie ${daemon}" has not read the cluster completely.`,
  fix: `See its log: it says what it cannot read.`,
});

function peerDown(peer: SessionReport, now: Date): string {
  const why = peer.lastError === undefined ? '' : `: ${peer.lastError.replace(/\.$/, '')}`;
  return `The session with ${peer.name} (${peer.address}, AS ${peer.asn}) is ${peer.state} for ${ageText(peer.since, now)}${why}.`;
}

function felixTroubles(node: string, felix: FelixReport, now: Date): readonly Trouble[] {
  const { ready, total } = felix.endpoints;
  const dataplane: Readonly<Record<FelixReport['dataplane'], string | undefined>> = {
    'in-sync': undefined,
    waiting: 'waits before it writes policy.',
    failing: 'cannot write policy to the kernel.',
  };
  const what = dataplane[felix.dataplane];
  const why = felix.lastError === undefined ? '' : ` ${sentence(felix.lastError)}`;
  return [
    ...freshness(node, 'felix', felix, now),
    ...(what === undefined
      ? []
      : [
          {
            node,
            rank: felix.dataplane === 'failing' ? 1 : 2,
            what: `"tortie felix" ${what}${why}`,
            fix: 'See its log, and on the node: tortiectl doctor --scope node.',
          } as const,
        ]),
    ...(felix.inSync ? [] : [unread(node, 'felix')]),
    ...(ready < total
      ? [
          {
            node,
            rank: 2,
            what: `The policy of ${total - ready} of ${total} pods is not in the kernel.`,
            fix: 'It passes by itself; if not, see the log of "tortie felix".',
          } as const,
        ]
      : []),
    ...generic(felix.problems, node, 'felix'),
  ];
}

/** 0: all is well · 1: something is not · 2: no node is well in any part. */
export function exitCode({ nodes, troubles }: Overview): 0 | 1 | 2 {
  if (nodes.length > 0 && nodes.every(({ health }) => health === 'down' || health === 'stale')) return 2;
  return troubles.some(({ rank }) => rank < 3) || nodes.length === 0 ? 1 : 0;
}
