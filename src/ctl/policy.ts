/** `tortiectl policy show POD`: what applies to a pod on this node, direction by direction, in words. */

import type { DirectionStatus, PodPolicyStatus, TierStatus } from '../model/status.ts';
import type { PolicyOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';

/** @param pod  a name, or "namespace/name" */
export async function policyShow(pod: string, options: PolicyOptions): Promise<number> {
  const slash = pod.indexOf('/');
  const namespace = slash < 0 ? options.namespace : pod.slice(0, slash);
  const query = new URLSearchParams({ namespace, pod: pod.slice(slash + 1) });
  const asked = await ask<PodPolicyStatus>(options.socket, `/policy?${query}`, 'felix');
  if (!asked.ok) return complain(asked.error);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(asked.value, options.output, () => policyText(asked.value, paint));
  return 0;
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
