/**
 * connectionPolicy: Reevaluate. After the rules changed in the kernel, connections are judged by them as if they began now, and those
 * that are forbidden are forgotten by connection tracking, so that their next packet is judged as new.
 *
 * A TCP packet in the middle of a stream must not begin a connection then: what the receiver of a connection sends next would be
 * one of its own, the other way round, which may well be allowed. So net.netfilter.nf_conntrack_tcp_loose is 0 meanwhile, and such
 * packets are invalid.
 *
 * Cost: one list of the connections of each family, when rules changed, and after a run a rest of ten times what it took.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import type { Conntrack } from '../../src/kernel/conntrack.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import type { Flow } from '../../src/kernel/netlink/conntrack.ts';
import { type Address, millis } from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Graph, localRoutes, rulesetOf } from '../calc/graph.ts';
import { slices } from '../dataplane/turn.ts';
import type { RulesetChange } from '../rules/model.ts';
import { isEmptyChange } from '../rules/ruleset.ts';
import { tracer } from '../rules/trace.ts';
import { isForbidden, type Places } from './judged.ts';
import { Loose, looseKey } from './loose.ts';

export interface ReevaluationOptions {
  readonly graph: Graph;
  readonly kernel: Pick<NetnsKernel, 'addresses' | 'links' | 'routeTo' | 'sysctl' | 'readSysctl'>;
  readonly conntrack: Pick<Conntrack, 'dump' | 'deleteFlow'>;
  /** Where what a later process needs is kept. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** What the configuration says. */
  readonly isOn: () => boolean;
  readonly onProblems: (problems: readonly Problem[]) => void;
}

const soonMs = 50;
const restFactor = 10;
/** Connections judged before others have their turn. */
const atOnce = 200;
/** An interface that is no workload's; which one matters only to host endpoints. */
const elsewhere = 'elsewhere';

const endsOf = ({ original, reply }: Flow): readonly Address[] => [original.source, reply.source];

export class Reevaluation {
  readonly #options: ReevaluationOptions;
  #isStarted = false;
  /** Undefined: nothing was done about it yet. */
  #isOn: boolean | undefined;
  #setting: Promise<void> = Promise.resolve();
  #isDue = false;
  #running: Promise<void> | undefined;
  #notBefore = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #ended = 0;

  constructor(options: ReevaluationOptions) {
    this.#options = options;
  }

  /** Connections that were ended. */
  get ended(): number {
    return this.#ended;
  }

  start(): void {
    this.#isStarted = true;
    this.fit();
  }

  stop(): void {
    this.#isStarted = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The configuration may be another. */
  fit(): void {
    const isOn = this.#options.isOn();
    if (!this.#isStarted || isOn === this.#isOn) return;
    this.#isOn = isOn;
    this.#setting = this.#setting.then(() => this.#setLoose(isOn));
    if (isOn) this.#wake();
  }

  /** The kernel has it. @param change  undefined: whatever differed */
  after(change: RulesetChange | undefined, transactions: number): void {
    const isChange = change === undefined ? transactions > 0 : !isEmptyChange(change);
    if (isChange && this.#isOn === true) this.#wake();
  }

  #wake(): void {
    this.#isDue = true;
    if (this.#running !== undefined || this.#cancel !== undefined || !this.#isStarted) return;
    const { clock } = this.#options;
    const waitMs = Math.max(soonMs, this.#notBefore - clock.now());
    this.#cancel = clock.after(millis(waitMs), () => {
      this.#cancel = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#isDue) this.#wake();
      });
    });
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    this.#isDue = false;
    if (this.#isOn !== true) return;
    const begun = clock.now();
    try {
      const count = await this.#end();
      this.#ended += count;
      const tookMs = Math.round(clock.now() - begun);
      if (count > 0) log.info('connections that policy forbids now are ended', { count, tookMs });
    } catch (error) {
      log.warn('connections could not be judged by the new rules; it is done after the next change', {
        why: String(error),
      });
    }
    this.#notBefore = clock.now() + (clock.now() - begun) * restFactor;
  }

  async #end(): Promise<number> {
    const { graph, conntrack } = this.#options;
    const hasHosts = graph.hosts.places.owners.size > 0;
    const workloads = localRoutes(graph);
    const flows = [...(await conntrack.dump(4)), ...(await conntrack.dump(6))].filter(
      (flow) => hasHosts || endsOf(flow).some((address) => workloads.has(address)),
    );
    const places = await this.#places(workloads, hasHosts ? flows : []);
    const turn = slices();
    const forbidden: Flow[] = [];
    for (let from = 0; from < flows.length; from += atOnce) {
      // Others have had their turn, so the ruleset may be another.
      const trace = tracer(rulesetOf(graph));
      forbidden.push(...flows.slice(from, from + atOnce).filter((flow) => isForbidden(flow, places, trace)));
      await turn();
    }
    let ended = 0;
    for (const flow of forbidden) if (await conntrack.deleteFlow(flow)) ended += 1;
    return ended;
  }

  /** @param flows  those of which the interfaces of their far ends matter */
  async #places(workloads: ReadonlyMap<Address, string>, flows: readonly Flow[]): Promise<Places> {
    const { kernel } = this.#options;
    const local = (await kernel.addresses()).map(({ address }) => address);
    const own = new Set(local);
    const names = new Map((await kernel.links()).map(({ ifindex, name }) => [ifindex, name]));
    const ways = new Map<Address, string>();
    for (const address of new Set(flows.flatMap(endsOf))) {
      if (workloads.has(address) || own.has(address)) continue;
      const way = await kernel.routeTo(address);
      const name = names.get(way?.ifindex ?? 0);
      if (name !== undefined) ways.set(address, name);
    }
    return {
      local,
      interfaceOf: (address) =>
        workloads.get(address) ?? (own.has(address) ? '' : (ways.get(address) ?? elsewhere)),
    };
  }

  async #setLoose(isOn: boolean): Promise<void> {
    const { kernel, stateDir, onProblems } = this.#options;
    const loose = new Loose(kernel, stateDir);
    try {
      await (isOn ? loose.forbid() : loose.restore());
      onProblems([]);
    } catch (error) {
      onProblems([
        {
          where: 'FelixConfiguration spec.connectionPolicy',
          what: `${isOn ? 'What the far end of an ended TCP connection still sends may begin it anew' : 'What connection tracking makes of the middle of a TCP stream is not as it was before Reevaluate'}: ${error instanceof Error ? error.message : String(error)}.`,
          fix: `Set the sysctl ${looseKey.replaceAll('/', '.')} ${isOn ? 'to 0' : 'as you want it'} on this node.`,
        },
      ]);
    }
  }
}
