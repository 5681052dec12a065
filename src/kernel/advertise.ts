/**
 * Router Advertisements by a raw ICMPv6 socket (RFC 4861 §4.1, §4.2): how routers on a link find each other's link-local
 * address. Ours name no prefix and no default router, so no host changes anything because of them.
 *
 * The kernel writes the checksum and the source, the link-local address of the link. What came from another link cannot
 * have a link-local source (RFC 4291 §2.5.6), so the hop limit need not be asked for.
 */
import { type Ipv6, ipv6, isIpv4, isLinkLocal6, scoped } from '../lib/net.ts';
import { errnoName, kernelError } from './kernel-error.ts';
import { check, int32, native, onReadable } from './native.ts';
import { AF_INET6, addressOfSockaddr, sockaddrOf } from './sockaddr.ts';

const SOCK_RAW = 3;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const ICMP6_FILTER = 1;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_JOIN_GROUP = 20;

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const SOURCE_LINK_LAYER_ADDRESS = 1;
/** RFC 4861 §6.1: receivers drop what came with less. */
const hopLimit = 255;

const allNodes = ipv6(0xff02_0000_0000_0000_0000_0000_0000_0001n);
const allRouters = ipv6(0xff02_0000_0000_0000_0000_0000_0000_0002n);

export interface RouterLink {
  readonly ifindex: number;
  /** Lower-case hex with colons, six octets; anything else is not told. */
  readonly mac: string;
}

export interface RouterSocket {
  /** Solicitations on this link are heard from now on. */
  join(ifindex: number): void;
  /** False: not now, e.g. while the link has no address yet. */
  advertise(link: RouterLink): boolean;
  /** Asks routers of the link to advertise at once. False as above. */
  solicit(link: RouterLink): boolean;
  close(): void;
}

export interface RouterHears {
  /** The sender's link-local address, scoped. */
  readonly onAdvertisement: (from: Ipv6, ifindex: number) => void;
  readonly onSolicitation: (ifindex: number) => void;
}

/** Throws a KernelError, e.g. EPERM without CAP_NET_RAW, EAFNOSUPPORT without IPv6. */
export function routerSocket({ onAdvertisement, onSolicitation }: RouterHears): RouterSocket {
  const asked = 'open a raw socket for Router Advertisements';
  const fd = check(asked, native().socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  const set = (level: number, name: number, value: Uint8Array): void => {
    check(asked, native().setsockopt(fd, level, name, value));
  };
  try {
    set(IPPROTO_ICMPV6, ICMP6_FILTER, filterFor([ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT]));
    set(IPPROTO_IPV6, IPV6_UNICAST_HOPS, int32(hopLimit));
    set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int32(hopLimit));
    set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, int32(0));
  } catch (error) {
    native().close(fd);
    throw error;
  }
  const hear = (packet: Uint8Array, sender: Uint8Array): void => {
    const from = addressOfSockaddr(sender)?.address;
    const ifindex = scopeIn(sender);
    if (from === undefined || isIpv4(from) || ifindex === 0) return;
    if (packet[0] === ROUTER_SOLICITATION) onSolicitation(ifindex);
    else if (isLinkLocal6(from)) onAdvertisement(scoped(from, ifindex), ifindex);
  };
  const buffer = new Uint8Array(2048);
  const sender = new Uint8Array(28);
  const stop = onReadable(fd, () => {
    for (let got = native().receive(fd, buffer, sender); got >= 0; got = native().receive(fd, buffer, sender))
      hear(buffer.subarray(0, got), sender);
  });
  const send = (to: Ipv6, { ifindex }: RouterLink, message: Uint8Array): boolean =>
    native().send(fd, message, 0, sockaddrOf(to, 0, ifindex)) >= 0;
  return {
    join: (ifindex) => {
      const request = new Uint8Array(20);
      request.set(sockaddrOf(allRouters, 0).subarray(8, 24));
      request.set(int32(ifindex), 16);
      const result = native().setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
      if (result < 0 && -result !== EADDRINUSE)
        throw kernelError(`join the routers of link ${ifindex}`, errnoName(-result));
    },
    advertise: (link) => send(allNodes, link, advertisement(link)),
    solicit: (link) => send(allRouters, link, solicitation(link)),
    close: () => {
      stop();
      native().close(fd);
    },
  };
}

const EADDRINUSE = 98;

/** struct icmp6_filter: a bit that is set keeps its type out. */
function filterFor(types: readonly number[]): Uint8Array {
  const words = new Uint32Array(8).fill(0xffffffff);
  for (const type of types) words[type >> 5] = ((words[type >> 5] ?? 0) & ~(1 << (type & 31))) >>> 0;
  return new Uint8Array(words.buffer);
}

/** sin6_scope_id, in host order. */
const scopeIn = (sender: Uint8Array): number => new Uint32Array(sender.slice(24, 28).buffer)[0] ?? 0;

/** Hop limit unspecified, no flags, router lifetime 0: no default router; no timers. */
function advertisement({ mac }: RouterLink): Uint8Array {
  return Uint8Array.of(ROUTER_ADVERTISEMENT, ...new Array<number>(15).fill(0), ...sourceOption(mac));
}

const solicitation = ({ mac }: RouterLink): Uint8Array =>
  Uint8Array.of(ROUTER_SOLICITATION, ...new Array<number>(7).fill(0), ...sourceOption(mac));

function sourceOption(mac: string): readonly number[] {
  const octets = mac.split(':').map((octet) => Number.parseInt(octet, 16));
  return octets.length === 6 && octets.every((octet) => octet >= 0 && octet <= 255)
    ? [SOURCE_LINK_LAYER_ADDRESS, 1, ...octets]
    : [];
}
