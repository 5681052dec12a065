/** One probe, and what the kernels of all nodes that it may come to tell of it. A trace that nobody reads ends by itself on its node. */
import type { Answer as Said } from '../../host/socket.ts';
import { type Address, formatAddress, type IpVersion } from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type {
  ProbeOutcome,
  ProbeRequest,
  TraceReport,
  TraceRequest,
  TraceStarted,
} from '../../model/live.ts';
import type { Half, Live } from '../../policy/live/fate.ts';
import type { AskFelix, Question } from '../cluster/felix.ts';

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

export interface Attempt {
  readonly from: ProbeRequest['from'];
  /** The source's. */
  readonly node: string;
  readonly version: IpVersion;
  /** IANA number: 1, 6, 17 or 58. */
  readonly protocol: number;
  readonly source: Address;
  readonly to: Address;
  /** Absent: an echo. */
  readonly port?: number;
  /** Nodes where it may arrive; none: outside. */
  readonly arrivals: readonly string[];
  /** `to` is a Service's: where it arrives it is something else. */
  readonly isTranslated: boolean;
}

/** Never fails: what could not be done is said in it. Halves: the source's node first, then those where it may arrive. */
export async function attempt(one: Attempt, options: LiveOptions): Promise<Live> {
  for (let count = 1; ; count += 1) {
    const mark = firstPort + Math.floor(options.random() * (lastPort - firstPort + 1));
    const { live, isTaken } = await attemptFrom(one, mark, options);
    if (!isTaken || count === tries) return live;
  }
}

async function attemptFrom(one: Attempt, mark: number, options: LiveOptions) {
  const halves = await Promise.all(
    halvesOf(one).map(async (half) => ({
      ...half,
      begun: await begin(half, requestOf(one, half.end, mark, options), options),
    })),
  );
  const probed = await probe(one, mark, options);
  const isTaken = !probed.ok && probed.error.isTaken;
  const read = await Promise.all(halves.map((half) => finish(half, options)));
  const live: Live = probed.ok
    ? { outcome: probed.value, mark: markWords(one, mark), halves: read }
    : { untried: `nothing was tried: ${probed.error.sentence}`, halves: [] };
  return { live, isTaken };
}

const markWords = ({ source, to, port }: Attempt, mark: number): string =>
  port === undefined
    ? `with identifier ${mark}`
    : `from ${formatAddress(source)} port ${mark} to ${formatAddress(to)}`;

function halvesOf({ node, arrivals }: Attempt): readonly Pick<Half, 'node' | 'end'>[] {
  const far = arrivals
    .filter((each) => each !== node)
    .map((each) => ({ node: each, end: 'destination' }) as const);
  return [{ node, end: arrivals.includes(node) ? 'both' : 'source' }, ...far];
}

/** At the destination's node the source may be another: what is sent out of the pod network is translated. */
function requestOf(
  { version, protocol, source, to, port, isTranslated }: Attempt,
  end: Half['end'],
  mark: number,
  { withinMs }: LiveOptions,
): TraceRequest {
  const isFar = end === 'destination';
  const destination = isFar && isTranslated ? {} : { destination: formatAddress(to) };
  const flow = { version, protocol, ...destination, forMs: withinMs + askingMs };
  if (port === undefined) return { ...flow, icmpId: mark };
  return {
    ...flow,
    sourcePort: mark,
    ...(isFar && isTranslated ? {} : { destinationPort: port }),
    ...(isFar ? {} : { source: formatAddress(source) }),
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
  { from, node, source, to, protocol, port }: Attempt,
  mark: number,
  options: LiveOptions,
): Promise<Result<ProbeOutcome, { readonly isTaken: boolean; readonly sentence: string }>> {
  const body: ProbeRequest = {
    ...{ from, protocol, source: formatAddress(source), to: formatAddress(to) },
    ...(port === undefined ? { icmpId: mark } : { port, sourcePort: mark }),
    withinMs: options.withinMs,
  };
  const said = await asked<ProbeOutcome>(options, node, { method: 'POST', path: '/probe', body });
  if (said.ok) return said;
  return err({ isTaken: said.error.status === 409, sentence: said.error.sentence });
}
