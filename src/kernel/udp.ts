/**
 * UDP for a routing protocol: where each datagram came from, where it was sent to, on which link, and with what TTL.
 *
 * Packets that must come from a direct neighbour carry TTL 255 (RFC 5082). IP_MINTTL is for TCP only, so a filter of four
 * instructions (socket(7), SO_ATTACH_FILTER) drops the others in the kernel, before they cost this thread anything; what
 * was dropped counts with what found no room (SK_MEMINFO_DROPS).
 */
import {
  type Address,
  formatAddress,
  type IpVersion,
  ipv4,
  ipv6,
  isIpv4,
  isLinkLocal6,
  scoped,
  scopeOf,
  unscoped,
} from '../lib/net.ts';
import { errnoName } from './kernel-error.ts';
import { check, int32, native, onReadable } from './native.ts';
import { addressOfSockaddr, familyOf, sockaddrOf } from './sockaddr.ts';
import { accept, assembled, jumpIfEqual, loadByte } from './socket-filter.ts';

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_MEMINFO = 55;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_PKTINFO = 8;
const IP_RECVTTL = 12;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;
const IPV6_TCLASS = 67;

const greatestTtl = 255;
/** DSCP CS6, network control. */
const trafficClass = 0xc0;
const roomForPackets = 1 << 20;
/** So many at one go, then the timers have their turn. */
const mostAtOnce = 128;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export interface Datagram {
  /** Only valid during the call. */
  readonly bytes: Uint8Array;
  /** Link-local ones are scoped. */
  readonly from: Address;
  readonly to: Address | undefined;
  readonly ifindex: number | undefined;
  readonly ttl: number | undefined;
}

export interface UdpReceiver {
  /** Hands over what has arrived by now. */
  drain(): void;
  /** How many datagrams the kernel has dropped: not near enough, or no room for them. */
  dropped(): number;
  close(): void;
}

export interface UdpSender {
  /** The errno's name if the kernel did not take it, e.g. ENETUNREACH, or ECONNREFUSED for what was sent before. */
  send(bytes: Uint8Array): string | undefined;
  close(): void;
}

export interface Receiving {
  readonly version: IpVersion;
  readonly port: number;
  /** Only from direct neighbours. */
  readonly isNear: boolean;
}

function opened(version: IpVersion, asked: string, prepare: (fd: number) => void): number {
  const fd = check(asked, native().socket(familyOf(version), SOCK_DGRAM, 0));
  try {
    if (version === 6) check(asked, native().setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, int32(1)));
    prepare(fd);
    return fd;
  } catch (error) {
    native().close(fd);
    throw error;
  }
}

/** On every address of the namespace. Throws a KernelError, e.g. EADDRINUSE. */
export function receiveUdp(
  { version, port, isNear }: Receiving,
  onDatagram: (datagram: Datagram) => void,
): UdpReceiver {
  const asked = `listen on udp port ${port} (IPv${version})`;
  const any = version === 4 ? ipv4(0) : ipv6(0n);
  const fd = opened(version, asked, (made) => {
    const set = (level: number, name: number, value: Uint8Array): void => {
      check(asked, native().setsockopt(made, level, name, value));
    };
    if (isNear) check(asked, native().filter(made, nearOnly(version)));
    set(SOL_SOCKET, SO_RCVBUF, int32(roomForPackets));
    for (const [level, name] of wantedFacts[version]) set(level, name, int32(1));
    check(asked, native().bind(made, sockaddrOf(any, port)));
  });
  const bytes = new Uint8Array(2048);
  const from = new Uint8Array(28);
  const control = new Uint8Array(256);
  const length = new Int32Array(1);
  const drain = (): void => {
    for (let count = 0; count < mostAtOnce; count += 1) {
      const got = native().receiveMessage(fd, bytes, from, control, length);
      if (got < 0) return;
      const sender = addressOfSockaddr(from)?.address;
      if (sender === undefined) continue;
      const facts = factsIn(control.subarray(0, length[0]));
      const onLink = (one: Address): Address =>
        !isIpv4(one) && isLinkLocal6(one) ? scoped(one, facts.ifindex ?? 0) : one;
      onDatagram({
        bytes: bytes.subarray(0, got),
        ...facts,
        from: onLink(sender),
        to: facts.to === undefined ? undefined : onLink(facts.to),
      });
    }
  };
  const stop = onReadable(fd, drain);
  return {
    drain,
    dropped: () => droppedBy(fd),
    close: () => {
      stop();
      native().close(fd);
    },
  };
}

const wantedFacts: Readonly<Record<IpVersion, readonly (readonly [level: number, name: number])[]>> = {
  4: [
    [IPPROTO_IP, IP_PKTINFO],
    [IPPROTO_IP, IP_RECVTTL],
  ],
  6: [
    [IPPROTO_IPV6, IPV6_RECVPKTINFO],
    [IPPROTO_IPV6, IPV6_RECVHOPLIMIT],
  ],
};

type Facts = Pick<Datagram, 'to' | 'ifindex' | 'ttl'>;

/** struct cmsghdr: length (a size_t), level, type, then the data; each begins at a multiple of the size of a word. */
function factsIn(control: Uint8Array): Facts {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  let facts: Facts = { to: undefined, ifindex: undefined, ttl: undefined };
  for (let at = 0; at + header <= control.byteLength; ) {
    const length = Number(view.getBigUint64(at, littleEndian));
    if (length < header || at + length > control.byteLength) break;
    const level = view.getInt32(at + 8, littleEndian);
    const type = view.getInt32(at + 12, littleEndian);
    facts = { ...facts, ...readers[`${level} ${type}`]?.(view, at + header) };
    at += Math.ceil(length / 8) * 8;
  }
  return facts;
}
const header = 16;

const readers: Readonly<Record<string, (view: DataView, at: number) => Partial<Facts>>> = {
  [`${IPPROTO_IP} ${IP_TTL}`]: (view, at) => ({ ttl: view.getInt32(at, littleEndian) }),
  [`${IPPROTO_IPV6} ${IPV6_HOPLIMIT}`]: (view, at) => ({ ttl: view.getInt32(at, littleEndian) }),
  // struct in_pktinfo: link, our own address on it, the address in the header
  [`${IPPROTO_IP} ${IP_PKTINFO}`]: (view, at) => ({
    ifindex: view.getInt32(at, littleEndian),
    to: ipv4(view.getUint32(at + 8)),
  }),
  [`${IPPROTO_IPV6} ${IPV6_PKTINFO}`]: (view, at) => ({
    to: ipv6((view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8)),
    ifindex: view.getInt32(at + 16, littleEndian),
  }),
};

function droppedBy(fd: number): number {
  const words = new Uint32Array(9);
  const got = native().getsockopt(fd, SOL_SOCKET, SO_MEMINFO, new Uint8Array(words.buffer));
  return got < 36 ? 0 : (words[8] ?? 0);
}

/** Classic BPF: load the TTL or hop limit from the IP header; keep the whole packet if it is 255, else nothing. */
function nearOnly(version: IpVersion): Uint8Array {
  const ofNetworkHeader = -0x100000; // SKF_NET_OFF
  return assembled([
    [loadByte, 0, 0, ofNetworkHeader + (version === 4 ? 8 : 7)],
    [jumpIfEqual, 0, 1, greatestTtl],
    [accept, 0, 0, 0xffff],
    [accept, 0, 0, 0],
  ]);
}

export interface Sending {
  readonly to: Address;
  readonly port: number;
  /** Absent: the kernel's choice when the socket is made. */
  readonly source?: Address;
  readonly sourcePort: number;
}

/** Sends to one place only, with TTL 255. Throws a KernelError, e.g. EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH. */
export function sendUdp({ to, port, source, sourcePort }: Sending): UdpSender {
  const version = typeof to === 'number' ? 4 : 6;
  const asked = `send to udp port ${port} of ${formatAddress(to)}`;
  const any = version === 4 ? ipv4(0) : ipv6(0n);
  const fd = opened(version, asked, (made) => {
    const options: readonly (readonly [number, number, number])[] =
      version === 4
        ? [
            [IPPROTO_IP, IP_TTL, greatestTtl],
            [IPPROTO_IP, IP_TOS, trafficClass],
          ]
        : [
            [IPPROTO_IPV6, IPV6_UNICAST_HOPS, greatestTtl],
            [IPPROTO_IPV6, IPV6_TCLASS, trafficClass],
          ];
    for (const [level, name, value] of options)
      check(asked, native().setsockopt(made, level, name, int32(value)));
    check(asked, native().bind(made, placeOf(source ?? any, sourcePort)));
    check(asked, native().connect(made, placeOf(to, port)));
  });
  return {
    send: (bytes) => {
      const sent = native().send(fd, bytes, 0);
      return sent < 0 ? errnoName(-sent) : undefined;
    },
    close: () => void native().close(fd),
  };
}

const placeOf = (address: Address, port: number): Uint8Array =>
  typeof address === 'number'
    ? sockaddrOf(address, port)
    : sockaddrOf(unscoped(address), port, scopeOf(address));
