/**
 * How a pod is wired, as a list of operations: a decision, carried out by plumb.ts.
 *
 *   pod namespace                          node namespace
 *   eth0  A.B.C.D/32, X::Y/128   ──veth──  cali0123456789a  ee:ee:ee:ee:ee:ee, fe80::ecee:eeff:feee:eeee, no IPv4 address
 *   169.254.1.1 dev eth0 scope link        A.B.C.D/32 and X::Y/128 dev cali… (felix/dataplane/routes.ts)
 *   default via 169.254.1.1
 *   default via fe80::ecee:eeff:feee:eeee
 *
 * The way Calico does it, so that a pod sees no neighbour but the router and every node looks the same to it. The pod gets
 * permanent neighbour entries for its gateways, as their MAC never changes; proxy ARP and ND stay on for whoever asks.
 */
import { sha1Hex } from '../lib/hash.ts';
import {
  type Address,
  type IpVersion,
  isIpv4,
  type Prefix,
  parseAddress,
  prefixOf,
  versionOf,
  widthOf,
} from '../lib/net.ts';
import { assert } from '../lib/result.ts';

/** The default gateway of every pod, for IPv4: nobody's address, which the host answers ARP for. */
export const gateway4 = '169.254.1.1';
/** The same for IPv6: the link-local address that the host end gets from its fixed MAC (RFC 4291 appendix A). */
export const gateway6 = 'fe80::ecee:eeff:feee:eeee';

/** The host end's MAC on every node, so that a pod's neighbour entry outlives anything. */
export const hostMac = 'ee:ee:ee:ee:ee:ee';

/** The pod's MAC: locally administered, and the same whenever the same container asks. */
export const podMac = (containerId: string, ifname: string): string =>
  `02${sha1Hex(`${containerId}/${ifname}`).slice(0, 10)}`.replace(/..(?=.)/g, '$&:');

export type PlumbOp =
  /** Gone already is fine. */
  | { readonly kind: 'delete-link'; readonly name: string }
  /** Both ends at once; the peer is born in the pod's namespace under its final name. */
  | {
      readonly kind: 'veth';
      readonly name: string;
      readonly mac: string;
      readonly mtu: number;
      readonly peer: string;
      readonly peerMac: string;
      readonly netns: string;
    }
  | Sysctl
  | { readonly kind: 'up'; readonly link: string }
  | { readonly kind: 'address'; readonly link: string; readonly address: Address; readonly length: number }
  | { readonly kind: 'neighbour'; readonly link: string; readonly address: Address; readonly mac: string }
  /** Without `via` the destination is on the link. */
  | { readonly kind: 'route'; readonly link: string; readonly dst: Prefix; readonly via?: Address };

export interface Sysctl {
  readonly kind: 'sysctl';
  /** Under /proc/sys. */
  readonly path: string;
  readonly value: string;
}

export interface Wiring {
  /** Name of the host end. */
  readonly interface: string;
  readonly ifname: string;
  readonly netns: string;
  readonly mtu: number;
  /** Of the pod's end. */
  readonly mac: string;
  readonly addresses: readonly Address[];
}

export interface PlumbPlan {
  /** Done first, in the node's namespace. */
  readonly host: readonly PlumbOp[];
  /** Then these, in the pod's. */
  readonly pod: readonly PlumbOp[];
}

export function planPlumbing(wiring: Wiring): PlumbPlan {
  const { interface: name, ifname, netns, mtu, mac, addresses } = wiring;
  const versions = addresses.map(versionOf);
  return {
    host: [
      { kind: 'delete-link', name },
      { kind: 'veth', name, mac: hostMac, mtu, peer: ifname, peerMac: mac, netns },
      ...hostSysctls(name, versions),
      { kind: 'up', link: name },
    ],
    pod: [
      ...(versions.includes(6) ? podSysctls(ifname) : []),
      { kind: 'up', link: ifname },
      ...addresses.flatMap((address) => podOps(ifname, address)),
    ],
  };
}

/**
 * What the host end needs, before it is brought up.
 *
 * Calico's list, but for two: route_localnet stays 0, because 1 lets a pod reach what listens on the node's 127.0.0.1
 * (CVE-2020-8558) and only kube-proxy's node ports on localhost would want it; and rp_filter is set here (strict, RFC 3704 §2.2).
 * addr_gen_mode 0 makes the link-local address from the MAC also where the distribution's default is another.
 */
export function hostSysctls(link: string, versions: readonly IpVersion[]): readonly Sysctl[] {
  const set4 = (path: string, value: string): Sysctl => ({ kind: 'sysctl', path: `net/ipv4/${path}`, value });
  const set6 = (name: string, value: string): Sysctl => ({
    kind: 'sysctl',
    path: `net/ipv6/conf/${link}/${name}`,
    value,
  });
  const four = [
    set4(`neigh/${link}/proxy_delay`, '0'),
    set4(`conf/${link}/proxy_arp`, '1'),
    set4(`conf/${link}/forwarding`, '1'),
    set4(`conf/${link}/rp_filter`, '1'),
  ];
  const six = [
    set6('disable_ipv6', '0'),
    set6('accept_dad', '0'),
    set6('addr_gen_mode', '0'),
    set6('accept_ra', '0'),
    set6('proxy_ndp', '1'),
    set6('forwarding', '1'),
  ];
  return [...(versions.includes(4) ? four : []), ...(versions.includes(6) ? six : [])];
}

/** An address is usable at once: no other can have it, so duplicate address detection only costs the pod a second. */
const podSysctls = (link: string): readonly Sysctl[] =>
  [
    ['disable_ipv6', '0'],
    ['accept_dad', '0'],
    ['accept_ra', '0'],
  ].map(([name, value]) => ({ kind: 'sysctl', path: `net/ipv6/conf/${link}/${name}`, value: value ?? '' }));

function podOps(link: string, address: Address): readonly PlumbOp[] {
  const via = gatewayOf(address);
  const everywhere = prefixOf(via, 0);
  return [
    { kind: 'address', link, address, length: widthOf(address) },
    // A link-local gateway is on the link anyway; 169.254.1.1 has to be said so.
    ...(isIpv4(address) ? [{ kind: 'route', link, dst: prefixOf(via, 32) } as const] : []),
    { kind: 'neighbour', link, address: via, mac: hostMac },
    { kind: 'route', link, dst: everywhere, via },
  ];
}

/** The gateway a pod with this address uses. */
export function gatewayOf(address: Address): Address {
  const gateway = parseAddress(isIpv4(address) ? gateway4 : gateway6);
  assert(gateway !== undefined, 'the gateway constants are addresses');
  return gateway;
}
