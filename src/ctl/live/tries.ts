/** What is tried of what was asked: each connection, or of a Service its address, once for all of its backends. */
import { type Address, formatAddress } from '../../lib/net.ts';
import type { ProbeRequest } from '../../model/live.ts';
import type { Cluster } from '../../policy/cluster.ts';
import type { Half, Live } from '../../policy/live/fate.ts';
import { type Who, whoHas } from '../../policy/who.ts';
import type { Answer } from '../../policy/why.ts';
import { protocolWord } from '../../policy/words.ts';
import { attempt, type LiveOptions } from './attempt.ts';

/** Answers that one probe is for: one, or all of those that a Service's address may lead to. */
export type Try = readonly Answer[];

export function triesOf(answers: readonly Answer[]): readonly Try[] {
  const byService = new Map<string, Answer[]>();
  const tries: Answer[][] = [];
  for (const answer of answers) {
    const { service, from, source, protocol } = answer;
    const key =
      service?.address === undefined || service.port === undefined
        ? undefined
        : JSON.stringify([from, String(source), protocol, String(service.address), service.port]);
    const known = key === undefined ? undefined : byService.get(key);
    if (known !== undefined) {
      known.push(answer);
      continue;
    }
    const made = [answer];
    tries.push(made);
    if (key !== undefined) byService.set(key, made);
  }
  return tries;
}

/** One end as the nodes know it. */
interface Place {
  readonly node?: string;
  readonly from?: ProbeRequest['from'];
}

function placeOf({ spot }: Who): Place {
  if (spot === undefined) return {};
  if (spot.kind === 'host') return { node: spot.node, from: 'host' };
  const node = spot.node ?? spot.pod?.nodeName;
  const { namespace = 'default', name } = spot.pod?.meta ?? { name: '' };
  return { ...(node === undefined ? {} : { node }), from: { namespace, pod: name } };
}

const tried: readonly number[] = [1, 6, 17, 58];

/** A sentence if there is nothing to try, or nobody who could. */
function untriable({ service, protocol, from }: Answer, { node }: Place): string | undefined {
  if (service?.nobody !== undefined) return `there is nobody to try: ${service.nobody}.`;
  if (!tried.includes(protocol))
    return `nothing was tried: ${protocolWord(protocol)} cannot be sent from here, only TCP, UDP and ICMP.`;
  if (node === undefined)
    return `nothing was tried: ${from} is no pod or node of this cluster, so nobody can send from there. Try it there, and see "tortiectl flows --denied" on the destination's node.`;
  return undefined;
}

/** Of a Service with backends on more nodes than these, those are not asked. */
const mostNodes = 8;

/** What became of each answer, in their order. Never fails: what could not be done is said in it. */
export async function tryIt(
  cluster: Cluster,
  one: Try,
  options: LiveOptions,
): Promise<readonly { readonly answer: Answer; readonly live: Live }[]> {
  const [first] = one;
  if (first === undefined) return [];
  const { node, from } = placeOf(whoHas(cluster, first.source));
  const why = untriable(first, node === undefined ? {} : { node });
  if (why !== undefined || node === undefined || from === undefined)
    return one.map((answer) => ({ answer, live: { untried: why ?? '', halves: [] } }));
  const { service, version, protocol, source } = first;
  const isTranslated = service?.address !== undefined && service.port !== undefined;
  const to = (isTranslated ? service.address : undefined) ?? first.destination;
  const port = isTranslated ? service.port : first.port;
  const arrivals = [...new Set(one.flatMap((answer) => nodesOf(cluster, answer, isTranslated)))];
  const live = await attempt(
    {
      ...{ from, node, version, protocol, source, to, isTranslated },
      arrivals: arrivals.slice(0, mostNodes),
      ...(port === undefined ? {} : { port }),
    },
    options,
  );
  return isTranslated ? sharedOut(cluster, one, live) : one.map((answer) => ({ answer, live }));
}

function nodesOf(
  cluster: Cluster,
  { destination, service }: Answer,
  isTranslated: boolean,
): readonly string[] {
  const addresses = isTranslated ? (service?.backends ?? []).map(({ address }) => address) : [destination];
  return addresses.flatMap((address) => placeOf(whoHas(cluster, address)).node ?? []);
}

/** The answer whose backend the Service led to gets what was seen; the others were not tried. */
function sharedOut(cluster: Cluster, one: Try, live: Live) {
  if (live.untried !== undefined) return one.map((answer) => ({ answer, live }));
  const led = ledTo(one, live.halves);
  if (led === undefined)
    return one.map((answer) => ({ answer, live: { ...live, halves: darkAt(live.halves) } }));
  const { node } = placeOf(whoHas(cluster, led));
  const service = `the Service's address was dialled, and led to ${formatAddress(led)}`;
  return one.map((answer) => {
    if (answer.service?.backends.some(({ address }) => address === led) !== true)
      return { answer, live: { untried: `${service} this time`, isPassedOver: true as const, halves: [] } };
    const [near, ...far] = live.halves;
    const own: readonly Half[] =
      near === undefined || node === near.node
        ? live.halves.slice(0, 1)
        : [{ ...near, end: 'source' }, ...far.filter((half) => half.node === node)];
    return { answer, live: { ...live, service, halves: own } };
  });
}

/** The backend that the kernel saw behind the translation; undefined: it did not say. */
function ledTo(one: Try, halves: readonly Half[]): Address | undefined {
  const seen = halves.flatMap(({ report }) =>
    (report?.steps ?? []).flatMap(({ way, head }) => (way === 'there' ? (head?.destination ?? []) : [])),
  );
  const backends = one.flatMap(({ service }) => service?.backends.map(({ address }) => address) ?? []);
  return backends.find((address) => seen.includes(formatAddress(address)));
}

/** What the translation led to was not seen, so nobody knows whose half is missing. */
const darkAt = ([near]: readonly Half[]): readonly Half[] =>
  near === undefined
    ? []
    : [
        near,
        {
          ...{ node: 'the backend’s node', end: 'destination' },
          missing: 'The kernel did not say which backend the Service led to.',
        },
      ];
