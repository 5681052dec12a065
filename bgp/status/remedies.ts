/** What to do about a session that is down: a sentence for each reason. Pure. */
import { formatAddress } from '../../src/lib/net.ts';
import type { PeerConfig } from '../config.ts';
import type { DownReason } from '../session/event.ts';
import { whereOf as where } from '../speaker/report.ts';

export interface Ailment {
  readonly config: PeerConfig;
  /** All that is said of why, in words. */
  readonly why: string;
  /** What the session itself says, as data. */
  readonly lastDown: DownReason | undefined;
}

type Advice = (config: PeerConfig) => string;

/** The object that asks for the session. */
const source = ({ origin, resource }: PeerConfig): string =>
  origin === 'node-to-node mesh' ? 'BGPConfiguration/default' : `BGPPeer/${resource ?? '?'}`;

/** By what stands in the reason; the first that does counts. */
const byWords: readonly (readonly [words: RegExp, Advice])[] = [
  [
    /no router has been seen on/,
    () =>
      'See that the link is up at both ends and has IPv6, and that the router sends router advertisements there or dials us.',
  ],
  [
    /has not dialled us yet/,
    ({ sharedAddress, peerAsn, localAsn }) =>
      `Let the BGP speaker in the pod, of AS ${peerAsn}, dial AS ${localAsn} at ${sharedAddress === undefined ? 'the address of this node' : formatAddress(sharedAddress)}; its egress policy and defaultEndpointToHostAction must let it.`,
  ],
  [
    /Secret/,
    (peer) =>
      `Put the password of the router into that Secret, or the Secret's into the router: both sign with the same; ${source(peer)} names it.`,
  ],
  [/TCPMD5NotFound/, () => 'Set the same password on the router for this session.'],
  [
    /TCPMD5Unexpected/,
    (peer) =>
      `Name the Secret with the router's password in ${source(peer)} spec.password, or take it away there.`,
  ],
  [
    /TTL/,
    (peer) => `Turn on TTL security (GTSM) on the router, or raise or remove ttlSecurity of ${source(peer)}.`,
  ],
  [
    /another password/,
    (peer) =>
      `See that the router answers at all ("ping ${where(peer)}"), then that both have the same password.`,
  ],
  [/BFD/, () => 'See the BFD lines of "tortiectl bgp peer", and docs/BFD.md.'],
  [
    /not a configured neighbour|earlier connections/,
    () => 'Nothing, if it passes; else see that no two routers share the address.',
  ],
  [
    /\(ECONNREFUSED\)/,
    (peer) =>
      `Start BGP on ${where(peer)}, or let it listen on port ${peer.port}; a firewall that rejects looks the same.`,
  ],
  [
    /\(ETIMEDOUT\)|does not answer our connection/,
    (peer) =>
      `See that ${where(peer)} is there ("ping ${where(peer)}"), and that no firewall on the way drops TCP port ${peer.port}.`,
  ],
  [
    /\(EHOSTUNREACH\)|\(EHOSTDOWN\)/,
    (peer) => `Look for it on its link ("ip neighbour show ${where(peer)}"): cable, VLAN, address.`,
  ],
  [
    /\(ENETUNREACH\)/,
    (peer) =>
      `Give this node a route to ${where(peer)} ("ip route get ${where(peer)}"), or set reachableBy in ${source(peer)}.`,
  ],
  [/\(ENETDOWN\)/, () => 'Bring the interface up: "ip link".'],
  [
    /\(EADDRNOTAVAIL\)/,
    (peer) => `Set sourceAddress None in ${source(peer)}, or give this node the address its Node object has.`,
  ],
  [
    /closed the connection|\(ECONNRESET\)/,
    () =>
      'See that the router has this node as a neighbour, not shut down ("tortiectl bgp tor-config" prints it), and what its log says of us.',
  ],
  [
    /cannot dial us/,
    () =>
      'End whoever has the port, or set another listenPort; "tortiectl node status" has it among its problems.',
  ],
  [
    /\(EACCES\)|\(EPERM\)/,
    (peer) => `Look for a rule that forbids it: "nft list ruleset", "ip route get ${where(peer)}".`,
  ],
];

/** By code and subcode of the NOTIFICATION that we sent, and of the one that came. */
const ofSent: Readonly<Record<string, Advice>> = {
  '2/1': () => 'Use a router that speaks BGP-4.',
  '2/2': (peer) =>
    `Set asNumber of ${source(peer)} to what the router has, or the router's AS to what we expect.`,
  '2/3': () => 'Give one of the two another router id.',
  '2/6': () => 'Set a hold time of 3 s or more on the router, or 0 for none.',
  '2/7': (peer) =>
    `Turn on an address family on the router that we offer, or set families of ${source(peer)}.`,
  '2/11': (peer) =>
    `Set roles that go together (RFC 9234: provider and customer, rs and rs-client, peer and peer) in ${source(peer)} and on the router.`,
  '4/0': () => 'Look for loss on the link, or a router that is too busy to answer.',
  '6/1': (peer) =>
    `See what it announces ("tortiectl bgp routes --received"); if that is right, raise maxPrefix of ${source(peer)}, then "tortiectl bgp reset".`,
  '6/2': () => 'Nothing: somebody here shut it down.',
  '8/0': () => 'Look at the router: it has stopped reading.',
};
const ofReceived: Readonly<Record<string, Advice>> = {
  '2/2': (peer) =>
    `Tell the router that we are AS ${peer.localAsn}, or set localASNumber in ${source(peer)}.`,
  '2/3': () => 'See that no other router has the router id of this node, which is its IPv4 address.',
  '2/6': (peer) => `Set a longer holdTime in ${source(peer)}, or let the router take a shorter one.`,
  '2/7': (peer) =>
    `Turn on for this session on the router what we offer, or set families of ${source(peer)}.`,
  '2/11': (peer) => `Set roles that go together (RFC 9234) in ${source(peer)} and on the router.`,
  '4/0': () => 'Look for loss on the link, or a node that is starved of CPU.',
  '6/1': () =>
    'We announce more than the router takes: raise its limit, or set prefixLimit or an export filter.',
  '6/2': () => 'Ask whoever runs the router: it was shut down there.',
  '6/3': () => 'Configure this node on the router: "tortiectl bgp tor-config" prints it.',
  '6/4': () => 'Nothing: somebody reset it there, and it comes back.',
  '6/5': () => 'Configure this node on the router, with this address: "tortiectl bgp tor-config" prints it.',
  '6/8': () => 'Look at the router: it has no memory left.',
};

/** One sentence with its full stop; undefined: nothing is known to help. */
export function remedyOf({ config, why, lastDown }: Ailment): string | undefined {
  if (lastDown?.kind === 'notificationSent' || lastDown?.kind === 'notificationReceived') {
    const { code, subcode } = lastDown.notification;
    const table = lastDown.kind === 'notificationSent' ? ofSent : ofReceived;
    const advice = table[`${code}/${subcode}`];
    if (advice !== undefined) return advice(config);
  }
  return byWords.find(([words]) => words.test(why))?.[1](config);
}
