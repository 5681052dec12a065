/** `struct sockaddr` of the families we use, as bytes. Families are in host order, ports and addresses in network order. */
import { type Address, type IpVersion, ipv4, ipv6, isIpv4, scopeOf, unscoped } from '../lib/net.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export const familyOf = (version: IpVersion): number => (version === 4 ? AF_INET : AF_INET6);

/**
 * sockaddr_in (16 octets) or sockaddr_in6 (28).
 * @param scopeId  interface index for a link-local address, else 0; that of a scoped address if left out
 */
export function sockaddrOf(address: Address, port: number, scopeId = scopeOf(address) ?? 0): Uint8Array {
  const bytes = new Uint8Array(isIpv4(address) ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isIpv4(address) ? AF_INET : AF_INET6, littleEndian);
  view.setUint16(2, port);
  if (isIpv4(address)) {
    view.setUint32(4, address);
  } else {
    const plain = unscoped(address);
    view.setBigUint64(8, plain >> 64n);
    view.setBigUint64(16, plain & 0xffffffffffffffffn);
    view.setUint32(24, scopeId, littleEndian);
  }
  return bytes;
}

/** The address and port in a sockaddr_in or sockaddr_in6; undefined for other families. */
export function addressOfSockaddr(
  bytes: Uint8Array,
): { readonly address: Address; readonly port: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, littleEndian);
  const port = view.getUint16(2);
  if (family === AF_INET) return { address: ipv4(view.getUint32(4)), port };
  if (family !== AF_INET6) return undefined;
  return { address: ipv6((view.getBigUint64(8) << 64n) | view.getBigUint64(16)), port };
}

/** sockaddr_nl with port id 0: the kernel chooses ours, and is itself 0. */
export function netlinkSockaddr(): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint16(0, AF_NETLINK, littleEndian);
  return bytes;
}
