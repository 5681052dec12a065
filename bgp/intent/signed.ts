/** The kernel knows a password by address: of a range it is for whoever is in it, and one address has one for all its ports. */
import { containsAddress, formatAddress, formatPrefix } from '../../src/lib/net.ts';
import { same } from '../../src/lib/same.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { DynamicPeers, PeerConfig } from '../config.ts';

/**
 * Neighbours without a password inside a range with one: the kernel drops each segment of theirs that comes to where we
 * listen, and nothing can except one address (RFC 2385; tcp(7), TCP_MD5SIG_EXT). We still dial them.
 */
export const unsignedInside = (
  peers: readonly PeerConfig[],
  ranges: readonly DynamicPeers[],
): readonly Problem[] => {
  const signed = ranges.filter(({ template }) => template.password !== undefined);
  if (signed.length === 0) return [];
  return peers
    .filter(({ password, connect }) => password === undefined && connect !== 'active')
    .flatMap((peer): readonly Problem[] => {
      const range = signed.find((one) => containsAddress(one.range, peer.address));
      return range === undefined ? [] : [shutOut(peer, range)];
    });
};

/** Neighbours at one address, on different ports, that do not sign alike: who dials us from there must be one of them. */
export function unlikeSigned(peers: readonly PeerConfig[]): readonly Problem[] {
  const known = new Map<string, PeerConfig>();
  return peers.flatMap((peer): readonly Problem[] => {
    const address = formatAddress(peer.address);
    const other = known.get(address);
    known.set(address, other ?? peer);
    if (other === undefined || peer.interface !== undefined || same(other.password, peer.password)) return [];
    return [
      {
        where: `BGPPeer/${peer.resource} spec.password`,
        what: `It and BGPPeer/${other.resource} are with ${address}, on ports ${peer.port} and ${other.port}, and have not the same password: the kernel has one for an address, so only one of them can dial us.`,
        fix: 'Give both the same password.',
      },
    ];
  });
}

const shutOut = (
  { address, origin, resource, connect }: PeerConfig,
  { key, range }: DynamicPeers,
): Problem => {
  const isMesh = origin === 'node-to-node mesh';
  const who = isMesh ? `Node/${resource} of the mesh` : `BGPPeer/${resource}`;
  const left =
    connect === 'passive' ? 'and as it is never dialled, there is no session' : 'and only we can dial it';
  return {
    where: isMesh ? `BGPPeer/${key} spec.peerRange` : who,
    what: `${formatAddress(address)} of ${who} has no password and lies inside ${formatPrefix(range)}, for which BGPPeer/${key} has one: the kernel takes nothing unsigned from there, so it cannot dial us, ${left}.`,
    fix: isMesh
      ? 'Give the range no address of a node, or the mesh the same password (nodeMeshPassword).'
      : 'Give both the same password, or the range none of its addresses.',
  };
};
