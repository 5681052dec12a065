/** POST /trace, GET /trace and POST /probe of felix.sock, put together. Never in the way of policy. */
import type { Clock } from '../../src/host/clock.ts';
import type { Answer, Endpoints } from '../../src/host/socket.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import type { OpenNftTrace } from '../../src/kernel/nft-trace.ts';
import type { Random } from '../../src/lib/random.ts';
import type { Result } from '../../src/lib/result.ts';
import type { ProbeRequest } from '../../src/model/live.ts';
import type { Attachments } from '../attachments.ts';
import type { Graph } from '../calc/graph.ts';
import { Followings, type Refusal } from './following.ts';
import type { Knock } from './knock.ts';
import { parseProbeRequest, parseTraceRequest } from './request.ts';

export interface ProbingOptions {
  readonly node: string;
  readonly graph: Graph;
  readonly kernel: Pick<Kernel, 'links'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly attachments: Pick<Attachments, 'all'>;
  readonly isLegacy: () => boolean;
  /** Absent: packets cannot be followed here. */
  readonly openTrace?: OpenNftTrace | undefined;
  /** Absent: nothing can be tried from here. */
  readonly knock?: Knock | undefined;
}

const said = (status: number, error: string): Answer => ({ status, body: { error } });

const answerOf = <T>(result: Result<T, Refusal>, body: (value: T) => unknown): Answer =>
  result.ok ? { status: 200, body: body(result.value) } : said(result.error.status, result.error.sentence);

/** As many as a person can ask for; each holds sockets. */
const mostProbes = 16;

export class Probing {
  readonly #options: ProbingOptions;
  readonly #followings: Followings | undefined;
  #probes = 0;

  constructor(options: ProbingOptions) {
    this.#options = options;
    const { openTrace: open } = options;
    if (open !== undefined) this.#followings = new Followings({ ...options, open });
  }

  get endpoints(): Endpoints {
    return {
      'POST /trace': ({ body }) => this.#begin(body),
      'GET /trace': ({ query }) => this.#read(query.get('id') ?? ''),
      'POST /probe': ({ body }) => this.#probe(body),
    };
  }

  stop(): void {
    this.#followings?.stop();
  }

  async #begin(body: string): Promise<Answer> {
    if (this.#followings === undefined) return this.#cannot();
    const asked = parseTraceRequest(body);
    if (!asked.ok) return said(400, asked.error);
    return answerOf(await this.#followings.begin(asked.value), (id) => ({ id }));
  }

  async #read(id: string): Promise<Answer> {
    if (this.#followings === undefined) return this.#cannot();
    return answerOf(await this.#followings.read(id), (report) => report);
  }

  #cannot(): Answer {
    return said(501, `Node ${this.#options.node} has no kernel that could be asked.`);
  }

  async #probe(body: string): Promise<Answer> {
    const { node, knock } = this.#options;
    if (knock === undefined) return this.#cannot();
    const asked = parseProbeRequest(body);
    if (!asked.ok) return said(400, asked.error);
    const place = this.#placeOf(asked.value);
    if ('status' in place) return place;
    if (this.#probes >= mostProbes)
      return said(409, `${this.#probes} probes are under way on node ${node}. Try again in a moment.`);
    this.#probes += 1;
    try {
      return { status: 200, body: await knock(place.netns, asked.value) };
    } catch (error) {
      if (!isKernelError(error)) throw error;
      // 409: another port may do.
      return said(
        error.code === 'EADDRINUSE' ? 409 : 500,
        `Nothing could be sent from node ${node}: ${error.message}.`,
      );
    } finally {
      this.#probes -= 1;
    }
  }

  #placeOf({ from }: ProbeRequest): Answer | { readonly netns: string | undefined } {
    const { node, attachments } = this.#options;
    if (from === 'host') return { netns: undefined };
    const { namespace, pod } = from;
    const record = attachments.all().find((each) => each.namespace === namespace && each.pod === pod);
    if (record === undefined)
      return said(404, `Pod ${namespace}/${pod} has no interface on node ${node}. Ask the node it runs on.`);
    if (record.netns === '')
      return said(
        404,
        `Where the network namespace of pod ${namespace}/${pod} is was lost with its record on node ${node}; recreate the pod to try from it.`,
      );
    return { netns: record.netns };
  }
}
