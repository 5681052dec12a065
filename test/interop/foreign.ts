/** A BGP speaker by somebody else: what a cell of the table wants of it, whatever its configuration language. */
import type { Running } from '../support/namespaces.ts';

export const daemonNames = ['bird', 'frr', 'gobgp', 'openbgpd', 'exabgp'] as const;
export type DaemonName = (typeof daemonNames)[number];

/** One of its neighbours, and what it should do with it. */
export interface NeighbourWish {
  readonly address: string;
  readonly asn: number;
  /** It waits to be dialled. */
  readonly isPassive?: true;
  readonly families: readonly (4 | 6)[];
  readonly password?: string;
  /** GTSM: next to it, or not at all. */
  readonly ttlSecurity?: true;
  /** Seconds; it asks for graceful restart. */
  readonly restartTime?: number;
  /** Seconds beyond the restart time; it keeps routes, and asks that its own be kept, so long (RFC 9494). */
  readonly longLived?: number;
  /** Where it has to be asked for (RFC 8654). */
  readonly extendedMessages?: true;
  /** A refresh is to be told where it begins and ends, where that has to be asked for (RFC 7313). */
  readonly marksRefresh?: true;
  /** Both directions, as far as it can. */
  readonly addPath?: true;
  /** IPv4 routes with IPv6 next hops. */
  readonly extendedNextHop?: true;
  /** Its own role (RFC 9234). */
  readonly role?: 'customer' | 'provider';
  /** It reflects to and from this one. */
  readonly isClient?: true;
  readonly bfd?: true;
}

export interface Announced {
  readonly prefix: string;
  /** "65000:9". */
  readonly community?: string;
  /** More of them; not of FRR, whose lines are too short. */
  readonly communities?: readonly string[];
  /** "65000:1:9". */
  readonly large?: string;
  readonly med?: number;
  /** ExaBGP only: which of several paths. */
  readonly pathId?: number;
  readonly nextHop?: string;
}

export interface Wish {
  readonly asn: number;
  readonly own: { readonly v4: string; readonly v6: string };
  readonly neighbours: readonly NeighbourWish[];
  readonly announces: readonly Announced[];
}

/** A path it has learned. */
export interface Learned {
  readonly nextHop: string;
  readonly asPath: readonly number[];
  readonly med?: number;
  readonly communities: readonly string[];
  readonly large: readonly string[];
  /** RFC 4456, RFC 9234: in words of its own, for a regular expression. */
  readonly text: string;
}

export interface Foreign {
  readonly running: () => readonly Running[];
  readonly output: () => string;
  isUp(neighbour: string): Promise<boolean>;
  /** All paths of the prefix that a neighbour told it. */
  learned(prefix: string): Promise<readonly Learned[]>;
  /** It asks the neighbour to say all again (RFC 2918). */
  refresh(neighbour: string): Promise<void>;
  /** It ends the session with this text (RFC 9003). */
  shutDown(neighbour: string, text: string): Promise<void>;
  /** Everything it says of the session: CLI and log. */
  says(neighbour: string): Promise<string>;
  /** Without a word. */
  die(): Promise<void>;
  /** After `die`: starts again, with this to announce. */
  revive(announces: readonly Announced[]): Promise<void>;
}

/** The namespace a foreign speaker is started in, and its scratch directory, which is there. */
export interface Place {
  start(argv: readonly string[], env?: Readonly<Record<string, string>>): Running;
  exec(command: string): Promise<string>;
  readonly directory: string;
}

export type StartForeign = (place: Place, wish: Wish) => Promise<Foreign>;

export const isV6 = (prefix: string): boolean => prefix.includes(':');
export const isInternal = (wish: Wish, { asn }: NeighbourWish): boolean => asn === wish.asn;
export const ownAddressTo = ({ own }: Wish, { address }: NeighbourWish): string =>
  isV6(address) ? own.v6 : own.v4;

/** "65000:9" of 32 bits. */
export const communityText = (value: number): string => `${value >>> 16}:${value & 65_535}`;
