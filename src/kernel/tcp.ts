/**
 * TCP sockets with what a routing protocol asks of the kernel: signatures (RFC 2385), a distance (RFC 5082), the first SYN.
 *
 * Each option is one setsockopt on a file descriptor; see tcp(7), ip(7), ipv6(7) and linux/tcp.h. A key stands on the
 * listening socket for each neighbour who may dial, and on a socket of our own before it dials; what a neighbour's
 * segment lacks, or signs wrongly, the kernel drops without a word and counts (TCPMD5NotFound, TCPMD5Failure, and
 * TCPMD5Unexpected for a signature nobody asked for).
 */
import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import {
  type Address,
  formatAddress,
  formatPrefix,
  isIpv4,
  lengthOf,
  networkOf,
  type Prefix,
  unscoped,
  versionOf,
} from '../lib/net.ts';
import { kernelError } from './kernel-error.ts';
import { check, int32, native } from './native.ts';
import { familyOf, sockaddrOf } from './sockaddr.ts';

/** EINTR, EAGAIN, ENOBUFS: later it may be taken. */
const notNow: readonly number[] = [4, 11, 105];
const MSG_DONTWAIT = 0x40;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IP_TTL = 2;
const IP_MINTTL = 21;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_MD5SIG = 14;
const TCP_SAVE_SYN = 27;
const TCP_SAVED_SYN = 28;
const TCP_MD5SIG_EXT = 32;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
const IPV6_MINHOPCOUNT = 73;
const IPV6_FREEBIND = 78;

/** What one octet can say, and what is always sent: who checks it at the other end needs nothing of us (RFC 5082 §3). */
const greatestTtl = 255;
/** TCP_MD5SIG_MAXKEYLEN. */
export const longestKey = 80;

/**
 * How both sides sign. TCP-AO (RFC 5925) will be a second kind beside this one, with key ids and an algorithm, where the kernel
 * has it (Linux 6.7, CONFIG_TCP_AO); everything up to here passes a Signature on without looking into it.
 */
export interface Signature {
  readonly kind: 'md5';
  /** 1 to 80 octets. */
  readonly key: Uint8Array;
}

/** What a neighbour's segments must be like. */
export interface Guard {
  readonly signature?: Signature;
  /** It is at most so many hops away, 1 to 255. */
  readonly hops?: number;
}

/** The least TTL a packet has that was sent with 255 and came over so many hops (RFC 5082 §3). */
export const leastTtl = (hops: number): number => greatestTtl + 1 - hops;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** struct tcp_md5sig: address (128 octets), flags, prefix length, key length, interface, key. */
function md5sig(address: Address, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(128 + 8 + longestKey);
  bytes.set(sockaddrOf(isIpv4(address) ? address : unscoped(address), 0));
  new DataView(bytes.buffer).setUint16(130, key.byteLength, littleEndian);
  bytes.set(key, 136);
  return bytes;
}

/** Of every address of a prefix (TCP_MD5SIG_FLAG_PREFIX); a key of one address, or of a longer prefix, goes before. */
function md5sigOf(prefix: Prefix, key: Uint8Array): Uint8Array {
  const bytes = md5sig(networkOf(prefix), key);
  bytes[128] = 1;
  bytes[129] = lengthOf(prefix);
  return bytes;
}

/** The same as `sign` for whoever is inside `range`. */
export function signRange(fd: number, range: Prefix, signature: Signature | undefined): void {
  const key = signature?.key;
  const asked = `${key === undefined ? 'forget' : 'set'} the TCP key of ${formatPrefix(range)}`;
  const value = md5sigOf(range, key ?? new Uint8Array(0));
  const result = native().setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, value);
  if (key === undefined && result === -ENOENT) return;
  check(asked, result);
}

/** Of a connected socket: whether bytes we wrote wait for the other side's TCP, and how many it has acknowledged. */
export function sendProgress(
  fd: number,
): { readonly isWaiting: boolean; readonly acknowledged: bigint } | undefined {
  const info = new Uint8Array(256);
  const length = native().getsockopt(fd, IPPROTO_TCP, TCP_INFO, info);
  if (length < 148) return undefined;
  const view = new DataView(info.buffer);
  const [unacked, unsent] = [view.getUint32(24, littleEndian), view.getUint32(144, littleEndian)];
  return { isWaiting: unacked + unsent > 0, acknowledged: view.getBigUint64(120, littleEndian) };
}

/** The interface index of the link that a connection from a link-local address came over; undefined for any other. */
export function linkOf(fd: number): number | undefined {
  const own = new Uint8Array(28);
  if (native().getsockname(fd, own) < 28) return undefined;
  const index = new DataView(own.buffer).getUint32(24, littleEndian);
  return index === 0 ? undefined : index;
}

/** Signs what goes to and must come from `address`; without a signature no longer. */
export function sign(fd: number, address: Address, signature: Signature | undefined): void {
  const text = formatAddress(address);
  const key = signature?.key;
  const asked = key === undefined ? `forget the TCP key of ${text}` : `set the TCP key of ${text}`;
  const result = native().setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, md5sig(address, key ?? new Uint8Array(0)));
  if (key === undefined && result === -ENOENT) return;
  check(asked, result);
}
const ENOENT = 2;

function sendFar(fd: number, address: Address): void {
  const [level, name] = isIpv4(address) ? [IPPROTO_IP, IP_TTL] : [IPPROTO_IPV6, IPV6_UNICAST_HOPS];
  check('set the TTL', native().setsockopt(fd, level, name, int32(greatestTtl)));
}

/** From now on the kernel drops what comes from further away (TCPMinTTLDrop). */
function keepNear(fd: number, address: Address, hops: number): void {
  const [level, name] = isIpv4(address) ? [IPPROTO_IP, IP_MINTTL] : [IPPROTO_IPV6, IPV6_MINHOPCOUNT];
  check('set the least TTL', native().setsockopt(fd, level, name, int32(leastTtl(hops))));
}

/** The TTL, or hop limit, of the SYN an accepted connection began with; undefined if the kernel has not kept it. */
export function ttlOfSyn(fd: number): number | undefined {
  const header = new Uint8Array(256);
  const length = native().getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, header);
  if (length < 20) return undefined;
  return (header[0] ?? 0) >> 4 === 4 ? header[8] : header[7];
}

function prepared(address: Address, asked: string, prepare: (fd: number) => void): number {
  const fd = check(asked, native().socket(familyOf(versionOf(address)), SOCK_STREAM, 0));
  try {
    sendFar(fd, address);
    prepare(fd);
    return fd;
  } catch (error) {
    native().close(fd);
    throw error;
  }
}

const at = (address: Address, port: number): string =>
  `${isIpv4(address) ? formatAddress(address) : `[${formatAddress(address)}]`}:${port}`;

/**
 * A socket that is bound and does not listen yet: an IPv6 one takes no IPv4. Whoever gives it to `Server.listen` has given
 * it away. Throws a KernelError, e.g. EADDRINUSE, EAFNOSUPPORT.
 * @param isGiven  a route of the table of local addresses says that it is ours; of IPv6 the kernel asks interfaces alone
 */
export function boundSocket(address: Address, port: number, isGiven = false): number {
  const asked = `listen on tcp ${at(address, port)}`;
  return prepared(address, asked, (fd) => {
    check(asked, native().setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, int32(1)));
    native().setsockopt(fd, IPPROTO_TCP, TCP_SAVE_SYN, int32(1)); // only for words
    if (!isIpv4(address)) check(asked, native().setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, int32(1)));
    if (!isIpv4(address) && isGiven) native().setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, int32(1)); // else bind will say it
    check(asked, native().bind(fd, sockaddrOf(address, port)));
  });
}

export interface Dial {
  readonly address: Address;
  readonly port: number;
  /** Name of the link, of a link-local `address` (scoped). */
  readonly interface?: string;
  /** Absent: the kernel's choice. */
  readonly source?: Address;
  readonly guard?: Guard;
}

/** What comes in. The bytes are the receiver's until it returns; copy what is kept. False: nothing more until the socket is resumed. */
export type Hear = (bytes: Uint8Array) => boolean;

/** Of the whole process: what was read is handed on before anything else is read, and a buffer for each read would be most of its cost. */
const inbound = new Uint8Array(65_536);

const hearing = (hear: Hear): OnReadOpts => ({
  buffer: inbound,
  callback: (octets) => hear(inbound.subarray(0, octets)),
});

/** A socket that connects: `connect` or `error` will tell. What is wrong before that is told as an error too, with its code. */
export function dialTcp({ address, port, source, guard = {}, interface: link }: Dial, hear: Hear): Socket {
  const asked = `connect to tcp ${at(address, port)}`;
  try {
    const fd = prepared(address, asked, (made) => {
      if (guard.signature !== undefined) sign(made, address, guard.signature);
      if (guard.hops !== undefined) keepNear(made, address, guard.hops);
      if (source !== undefined) check(asked, native().bind(made, sockaddrOf(source, 0)));
    });
    // manualStart: a read on a socket that is not connected yet would fail.
    const construction: SocketConstructorOpts & { readonly manualStart: boolean } = {
      fd,
      manualStart: true,
      onread: hearing(hear),
    };
    const socket = new Socket(construction);
    socket.setNoDelay(true);
    return socket.connect({ host: hostOf(address, link), port });
  } catch (error) {
    return stillborn(error, asked);
  }
}

/**
 * The connection of `accepted`, which nobody has read from, as a socket that is read so: how a server's own sockets are read is
 * Node's choice. What is wrong is told as an error.
 */
export function adopt(accepted: Socket, hear: Hear): Socket {
  const asked = 'take a connection';
  try {
    const fd = fdOf(accepted);
    if (fd === undefined) throw kernelError(asked, 'ENOTCONN');
    return new Socket({ fd: check(asked, native().dup(fd)), onread: hearing(hear) });
  } catch (error) {
    return stillborn(error, asked);
  } finally {
    accepted.destroy();
  }
}

const stillborn = (error: unknown, asked: string): Socket =>
  new Socket().destroy(error instanceof Error ? error : kernelError(asked, String(error)));

/** How many of these octets the kernel takes at once; 0: none now. Throws a KernelError, e.g. EPIPE, ECONNRESET. */
export function sendNow(fd: number, bytes: Uint8Array): number {
  const taken = native().send(fd, bytes, MSG_DONTWAIT);
  return notNow.includes(-taken) ? 0 : check('send', taken);
}

/** Node takes the name of a link as the zone, not its index. */
const hostOf = (address: Address, link: string | undefined): string =>
  isIpv4(address) || link === undefined
    ? formatAddress(address)
    : `${formatAddress(unscoped(address))}%${link}`;

/** The file descriptor behind a connected socket or a listening server of Node's, which says so only to itself. */
export function fdOf(socket: Socket | Server): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** What an accepted connection must be like from now on; true to its word also if it came before its key was set. */
export function guardAccepted(fd: number, address: Address, { signature, hops }: Guard): void {
  if (signature !== undefined) sign(fd, address, signature);
  if (hops !== undefined) keepNear(fd, address, hops);
}
