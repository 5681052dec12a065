/**
 * One way to reach a prefix as one source gave it: who said so, and with which attributes.
 *
 * Thousands of prefixes share one Path: a source makes one per interned attribute set (`PathTable`), so paths compare
 * with `===` too, and what is asked of them again and again is worked out once.
 */
import type { Address, Asn, Ipv4, Prefix } from '../../src/lib/net.ts';
import { isPrefix4 } from '../../src/lib/net.ts';
import type { AsPath, Family, PathAttributes } from '../wire/message.ts';
import { llgrStale } from './communities.ts';
import { AttributeTable } from './paths.ts';

/** Who a path came from: one Established session, or this node itself. */
export interface Source {
  /** `PeerConfig.key`, or 'local'. */
  readonly key: string;
  readonly type: 'local' | 'ebgp' | 'ibgp';
  /** The neighbour's BGP Identifier; for local the own one. */
  readonly bgpId: Ipv4;
  /** The neighbour's address; for local never compared, as there is only one. */
  readonly address: Address;
  readonly port: number;
  /** It is a client of ours (RFC 4456): what it tells is reflected to everyone inside the AS. */
  readonly isClient?: true;
}

export interface Path {
  readonly source: Source;
  readonly attributes: PathAttributes;
  /** RFC 4271 §9.1.2.2 a: a set counts one; RFC 5065 §5.3: confederation segments count nothing. */
  readonly asPathLength: number;
  /** neighborAS() of §9.1.2.2 c; undefined stands for the local AS: AS_PATH empty or beginning with a set. */
  readonly neighbourAs: Asn | undefined;
  /** Carries LLGR_STALE: whoever told it has been away for long, and any other path is better (RFC 9494 §4.3). */
  readonly isStale?: true;
}

export class PathTable {
  readonly #paths = new Map<PathAttributes, Path>();
  readonly #source: Source;
  readonly #isUsed: (path: Path) => boolean;
  #sweepAt = 64;
  readonly #onSweep: () => void;

  /** @param isUsed  some table refers to it; what is not is forgotten in time */
  constructor(source: Source, isUsed: (path: Path) => boolean = () => true, onSweep: () => void = () => {}) {
    this.#source = source;
    this.#isUsed = isUsed;
    this.#onSweep = onSweep;
  }

  /** The source's one Path with these attributes, which must be interned. */
  of(attributes: PathAttributes): Path {
    const known = this.#paths.get(attributes);
    if (known !== undefined) return known;
    if (this.#paths.size >= this.#sweepAt) this.#sweep();
    const path = pathOf(this.#source, attributes);
    this.#paths.set(attributes, path);
    return path;
  }

  #sweep(): void {
    for (const [attributes, path] of this.#paths) if (!this.#isUsed(path)) this.#paths.delete(attributes);
    this.#sweepAt = Math.max(64, this.#paths.size * 2);
    this.#onSweep();
  }
}

/**
 * The Paths of all sources: one for each source and content, be it as received or as a policy leaves it. Were there two, they
 * would be two choices.
 */
export class PathTables {
  readonly #attributes: AttributeTable;
  readonly #isUsed: (path: Path) => boolean;
  readonly #bySource = new WeakMap<Source, PathTable>();
  #sweeps = 0;

  /** @param isUsed  some table refers to it */
  constructor(
    attributes: AttributeTable = new AttributeTable(),
    isUsed: (path: Path) => boolean = () => true,
  ) {
    this.#attributes = attributes;
    this.#isUsed = isUsed;
  }

  /** While it stands, whoever remembers a Path that `of` gave need not ask again. */
  get version(): number {
    return this.#sweeps + this.#attributes.sweeps;
  }

  of(source: Source, attributes: PathAttributes): Path {
    let paths = this.#bySource.get(source);
    if (paths === undefined) {
      paths = new PathTable(source, this.#isUsed, () => {
        this.#sweeps += 1;
      });
      this.#bySource.set(source, paths);
    }
    return paths.of(this.#attributes.intern(attributes));
  }
}

export function pathOf(source: Source, attributes: PathAttributes): Path {
  return {
    source,
    attributes,
    asPathLength: asPathLength(attributes.asPath),
    neighbourAs: neighbourAs(attributes.asPath),
    ...(attributes.communities?.includes(llgrStale) === true ? { isStale: true as const } : {}),
  };
}

export const familyOf = (prefix: Prefix): Family => (isPrefix4(prefix) ? 'ipv4-unicast' : 'ipv6-unicast');

function asPathLength(asPath: AsPath): number {
  let length = 0;
  for (const segment of asPath) {
    if (segment.kind === 'sequence') length += segment.asns.length;
    else if (segment.kind === 'set') length += 1;
  }
  return length;
}

function neighbourAs(asPath: AsPath): Asn | undefined {
  const first = asPath.find((segment) => segment.kind === 'sequence' || segment.kind === 'set');
  return first?.kind === 'sequence' ? first.asns[0] : undefined;
}
