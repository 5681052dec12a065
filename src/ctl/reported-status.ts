/** `tortiectl node status NODE`: the layout of calicoctl's command, from what the node reports in the API. */
import type { BgpReport, SessionReport } from '../model/node-report.ts';
import type { BgpStatus, PeerStatus } from '../model/status.ts';
import { openSource } from './cluster/open.ts';
import { isStale, reportedBy, reportPlace } from './cluster/reports.ts';
import type { Global } from './command.ts';
import { statusText } from './node-status.ts';
import { ageText } from './objects/age.ts';
import type { NodeStatusOptions } from './options.ts';
import { complain, print } from './output.ts';
import { paintFor } from './style.ts';

export async function reportedStatus(node: string, options: NodeStatusOptions & Global): Promise<number> {
  const source = await openSource(options);
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  const found = await source.value.get(reportPlace, node);
  if (!found.ok) return complain({ code: 2, sentence: found.error.sentence });
  const report = found.value === undefined ? undefined : reportedBy(found.value).report.bgp;
  if (report === undefined)
    return complain({
      code: 1,
      sentence: `There is no report of the speaker of node "${node}". See that the Node exists and that "tortie bgp" runs there.`,
    });
  const now = new Date();
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(report, options.output, () =>
    reportText(node, report, { wide: options.output === 'wide', paint, now }),
  );
  const well =
    report.inSync && report.problems.length === 0 && report.sessions.established === report.sessions.total;
  return well && !isStale(report, now) ? 0 : 1;
}

export function reportText(node: string, report: BgpReport, view: Parameters<typeof statusText>[1]): string {
  const age = ageText(report.at, view.now);
  const old = isStale(report, view.now) ? ' It is old: the speaker does not run, or cannot write.' : '';
  const unlisted = report.sessions.total - report.peers.length;
  const more =
    unlisted > 0
      ? `\nNot listed: ${unlisted} of the mesh. Established: ${report.sessions.established} of all ${report.sessions.total}.\n`
      : '';
  return `${statusText(statusOf(node, report), view)}${more}\nReported ${age} ago by version ${report.version}.${old}`;
}

const statusOf = (node: string, report: BgpReport): BgpStatus => ({
  node,
  version: report.version,
  inSync: report.inSync,
  peers: report.peers.map((peer) => peerOf(peer, report.asn ?? 0)),
  kernel: report.kernel,
  problems: report.problems.map((what) => ({ where: node, what, fix: '' })),
});

const peerOf = (peer: SessionReport, localAsn: number): PeerStatus => ({
  name: peer.name,
  address: peer.address,
  port: 179,
  type: peer.type,
  state: peer.state,
  since: peer.since,
  localAsn,
  peerAsn: peer.asn,
  families: [],
  prefixesReceived: peer.received,
  prefixesAccepted: peer.accepted,
  prefixesAdvertised: peer.advertised,
  ...(peer.lastError === undefined ? {} : { lastError: peer.lastError }),
});
