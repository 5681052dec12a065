/**
 * Finds the neighbours of sessions that are named by a link (BGPPeer.interface): advertises us there as a router, as FRR and
 * other routers with unnumbered BGP do, and listens to theirs. Who dials us from a link-local address is found too.
 *
 *   links wanted ─► Router Advertisements out, every 10 s, and at once when asked or when somebody new is heard
 *   Router Advertisements, connections in ─► heard ─► neighbours, by the name of the link
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import { type RouterHears, type RouterSocket, routerSocket } from '../../src/kernel/advertise.ts';
import type { Kernel, Link, LinkAddress } from '../../src/kernel/kernel.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import {
  formatAddress,
  type Ipv6,
  isIpv4,
  isLinkLocal6,
  type Millis,
  millis,
  scoped,
} from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import { type Heard, hear } from './heard.ts';

export interface LinkNeighbour {
  readonly ifindex: number;
  /** Link-local, scoped. */
  readonly address: Ipv6;
  /** Our own link-local address there, scoped. */
  readonly own: Ipv6;
}

export interface DiscoveryOptions {
  readonly kernel: Pick<Kernel, 'links' | 'addresses' | 'watch'>;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info'>;
  /** Neighbours or problems are others now. */
  readonly onChange: () => void;
  /** Opened when a link is first wanted; absent: the kernel's. */
  readonly open?: (hears: RouterHears) => RouterSocket;
}

export interface Discovery {
  /** The links to look on, by name; sessions of others have no business here. */
  want(links: ReadonlySet<string>): void;
  /** Somebody dialled from this link-local address of this link. */
  dialled(address: Ipv6, ifindex: number): void;
  /** By the name of the link. */
  readonly neighbours: ReadonlyMap<string, LinkNeighbour>;
  readonly problems: readonly Problem[];
  stop(): void;
}

/** Up, with a carrier and a link-local address of ours. */
interface Usable extends Link {
  readonly own: Ipv6;
}

function usableOf(links: readonly Link[], addresses: readonly LinkAddress[]): readonly Usable[] {
  return links.flatMap((link) => {
    const own = addresses.find(({ ifindex, address }) => ifindex === link.ifindex && isLinkLocal6(address));
    if (!link.up || !link.carrier || own === undefined || isIpv4(own.address)) return [];
    return [{ ...link, own: scoped(own.address, link.ifindex) }];
  });
}

const everyMs = 10_000;
/** So often at first, while nobody was heard on some link, and so many times. */
const eagerMs = 1_000;
const eagerTimes = 10;
/** Between two answers on one link. */
const leastMs = 1_000;

export const createDiscovery = (options: DiscoveryOptions): Discovery => new Searching(options);

class Searching implements Discovery {
  readonly #options: DiscoveryOptions;
  #wanted: ReadonlySet<string> = new Set();
  /** Those that are wanted and usable, by name. */
  #links = new Map<string, Usable>();
  #heard = new Map<string, Heard>();
  #socket: RouterSocket | undefined;
  #problem: Problem | undefined;
  #cancel: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  #eager = 0;
  /** When a question was answered last, by the link's number. */
  readonly #answered = new Map<number, Millis>();
  #isAnswerDue = false;
  #isLooking = false;
  #isLookDue = false;
  #isStopped = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  get neighbours(): ReadonlyMap<string, LinkNeighbour> {
    const found = [...this.#heard].flatMap(([name, { address }]) => {
      const link = this.#links.get(name);
      return link === undefined ? [] : [[name, { ifindex: link.ifindex, address, own: link.own }] as const];
    });
    return new Map(found);
  }

  get problems(): readonly Problem[] {
    return this.#problem === undefined || this.#wanted.size === 0 ? [] : [this.#problem];
  }

  want(links: ReadonlySet<string>): void {
    const isSame = links.size === this.#wanted.size && [...links].every((name) => this.#wanted.has(name));
    if (isSame || this.#isStopped) return;
    this.#wanted = links;
    if (links.size === 0) {
      this.#rest();
      return;
    }
    this.#unwatch ??= this.#options.kernel.watch((event) => {
      if (event.kind === 'link') this.#interrupt(event.link, event.change === 'delete');
      if (event.kind === 'link' || event.kind === 'address' || event.kind === 'overrun') this.#look();
    });
    this.#look();
  }

  dialled(address: Ipv6, ifindex: number): void {
    this.#hear(address, ifindex);
  }

  stop(): void {
    this.#isStopped = true;
    this.#rest();
  }

  #rest(): void {
    this.#unwatch?.();
    this.#cancel?.();
    this.#socket?.close();
    this.#unwatch = undefined;
    this.#cancel = undefined;
    this.#socket = undefined;
    this.#links.clear();
    this.#heard.clear();
    this.#answered.clear();
    this.#isAnswerDue = false;
  }

  /** A cable that was out, however shortly, may lead to somebody else now. */
  #interrupt({ name, ifindex, up, carrier }: Link, isGone: boolean): void {
    if (this.#links.get(name)?.ifindex !== ifindex || (up && carrier && !isGone)) return;
    this.#links.delete(name); // it is greeted anew when it is back
    if (this.#heard.delete(name)) this.#options.onChange();
  }

  /**
   * Which of the wanted links there are. What was heard on one that went, or is another now, is forgotten. Where pods come and
   * go links do all the time, so one look at a time is enough, and one more after it.
   */
  #look(): void {
    this.#isLookDue = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#isLookDue = false;
    const { kernel } = this.#options;
    Promise.all([kernel.links(), kernel.addresses()])
      .then(
        ([links, addresses]) => this.#follow(usableOf(links, addresses)),
        () => this.#tick(eagerMs),
      )
      .finally(() => {
        this.#isLooking = false;
        if (this.#isLookDue && !this.#isStopped) this.#look();
      });
  }

  #follow(all: readonly Usable[]): void {
    if (this.#isStopped || this.#wanted.size === 0) return;
    const before = this.#links;
    const usable = all.filter(({ name }) => this.#wanted.has(name));
    this.#links = new Map(usable.map((link) => [link.name, link]));
    let isChanged = false;
    for (const name of this.#heard.keys()) {
      const [link, last] = [this.#links.get(name), before.get(name)];
      if (link?.ifindex !== last?.ifindex || link === undefined) this.#heard.delete(name);
      isChanged ||= link?.ifindex !== last?.ifindex || link?.own !== last?.own;
    }
    const isNew = usable.some(({ name, own }) => before.get(name)?.own !== own);
    if (isNew) this.#greet();
    if (isChanged) this.#options.onChange();
  }

  /** New links: we are heard there at once, and ask who is there. */
  #greet(): void {
    this.#eager = eagerTimes;
    const socket = this.#open();
    for (const link of this.#links.values()) {
      this.#join(link);
      socket?.solicit(link);
    }
    this.#advertise();
  }

  /** A link may go while we look at it; what else is wrong there only keeps solicitations from us. */
  #join({ ifindex, name }: Usable): void {
    try {
      this.#socket?.join(ifindex);
    } catch (error) {
      if (!isKernelError(error)) throw error;
      this.#options.log.info(`router solicitations on ${name} are not heard: ${error.message}`, {
        link: name,
      });
    }
  }

  #open(): RouterSocket | undefined {
    if (this.#socket !== undefined) return this.#socket;
    const open = this.#options.open ?? routerSocket;
    try {
      this.#socket = open({
        onAdvertisement: (from, ifindex) => this.#hear(from, ifindex),
        onSolicitation: (ifindex) => this.#answer(ifindex),
      });
      this.#problem = undefined;
    } catch (error) {
      if (!isKernelError(error)) throw error;
      this.#problem = {
        where: 'finding neighbours by their link',
        what: `Router Advertisements can be neither sent nor heard: ${error.message}.`,
        fix: 'Give this process the capability NET_RAW and the node IPv6; neighbours that dial us are found all the same.',
      };
      this.#options.onChange();
    }
    return this.#socket;
  }

  /** To all links; a link whose address is not ready yet gets its own soon. */
  #advertise(): void {
    this.#isAnswerDue = false;
    const links = [...this.#links.values()];
    const isTold = links.map((link) => this.#socket?.advertise(link) ?? true).every(Boolean);
    const isMissed = links.some(({ name }) => !this.#heard.has(name));
    this.#eager -= 1;
    this.#tick(!isTold || (isMissed && this.#eager > 0) ? eagerMs : everyMs);
  }

  #tick(afterMs: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#isStopped || this.#wanted.size === 0) return;
    this.#cancel = this.#options.clock.after(millis(afterMs), () => {
      if (this.#links.size < this.#wanted.size) this.#look();
      this.#advertise();
    });
  }

  /** At once, but to a flood of questions once a second (RFC 4861 §6.2.6). */
  #answer(ifindex: number): void {
    const link = [...this.#links.values()].find((one) => one.ifindex === ifindex);
    if (link === undefined || this.#isAnswerDue) return;
    const now = this.#options.clock.now();
    if (now - (this.#answered.get(ifindex) ?? Number.NEGATIVE_INFINITY) < leastMs) {
      this.#isAnswerDue = true;
      this.#tick(leastMs);
      return;
    }
    this.#answered.set(ifindex, now);
    this.#socket?.advertise(link);
  }

  #hear(address: Ipv6, ifindex: number): void {
    const name = [...this.#links.values()].find((link) => link.ifindex === ifindex)?.name;
    if (name === undefined) return;
    const before = this.#heard.get(name);
    const now = hear(before, address, this.#options.clock.now());
    this.#heard.set(name, now);
    if (before?.address === now.address) return;
    this.#options.log.info(`the neighbour on ${name} is ${formatAddress(now.address)}`, { link: name });
    this.#answer(ifindex); // it may not have heard us yet
    this.#options.onChange();
  }
}
