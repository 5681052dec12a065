/**
 * The node-to-node mesh: one session for each pair of nodes, which carries both families; iBGP unless a node has an AS of its own.
 * Route reflectors are not in it, neither way: who peers with them says a BGPPeer.
 */
import { type Address, compareAddresses } from '../../src/lib/net.ts';
import { areMeshed } from '../../src/model/peering.ts';
import type { Problem } from '../../src/model/problem.ts';
import { addressesOf, meetingAddress, type Router } from '../../src/model/router.ts';
import type { PeerConfig } from '../config.ts';
import { describeAddresses } from './router.ts';
import { nameOf, sessionOf } from './session.ts';

export interface Sessions {
  readonly peers: readonly PeerConfig[];
  readonly problems: readonly Problem[];
}

/**
 * One session for each of `others`, which come by name. None with a node that has one of our own addresses, nor a
 * second one to an address that two of them have: both are told as clashes.
 */
export function meshSessions(own: Router, others: readonly Router[]): Sessions {
  const ownAddresses = addressesOf(own);
  const met = new Set<Address>();
  const peers: PeerConfig[] = [];
  const problems: Problem[] = [];
  for (const other of others) {
    if (!areMeshed(own, other)) continue;
    if (addressesOf(other).some((address) => ownAddresses.includes(address))) continue;
    const address = meetingAddress(own, other);
    if (address === undefined) problems.push(cannotMeet(own, other));
    else if (!met.has(address)) {
      met.add(address);
      peers.push(meshSession(own, other, address));
    }
  }
  peers.sort((a, b) => compareAddresses(a.address, b.address));
  return { peers, problems };
}

const meshSession = (own: Router, other: Router, address: Address): PeerConfig =>
  sessionOf(own, {
    origin: 'node-to-node mesh',
    resource: other.name,
    address,
    port: other.port,
    peerAsn: other.asn,
    localAsn: own.asn,
    name: nameOf('Mesh', address),
  });

export function cannotMeet(own: Router, other: Router): Problem {
  if (addressesOf(other).length === 0)
    return {
      where: `Node/${other.name}`,
      what: 'It has no address, so no node can peer with it and its pods cannot be reached.',
      fix: 'Wait for its kubelet to report an InternalIP, or set the annotation projectcalico.org/IPv4Address or IPv6Address.',
    };
  return {
    where: `Node/${other.name}`,
    what: `It has ${describeAddresses(other)} and Node/${own.name} has ${describeAddresses(own)}: no IP version in common, so they cannot peer.`,
    fix: 'Give both nodes an address of the same IP version.',
  };
}
