/** `tortiectl doctor`: gathers facts, runs the checks over them, tells what was found. */
import { tortieVersion } from '../../host/version.ts';
import { openSource } from '../cluster/open.ts';
import type { Global } from '../command.ts';
import type { DoctorOptions } from '../options.ts';
import { complain } from '../output.ts';
import { type Paint, paintFor, plain, type Tone } from '../style.ts';
import { both, type Check, type Diagnosis, diagnose, noDiagnosis, type Severity } from './check.ts';
import { type ClusterFacts, gatherCluster } from './cluster/facts.ts';
import { clusterChecks } from './cluster/table.ts';
import { gatherNode, isNode, type NodeFacts } from './node/facts.ts';
import { nodeChecks } from './node/table.ts';

export async function doctor(options: DoctorOptions & Global): Promise<number> {
  const { scope, only = [], hostRoot } = options;
  const known = [...clusterChecks, ...nodeChecks].map(({ name }) => name);
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined)
    return complain({ code: 2, sentence: `There is no check "${unknown}". There are: ${known.join(', ')}.` });
  const chosen = <Facts>(checks: readonly Check<Facts>[]): readonly Check<Facts>[] =>
    checks.filter(({ name }) => only.length === 0 || only.includes(name));
  const inCluster = scope === 'node' ? [] : chosen(clusterChecks);
  const onNode = scope === 'cluster' || (scope === 'auto' && !isNode(hostRoot)) ? [] : chosen(nodeChecks);
  const ofCluster = inCluster.length === 0 ? noDiagnosis : await lookAtCluster(inCluster, options);
  const diagnosis = both(ofCluster, onNode.length === 0 ? noDiagnosis : await lookAtNode(onNode, hostRoot));
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  process.stdout.write(
    `${options.output === 'json' ? JSON.stringify(diagnosis, undefined, 2) : diagnosisText(diagnosis, paint)}\n`,
  );
  if (diagnosis.looked.length === 0) return 2;
  // A cluster that says nothing is not well, however good this node looks.
  const isSilent = inCluster.length > 0 && ofCluster.looked.length === 0;
  return isSilent || diagnosis.findings.some(({ severity }) => severity !== 'note') ? 1 : 0;
}

async function lookAtCluster(checks: readonly Check<ClusterFacts>[], options: Global): Promise<Diagnosis> {
  const source = await openSource(options);
  if (!source.ok)
    return { ...noDiagnosis, skipped: checks.map(({ name }) => ({ check: name, why: source.error })) };
  const { facts, unread } = await gatherCluster(source.value, tortieVersion());
  // Nothing at all could be read: an empty cluster and a silent one must not look alike.
  const why = unread.get('Node');
  if (
    facts.nodes.length === 0 &&
    why !== undefined &&
    unread.has('CalicoNodeStatus') &&
    unread.has('BGPPeer')
  )
    return { ...noDiagnosis, skipped: checks.map(({ name }) => ({ check: name, why })) };
  return diagnose(checks, facts, unread);
}

async function lookAtNode(checks: readonly Check<NodeFacts>[], hostRoot: string): Promise<Diagnosis> {
  const { facts, unread } = await gatherNode(hostRoot);
  return diagnose(checks, facts, unread);
}

const order: readonly Severity[] = ['error', 'warning', 'note'];
const signs: Readonly<Record<Severity, readonly [string, Tone]>> = {
  error: ['✗', 'bad'],
  warning: ['!', 'warn'],
  note: ['·', 'quiet'],
};

export function diagnosisText({ findings, looked, skipped }: Diagnosis, paint: Paint = plain): string {
  const sorted = [...findings].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  const texts = sorted.map(({ severity, check, subject, evidence, why, fix }) => {
    const [sign, tone] = signs[severity];
    return [
      `${paint(sign, tone)} ${paint(`${check}: ${subject}`, 'strong')}`,
      `    ${paint('evidence', 'quiet')}  ${evidence}`,
      `    ${paint('why', 'quiet')}       ${why}`,
      `    ${paint('fix', 'quiet')}       ${fix}`,
    ].join('\n');
  });
  const bySkip = Map.groupBy(skipped, ({ why }) => why);
  const skips = [...bySkip].map(
    ([why, those]) => `Not checked: ${those.map(({ check }) => check).join(', ')}. ${why}`,
  );
  return [...texts.flatMap((text) => [text, '']), ...skips, summary(findings, looked)].join('\n');
}

function summary(findings: Diagnosis['findings'], looked: readonly string[]): string {
  if (looked.length === 0) return 'Nothing could be looked at.';
  const counts = order.map((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return `${count} ${severity}${count === 1 ? '' : 's'}`;
  });
  return `${looked.length} checks made: ${findings.length === 0 ? 'nothing found' : counts.join(', ')}.`;
}
