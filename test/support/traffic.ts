/**
 * Packets between pods all the time, counted: of what may pass none may be lost, of what may not none may arrive.
 *
 * Every flow sends one UDP datagram every `everyMs`, answered by the other side. What may pass goes by one lasting flow, as an
 * established connection, and by new ones beside; what may not is always new, so that nothing of the past lets it through.
 */
import type { Socket } from 'node:dgram';
import { setTimeout as pause } from 'node:timers/promises';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { parseAddress } from '../../src/lib/net.ts';

interface End {
  /** Path of its network namespace. */
  readonly netns: string;
  readonly addresses: readonly string[];
}

export interface Flow {
  readonly name: string;
  readonly from: End;
  readonly to: End;
  readonly passes: boolean;
}

export interface Counted {
  readonly name: string;
  readonly passes: boolean;
  readonly sent: number;
  readonly answered: number;
  /** Longest time without an answer, from the moment the first unanswered one was sent. */
  readonly gapMs: number;
  /** Datagrams that arrived at the other side. */
  readonly arrived: number;
}

export interface Traffic {
  /** Counts from now on. */
  reset(): void;
  /** Half a second after the last reset at the earliest: stops for a moment, so that nothing is under way, and tells. */
  count(): Promise<readonly Counted[]>;
  close(): void;
}

const port = 7007;
const everyMs = 20;
/** One of so many datagrams goes by a flow of its own. */
const freshEvery = 5;
const underWayMs = 1000;
/** A busy machine may not let this process look for so long; a flow of what may pass is listened to until then. */
const patienceMs = 5000;
/** A look at less than this tells nothing. */
const enoughMs = 500;

class Lane {
  readonly flow: Flow;
  readonly name: string;
  readonly address: string;
  sent = 0;
  answered = 0;
  arrived = 0;
  gapMs = 0;
  readonly #index: number;
  #round = 0;
  readonly #any: Any;
  readonly #lasting: Socket;
  readonly #fresh = new Set<Socket>();
  /** Of the first that was sent and not answered since the last answer. */
  #silentSince: number | undefined;

  constructor(index: number, flow: Flow, address: string, any: Any, lasting: Socket) {
    this.flow = flow;
    this.name = `${flow.name} ${address.includes(':') ? 'IPv6' : 'IPv4'}`;
    this.address = address;
    this.#index = index;
    this.#any = any;
    this.#lasting = this.#hear(lasting);
  }

  #hear(socket: Socket): Socket {
    socket.on('error', () => undefined);
    socket.on('message', (message) => {
      if (message.toString() !== this.#text()) return;
      this.answered += 1;
      this.#note();
      this.#silentSince = undefined;
    });
    return socket;
  }

  /** What was sent before the last reset is not counted. */
  #text(): string {
    return `${this.#index}:${this.#round}`;
  }

  arrive(text: string): void {
    if (text === this.#text()) this.arrived += 1;
  }

  #note(): void {
    const since = this.#silentSince ?? performance.now();
    this.gapMs = Math.max(this.gapMs, Math.round(performance.now() - since));
  }

  async send(): Promise<void> {
    const isFresh = !this.flow.passes || this.sent % freshEvery === 0;
    this.sent += 1;
    this.#note();
    this.#silentSince ??= performance.now();
    const socket = isFresh ? await this.#open() : this.#lasting;
    socket.send(this.#text(), port, this.address, () => undefined);
  }

  async #open(): Promise<Socket> {
    const socket = this.#hear(await udpSocket(this.flow.from.netns, this.#any, 0));
    this.#fresh.add(socket);
    const ms = this.flow.passes ? patienceMs : underWayMs;
    setTimeout(() => void (this.#fresh.delete(socket) && socket.close()), ms);
    return socket;
  }

  reset(): void {
    this.#round += 1;
    this.sent = this.answered = this.arrived = this.gapMs = 0;
    this.#silentSince = undefined;
  }

  close(): void {
    for (const socket of [this.#lasting, ...this.#fresh]) socket.close();
    this.#fresh.clear();
  }
}

type Any = NonNullable<ReturnType<typeof parseAddress>>;

/** Every address of the family of `text`. */
function anyOf(text: string): Any {
  const any = parseAddress(text.includes(':') ? '::' : '0.0.0.0');
  if (any === undefined) throw new Error('these are addresses');
  return any;
}

export async function startTraffic(flows: readonly Flow[]): Promise<Traffic> {
  const lanes: Lane[] = [];
  const listeners = new Map<string, Socket>();

  async function listen({ netns }: End, address: string): Promise<void> {
    const key = `${netns} ${address.includes(':')}`;
    if (listeners.has(key)) return;
    const socket = await udpSocket(netns, anyOf(address), port);
    socket.on('error', () => undefined);
    socket.on('message', (message, from) => {
      const text = message.toString();
      lanes[Number(text.split(':')[0])]?.arrive(text);
      socket.send(message, from.port, from.address);
    });
    listeners.set(key, socket);
  }

  for (const flow of flows)
    for (const address of flow.to.addresses) {
      await listen(flow.to, address);
      const lasting = await udpSocket(flow.from.netns, anyOf(address), 0);
      lanes.push(new Lane(lanes.length, flow, address, anyOf(address), lasting));
    }

  let resting = false;
  let since = performance.now();
  const timer = setInterval(() => {
    if (!resting) for (const lane of lanes) void lane.send();
  }, everyMs);

  return {
    reset: () => {
      since = performance.now();
      for (const lane of lanes) lane.reset();
    },
    count: async () => {
      await pause(Math.max(0, since + enoughMs - performance.now()));
      resting = true;
      await pause(underWayMs);
      const isOpen = (): boolean => lanes.some(({ flow, sent, answered }) => flow.passes && answered < sent);
      for (let ms = underWayMs; isOpen() && ms < patienceMs; ms += 100) await pause(100);
      const counted = lanes.map(({ name, flow: { passes }, sent, answered, arrived, gapMs }) => ({
        ...{ name, passes, sent, answered, arrived, gapMs: passes ? gapMs : 0 },
      }));
      resting = false;
      return counted;
    },
    close: () => {
      clearInterval(timer);
      for (const socket of listeners.values()) socket.close();
      for (const lane of lanes) lane.close();
    },
  };
}

/** What went wrong, in words; nothing if all that may pass passed and nothing else did. */
export const wrongIn = (counted: readonly Counted[]): readonly string[] =>
  counted.flatMap(({ name, passes, sent, answered, arrived, gapMs }) => {
    if (!passes) return arrived === 0 ? [] : [`${name}: ${arrived} of ${sent} got through, none may`];
    if (sent === 0) return [`${name}: nothing was sent`];
    return answered === sent
      ? []
      : [`${name}: ${sent - answered} of ${sent} lost, ${gapMs} ms without an answer`];
  });
