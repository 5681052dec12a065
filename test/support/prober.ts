/**
 * Packets between pods, all pairs at once, from one process: who reaches whom.
 *
 * TCP counts when the connection is established, UDP and SCTP when the datagram or the INIT arrives. Every round has
 * source ports of its own, so nothing of an earlier round is an established connection for connection tracking. What
 * must arrive is sent again until it does; what must not is sent once, and has a quiet moment at the end to show itself.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { rawSocket, tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { encodeInit, ipv4Payload, sctpPorts, sctpProtocol } from '../../src/lab/sctp.ts';
import { type Address, formatAddress, ipv4 } from '../../src/lib/net.ts';

export interface Cell {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

/** "x/a>y/b TCP/80", as the cases write it. */
export const cellName = ({ from, to, protocol, port }: Cell): string => `${from}>${to} ${protocol}/${port}`;

interface Host {
  readonly name: string;
  readonly netns: string;
  readonly address: Address;
  readonly sendInit: (payload: Uint8Array, to: Address) => void;
  readonly closers: readonly (() => void)[];
}

const any = ipv4(0);
const tcpPatienceMs = 150;
const againMs = 200;
const quietMs = 60;
const withinMs = 15_000;

export class Prober {
  readonly #ports: readonly number[];
  readonly #hosts = new Map<string, Host>();
  readonly #byAddress = new Map<string, string>();
  #round = 20_000;
  #arrived = new Set<string>();

  constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  get hosts(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  async add(name: string, netns: string, address: Address): Promise<void> {
    const closers: (() => void)[] = [];
    for (const port of this.#ports) {
      const tcp = await tcpListen(netns, any, port, (socket) => {
        socket.on('error', () => undefined);
        socket.resume();
      });
      const udp = await udpSocket(netns, any, port);
      udp.on('message', (_, from) => {
        if (from.port === this.#round) this.#note(from.address, { to: name, protocol: 'UDP', port });
      });
      closers.push(
        () => tcp.close(),
        () => udp.close(),
      );
    }
    const raw = rawSocket(netns, 4, sctpProtocol, (packet, from) => {
      const ports = sctpPorts(ipv4Payload(packet));
      if (ports?.source !== this.#round) return;
      this.#note(formatAddress(from), { to: name, protocol: 'SCTP', port: ports.destination });
    });
    closers.push(raw.close);
    this.#hosts.set(name, { name, netns, address, sendInit: raw.send, closers });
    this.#byAddress.set(formatAddress(address), name);
  }

  remove(name: string): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    for (const close of host.closers) close();
    this.#hosts.delete(name);
    this.#byAddress.delete(formatAddress(host.address));
  }

  close(): void {
    for (const name of this.hosts) this.remove(name);
  }

  /** Sends every cell. @returns the names of those that arrived. @param must  names of those worth waiting for */
  async probe(cells: readonly Cell[], must: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    this.#round += 1;
    this.#arrived = new Set();
    const senders = await this.#openSenders();
    const end = performance.now() + withinMs;
    const connects: Promise<void>[] = [];
    let left = cells;
    while (left.length > 0 && performance.now() < end) {
      for (const cell of left) {
        if (cell.protocol === 'TCP') connects.push(this.#connect(cell));
        else this.#send(cell, senders.get(cell.from));
      }
      const again = performance.now() + againMs;
      const isMissing = (cell: Cell): boolean =>
        must.has(cellName(cell)) && !this.#arrived.has(cellName(cell));
      while (cells.some(isMissing) && performance.now() < again) await delay(2);
      left = cells.filter(isMissing);
    }
    await Promise.all(connects);
    await delay(quietMs);
    for (const sender of senders.values()) sender.close();
    return this.#arrived;
  }

  async #openSenders() {
    const opened = await Promise.all(
      [...this.#hosts.values()].map(
        async ({ name, netns }) => [name, await udpSocket(netns, any, this.#round)] as const,
      ),
    );
    for (const [, socket] of opened) socket.on('error', () => undefined);
    return new Map(opened);
  }

  async #connect(cell: Cell): Promise<void> {
    const [from, to] = [this.#hosts.get(cell.from), this.#hosts.get(cell.to)];
    if (from === undefined || to === undefined) return;
    try {
      const socket = await tcpConnect(from.netns, to.address, cell.port, { timeoutMs: tcpPatienceMs });
      socket.destroy();
      this.#arrived.add(cellName(cell));
    } catch {
      // it did not get through
    }
  }

  #send(cell: Cell, sender: Awaited<ReturnType<typeof udpSocket>> | undefined): void {
    const [from, to] = [this.#hosts.get(cell.from), this.#hosts.get(cell.to)];
    if (from === undefined || to === undefined) return;
    if (cell.protocol === 'UDP') sender?.send('?', cell.port, formatAddress(to.address));
    else from.sendInit(encodeInit(this.#round, cell.port), to.address);
  }

  #note(fromAddress: string, cell: Omit<Cell, 'from'>): void {
    const from = this.#byAddress.get(fromAddress);
    if (from !== undefined) this.#arrived.add(cellName({ from, ...cell }));
  }
}
