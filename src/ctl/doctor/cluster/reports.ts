/** Nodes that say nothing, or say it with another version. */

import { startupTaint } from '../../../model/node-report.ts';
import { ageOf, isStale } from '../../cluster/reports.ts';
import { ageText } from '../../objects/age.ts';
import type { Finding } from '../check.ts';
import type { ClusterFacts } from './facts.ts';

const daemons = ['bgp', 'felix'] as const;

export function silent({ nodes, reports, now }: ClusterFacts): readonly Finding[] {
  const byNode = new Map(reports.map(({ node, report }) => [node, report]));
  return nodes.flatMap(({ meta: { name } }) => {
    const report = byNode.get(name) ?? {};
    if (report.bgp === undefined && report.felix === undefined) return [silence(name, 'no report at all')];
    return daemons.flatMap((daemon): readonly Finding[] => {
      const part = report[daemon];
      if (part === undefined) return [silence(name, `no report of "tortie ${daemon}"`)];
      const age = `a report of "tortie ${daemon}" that is ${ageText(part.at, now)} old (${part.at}); it is written every five minutes`;
      return isStale(part, now) ? [silence(name, age)] : [];
    });
  });
}

const silence = (node: string, found: string): Finding => ({
  severity: 'error',
  subject: node,
  evidence: `CalicoNodeStatus/${node} has ${found}.`,
  why: 'Tortie does not run there, or cannot reach the API server. What it did stays in the kernel, but changes do not arrive.',
  fix: `kubectl -n kube-system get pods -o wide --field-selector spec.nodeName=${node}, then the logs of its containers "bgp" and "felix".`,
});

export function versions({ reports, client }: ClusterFacts): readonly Finding[] {
  const all = reports.flatMap(({ node, report }) =>
    daemons.flatMap((daemon) => {
      const version = report[daemon]?.version;
      return version === undefined ? [] : [{ node, version }];
    }),
  );
  const byVersion = Map.groupBy(all, ({ version }) => version);
  if (byVersion.size <= 1) return [];
  const texts = [...byVersion].map(([version, those]) => {
    const nodes = [...new Set(those.map(({ node }) => node))];
    return `${version} on ${nodes.length > 5 ? `${nodes.length} nodes` : nodes.join(', ')}`;
  });
  return [
    {
      severity: 'warning',
      subject: 'versions',
      evidence: `The nodes report ${texts.join('; ')}; this program is ${client}.`,
      why: 'An update that stopped half-way leaves faults on some nodes that are mended on others.',
      fix: 'kubectl -n kube-system rollout status daemonset/tortie-node.',
    },
  ];
}

export function clocks({ reports, now, clockSkewMs = 0 }: ClusterFacts): readonly Finding[] {
  const server: readonly Finding[] =
    Math.abs(clockSkewMs) < 5000
      ? []
      : [
          {
            severity: 'warning',
            subject: 'this machine and the API server',
            evidence: `The Date of the API server's answer is ${Math.round(Math.abs(clockSkewMs) / 1000)} s ${clockSkewMs > 0 ? 'ahead of' : 'behind'} the clock here.`,
            why: 'Certificates and tokens are refused, leases are lost, and the ages shown are wrong.',
            fix: 'Let chrony or systemd-timesyncd set both clocks: chronyc tracking, timedatectl.',
          },
        ];
  // Our own clock is taken to be the API server's, whatever it is.
  const present = new Date(now.getTime() + clockSkewMs);
  const nodes = reports.flatMap(({ node, report }) => {
    const future = daemons.flatMap((daemon) => {
      const part = report[daemon];
      return part === undefined ? [] : [-ageOf(part, present)];
    });
    const aheadMs = Math.max(Number.NEGATIVE_INFINITY, ...future);
    if (aheadMs < 30_000) return [];
    return [
      {
        severity: 'warning',
        subject: node,
        evidence: `Its report in CalicoNodeStatus/${node} is from ${Math.round(aheadMs / 1000)} s in the future.`,
        why: 'A clock that is wrong makes certificates and tokens of that node invalid.',
        fix: 'On that node: chronyc tracking, timedatectl.',
      } satisfies Finding,
    ];
  });
  return [...server, ...nodes];
}

/** A node that both daemons call well, but that pods may not go to yet. */
export function taints({ nodes, reports, now }: ClusterFacts): readonly Finding[] {
  return nodes
    .filter(({ taints: all }) => all.some(({ key }) => key === startupTaint))
    .flatMap(({ meta }): readonly Finding[] => {
      const report = reports.find(({ node }) => node === meta.name)?.report;
      if (report?.felix === undefined || isStale(report.felix, now) || report.felix.dataplane !== 'in-sync')
        return [];
      const seers = reports.filter(({ report: other }) => other.bgp?.sees.includes(meta.name));
      return [
        {
          severity: 'warning',
          subject: meta.name,
          evidence: `It has the taint ${startupTaint}; its policy is in, and its routes are seen by ${seers.length === 0 ? 'no other node' : seers.map(({ node }) => node).join(', ')}.`,
          why: 'No pod is placed on it.',
          fix:
            seers.length === 0
              ? 'See why its routes do not arrive: tortiectl status, and on another node: tortiectl bgp routes.'
              : 'See that "tortie controller" runs: kubectl -n kube-system get deployment tortie-controller.',
        },
      ];
    });
}
