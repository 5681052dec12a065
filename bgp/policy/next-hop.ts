/** Which addresses can stand as a next hop at all (RFC 4271 §6.3, "a valid IP host address"; RFC 6890 for the ranges). */
import { type Address, containsAddress, formatAddress, type Prefix, parsePrefix } from '../../src/lib/net.ts';

const unusable: readonly (readonly [prefix: string, why: string])[] = [
  ['0.0.0.0/8', 'is no host of any network'],
  ['127.0.0.0/8', 'is loopback'],
  ['169.254.0.0/16', 'is link-local'],
  ['224.0.0.0/4', 'is multicast'],
  ['240.0.0.0/4', 'is reserved'],
  ['::/128', 'is unspecified'],
  ['::1/128', 'is loopback'],
  ['::ffff:0.0.0.0/96', 'is an IPv4 address in IPv6 form'],
  ['fe80::/10', 'is link-local'],
  ['ff00::/8', 'is multicast'],
];

/** No host of another node, and no network, is in these. */
export const unusableRanges: readonly (readonly [Prefix, string])[] = unusable.flatMap(([text, why]) => {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [[prefix, why] as const];
});

/** Undefined: it may be a next hop. Else why not, as a clause after "next hop". */
export function nextHopFlaw(address: Address): string | undefined {
  const range = unusableRanges.find(([prefix]) => containsAddress(prefix, address));
  return range && `${formatAddress(address)} ${range[1]}`;
}
