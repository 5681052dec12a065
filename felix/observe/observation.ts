/** What is seen of the traffic that policy judges, put together. Never in the way of policy: what fails here is said, and no more. */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import type { Ask, Endpoints } from '../../src/host/socket.ts';
import type { Conntrack } from '../../src/kernel/conntrack.ts';
import type { KernelEvent } from '../../src/kernel/kernel.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import type { XtPrograms } from '../../src/kernel/xtables.ts';
import { millis } from '../../src/lib/net.ts';
import type { Flows } from '../../src/model/flow.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Graph, ruleByTag, rulesetOf } from '../calc/graph.ts';
import { type RuleCounter, readCounters } from '../dataplane/counters.ts';
import { droppedByTag } from '../rules/dropped.ts';
import type { RulesetChange } from '../rules/model.ts';
import { xtCounters } from '../rules/xtables/seen.ts';
import { connectionsNow } from './connections.ts';
import { Counted, type RuleSum, xtKey } from './counted.ts';
import { Ear, type OpenNflog } from './ear.ts';
import { type FlowFilter, FlowLog } from './flow-log.ts';
import { Interfaces } from './interfaces.ts';
import { whoAre, whoseInterface } from './names.ts';
import { Reevaluation } from './reevaluate.ts';

export interface ObservationOptions {
  readonly graph: Graph;
  readonly kernel: NetnsKernel;
  /** Of iptables, if that writes the rules. */
  readonly programs: () => XtPrograms | undefined;
  readonly stateDir: string;
  readonly clock: Clock;
  /** Absent: packets that rules report are not read. */
  readonly openNflog?: OpenNflog | undefined;
  /** Absent: connections go on whatever becomes of policy. */
  readonly conntrack?: Pick<Conntrack, 'dump' | 'deleteFlow'> | undefined;
  /** connectionPolicy is Reevaluate. */
  readonly isReevaluated: () => boolean;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly onProblems: (source: string, problems: readonly Problem[]) => void;
}

export class Observation {
  readonly #options: ObservationOptions;
  readonly #interfaces: Interfaces;
  readonly #ear: Ear | undefined;
  readonly #reevaluation: Reevaluation | undefined;
  #isStarted = false;
  readonly flows: FlowLog;
  readonly #counted: Counted;

  constructor(options: ObservationOptions) {
    const { graph, kernel, clock, openNflog: open, onProblems } = options;
    this.#options = options;
    this.#interfaces = new Interfaces(kernel);
    const flows = new FlowLog({
      clock,
      wallClock: () => new Date().toISOString(),
      ruleByTag: (tag) => ruleByTag(graph, tag) ?? droppedByTag(tag),
      whoAre: (addresses) => whoAre(graph, addresses),
      whoseInterface: (name) => whoseInterface(graph, name),
      interfaceName: (ifindex) => this.#interfaces.name(ifindex),
    });
    this.flows = flows;
    this.#counted = new Counted({
      clock,
      read: () => (options.programs() === undefined ? (chain) => readCounters(kernel, chain) : undefined),
      readByComment: () => readXtCounters(options.programs()),
      ruleset: () => rulesetOf(graph),
      originOf: (rule) => graph.register.originOf(rule),
    });
    const listener = {
      packet: flows.take.bind(flows),
      lost: flows.lose.bind(flows),
    };
    if (open !== undefined)
      this.#ear = new Ear({ open, clock, listener, onProblems: (found) => onProblems('observation', found) });
    const { conntrack } = options;
    if (conntrack !== undefined)
      this.#reevaluation = new Reevaluation({
        ...{ ...options, conntrack },
        isOn: options.isReevaluated,
        onProblems: (found) => onProblems('reevaluation', found),
      });
  }

  get endpoints(): Endpoints {
    const { graph, conntrack } = this.#options;
    return {
      'GET /flows': async (ask) => ({ status: 200, body: await this.#answer(ask) }),
      ...(conntrack === undefined
        ? {}
        : {
            'GET /connections': async () => ({ status: 200, body: await connectionsNow(graph, conntrack) }),
          }),
    };
  }

  async start(): Promise<void> {
    await this.#interfaces.load();
    this.#isStarted = true;
    this.#reevaluation?.start();
    this.fit();
  }

  stop(): void {
    this.#isStarted = false;
    this.#ear?.stop();
    this.#reevaluation?.stop();
    this.flows.stop();
  }

  /** The configuration may be another. */
  fit(): void {
    this.#reevaluation?.fit();
    if (this.#isStarted) this.#ear?.listen(this.#options.graph.frame.next.denied?.group);
  }

  /** What each rule of a policy counted, for as long as this process lives. */
  counted(): Promise<readonly RuleSum[]> {
    return this.#isStarted ? this.#counted.sums() : Promise.resolve([]);
  }

  /** Connections that were ended. */
  get ended(): number {
    return this.#reevaluation?.ended ?? 0;
  }

  before(change: RulesetChange): Promise<void> {
    return this.#counted.before(change);
  }

  after(change: RulesetChange | undefined, transactions: number): void {
    this.#counted.after(change);
    this.#reevaluation?.after(change, transactions);
  }

  observe(event: KernelEvent): void {
    // Names that are missing meanwhile are only not shown.
    if (this.#interfaces.observe(event)) void this.#interfaces.load().catch(() => undefined);
  }

  /** With ?wait=MS, once there is something to say or after so long. */
  async #answer({ query }: Ask): Promise<Flows> {
    const filter = filterOf(query);
    const wait = Number(query.get('wait') ?? 0);
    if (wait > 0) await this.flows.arrival(filter, millis(Math.min(wait, longestWaitMs)));
    const deaf = this.#ear?.deaf;
    return { ...this.flows.read(filter), ...(deaf === undefined ? {} : { deaf }) };
  }
}

/** Who asks hangs up after five seconds. */
const longestWaitMs = 4000;

/** Of both families; one chain is of both. */
async function readXtCounters(programs: XtPrograms | undefined) {
  const found = new Map<string, RuleCounter[]>();
  if (programs === undefined) return found;
  for (const version of programs.versions)
    for (const [name, rows] of xtCounters(await programs.save(version, true)))
      found.set(xtKey(name, version), [...rows]);
  return found;
}

function filterOf(query: URLSearchParams): FlowFilter {
  const [after, namespace, pod] = ['after', 'namespace', 'pod'].map((name) => query.get(name));
  return {
    denied: query.has('denied'),
    ...(typeof after === 'string' ? { after: Number(after) } : {}),
    ...(typeof namespace === 'string' ? { namespace } : {}),
    ...(typeof pod === 'string' ? { pod } : {}),
  };
}
