/** The BGP Identifier of a node (RFC 4271 §4.2, RFC 6286). */
import { type Ipv4, ipv4 } from '../lib/net.ts';

/**
 * The node's own IPv4 address; without one, a hash of its name, as Calico's `CALICO_ROUTER_ID=hash`: stable, and
 * the same whoever computes it. The hash lies in 1.0.0.0-126.255.255.255, since older speakers refuse an identifier
 * that could not be a host's address.
 */
export const routerIdOf = (name: string, address: Ipv4 | undefined): Ipv4 =>
  address ?? ipv4(0x01000000 + (fnv1a(name) % (126 * 0x1000000)));

/** FNV-1a, 32 bits, over the UTF-16 units of a name (node names are ASCII). */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}
