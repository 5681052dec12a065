/**
 * Packets as judges: each attempt is a real connection or datagram between two namespaces, made from this one process.
 *
 * TCP: connect, and read the name the pod greets with, so that an answer from somebody else does not count. UDP: a request
 * and its echo. SCTP: an INIT seen by a raw socket where it should arrive.
 */
import type { Socket } from 'node:net';
import { rawSocket, tcpConnect, udpSocket } from '../kernel/sockets.ts';
import { type Address, formatAddress, parseAddress, versionOf } from '../lib/net.ts';
import { type Attempt, attemptKey } from './matrix.ts';
import { encodeInit, ipv4Payload, sctpPorts, sctpProtocol } from './sctp.ts';

/** A place that sends and receives. */
export interface Host {
  readonly netnsPath: string;
  readonly addresses: readonly string[];
}

/** Long enough for one SYN to be sent again (1 s), so that a lost packet is not taken for a dropped one. */
const usualPatienceMs = 1500;

const any = { 4: '0.0.0.0', 6: '::' } as const;

function addressOf(host: Host | undefined, version: 4 | 6): Address | undefined {
  const all = (host?.addresses ?? []).map(parseAddress);
  return all.find((address) => address !== undefined && versionOf(address) === version);
}

/**
 * Tries all at once. @param patienceMs  how long an answer may take; shorter to see a change soon.
 * @returns the keys (`attemptKey`) of those that got through
 */
export async function probe(
  attempts: readonly Attempt[],
  hosts: ReadonlyMap<string, Host>,
  patienceMs = usualPatienceMs,
): Promise<ReadonlySet<string>> {
  const results = await Promise.all(
    attempts.map(async (attempt) => {
      const from = hosts.get(attempt.from);
      const to = addressOf(hosts.get(attempt.target.host), attempt.version);
      const there = hosts.get(attempt.target.host);
      if (from === undefined || there === undefined || to === undefined) return false;
      return tries[attempt.target.protocol]({ ...attempt, there, to, patienceMs }, from).catch(() => false);
    }),
  );
  return new Set(attempts.filter((_, index) => results[index]).map(attemptKey));
}

interface Aim extends Attempt {
  readonly there: Host;
  readonly to: Address;
  readonly patienceMs: number;
}
type Try = (aim: Aim, from: Host) => Promise<boolean>;

const tries: Readonly<Record<Attempt['target']['protocol'], Try>> = {
  TCP: async ({ target, to, patienceMs }, from) => {
    const socket = await tcpConnect(from.netnsPath, to, target.port, { timeoutMs: patienceMs });
    const greeting = await firstLine(socket, patienceMs);
    socket.destroy();
    return greeting === target.host;
  },
  UDP: tryUdp,
  SCTP: trySctp,
};

function firstLine(socket: Socket, patienceMs: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const timer = setTimeout(() => resolve(''), patienceMs);
    const done = (): void => {
      clearTimeout(timer);
      resolve(text.split('\n')[0] ?? '');
    };
    socket.on('error', done);
    socket.once('close', done);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) done();
    });
  });
}

async function tryUdp({ target, version, to, patienceMs }: Aim, from: Host): Promise<boolean> {
  const local = parseAddress(any[version]);
  const remote = formatAddress(to);
  if (local === undefined) return false;
  const socket = await udpSocket(from.netnsPath, local, 0);
  return new Promise((resolve) => {
    const end = (through: boolean): void => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      resolve(through);
    };
    const ask = (): void => socket.send('who is there?', target.port, remote);
    socket.on('error', () => undefined); // ECONNREFUSED and the like: nobody answered
    socket.once('message', (answer) => end(answer.toString() === target.host));
    const timer = setTimeout(end, patienceMs, false);
    const again = setInterval(ask, patienceMs / 3); // a datagram may be lost; policy drops every one
    ask();
  });
}

let nextSctpPort = 20_000;

function trySctp({ target, version, there, to, patienceMs }: Aim, from: Host): Promise<boolean> {
  nextSctpPort = nextSctpPort >= 60_000 ? 20_000 : nextSctpPort + 1;
  const sourcePort = nextSctpPort;
  return new Promise((resolve) => {
    const arrival = rawSocket(there.netnsPath, version, sctpProtocol, (packet) => {
      const ports = sctpPorts(version === 4 ? ipv4Payload(packet) : packet);
      if (ports?.source === sourcePort && ports.destination === target.port) end(true);
    });
    const sender = rawSocket(from.netnsPath, version, sctpProtocol, () => undefined);
    const end = (through: boolean): void => {
      clearTimeout(timer);
      clearInterval(again);
      arrival.close();
      sender.close();
      resolve(through);
    };
    const send = (): void => {
      try {
        sender.send(encodeInit(sourcePort, target.port), to);
      } catch {
        // no route to it: it does not arrive
      }
    };
    const timer = setTimeout(end, patienceMs, false);
    const again = setInterval(send, patienceMs / 3);
    send();
  });
}
