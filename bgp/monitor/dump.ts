/**
 * Our Loc-RIB as an MRT table dump (RFC 6396 §4.3): every acceptable path of every prefix, with who told it. Reads only,
 * record by record, so that whoever writes them can pause between two of them.
 */
import { type Address, ipv4, type Millis, type Prefix } from '../../src/lib/net.ts';
import { familyOf, type Path } from '../rib/path.ts';
import { localKey, type Speaker } from '../speaker/turn.ts';
import type { Family } from '../wire/message.ts';
import { ribAttributes } from './attributes.ts';
import { type IndexedPeer, peerIndexTable, type RibEntry, ribRecord } from './mrt.ts';

export interface DumpOptions {
  /** The wall clock, in seconds. */
  readonly at: number;
  /** Of the node: what the view is called. */
  readonly name: string;
  /** A moment of the speaker's clock on the wall clock, in seconds. */
  readonly secondsOf: (moment: Millis) => number;
}

const nowhere: Address = ipv4(0);

/** The first record tells the peers: ourselves as number 0, without an address, then every neighbour by its configuration. */
export function* tableDump(speaker: Speaker, { at, name, secondsOf }: DumpOptions): Generator<Uint8Array> {
  const { config } = speaker.life;
  if (config === undefined) return;
  const numbers = new Map<string, { readonly peer: number; readonly since: number }>();
  const peers: IndexedPeer[] = [{ bgpId: config.routerId, address: nowhere, asn: config.asn }];
  numbers.set(localKey, { peer: 0, since: at });
  for (const [key, { config: peer, session, since }] of speaker.neighbours) {
    numbers.set(key, { peer: peers.length, since: secondsOf(since) });
    peers.push({
      bgpId: session?.negotiated.peerId ?? ipv4(0),
      address: peer.address,
      asn: session?.negotiated.peerAsn ?? peer.peerAsn,
    });
  }
  yield peerIndexTable(at, config.routerId, name, peers);
  const attributesOf = attributeCache();
  let sequence = 0;
  for (const prefix of speaker.locRib.prefixes()) {
    const family = familyOf(prefix);
    const entries = routesOf(speaker, prefix).flatMap(([path, pathId]): RibEntry[] => {
      const from = numbers.get(path.source.key);
      const attributes = attributesOf(path, family, prefix);
      return from === undefined || attributes === undefined ? [] : [{ ...from, attributes, pathId }];
    });
    if (entries.length === 0) continue;
    yield ribRecord(at, family, sequence, prefix, withoutZeros(entries));
    sequence += 1;
  }
}

/** The acceptable paths, each with the identifier its neighbour gave it (RFC 7911; 0 where it gives none). */
function routesOf({ locRib: { routes } }: Speaker, prefix: Prefix): readonly (readonly [Path, number])[] {
  const found: (readonly [Path, number])[] = [];
  for (let route = routes.head(routes.nets.find(prefix)); route > 0; route = routes.next(route)) {
    const path = routes.paths.find(routes.usable(route));
    if (path !== undefined) found.push([path, routes.pathId(route)]);
  }
  return found;
}

/** Where nobody gave an identifier, the record has none (RFC 8050 §4). */
const withoutZeros = (entries: readonly RibEntry[]): readonly RibEntry[] =>
  entries.some(({ pathId }) => pathId !== 0) ? entries : entries.map(({ pathId: _, ...entry }) => entry);

/** Thousands of prefixes share their attributes. */
function attributeCache(): (path: Path, family: Family, prefix: Prefix) => Uint8Array | undefined {
  const known = new WeakMap<Path, Map<Family, Uint8Array | undefined>>();
  return (path, family, prefix) => {
    const ofFamilies = known.get(path) ?? new Map<Family, Uint8Array | undefined>();
    known.set(path, ofFamilies);
    if (!ofFamilies.has(family)) ofFamilies.set(family, ribAttributes(path.attributes, family, prefix));
    return ofFamilies.get(family);
  };
}
