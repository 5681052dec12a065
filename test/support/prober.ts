/**
 * Packets between pods, all pairs at once, from one process: who reaches whom.
 *
 * TCP counts when the connection is established, the others when the datagram, the INIT or the message arrives. Every round
 * has source ports of its own, so nothing of an earlier round is an established connection for connection tracking. What
 * must arrive is sent again until it does; what must not is sent once, and has a quiet moment at the end to show itself.
 */
import type { Socket as UdpSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { type RawSocket, rawSocket, tcpConnect, tcpListen, udpSocket } from '../../src/kernel/sockets.ts';
import { encodeInit, ipv4Payload, sctpPorts, sctpProtocol } from '../../src/lab/sctp.ts';
import { type Address, formatAddress, type IpVersion, ipv4, ipv6, versionOf } from '../../src/lib/net.ts';
import { encodeIcmp, icmpNumbers, icmpSeen } from './icmp.ts';

export interface Cell {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP';
  /** For ICMP the type that IPv4 has for it, of those in icmp.ts. */
  readonly port: number;
  /** Absent: 4. */
  readonly version?: IpVersion;
}

/** "x/a>y/b TCP/80", as the cases write it; with " IPv6" where it is that. */
export const cellName = ({ from, to, protocol, port, version }: Cell): string =>
  `${from}>${to} ${protocol}/${port}${version === 6 ? ' IPv6' : ''}`;

/** What a host has of each family. */
interface Stack {
  readonly version: IpVersion;
  readonly address: Address;
  readonly sctp: RawSocket;
  readonly icmp: RawSocket;
}

interface Host {
  readonly name: string;
  readonly netns: string;
  readonly stacks: readonly Stack[];
  readonly closers: readonly (() => void)[];
}

const anyOf = (version: IpVersion): Address => (version === 4 ? ipv4(0) : ipv6(0n));
const stackOf = (host: Host | undefined, { version = 4 }: Cell): Stack | undefined =>
  host?.stacks.find((stack) => stack.version === version);
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

  /** @param addresses  the first of each family is the one that is called, all are known as its own */
  async add(name: string, netns: string, addresses: readonly Address[]): Promise<void> {
    const closers: (() => void)[] = [];
    const stacks: Stack[] = [];
    for (const version of [4, 6] as const) {
      const address = addresses.find((one) => versionOf(one) === version);
      if (address === undefined) continue;
      for (const port of this.#ports) closers.push(...(await this.#listen({ name, netns, version, port })));
      const sctp = rawSocket(netns, version, sctpProtocol, (packet, from) => {
        const ports = sctpPorts(version === 4 ? ipv4Payload(packet) : packet);
        if (ports?.source !== this.#round) return;
        this.#note(formatAddress(from), { to: name, protocol: 'SCTP', port: ports.destination, version });
      });
      const icmp = rawSocket(netns, version, icmpNumbers[version], (packet, from) => {
        const seen = icmpSeen(version, version === 4 ? ipv4Payload(packet) : packet);
        if (seen?.id !== this.#round) return;
        this.#note(formatAddress(from), { to: name, protocol: 'ICMP', port: seen.type, version });
      });
      closers.push(sctp.close, icmp.close);
      stacks.push({ version, address, sctp, icmp });
    }
    this.#hosts.set(name, { name, netns, stacks, closers });
    for (const address of addresses) this.#byAddress.set(formatAddress(address), name);
  }

  async #listen(at: {
    name: string;
    netns: string;
    version: IpVersion;
    port: number;
  }): Promise<readonly (() => void)[]> {
    const { name, netns, version, port } = at;
    const tcp = await tcpListen(netns, anyOf(version), port, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    const udp = await udpSocket(netns, anyOf(version), port);
    udp.on('message', (_, from) => {
      if (from.port === this.#round) this.#note(from.address, { to: name, protocol: 'UDP', port, version });
    });
    return [() => tcp.close(), () => udp.close()];
  }

  remove(name: string): void {
    const host = this.#hosts.get(name);
    if (host === undefined) return;
    for (const close of host.closers) close();
    this.#hosts.delete(name);
    for (const [address, owner] of this.#byAddress) if (owner === name) this.#byAddress.delete(address);
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
        else this.#send(cell, senders.get(`${cell.from} ${cell.version ?? 4}`));
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

  /** A TCP connection that stays. @returns  whether what is sent now comes back, asked as often as one likes */
  async hold(cell: Cell): Promise<{ echoes(withinMs: number): Promise<boolean>; close(): void }> {
    const from = this.#hosts.get(cell.from);
    const to = stackOf(this.#hosts.get(cell.to), cell);
    if (from === undefined || to === undefined) throw new Error(`nobody to hold ${cellName(cell)}`);
    const socket = await tcpConnect(from.netns, to.address, cell.port, { timeoutMs: withinMs });
    socket.on('error', () => undefined);
    return {
      echoes: (within) =>
        new Promise((resolve) => {
          const timer = setTimeout(() => resolve(false), within);
          socket.once('data', () => {
            clearTimeout(timer);
            resolve(true);
          });
          socket.write('?');
        }),
      close: () => socket.destroy(),
    };
  }

  async #openSenders(): Promise<ReadonlyMap<string, UdpSocket>> {
    const opened = await Promise.all(
      [...this.#hosts.values()].flatMap(({ name, netns, stacks }) =>
        stacks.map(
          async ({ version }) =>
            [`${name} ${version}`, await udpSocket(netns, anyOf(version), this.#round)] as const,
        ),
      ),
    );
    for (const [, socket] of opened) socket.on('error', () => undefined);
    return new Map(opened);
  }

  async #connect(cell: Cell): Promise<void> {
    const from = this.#hosts.get(cell.from);
    const to = stackOf(this.#hosts.get(cell.to), cell);
    if (from === undefined || to === undefined) return;
    try {
      const socket = await tcpConnect(from.netns, to.address, cell.port, { timeoutMs: tcpPatienceMs });
      socket.destroy();
      this.#arrived.add(cellName(cell));
    } catch {
      // it did not get through
    }
  }

  #send(cell: Cell, sender: UdpSocket | undefined): void {
    const from = stackOf(this.#hosts.get(cell.from), cell);
    const to = stackOf(this.#hosts.get(cell.to), cell);
    if (from === undefined || to === undefined) return;
    if (cell.protocol === 'UDP') sender?.send('?', cell.port, formatAddress(to.address));
    else if (cell.protocol === 'SCTP') from.sctp.send(encodeInit(this.#round, cell.port), to.address);
    else from.icmp.send(encodeIcmp(from.version, cell.port, this.#round), to.address);
  }

  #note(fromAddress: string, cell: Omit<Cell, 'from'>): void {
    const from = this.#byAddress.get(fromAddress);
    if (from !== undefined) this.#arrived.add(cellName({ from, ...cell }));
  }
}
