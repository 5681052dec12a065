/** `tortiectl flows`: packets that rules of this node reported, oldest first, each with the rule that decided. */
import type { DropReason, FlowEnd, FlowRecord, Flows } from '../model/flow.ts';
import { protocolWord } from '../policy/words.ts';
import { followed } from './cluster/until.ts';
import type { FlowsOptions } from './options.ts';
import { ask, complain } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';

export async function flows(options: FlowsOptions): Promise<number> {
  const { socket, output, follow } = options;
  const query = queryOf(options);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  let missed = 0;
  const tell = async (isFirst: boolean): Promise<number> => {
    const asked = await ask<Flows>(socket, `/flows?${query}`, 'felix');
    if (!asked.ok) return complain(asked.error);
    const { flows: found, next, lost } = asked.value;
    for (const record of found)
      process.stdout.write(`${output === 'json' ? JSON.stringify(record) : flowLine(record, paint)}\n`);
    for (const note of notesOf(asked.value, isFirst, missed)) process.stderr.write(`tortiectl: ${note}\n`);
    if (isFirst && found.length === 0 && output === undefined && follow !== true)
      process.stdout.write('No packet has been reported yet.\n');
    missed = lost;
    query.set('after', String(next));
    query.set('wait', String(waitMs));
    return 0;
  };
  return follow === true ? followed(tell, pauseMs) : tell(true);
}

/** The node answers as soon as there is a record, or after so long: it is no longer than a Ctrl-C may take. */
const waitMs = 1000;
/** Between an answer and the next question. */
const pauseMs = 10;

function queryOf({ denied, namespace, pod }: FlowsOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (denied === true) query.set('denied', '');
  if (pod !== undefined) query.set('pod', pod.includes('/') ? pod : `${namespace ?? 'default'}/${pod}`);
  else if (namespace !== undefined) query.set('namespace', namespace);
  return query;
}

/** What is missing of the records, and why. */
const notesOf = ({ forgotten, lost, deaf }: Flows, isFirst: boolean, missed: number): readonly string[] => [
  ...(isFirst && deaf !== undefined ? [`nothing is heard: ${deaf}`] : []),
  ...(isFirst && forgotten > 0 ? [`${forgotten} older records are forgotten.`] : []),
  ...(lost > missed ? [`${lost - missed} packets were reported and could not be read.`] : []),
];

const verbs = { Allow: 'allowed', Deny: 'denied', Pass: 'passed on', Log: 'logged' } as const;

/** "2026-07-01 10:00:00.000 shop/front (10.65.1.2) → shop/db (10.65.1.3):5432/TCP denied at shop/db (ingress) by …" */
export function flowLine(record: FlowRecord, paint: Paint = plain): string {
  const { at, direction, action, source, destination, protocol, icmp, tcpFlags } = record;
  const port = destination.port === undefined ? '' : `:${destination.port}`;
  const kind = icmp === undefined ? '' : ` type ${icmp.type} code ${icmp.code}`;
  const flags = tcpFlags === undefined || tcpFlags === 'SYN' ? '' : ` [${tcpFlags}]`;
  const judge = direction === 'Ingress' ? destination : source;
  return [
    paint(at.replace('T', ' ').replace('Z', ''), 'quiet'),
    `${endWords(source)} → ${endWords(destination)}${port}/${protocolWord(protocol)}${kind}${flags}`,
    paint(verbs[action], action === 'Deny' ? 'bad' : 'good'),
    `at ${judgeOf(judge)} (${direction.toLowerCase()}) ${reasonWords(record)}`,
  ].join(' ');
}

const nameOf = ({ who, address }: FlowEnd): string => who?.replace(/^pod /, '') ?? address;

/** Of the one at whose interface it was judged. */
const judgeOf = ({ owner, who, interface: at, address }: FlowEnd): string =>
  (owner ?? who)?.replace(/^pod /, '') ?? at ?? address;

const endWords = (end: FlowEnd): string =>
  end.who === undefined ? end.address : `${nameOf(end)} (${end.address})`;

/** Why policy was not asked, of the end that was judged. */
const dropWords: Readonly<Record<DropReason, (judge: FlowEnd) => string>> = {
  reversePath: (judge) => `${judgeOf(judge)} sent from ${judge.address}, which is not its address`,
  unknownInterface: ({ interface: name }) =>
    `the interface${name === undefined ? '' : ` ${name}`} is of no pod that this node knows`,
  invalid: () => 'it is part of no connection that is known (conntrack: invalid)',
  vxlan: () => 'VXLAN of a pod could pass for a tunnel of the nodes (allowVXLANPacketsFromWorkloads)',
  ipip: () => 'IP in IP of a pod could pass for a tunnel of the nodes (allowIPIPPacketsFromWorkloads)',
  serviceLoop: ({ address }) =>
    `no Service has the address ${address} of a range of Services, and it would run in circles (serviceLoopPrevention)`,
  unknownPod: (judge) => `the pod of ${judgeOf(judge)} is not known here yet`,
  refused: (judge) =>
    `the kernel refused rules that judge ${judgeOf(judge)}, which is closed there (tortiectl status says which)`,
  hostClosed: () => 'the host is closed to its pods (defaultEndpointToHostAction: Drop)',
};

export function reasonWords(record: FlowRecord): string {
  const { tier, policy, rule, isolatedBy, unknownRule, dropped, direction, source, destination } = record;
  if (dropped !== undefined)
    return `because ${dropWords[dropped](direction === 'Ingress' ? destination : source)}`;
  if (unknownRule === true) return 'by a rule that is gone since';
  const where = tier === undefined ? '' : `tier ${tier}, `;
  if (policy !== undefined) return `by ${where}${policy}${rule === undefined ? '' : ` rule ${rule}`}`;
  if (tier === undefined) return 'for no profile allows it';
  const by =
    isolatedBy === undefined || isolatedBy.length === 0 ? '' : `; isolated by ${isolatedBy.join(', ')}`;
  return `by tier ${tier}: no rule matched${by}`;
}
