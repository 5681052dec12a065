/** `tortiectl policy show`: what applies to a pod or to the hosts of a node, direction by direction, in words. */
import { err, ok, type Result } from '../lib/result.ts';
import type { DirectionStatus, HostPolicyStatus, PodPolicyStatus, TierStatus } from '../model/status.ts';
import { type Cluster, snapshotOf } from '../policy/cluster.ts';
import { hostStatus, podStatus } from '../policy/show.ts';
import type { Global } from './command.ts';
import type { PolicyOptions } from './options.ts';
import { ask, complain, type Failure, print } from './output.ts';
import { readWorld, tell } from './policy-world.ts';
import { type Paint, paintFor, plain } from './style.ts';

/** @param who  a pod's name, "namespace/name", or "host:NODE" */
export async function policyShow(who: string, options: PolicyOptions & Global): Promise<number> {
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const node = /^host:(.+)$/.exec(who)?.[1];
  if (node !== undefined) {
    const hosts = await fromCluster(options, (cluster) => hostsOf(cluster, node));
    if (!hosts.ok) return complain(hosts.error);
    await print(hosts.value, options.output, () =>
      hosts.value.map((host) => hostText(host, paint)).join('\n\n'),
    );
    return 0;
  }
  const slash = who.indexOf('/');
  const namespace = slash < 0 ? options.namespace : who.slice(0, slash);
  const pod = who.slice(slash + 1);
  const query = new URLSearchParams({ namespace, pod });
  // What the node's agent says of its own pod is what holds; of others the cluster tells what should.
  const asked = await ask<PodPolicyStatus>(options.socket, `/policy?${query}`, 'felix');
  const status = asked.ok ? asked : await fromCluster(options, (cluster) => podIn(cluster, namespace, pod));
  // Without a cluster to ask, what the agent said is the better answer.
  if (!status.ok) return complain(!asked.ok && status.error.code === 2 ? asked.error : status.error);
  await print(status.value, options.output, () => policyText(status.value, paint));
  return 0;
}

async function fromCluster<T>(
  options: Global,
  find: (cluster: Cluster) => Result<T, Failure>,
): Promise<Result<T, Failure>> {
  const world = await readWorld(options);
  if (!world.ok) return err({ code: 2, sentence: world.error });
  tell(world.value.notes);
  return find(snapshotOf(world.value.resources).cluster);
}

function podIn(cluster: Cluster, namespace: string, name: string): Result<PodPolicyStatus, Failure> {
  const pod = cluster.pods.find(({ meta }) => meta.namespace === namespace && meta.name === name);
  if (pod === undefined) return err({ code: 1, sentence: `There is no pod ${namespace}/${name}.` });
  if (pod.hostNetwork)
    return err({
      code: 1,
      sentence: `Pod ${namespace}/${name} is of its node's network, so policies of pods do not apply. Ask for host:${pod.nodeName ?? 'NODE'}.`,
    });
  return ok(podStatus(cluster, pod));
}

function hostsOf(cluster: Cluster, node: string): Result<readonly HostPolicyStatus[], Failure> {
  const endpoints = cluster.hostEndpoints.filter((endpoint) => endpoint.node === node);
  if (endpoints.length > 0) return ok(endpoints.map((endpoint) => hostStatus(cluster, endpoint)));
  const known = cluster.nodes.some(({ meta }) => meta.name === node);
  const sentence = known
    ? `Node ${node} has no HostEndpoint: no policy judges what ends or begins at it.`
    : `There is no node ${node}.`;
  return err({ code: 1, sentence });
}

const stageWords = {
  untracked: 'before connection tracking (doNotTrack)',
  preDnat: 'before destinations are translated (preDNAT)',
  normal: 'what ends or begins at the host',
  forward: 'what is passed on (applyOnForward)',
} as const;

export function hostText(
  { name, interface: interfaceName, profiles, stages }: HostPolicyStatus,
  paint: Paint = plain,
): string {
  const where =
    interfaceName === ''
      ? 'the interface with its address'
      : interfaceName === '*'
        ? 'every interface'
        : interfaceName;
  const parts = stages
    .filter(({ tiers, stage }) => tiers.length > 0 || stage === 'normal')
    .map(({ stage, direction, tiers }) =>
      [
        paint(`${direction}, ${stageWords[stage]}`, 'strong'),
        ...(tiers.length === 0 ? ['  No policy selects it here.'] : tiers.map(tierText)),
        ...(stage === 'normal'
          ? [
              profiles.length === 0
                ? '  What no tier decides is denied, but for failsafe ports.'
                : `  What no tier decides: profiles ${profiles.join(', ')}, then it is denied, but for failsafe ports.`,
            ]
          : []),
      ].join('\n'),
    );
  return [`HostEndpoint ${name} (${where})`, ...parts].join('\n\n');
}

export function policyText(status: PodPolicyStatus, paint: Paint = plain): string {
  const directions = [
    directionText('Ingress', 'to the pod', status.ingress, paint),
    directionText('Egress', 'from the pod', status.egress, paint),
  ];
  return `Pod ${status.namespace}/${status.pod}\n\n${directions.join('\n\n')}`;
}

function directionText(name: string, way: string, { tiers }: DirectionStatus, paint: Paint): string {
  const head = paint(`${name} (${way})`, 'strong');
  if (tiers.length === 0) return `${head}\n  No policy selects the pod here: everything is allowed.`;
  return [
    head,
    '  Established connections go on, and the pod reaches itself. Of new ones the first rule that matches decides:',
    ...tiers.map(tierText),
    '  What no tier denies is allowed.',
  ].join('\n');
}

function tierText({ name, order, defined, end, policies }: TierStatus): string {
  const what = defined ? `order ${order ?? 'none: last'}` : 'there is no such Tier: last';
  return [
    `  Tier ${name} (${what})`,
    ...policies.map(policyLines),
    end === 'deny'
      ? '    What none of these decides is denied.'
      : '    What none of these decides goes to the next tier.',
  ].join('\n');
}

function policyLines(policy: TierStatus['policies'][number], index: number): string {
  const { kind, namespace, name, staged, rules } = policy;
  const note = staged === undefined ? '' : ` (staged: ${staged}, not enforced)`;
  const lines = rules.length === 0 ? ['no rules'] : rules;
  return [
    `    ${index + 1}. ${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}${note}`,
    ...lines.map((rule) => `         ${rule}`),
  ].join('\n');
}
