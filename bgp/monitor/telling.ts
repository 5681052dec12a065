/** What a station is told of one table, in pieces: Route Monitoring of every route, then End-of-RIB (RFC 7854 §3.3). Pure. */
import type { Prefix } from '../../src/lib/net.ts';
import { familyOf } from '../rib/path.ts';
import type { CodecContext, Family, PathAttributes } from '../wire/message.ts';
import { encodeUpdates } from '../wire/update-encode.ts';

/** A prefix, what is told of it, and the Path Identifier where the session has them (RFC 7911). */
export type Told = readonly [Prefix, { readonly attributes: PathAttributes }, number?];

export interface Telling {
  /** Read piece by piece, and so as they are at the time of their piece. */
  readonly routes: Iterable<Told>;
  readonly families: readonly Family[];
  readonly codec: CodecContext;
}

const prefixesInPiece = 2000;

interface Group {
  readonly family: Family;
  readonly attributes: PathAttributes;
  readonly prefixes: Prefix[];
  readonly pathIds: number[];
}

/** Whole UPDATEs, piece by piece. */
export function* pieces({ routes, codec, families }: Telling): Generator<readonly Uint8Array[]> {
  const encode = (group: Group): readonly Uint8Array[] =>
    encodeUpdates({ withdrawn: [], announced: [group] }, codec);
  let piece = new Piece();
  for (const route of routes) {
    piece.add(route);
    if (piece.size < prefixesInPiece) continue;
    yield piece.groups.flatMap(encode);
    piece = new Piece();
  }
  yield piece.groups.flatMap(encode);
  yield families.flatMap((endOfRib) => encodeUpdates({ withdrawn: [], announced: [], endOfRib }, codec));
}

/** Those that share their attributes go together. */
class Piece {
  readonly groups: Group[] = [];
  readonly #known = new Map<PathAttributes, Partial<Record<Family, Group>>>();
  size = 0;

  add([prefix, { attributes }, pathId = 0]: Told): void {
    const { prefixes, pathIds } = this.#groupOf(familyOf(prefix), attributes);
    prefixes.push(prefix);
    pathIds.push(pathId);
    this.size += 1;
  }

  #groupOf(family: Family, attributes: PathAttributes): Group {
    const known = this.#known.get(attributes) ?? {};
    this.#known.set(attributes, known);
    const found = known[family];
    if (found !== undefined) return found;
    const group: Group = { family, attributes, prefixes: [], pathIds: [] };
    known[family] = group;
    this.groups.push(group);
    return group;
  }
}
