/** Sound messages of every kind, by a seed: what the fuzzer starts from. */
import { encodeMessage } from '../../bgp/wire/codec.ts';
import type { AsPath, Capability, CodecContext, Family, PathAttributes } from '../../bgp/wire/message.ts';
import { cease } from '../../bgp/wire/notification.ts';
import { encodeUpdates } from '../../bgp/wire/update-encode.ts';
import { type Address, asn, ipv4, ipv6, type Prefix, prefix4, prefix6 } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';

/** 0 to `most`, both included. */
export const upTo = (random: Random, most: number): number => Math.floor(random() * (most + 1));
export const maybe = (random: Random): boolean => random() < 0.5;
export function oneOf<T>(random: Random, items: readonly T[]): T {
  const item = items[upTo(random, items.length - 1)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
const several = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: upTo(random, most) }, make);
export const octets = (random: Random, most: number): Uint8Array =>
  Uint8Array.from(several(random, most, () => upTo(random, 255)));

const u32 = (random: Random): number => upTo(random, 0xffffffff);
const anyAs = (random: Random) => asn(1 + (maybe(random) ? upTo(random, 65000) : upTo(random, 0xfffffff0)));
const address4 = (random: Random) => ipv4(0x0a000000 + upTo(random, 0xffffff));
const address6 = (random: Random) => ipv6((0x20010db8n << 96n) | BigInt(u32(random)) | 1n);
const linkLocal = (random: Random) => ipv6((0xfe80n << 112n) | BigInt(u32(random)) | 1n);

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const prefixOf = (random: Random, family: Family): Prefix =>
  family === 'ipv4-unicast'
    ? prefix4(address4(random), upTo(random, 32))
    : prefix6(ipv6((0xfdn << 120n) | (BigInt(u32(random)) << 64n) | BigInt(u32(random))), upTo(random, 128));

const pathOf = (random: Random): AsPath =>
  several(random, 3, () => ({
    kind: oneOf(random, ['sequence', 'sequence', 'set'] as const),
    asns: [anyAs(random), ...several(random, 5, () => anyAs(random))],
  }));

/** Codes that nobody knows, and some known by their framing only. */
const foreignCodes = [19, 22, 23, 25, 27, 36, 40, 100, 128, 200, 254];

const attributesOf = (random: Random, nextHop: Address, isInside: boolean): PathAttributes => ({
  origin: oneOf(random, ['igp', 'egp', 'incomplete'] as const),
  asPath: pathOf(random),
  nextHop,
  ...(typeof nextHop === 'bigint' && random() < 0.2 ? { linkLocal: linkLocal(random) } : {}),
  ...(maybe(random) ? { med: u32(random) } : {}),
  ...(isInside ? { localPref: u32(random) } : {}),
  ...(random() < 0.2 ? { atomicAggregate: true as const } : {}),
  ...(random() < 0.3 ? { aggregator: { asn: anyAs(random), address: address4(random) } } : {}),
  ...(maybe(random) ? { communities: [u32(random), ...several(random, 4, () => u32(random))] } : {}),
  ...(isInside && maybe(random) ? { originatorId: address4(random) } : {}),
  ...(isInside && maybe(random) ? { clusterList: [address4(random), address4(random)] } : {}),
  ...(random() < 0.3 ? { extendedCommunities: [BigInt(u32(random)) << 20n] } : {}),
  ...(random() < 0.3 ? { largeCommunities: [[u32(random), u32(random), u32(random)] as const] } : {}),
  ...(random() < 0.3 ? { otc: anyAs(random) } : {}),
  ...(random() < 0.2
    ? {
        unknown: [
          { flags: 0xc0, code: oneOf(random, [19, 27, 36, 100, 200, 254]), body: octets(random, 20) },
        ],
      }
    : {}),
});

function updateFrames(random: Random, ctx: CodecContext): Uint8Array[] {
  const family = oneOf(random, families);
  if (random() < 0.05) return encodeUpdates({ withdrawn: [], announced: [], endOfRib: family }, ctx);
  const isForeign = family === 'ipv6-unicast' || (maybe(random) && ctx.extendedNextHop?.has(family) === true);
  const hop = isForeign ? (random() < 0.2 ? linkLocal(random) : address6(random)) : address4(random);
  const prefixes = [prefixOf(random, family), ...several(random, 6, () => prefixOf(random, family))];
  const ids = prefixes.map(() => upTo(random, 5));
  if (random() < 0.2) return encodeUpdates({ withdrawn: prefixes, withdrawnIds: ids, announced: [] }, ctx);
  const attributes = attributesOf(random, hop, ctx.peerType === 'ibgp');
  return encodeUpdates({ withdrawn: [], announced: [{ family, attributes, prefixes, pathIds: ids }] }, ctx);
}

const capabilityOf = (random: Random): Capability =>
  oneOf<Capability>(random, [
    { kind: 'multiprotocol', family: oneOf(random, families) },
    { kind: 'routeRefresh' },
    { kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 6 }] },
    { kind: 'extendedMessage' },
    { kind: 'role', role: oneOf(random, ['provider', 'customer', 'peer', 'rs', 'rs-client'] as const) },
    {
      kind: 'gracefulRestart',
      isRestarting: maybe(random),
      isNotification: maybe(random),
      restartTime: upTo(random, 4095),
      families: families.map((family) => ({ family, isForwarding: maybe(random) })),
    },
    { kind: 'fourOctetAs', asn: maybe(random) ? asn(64999) : anyAs(random) },
    { kind: 'addPath', families: [{ family: oneOf(random, families), receive: maybe(random), send: true }] },
    { kind: 'enhancedRouteRefresh' },
    {
      kind: 'longLivedGracefulRestart',
      families: [
        { family: oneOf(random, families), isForwarding: maybe(random), staleTime: u32(random) >>> 8 },
      ],
    },
    { kind: 'unknown', code: 73 + upTo(random, 182), body: octets(random, 30) },
  ]);

export const openFrame = (random: Random, ctx: CodecContext): Uint8Array =>
  encodeMessage(
    {
      kind: 'open',
      version: 4,
      asField: maybe(random) ? 64999 : 1 + upTo(random, 65534),
      holdTime: oneOf(random, [0, 3, 90, 65535]),
      bgpId: address4(random),
      capabilities: several(random, 12, () => capabilityOf(random)),
    },
    ctx,
  );

/** One sound message; four of five are UPDATEs. */
export function soundFrame(random: Random, ctx: CodecContext): Uint8Array {
  const kind = random();
  if (kind < 0.8) return oneOf(random, updateFrames(random, ctx));
  if (kind < 0.86) return openFrame(random, ctx);
  if (kind < 0.9) return encodeMessage({ kind: 'keepalive' }, ctx);
  if (kind < 0.95) {
    const subtype = oneOf(random, ['request', 'begin', 'end'] as const);
    return encodeMessage({ kind: 'routeRefresh', subtype, family: oneOf(random, families) }, ctx);
  }
  if (maybe(random)) return encodeMessage(cease(upTo(random, 10), 'back at ten, жди'), ctx);
  const data = octets(random, 60);
  return encodeMessage({ kind: 'notification', code: upTo(random, 9), subcode: upTo(random, 12), data }, ctx);
}

/** An attribute as its three parts, of any code and value: mostly a broken one. */
export const anyAttribute = (
  random: Random,
): { readonly flags: number; readonly code: number; readonly value: Uint8Array } => ({
  flags: oneOf(random, [0x40, 0x80, 0xc0, 0xe0, upTo(random, 255)]),
  code: maybe(random) ? upTo(random, 40) : oneOf(random, foreignCodes),
  value: octets(random, 30),
});
