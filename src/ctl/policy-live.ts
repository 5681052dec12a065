/**
 * `tortiectl policy why --live`: what was said of policy is tried with a real probe, which both nodes' kernels are asked to follow.
 *
 * Owns nothing of it: a trace ends by itself on its node, also if this process is ended in between.
 */
import type { Answer as Said } from '../host/socket.ts';
import { formatAddress } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { ProbeOutcome, ProbeRequest, TraceReport, TraceRequest, TraceStarted } from '../model/live.ts';
import type { Cluster } from '../policy/cluster.ts';
import { agreementOf, fateOf, type Half, type Live } from '../policy/live/fate.ts';
import { liveLines, liveVerdict } from '../policy/live/words.ts';
import { type Who, whoHas } from '../policy/who.ts';
import { type Answer, answerLines } from '../policy/why.ts';
import { protocolWord } from '../policy/words.ts';
import { type AskFelix, askFelixBy, openFelixWays, type Question } from './cluster/felix.ts';
import type { Global } from './command.ts';
import type { PolicyWhyOptions } from './options.ts';
import { complain, print } from './output.ts';
import { type Paint, paintFor } from './style.ts';

/** Each waits for its answer, one after the other. */
const mostLive = 8;

/** Above what the kernel gives out by itself (net.ipv4.ip_local_port_range). */
const firstPort = 61_000;
const lastPort = 65_535;
/** A port that is taken is given up for another, so often. */
const tries = 5;
/** What asking takes, beside waiting for the answer: by the API server some seconds. */
const askingMs = 20_000;

export interface LiveOptions {
  readonly ask: AskFelix;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly withinMs: number;
}

/**
 * All of them, told as they are asked for. @param asJson  the static part of an answer
 * @returns  the exit code: 3 if any did otherwise than policy says, else 2 if any could not be tried, else as without --live
 */
export async function runLive(
  cluster: Cluster,
  answers: readonly Answer[],
  options: PolicyWhyOptions & Global,
  asJson: (answer: Answer) => object,
): Promise<number> {
  const seconds = Number(options.within);
  if (!(seconds >= 0.1 && seconds <= 30))
    return complain({
      code: 2,
      sentence: `--within must be from 0.1 to 30 seconds, but is ${JSON.stringify(options.within)}.`,
    });
  if (answers.length > mostLive)
    return complain({
      code: 2,
      sentence: `--live tries at most ${mostLive} connections, and ${answers.length} are meant. Name one pod at each end, and the port.`,
    });
  const ways = await openFelixWays(options, options.felixSocket ?? []);
  if (!ways.ok) return complain({ code: 2, sentence: ways.error });
  const how = { ask: askFelixBy(ways.value), random: Math.random, withinMs: Math.round(seconds * 1000) };
  const lives: { readonly answer: Answer; readonly live: Live }[] = [];
  for (const answer of answers) lives.push({ answer, live: await tryIt(cluster, answer, how) });
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  const isWhole = options.output === 'wide';
  await print(
    lives.map(({ answer, live }) => ({ ...asJson(answer), live: liveJson(answer, live) })),
    options.output,
    () => lives.map(({ answer, live }) => textOf(answer, live, isWhole, paint)).join('\n\n'),
  );
  return exitOf(lives);
}

function textOf(answer: Answer, live: Live, isWhole: boolean, paint: Paint): string {
  const [first = '', ...rest] = answerLines(answer, isWhole);
  const isGood = answer.verdict.allowed && agreementOf(answer.verdict.allowed, live) === 'agrees';
  const head = first.replace(/(ALLOWED|DENIED)$/, liveVerdict(answer, live));
  return [paint(head, isGood ? 'good' : 'bad'), ...rest, ...liveLines(answer, live, isWhole)].join('\n');
}

function liveJson({ verdict }: Answer, live: Live) {
  const { untried, outcome, mark, halves } = live;
  if (untried !== undefined) return { untried };
  const fate = fateOf(live);
  return {
    kernel: fate,
    agreement: agreementOf(verdict.allowed, live),
    probe: { ...outcome, mark },
    traces: halves,
  };
}

function exitOf(lives: readonly { readonly answer: Answer; readonly live: Live }[]): number {
  const said = lives.map(({ answer, live }) => agreementOf(answer.verdict.allowed, live));
  if (said.includes('differs')) return 3;
  if (said.includes('unknown')) return 2;
  return lives.every(({ answer }) => answer.verdict.allowed) ? 0 : 1;
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

/** Tries what `answer` is about. Never fails: what could not be done is said in it. */
export async function tryIt(cluster: Cluster, answer: Answer, options: LiveOptions): Promise<Live> {
  const source = placeOf(whoHas(cluster, answer.source));
  const why = untriable(answer, source);
  if (why !== undefined || source.node === undefined || source.from === undefined)
    return { untried: why ?? '', halves: [] };
  const destination = placeOf(whoHas(cluster, answer.destination));
  const ends = { from: source.from, node: source.node, to: destination.node };
  for (let attempt = 1; ; attempt += 1) {
    const mark = firstPort + Math.floor(options.random() * (lastPort - firstPort + 1));
    const { live, isTaken } = await tryFrom(answer, ends, mark, options);
    if (!isTaken || attempt === tries) return live;
  }
}

interface Ends {
  readonly from: ProbeRequest['from'];
  readonly node: string;
  /** Absent: outside. */
  readonly to: string | undefined;
}

async function tryFrom(answer: Answer, ends: Ends, mark: number, options: LiveOptions) {
  const halves = await Promise.all(
    halvesOf(ends).map(async (half) => ({
      ...half,
      begun: await begin(half, requestOf(answer, half.end, mark, options), options),
    })),
  );
  const probed = await probe(answer, ends, mark, options);
  const isTaken = !probed.ok && probed.error.isTaken;
  const read = await Promise.all(halves.map((half) => finish(half, options)));
  const isEcho = answer.port === undefined;
  const live: Live = probed.ok
    ? {
        outcome: probed.value,
        mark: isEcho
          ? `with identifier ${mark}`
          : `from ${formatAddress(answer.source)} port ${mark} to ${formatAddress(answer.destination)}`,
        halves: read,
      }
    : { untried: `nothing was tried: ${probed.error.sentence}`, halves: [] };
  return { live, isTaken };
}

const halvesOf = ({ node, to }: Ends): readonly Pick<Half, 'node' | 'end'>[] =>
  to === node
    ? [{ node, end: 'both' }]
    : [{ node, end: 'source' }, ...(to === undefined ? [] : [{ node: to, end: 'destination' } as const])];

/** At the destination's node the source may be another: what is sent out of the pod network is translated. */
function requestOf(
  { version, protocol, source, destination, port }: Answer,
  end: Half['end'],
  mark: number,
  { withinMs }: LiveOptions,
): TraceRequest {
  return {
    ...{ version, protocol, destination: formatAddress(destination), forMs: withinMs + askingMs },
    ...(port === undefined ? { icmpId: mark } : { sourcePort: mark, destinationPort: port }),
    ...(port === undefined || end === 'destination' ? {} : { source: formatAddress(source) }),
  };
}

/** The agent's answer, or its refusal in words. */
async function asked<T>(
  { ask }: LiveOptions,
  node: string,
  question: Question,
): Promise<Result<T, { readonly status: number; readonly sentence: string }>> {
  const answer = await ask(node, question);
  if (!answer.ok) return err({ status: 0, sentence: answer.error });
  const { status, body } = answer.value;
  return status === 200 ? ok(body as T) : err({ status, sentence: refusalOf(node, answer.value) });
}

function refusalOf(node: string, { status, body }: Said): string {
  const said =
    typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : `status ${status}`;
  return status === 404 && said.endsWith('is not served here.')
    ? `The node agent of ${node} is of an older version: it cannot follow packets.`
    : said;
}

type Begun = Result<string>;

async function begin({ node }: Pick<Half, 'node'>, body: TraceRequest, options: LiveOptions): Promise<Begun> {
  const begun = await asked<TraceStarted>(options, node, { method: 'POST', path: '/trace', body });
  return begun.ok ? ok(begun.value.id) : err(begun.error.sentence);
}

async function finish(
  { node, end, begun }: Pick<Half, 'node' | 'end'> & { readonly begun: Begun },
  options: LiveOptions,
): Promise<Half> {
  if (!begun.ok) return { node, end, missing: begun.error };
  const path = `/trace?id=${encodeURIComponent(begun.value)}`;
  const read = await asked<TraceReport>(options, node, { method: 'GET', path });
  return read.ok ? { node, end, report: read.value } : { node, end, missing: read.error.sentence };
}

async function probe(
  { source, destination, protocol, port }: Answer,
  { from, node }: Ends,
  mark: number,
  options: LiveOptions,
): Promise<Result<ProbeOutcome, { readonly isTaken: boolean; readonly sentence: string }>> {
  const body: ProbeRequest = {
    ...{ from, protocol, source: formatAddress(source), to: formatAddress(destination) },
    ...(port === undefined ? { icmpId: mark } : { port, sourcePort: mark }),
    withinMs: options.withinMs,
  };
  const said = await asked<ProbeOutcome>(options, node, { method: 'POST', path: '/probe', body });
  if (said.ok) return said;
  return err({ isTaken: said.error.status === 409, sentence: said.error.sentence });
}
