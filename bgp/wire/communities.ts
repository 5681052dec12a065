/** Communities as text, and those whose meaning is everybody's (IANA "BGP Well-known Communities"). */

/** By value, asn*65536+number. */
const wellKnown: ReadonlyMap<number, string> = new Map([
  [0xffff0000, 'GRACEFUL_SHUTDOWN'], // RFC 8326
  [0xffff0001, 'ACCEPT_OWN'], // RFC 7611
  [0xffff0006, 'LLGR_STALE'], // RFC 9494
  [0xffff0007, 'NO_LLGR'], // RFC 9494
  [0xffff0008, 'ACCEPT_OWN_NEXTHOP'],
  [0xffff0009, 'STANDBY_PE'], // RFC 9026
  [0xffff029a, 'BLACKHOLE'], // RFC 7999
  [0xffffff01, 'NO_EXPORT'], // RFC 1997
  [0xffffff02, 'NO_ADVERTISE'], // RFC 1997
  [0xffffff03, 'NO_EXPORT_SUBCONFED'], // RFC 1997
  [0xffffff04, 'NOPEER'], // RFC 3765
]);

/** "64512:100"; of a well-known one its name. */
export const formatCommunity = (value: number): string =>
  wellKnown.get(value) ?? `${Math.floor(value / 65536)}:${value % 65536}`;

/** Sub-types of RFC 4360 that say which routes a community is about. */
const subtypes: Readonly<Record<number, string>> = { 2: 'target', 3: 'origin' };

/** "target:64512:100" (RFC 4360 §4, RFC 5668); "0x" and sixteen digits for any other kind. */
export function formatExtendedCommunity(value: bigint): string {
  const high = Number(value >> 32n);
  const low = Number(value & 0xffffffffn);
  const subtype = subtypes[(high >>> 16) & 255];
  const type = high >>> 24;
  const administrator = (high & 0xffff) * 65536 + Math.floor(low / 65536);
  if (subtype !== undefined && type === 0) return `${subtype}:${high & 0xffff}:${low}`;
  if (subtype !== undefined && type === 2) return `${subtype}:${administrator}:${low % 65536}`;
  return `0x${value.toString(16).padStart(16, '0')}`;
}
