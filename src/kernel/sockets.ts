/**
 * Sockets in other network namespaces, from one process: what the lab probes and listens with in its pods.
 *
 * The fd is made inside the namespace and handed to Node, which treats it like any other. Whoever opens a socket owns it
 * and closes it. `netns` is a path as in netns.ts; undefined is the process's own namespace.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { type AddressInfo, createServer, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { type Address, formatAddress, type IpVersion, isIpv4, versionOf } from '../lib/net.ts';
import { errnoName, kernelError } from './kernel-error.ts';
import { check, int32, native, onReadable } from './native.ts';
import { inNamespace } from './netns.ts';
import { addressOfSockaddr, familyOf, sockaddrOf } from './sockaddr.ts';

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

interface Made {
  readonly netns: string | undefined;
  readonly version: IpVersion;
  readonly type: number;
  readonly protocol?: number;
  readonly asked: string;
}

function makeSocket(
  { netns, version, type, protocol = 0, asked }: Made,
  prepare: (fd: number) => void,
): number {
  const fd = inNamespace(netns, () => check(asked, native().socket(familyOf(version), type, protocol)));
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    native().close(fd);
    throw error;
  }
}

function bindTo(fd: number, address: Address, port: number, asked: string): void {
  if (!isIpv4(address)) check(asked, native().setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, int32(1)));
  check(asked, native().bind(fd, sockaddrOf(address, port)));
}

const at = (address: Address, port: number, netns: string | undefined): string =>
  `${isIpv4(address) ? formatAddress(address) : `[${formatAddress(address)}]`}:${port}${netns === undefined ? '' : ` in ${netns}`}`;

/** Resolves once it listens. Port 0 lets the kernel choose; see `portOf`. An IPv6 listener takes no IPv4. */
export async function tcpListen(
  netns: string | undefined,
  address: Address,
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const asked = `listen on tcp ${at(address, port, netns)}`;
  const fd = makeSocket({ netns, version: versionOf(address), type: SOCK_STREAM, asked }, (made) => {
    check(asked, native().setsockopt(made, SOL_SOCKET, SO_REUSEADDR, int32(1)));
    bindTo(made, address, port, asked);
  });
  const server = createServer(onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(kernelError(asked, codeOf(error))));
    server.listen({ fd }, () => resolve(server));
  });
}

export interface ConnectOptions {
  /** Gives up with ETIMEDOUT; absent: when the kernel does. */
  readonly timeoutMs?: number;
  /** Source address; absent: the kernel's choice. */
  readonly source?: Address;
  /** Of `source`; absent: the kernel's choice. */
  readonly sourcePort?: number;
}

/** Resolves once established; rejects with a KernelError, e.g. EADDRINUSE, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH. */
export async function tcpConnect(
  netns: string | undefined,
  address: Address,
  port: number,
  options: ConnectOptions = {},
): Promise<Socket> {
  const asked = `connect to tcp ${at(address, port, netns)}`;
  const fd = makeSocket({ netns, version: versionOf(address), type: SOCK_STREAM, asked }, (made) => {
    if (options.source !== undefined) bindTo(made, options.source, options.sourcePort ?? 0, asked);
  });
  // manualStart: a read on a socket that is not connected yet would fail.
  const construction: SocketConstructorOpts & { readonly manualStart: boolean } = { fd, manualStart: true };
  const socket = new Socket(construction);
  return new Promise((resolve, reject) => {
    const failed = (code: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(kernelError(asked, code));
    };
    const timer =
      options.timeoutMs === undefined ? undefined : setTimeout(failed, options.timeoutMs, 'ETIMEDOUT');
    const onError = (error: Error): void => failed(codeOf(error));
    socket.once('error', onError);
    socket.connect({ host: formatAddress(address), port }, () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

/** Bound to `address` and `port` (0: any). */
export async function udpSocket(
  netns: string | undefined,
  address: Address,
  port: number,
): Promise<UdpSocket> {
  const asked = `bind udp ${at(address, port, netns)}`;
  const version = versionOf(address);
  const fd = makeSocket({ netns, version, type: SOCK_DGRAM, asked }, (made) =>
    bindTo(made, address, port, asked),
  );
  const socket = createSocket(version === 4 ? 'udp4' : 'udp6');
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(kernelError(asked, codeOf(error))));
    socket.bind({ fd }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

export interface RawSocket {
  /** Sends one packet: an IP payload, the kernel writes the header. Throws a KernelError. */
  send(payload: Uint8Array, to: Address): void;
  close(): void;
}

/**
 * A raw IP socket (SOCK_RAW). `onPacket` gets every packet of the protocol that reaches the namespace: for IPv4 with its
 * IP header (raw(7)), for IPv6 without. The bytes are only valid during the call.
 */
export function rawSocket(
  netns: string | undefined,
  version: IpVersion,
  protocol: number,
  onPacket: (packet: Uint8Array, from: Address) => void,
): RawSocket {
  const asked = `open a raw IPv${version} socket for protocol ${protocol}`;
  const fd = makeSocket({ netns, version, type: SOCK_RAW, protocol, asked }, () => undefined);
  const buffer = new Uint8Array(65_536);
  const from = new Uint8Array(28);
  const stop = onReadable(fd, () => {
    for (let got = native().receive(fd, buffer, from); got >= 0; got = native().receive(fd, buffer, from)) {
      const sender = addressOfSockaddr(from);
      if (sender !== undefined) onPacket(buffer.subarray(0, got), sender.address);
    }
  });
  return {
    send: (payload, to) => {
      const sent = native().send(fd, payload, 0, sockaddrOf(to, 0));
      if (sent < 0) throw kernelError(`send a packet to ${formatAddress(to)}`, errnoName(-sent));
    },
    close: () => {
      stop();
      native().close(fd);
    },
  };
}

/** The port a server or UDP socket got. */
export function portOf(socket: Server | UdpSocket): number {
  const address: AddressInfo | string | null = socket.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : error.message);
