/**
 * The packets that rules reported, the newest of them, with who they were from and to. Owns the ring of records.
 *
 * A packet waits a moment for others, so that those who have their addresses are looked for once for all: twenty times as long as
 * that took, so that it never costs more than a twentieth of the time.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { LoggedPacket } from '../../src/kernel/netlink/nflog.ts';
import { type Address, formatAddress, type Millis, millis } from '../../src/lib/net.ts';
import type { FlowEnd, FlowRecord, Flows } from '../../src/model/flow.ts';
import type { Action, Direction } from '../../src/model/policy.ts';
import type { TagMeaning } from '../rules/tag.ts';

export interface FlowLogOptions {
  readonly clock: Pick<Clock, 'after' | 'now'>;
  /** ISO 8601. */
  readonly wallClock: () => string;
  /** What the tag of a reported packet stands for; undefined: no rule in use has it. */
  readonly ruleByTag: (tag: string) => TagMeaning | undefined;
  readonly whoAre: (addresses: ReadonlySet<Address>) => ReadonlyMap<Address, string>;
  /** Undefined: it is gone. */
  readonly interfaceName: (ifindex: number) => string | undefined;
  /** "pod shop/front"; undefined: no workload of this node that is known. */
  readonly whoseInterface: (name: string) => string | undefined;
}

/** Records kept. */
export const flowsKept = 4096;
/** Packets that wait; more are lost. */
const mostWaiting = 2048;
const gatherMs = millis(20);
const restFactor = 20;
const ourTag = /^tortie-([IE])([ADPL])-[0-9a-f]+$/;
const directions: Readonly<Record<string, Direction>> = { I: 'Ingress', E: 'Egress' };
const actions: Readonly<Record<string, Action>> = { A: 'Allow', D: 'Deny', P: 'Pass', L: 'Log' };

interface Waiting {
  readonly at: string;
  readonly packet: LoggedPacket;
  readonly judged: Pick<FlowRecord, 'direction' | 'action'>;
  readonly meaning: TagMeaning | undefined;
}

interface Reader {
  readonly filter: FlowFilter;
  readonly done: () => void;
}

export interface FlowFilter {
  readonly after?: number;
  readonly denied?: boolean;
  /** Either end is a pod of it. */
  readonly namespace?: string;
  /** "shop/front": either end is it. */
  readonly pod?: string;
}

export class FlowLog {
  readonly #options: FlowLogOptions;
  readonly #ring: FlowRecord[] = [];
  #waiting: Waiting[] = [];
  #cancel: (() => void) | undefined;
  #restUntil = Number.NEGATIVE_INFINITY;
  readonly #readers = new Set<Reader>();
  #next = 1;
  #lost = 0;

  constructor(options: FlowLogOptions) {
    this.#options = options;
  }

  get lost(): number {
    return this.#lost;
  }

  get recorded(): number {
    return this.#next - 1;
  }

  get forgotten(): number {
    return this.recorded - this.#ring.length;
  }

  /** The kernel reported so many more than it handed over. */
  lose(packets: number): void {
    this.#lost += packets;
  }

  /** One that no rule of ours reported is none of ours. */
  take(packet: LoggedPacket): void {
    const [, way = '', what = ''] = ourTag.exec(packet.prefix) ?? [];
    const [direction, action] = [directions[way], actions[what]];
    if (direction === undefined || action === undefined) return;
    if (this.#waiting.length >= mostWaiting) {
      this.#lost += 1;
      return;
    }
    const { clock, wallClock, ruleByTag } = this.#options;
    const judged = { direction, action };
    this.#waiting.push({ at: wallClock(), packet, judged, meaning: ruleByTag(packet.prefix) });
    this.#cancel ??= clock.after(millis(Math.max(gatherMs, this.#restUntil - clock.now())), () =>
      this.#flush(),
    );
  }

  read(filter: FlowFilter): Omit<Flows, 'deaf'> {
    const { after = 0 } = filter;
    return {
      flows: this.#ring.filter((record) => record.seq > after && isAsked(record, filter)),
      next: this.#next - 1,
      forgotten: this.forgotten,
      lost: this.#lost,
    };
  }

  /** Until there is a record that `read` would give, or after so long. */
  async arrival(filter: FlowFilter, most: Millis): Promise<void> {
    if (this.read(filter).flows.length > 0) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        this.#readers.delete(reader);
        resolve();
      };
      const reader: Reader = { filter, done };
      const cancel = this.#options.clock.after(most, done);
      this.#readers.add(reader);
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const { done } of [...this.#readers]) done();
  }

  #flush(): void {
    this.#cancel = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    const addresses = waiting.flatMap(({ packet }) => [packet.source, packet.destination]);
    const { clock, whoAre } = this.#options;
    const begun = clock.now();
    const names = whoAre(new Set(addresses));
    const records = waiting.map((each) => this.#recordOf(each, names));
    this.#ring.push(...records);
    this.#ring.splice(0, Math.max(0, this.#ring.length - flowsKept));
    const now = clock.now();
    this.#restUntil = now + (now - begun) * restFactor;
    for (const { filter, done } of [...this.#readers])
      if (records.some((record) => isAsked(record, filter))) done();
  }

  #recordOf({ at, packet, judged, meaning }: Waiting, names: ReadonlyMap<Address, string>): FlowRecord {
    const { protocol, icmp, tcpFlags } = packet;
    const end = (address: Address, port: number | undefined, ifindex: number | undefined): FlowEnd => {
      const who = names.get(address);
      const name = ifindex === undefined ? undefined : this.#options.interfaceName(ifindex);
      const owner = name === undefined ? undefined : this.#options.whoseInterface(name);
      return {
        address: formatAddress(address),
        ...(port === undefined ? {} : { port }),
        ...(who === undefined ? {} : { who }),
        ...(name === undefined ? {} : { interface: name }),
        ...(owner === undefined || owner === who ? {} : { owner }),
      };
    };
    return {
      seq: this.#next++,
      at,
      ...judged,
      source: end(packet.source, packet.sourcePort, packet.in),
      destination: end(packet.destination, packet.destinationPort, packet.out),
      protocol,
      ...(icmp === undefined ? {} : { icmp }),
      ...(tcpFlags === undefined ? {} : { tcpFlags: flagNames(tcpFlags) }),
      ...reasonOf(meaning),
    };
  }
}

function reasonOf(
  meaning: TagMeaning | undefined,
): Pick<FlowRecord, 'tier' | 'policy' | 'rule' | 'isolatedBy' | 'dropped' | 'unknownRule'> {
  if (meaning === undefined) return { unknownRule: true };
  const { tier, policy, rule, asked, dropped } = meaning;
  return {
    ...(tier === undefined ? {} : { tier }),
    ...(policy === undefined ? {} : { policy }),
    ...(rule === undefined ? {} : { rule }),
    ...(asked === undefined ? {} : { isolatedBy: asked }),
    ...(dropped === undefined ? {} : { dropped }),
  };
}

const isAsked = (
  { action, source, destination }: FlowRecord,
  { denied = false, namespace, pod }: FlowFilter,
): boolean => {
  if (denied && action !== 'Deny') return false;
  const ends = [source.who, source.owner, destination.who, destination.owner];
  if (namespace !== undefined && !ends.some((who) => who?.startsWith(`pod ${namespace}/`) === true))
    return false;
  return pod === undefined || ends.includes(`pod ${pod}`);
};

/** From the lowest bit. RFC 9293 §3.1. */
const flagBits = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] as const;
const flagNames = (flags: number): string =>
  flagBits.filter((_, bit) => (flags & (1 << bit)) !== 0).join(',');
