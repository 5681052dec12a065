/** Opening netlink sockets and receiving from them in bulk. Whoever opens an fd owns it. */
import { check, int32, native } from '../native.ts';
import { inNamespace } from '../netns.ts';
import { AF_NETLINK, netlinkSockaddr } from '../sockaddr.ts';
import { eachMessage, littleEndian, type Message } from './reader.ts';

const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SOL_NETLINK = 270;
const SO = { SNDBUF: 7, RCVBUF: 8, SNDBUFFORCE: 32, RCVBUFFORCE: 33 } as const;
const OPTION = { ADD_MEMBERSHIP: 1, CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 } as const;

/** The largest datagram the kernel makes for a dump or an event burst. */
const DATAGRAM = 32_768;
const BUFFER = 1 << 20;
const ENTRIES = 4096;

export const EAGAIN = 11;
export const ENOBUFS = 105;

export interface SocketOptions {
  /** NETLINK.ROUTE or NETLINK.NETFILTER. */
  readonly protocol: number;
  /** Path of the namespace it is opened in; absent: the thread's own. */
  readonly netns?: string | undefined;
  /** Octets the kernel may queue for us; without CAP_NET_ADMIN in the first user namespace it gives less. */
  readonly receiveBuffer: number;
  /** Multicast groups by number. */
  readonly groups?: readonly number[];
  /** What may be queued: see socket-filter.ts; absent: all. */
  readonly filter?: Uint8Array;
}

/** Opens and prepares the fd; throws a KernelError. */
export function openNetlink({ protocol, netns, receiveBuffer, groups = [], filter }: SocketOptions): number {
  const asked = 'open a netlink socket';
  const fd = inNamespace(netns, () => check(asked, native().socket(AF_NETLINK, SOCK_RAW, protocol)));
  const { setsockopt, bind } = native();
  if (setsockopt(fd, SOL_SOCKET, SO.RCVBUFFORCE, int32(receiveBuffer)) < 0)
    setsockopt(fd, SOL_SOCKET, SO.RCVBUF, int32(receiveBuffer));
  setsockopt(fd, SOL_SOCKET, SO.SNDBUFFORCE, int32(1 << 20));
  for (const option of [OPTION.CAP_ACK, OPTION.EXT_ACK, OPTION.GET_STRICT_CHK])
    setsockopt(fd, SOL_NETLINK, option, int32(1));
  try {
    check(asked, bind(fd, netlinkSockaddr()));
    if (filter !== undefined) check(asked, native().filter(fd, filter));
    for (const group of groups)
      check(asked, setsockopt(fd, SOL_NETLINK, OPTION.ADD_MEMBERSHIP, int32(group)));
  } catch (error) {
    native().close(fd);
    throw error;
  }
  return fd;
}

/** Octets the kernel really queues for this socket. */
export const receiveBufferOf = (fd: number): number => numberOf(fd, SO.RCVBUF, 'read SO_RCVBUF');

/** Octets the kernel takes from this socket in one go, its own management of them included. */
export const sendBufferOf = (fd: number): number => numberOf(fd, SO.SNDBUF, 'read SO_SNDBUF');

function numberOf(fd: number, option: number, asked: string): number {
  const value = new Uint8Array(4);
  check(asked, native().getsockopt(fd, SOL_SOCKET, option, value));
  return new DataView(value.buffer).getInt32(0, littleEndian);
}

/** The port id the kernel gave this socket; messages that report our own changes carry it. */
export function portIdOf(fd: number): number {
  const name = new Uint8Array(12);
  check('read the name of a netlink socket', native().getsockname(fd, name));
  return new DataView(name.buffer).getUint32(4, littleEndian);
}

/** One receive buffer, reused: what `receive` hands out is valid during the call only. */
export class ReceiveBuffer {
  readonly #bytes = new Uint8Array(BUFFER);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #ends = new Int32Array(ENTRIES);

  /** Visits all messages that are waiting, up to a bound. Returns 0 if there may be more, else the errno that ended it. */
  receive(fd: number, visit: (message: Message) => void): number {
    const count = native().receiveMany(fd, this.#bytes, this.#ends, DATAGRAM);
    for (let index = 0, start = 0; index < count; index++) {
      const end = this.#ends[index] ?? start;
      eachMessage(this.#view, start, end, visit);
      start = end;
    }
    return -(this.#ends[count] ?? 0);
  }
}
