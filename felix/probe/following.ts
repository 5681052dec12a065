/**
 * Packets followed through the kernel, one flow at a time. Owns the trace: it ends when it is read, when its time is over, or with
 * the process.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { FAMILY } from '../../src/kernel/netlink/nft/numbers.ts';
import type { TraceMessage } from '../../src/kernel/netlink/nft/trace.ts';
import type { NftTrace, OpenNftTrace, TraceMatch } from '../../src/kernel/nft-trace.ts';
import { millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { err, ok, type Result } from '../../src/lib/result.ts';
import type { TraceReport } from '../../src/model/live.ts';
import type { Graph } from '../calc/graph.ts';
import { tableName } from '../rules/model.ts';
import { meaningsOf } from './meanings.ts';
import type { TraceAsked } from './request.ts';
import { chainKey, matters, stepsOf } from './steps.ts';

export interface FollowingOptions {
  readonly node: string;
  readonly graph: Graph;
  readonly kernel: Pick<Kernel, 'links'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Rules are written by iptables of the older kind, which the kernel does not tell of. */
  readonly isLegacy: () => boolean;
  readonly open: OpenNftTrace;
}

/** Of one trace; a packet that is asked by every chain of a large cluster makes some dozens. */
const mostSteps = 2_000;
/** What nft is asked for, at most: it takes some milliseconds each. */
const mostTexts = 24;
/** What the kernel has told by the time somebody asks is read by now. */
const lastWordsMs = 20;

interface Following {
  readonly id: string;
  readonly asked: TraceAsked;
  readonly trace: NftTrace;
  readonly messages: TraceMessage[];
  readonly before: ReadonlyMap<bigint, number>;
  isCut: boolean;
  stopWaiting: () => void;
}

/** A status of HTTP, and a sentence. */
export interface Refusal {
  readonly status: number;
  readonly sentence: string;
}

const refuse = (status: number, sentence: string): Result<never, Refusal> => err({ status, sentence });

export class Followings {
  readonly #options: FollowingOptions;
  #now: Following | undefined;
  #isOpening = false;
  #count = 0;

  constructor(options: FollowingOptions) {
    this.#options = options;
  }

  /** Marks packets from here on. Value: the id to ask for the steps with. */
  async begin(asked: TraceAsked): Promise<Result<string, Refusal>> {
    const { node, clock, isLegacy } = this.#options;
    if (isLegacy())
      return refuse(
        501,
        `Rules of node ${node} are written by iptables-legacy, and the kernel traces only nftables. "tortiectl flows" tells what they deny.`,
      );
    if (this.#now !== undefined || this.#isOpening)
      return refuse(409, `Somebody follows a packet through node ${node} already. Try again in a moment.`);
    this.#isOpening = true;
    try {
      const following = await this.#open(asked);
      following.stopWaiting = clock.after(millis(asked.forMs), () => this.#end(following));
      this.#now = following;
      return ok(following.id);
    } catch (error) {
      if (isKernelError(error))
        return refuse(
          501,
          `Packets cannot be followed on node ${node}: ${error.message}. It takes nftables of Linux 5.12 or newer.`,
        );
      throw error;
    } finally {
      this.#isOpening = false;
    }
  }

  /** What was told since `begin`, and the end of it. */
  async read(id: string): Promise<Result<TraceReport, Refusal>> {
    const { node, clock } = this.#options;
    const following = this.#now;
    if (following === undefined || following.id !== id)
      return refuse(
        404,
        `Node ${node} follows no packet called ${JSON.stringify(id)}: it was read, or its time was over.`,
      );
    await new Promise<void>((resolve) => {
      clock.after(millis(lastWordsMs), resolve);
    });
    try {
      return ok(await this.#report(following));
    } finally {
      this.#end(following);
    }
  }

  stop(): void {
    if (this.#now !== undefined) this.#end(this.#now);
  }

  async #open(asked: TraceAsked): Promise<Following> {
    const messages: TraceMessage[] = [];
    const heard: { following: Following | undefined; isCut: boolean } = {
      following: undefined,
      isCut: false,
    };
    const cut = (): void => {
      heard.isCut = true;
      if (heard.following !== undefined) heard.following.isCut = true;
    };
    const trace = await this.#options.open(matchesOf(asked), {
      step: (message) => {
        if (messages.length < mostSteps) messages.push(message);
        else cut();
      },
      lost: cut,
    });
    try {
      const rules = await trace.rules(FAMILY.inet, tableName);
      const before = new Map(
        rules.flatMap(({ handle, packets }) => (packets === undefined ? [] : [[handle, packets] as const])),
      );
      this.#count += 1;
      // Not that of a trace of another life of this process.
      const id = `${this.#count}-${Math.floor(this.#options.random() * 2 ** 32).toString(16)}`;
      const following = {
        id,
        asked,
        trace,
        messages,
        before,
        isCut: heard.isCut,
        stopWaiting: () => undefined,
      };
      heard.following = following;
      return following;
    } catch (error) {
      trace.close();
      throw error;
    }
  }

  #end(following: Following): void {
    following.stopWaiting();
    following.trace.close();
    if (this.#now === following) this.#now = undefined;
  }

  async #report({ trace, messages, asked, before, isCut }: Following): Promise<TraceReport> {
    const { node, graph, kernel } = this.#options;
    const chains = new Map(messages.filter(matters).map((message) => [chainKey(message), message]));
    const rules = new Map<string, Awaited<ReturnType<NftTrace['rules']>>>();
    const texts = new Map<string, ReadonlyMap<bigint, string>>();
    for (const [key, { family, table, chain }] of chains) {
      rules.set(key, await trace.rules(family, table, chain));
      const isForeign = family !== FAMILY.inet || table !== tableName;
      if (isForeign && texts.size < mostTexts) texts.set(key, await trace.texts(family, table, chain));
    }
    const links = new Map((await kernel.links()).map(({ ifindex, name }) => [ifindex, name]));
    const told = stepsOf(messages, asked, {
      ...{ hooks: await trace.hooks(), rules, texts, before },
      ...meaningsOf(graph),
      interfaceName: (ifindex) => links.get(ifindex),
    });
    return { node, ...told, cut: isCut };
  }
}

/** What is asked about, and what answers it. */
function matchesOf({ version, protocol, ends, sourcePort, destinationPort, icmpId }: TraceAsked) {
  const flow = { version, protocol };
  const there: TraceMatch = {
    ...{ ...flow, ...ends },
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
    ...(icmpId === undefined ? {} : { icmp: { type: version === 4 ? 8 : 128, id: icmpId } }),
  };
  // Whose address the answer has depends on what translates on its way.
  const back: TraceMatch =
    icmpId === undefined
      ? { ...flow, ...(sourcePort === undefined ? {} : { destinationPort: sourcePort }) }
      : { ...flow, icmp: { type: version === 4 ? 0 : 129, id: icmpId } };
  return [there, back];
}
