/** `tortiectl version`: of this program, and of every node's daemons as they report it. */
import { tortieVersion } from '../host/version.ts';
import { openSource } from './cluster/open.ts';
import { type Reported, reportedBy, reportPlace } from './cluster/reports.ts';
import type { Global } from './command.ts';
import { complain, print } from './output.ts';

export interface Versions {
  readonly client: string;
  readonly nodes?: readonly { readonly node: string; readonly bgp?: string; readonly felix?: string }[];
}

export async function version(
  options: Global & { readonly output?: 'json' | 'yaml'; readonly client?: boolean },
): Promise<number> {
  const client = tortieVersion();
  if (options.client === true) {
    await print({ client }, options.output, () => versionsText({ client }));
    return 0;
  }
  const source = await openSource(options);
  const reports = source.ok ? await source.value.list(reportPlace) : undefined;
  const versions: Versions = {
    client,
    ...(reports?.ok === true ? { nodes: reports.value.map(reportedBy).map(versionsOf) } : {}),
  };
  await print(versions, options.output, () => versionsText(versions));
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  if (reports?.ok === false) return complain({ code: 2, sentence: reports.error.sentence });
  return (versions.nodes ?? []).every(({ bgp, felix }) => bgp === client && felix === client) ? 0 : 1;
}

const versionsOf = ({ node, report: { bgp, felix } }: Reported) => ({
  node,
  ...(bgp === undefined ? {} : { bgp: bgp.version }),
  ...(felix === undefined ? {} : { felix: felix.version }),
});

/** Calico's first line; then which versions run on how many nodes, and where if they are few. */
export function versionsText({ client, nodes }: Versions): string {
  const lines = [`Client Version:    ${client}`];
  if (nodes === undefined) return lines.join('\n');
  for (const [daemon, label] of [
    ['bgp', 'Speaker'],
    ['felix', 'Node agent'],
  ] as const) {
    const byVersion = Map.groupBy(nodes, (node) => node[daemon] ?? 'no report');
    for (const [said, those] of [...byVersion].sort(([a], [b]) => a.localeCompare(b))) {
      const names = those.length > 5 ? '' : ` (${those.map(({ node }) => node).join(', ')})`;
      const count = `${those.length} ${those.length === 1 ? 'node' : 'nodes'}`;
      lines.push(`${`${label}:`.padEnd(19)}${said} on ${count}${names}`);
    }
  }
  if (nodes.length === 0) lines.push('No node reports.');
  return lines.join('\n');
}
