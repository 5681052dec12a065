/** `tortiectl ipam check`: calicoctl's phases in its order; a machine gets the report instead. */
import { writeFile } from 'node:fs/promises';
import { tortieVersion } from '../../host/version.ts';
import { ownerName } from '../../ipam/block.ts';
import { allocationText, type CheckResult, checkIpam, type UsedAddress } from '../../ipam/check.ts';
import { comparePrefixes, formatAddress, formatPrefix } from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Global } from '../command.ts';
import { type Failure, print } from '../output.ts';
import type { CheckOptions } from './options.ts';
import { problemsOf, reportOf } from './report.ts';
import { type Survey, survey, withObjects } from './survey.ts';

export const check = (options: CheckOptions & Global): Promise<number> =>
  withObjects(options, async (objects) => {
    const found = await survey(objects);
    return found.ok ? await answer(found.value, options) : found;
  });

async function answer(found: Survey, options: CheckOptions): Promise<Result<number, Failure>> {
  const result = checkIpam({ ...found, nodes: new Set(found.nodes.map(({ meta }) => meta.name)) });
  const problems = problemsOf(result, found.unreadable);
  const report = reportOf(result, problems, tortieVersion(), new Date());
  const { output } = options;
  if (output === 'json' || output === 'yaml') await print(report, output, () => '');
  else {
    process.stdout.write(`${checkText(found, result, options)}\n`);
    if (output !== undefined) {
      const failed = await writeFile(output, `${JSON.stringify(report, undefined, 2)}\n`).then(
        () => undefined,
        (error: unknown) => String(error),
      );
      if (failed !== undefined)
        return err({ code: 2, sentence: `The report was not written to ${output}: ${failed}.` });
    }
  }
  return ok(problems.length === 0 ? 0 : 1);
}

type Shows = Pick<CheckOptions, 'showAllIps' | 'showProblemIps'>;

export function checkText(found: Survey, result: CheckResult, shows: Shows): string {
  const count = problemsOf(result, found.unreadable).length;
  return [
    'Checking IPAM for inconsistencies...',
    '',
    ...blockLines(found, result, shows),
    '',
    ...poolLines(found),
    '',
    'Loading all nodes.',
    `Found ${found.nodes.length} nodes; none has a tunnel IP.`,
    '',
    ...serviceLines(found, result),
    '',
    ...workloadLines(found, result, shows),
    '',
    'Loading all handles...',
    `Found ${result.handles} handles in the blocks; there are no IPAMHandle objects to disagree with them.`,
    '',
    ...topLines(found, result),
    '',
    ...leakLines(result, shows),
    '',
    ...useLines(result, shows),
    '',
    'Scanning for IPAM handles with no matching IPs...',
    `Found 0 handles with no matching IPs (and ${result.handles} handles with matches).`,
    'Scanning for IPs with missing handle...',
    ...handleLines(result, shows),
    '',
    'Validating block structures...',
    ...[...found.unreadable, ...result.broken].map((what) => `  ${what}`),
    `Found ${found.unreadable.length + result.broken.length} problems with blocks and affinities.`,
    '',
    `Check complete; found ${count} problems.`,
  ].join('\n');
}

function blockLines({ blocks }: Survey, result: CheckResult, { showAllIps }: Shows): readonly string[] {
  const lines = blocks
    .toSorted((a, b) => comparePrefixes(a.cidr, b.cidr))
    .flatMap((block) => {
      const { affinity } = block;
      const whose = affinity === undefined ? '<none>' : `${affinity.type}:${ownerName(affinity)}`;
      const inside = showAllIps === true ? result.allocations.filter((one) => one.block === block.cidr) : [];
      return [
        ` IPAM block ${formatPrefix(block.cidr)} affinity=${whose}`,
        ...inside.map((one) => `  ${formatAddress(one.address)} allocated; handle ${one.handle}`),
      ];
    });
  return [
    'Loading all IPAM blocks...',
    `Found ${blocks.length} IPAM blocks.`,
    ...lines,
    blocks.length === 0
      ? 'Without blocks the nodes give addresses of their podCIDRs (--ipam pod-cidrs); those are not checked.'
      : `IPAM blocks record ${result.allocations.length} allocations.`,
  ];
}

function poolLines({ pools }: Survey): readonly string[] {
  const active = pools
    .filter(({ disabled }) => !disabled)
    .toSorted((a, b) => comparePrefixes(a.cidr, b.cidr));
  return [
    'Loading all IPAM pools...',
    ...active.map(({ cidr }) => `  ${formatPrefix(cidr)}`),
    `Found ${active.length} active IP pools.`,
  ];
}

function serviceLines({ services }: Survey, { used }: CheckResult): readonly string[] {
  const balanced = services.filter(({ type }) => type === 'LoadBalancer').length;
  const ips = used.filter(({ users }) => users.some((user) => user.startsWith('service '))).length;
  return ['Loading all LoadBalancer services...', `Found ${balanced} LoadBalancer services with ${ips} IPs.`];
}

function workloadLines({ pods }: Survey, { used }: CheckResult, { showAllIps }: Shows): readonly string[] {
  const workloads = used.filter(({ users }) => users.some((user) => user.startsWith('pod ')));
  return [
    'Loading all workload endpoints...',
    `Found ${pods.filter(({ hostNetwork }) => !hostNetwork).length} workloads with ${workloads.length} IPs.`,
    ...(showAllIps === true ? used.map((one) => `  ${usersText(one)}`) : []),
    `Workloads and nodes are using ${used.length} IPs.`,
  ];
}

const usersText = ({ address, users }: UsedAddress): string =>
  `${formatAddress(address)} in use by ${users.join(', ')}`;

/** So many nodes are named. */
const mostNodes = 20;

function topLines({ nodes }: Survey, { allocations }: CheckResult): readonly string[] {
  const counts = new Map(nodes.map(({ meta }) => [meta.name, 0]));
  for (const { attributes } of allocations) {
    const node = attributes['node'];
    if (node !== undefined) counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  const top = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const median = top[Math.floor(top.length / 2)]?.[1] ?? 0;
  return [
    `Looking for top (up to ${mostNodes}) nodes by allocations...`,
    ...top.slice(0, mostNodes).map(([node, count]) => `  ${node} has ${count} allocations`),
    `Node with most allocations has ${top[0]?.[1] ?? 0}; median is ${median}`,
  ];
}

const isShown = ({ showAllIps, showProblemIps }: Shows): boolean =>
  showAllIps === true || showProblemIps === true;

const leakLines = ({ leaked }: CheckResult, shows: Shows): readonly string[] => [
  'Scanning for IPs that are allocated but not actually in use...',
  ...(isShown(shows) ? leaked.map((one) => `  ${allocationText(one)} leaked: ${one.whyUnused}`) : []),
  `Found ${leaked.length} IPs that are allocated in IPAM but not actually in use.`,
];

function useLines(result: CheckResult, shows: Shows): readonly string[] {
  const list = (found: readonly UsedAddress[]): readonly string[] =>
    isShown(shows) ? found.map((one) => `  ${usersText(one)}`) : [];
  return [
    'Scanning for IPs that are in use by a workload or node but not allocated in IPAM...',
    ...list(result.shared),
    `Found ${result.shared.length} in-use IPs with multiple owners.`,
    ...list(result.outsidePools),
    `Found ${result.outsidePools.length} in-use IPs that are not in active IP pools.`,
    ...list(result.unallocated),
    `Found ${result.unallocated.length} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
  ];
}

function handleLines({ allocations }: CheckResult, shows: Shows): readonly string[] {
  const mute = allocations.filter(({ handle }) => handle === '');
  return [
    ...(isShown(shows) ? mute.map((one) => `  ${allocationText(one)}`) : []),
    `Found ${mute.length} IPs without a handle.`,
  ];
}
