/**
 * Packets between pods all the time, counted: of what may pass none may be lost, of what may not none may arrive.
 *
 * Every flow sends one UDP datagram every `everyMs`, answered by the other side. What may pass goes by one lasting flow, as an
 * established connection, and by new ones beside; what may not is always new, so that nothing of the past lets it through.
 */
import type { Socket } from 'node:dgram';
import { setTimeout as pause } from 'node:timers/promises';
import { udpSocket } from '../../src/kernel/sockets.ts';
import { isIpv4, parseAddress } from '../../src/lib/net.ts';

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
/** A look at less than this tells nothing. */
const enoughMs = 500;

interface Lane {
  readonly index: number;
  readonly name: string;
  readonly flow: Flow;
  readonly address: string;
  readonly any: NonNullable<ReturnType<typeof parseAddress>>;
  readonly lasting: Socket;
  pending: Map<number, number>;
  sent: number;
  answered: number;
  arrived: number;
  gapMs: number;
}

export async function startTraffic(flows: readonly Flow[]): Promise<Traffic> {
  const lanes: Lane[] = [];
  const listeners = new Map<string, Socket>();
  const fresh = new Set<Socket>();
  for (const flow of flows)
    for (const text of flow.to.addresses) {
      const address = parseAddress(text);
      const any = address === undefined ? undefined : parseAddress(isIpv4(address) ? '0.0.0.0' : '::');
      if (any === undefined) throw new Error(`${flow.name}: no address ${text}`);
      const key = `${flow.to.netns} ${text.includes(':')}`;
      if (!listeners.has(key)) listeners.set(key, await listen(flow.to.netns, any));
      const index = lanes.length;
      const lasting = await udpSocket(flow.from.netns, any, 0);
      const name = `${flow.name} ${text.includes(':') ? 'IPv6' : 'IPv4'}`;
      const counters = { pending: new Map<number, number>(), sent: 0, answered: 0, arrived: 0, gapMs: 0 };
      lanes.push({ index, name, flow, address: text, any, lasting, ...counters });
      hear(lasting);
    }

  async function listen(netns: string, any: Lane['any']): Promise<Socket> {
    const socket = await udpSocket(netns, any, port);
    socket.on('error', () => undefined);
    socket.on('message', (message, from) => {
      const lane = lanes[Number(message.toString().split(':')[0])];
      if (lane !== undefined) lane.arrived += 1;
      socket.send(message, from.port, from.address);
    });
    return socket;
  }

  function hear(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.on('message', (message) => {
      const [index, number] = message.toString().split(':').map(Number);
      const lane = lanes[index ?? -1];
      const sentAt = lane?.pending.get(number ?? -1);
      if (lane === undefined || sentAt === undefined) return;
      lane.pending.delete(number ?? -1);
      lane.answered += 1;
    });
  }

  let number = 0;
  let resting = false;
  async function send(lane: Lane): Promise<void> {
    number += 1;
    const mine = number;
    const isFresh = !lane.flow.passes || lane.sent % freshEvery === 0;
    lane.sent += 1;
    const socket = isFresh ? await udpSocket(lane.flow.from.netns, lane.any, 0) : lane.lasting;
    if (isFresh) {
      hear(socket);
      fresh.add(socket);
      setTimeout(() => void (fresh.delete(socket) && socket.close()), underWayMs);
    }
    lane.pending.set(mine, performance.now());
    socket.send(`${lane.index}:${mine}`, port, lane.address, () => undefined);
  }

  /** The oldest that waits tells how long nothing has come back. */
  function watch(lane: Lane): void {
    const oldest = lane.pending.values().next().value;
    if (oldest !== undefined) lane.gapMs = Math.max(lane.gapMs, performance.now() - oldest);
    for (const [one, sentAt] of lane.pending)
      if (performance.now() - sentAt > underWayMs) lane.pending.delete(one);
  }

  const timer = setInterval(() => {
    for (const lane of lanes) watch(lane);
    if (!resting) for (const lane of lanes) void send(lane);
  }, everyMs);

  let since = performance.now();
  const reset = (): void => {
    since = performance.now();
    for (const lane of lanes) {
      Object.assign(lane, { sent: 0, answered: 0, arrived: 0, gapMs: 0 });
      lane.pending.clear();
    }
    resting = false;
  };
  return {
    reset,
    count: async () => {
      await pause(Math.max(0, since + enoughMs - performance.now()));
      resting = true;
      await pause(underWayMs);
      const counted = lanes.map(({ name, flow: { passes }, sent, answered, arrived, gapMs }) => ({
        ...{ name, passes, sent, answered, arrived },
        gapMs: Math.round(gapMs),
      }));
      resting = false;
      return counted;
    },
    close: () => {
      clearInterval(timer);
      for (const socket of [...listeners.values(), ...fresh, ...lanes.map(({ lasting }) => lasting)])
        socket.close();
      fresh.clear();
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
