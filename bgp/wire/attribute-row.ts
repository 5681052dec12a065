/** The shape of a path attribute's row, and where decoders leave what they found. */
import type { Reader, Writer } from '../../src/lib/bytes.ts';
import type { Asn, Ipv4 } from '../../src/lib/net.ts';
import type { NextHops, Nlri } from './family.ts';
import type { AsPath, CodecContext, Family, Flaw, PathAttributes, RawAttribute, Remedy } from './message.ts';

/** Every field is there from the start, so that all of these objects have one shape. */
type Slots<T> = { -readonly [K in keyof T]-?: T[K] | undefined };

/** What MP_REACH_NLRI or MP_UNREACH_NLRI said; no family: one that was not negotiated, its prefixes are not read. */
interface MpNlri {
  readonly family: Family | undefined;
  readonly nlri: Nlri;
  /** It carried at least one prefix, of whatever family. */
  readonly carriesNlri: boolean;
  readonly hops?: NextHops;
}

/** An UPDATE's attributes as found, before RFC 6793 reconciliation and before anything is missed. */
export interface Found extends Slots<Omit<PathAttributes, 'nextHop' | 'linkLocal' | 'unknown'>> {
  nextHop: Ipv4 | undefined;
  as4Path: AsPath | undefined;
  as4Aggregator: { readonly asn: Asn; readonly address: Ipv4 } | undefined;
  mpReach: MpNlri | undefined;
  mpUnreach: MpNlri | undefined;
  unknown: RawAttribute[] | undefined;
}

export const nothingFound = (): Found => ({
  origin: undefined,
  asPath: undefined,
  med: undefined,
  localPref: undefined,
  atomicAggregate: undefined,
  aggregator: undefined,
  communities: undefined,
  originatorId: undefined,
  clusterList: undefined,
  extendedCommunities: undefined,
  largeCommunities: undefined,
  otc: undefined,
  nextHop: undefined,
  as4Path: undefined,
  as4Aggregator: undefined,
  mpReach: undefined,
  mpUnreach: undefined,
  unknown: undefined,
});

/** What is wrong with a body: a sentence's predicate, remedied as the row says; or a flaw with a remedy of its own. */
export type Complaint = string | Flaw | undefined;

export interface AttributeRow {
  readonly code: number;
  readonly name: string;
  /** The Optional and Transitive bits its specification demands. */
  readonly flags: number;
  /** For a malformed body (RFC 7606 §7), and the clause that says so. */
  readonly malformed: Remedy;
  readonly clause: string;
  /** For a wrong Transitive bit, where its own specification departs from treat-as-withdraw (RFC 7606 §3 c). */
  readonly wrongTransitive?: Remedy;
  /** From an external neighbour it is discarded, malformed or not; to one it is not sent. */
  readonly internalOnly?: true;
  /** Understood only as far as its framing: kept as it came if transitive, dropped if not (RFC 4271 §5). */
  readonly framingOnly?: true;
  /** `body` ends where the attribute's value does. */
  readonly decode: (body: Reader, found: Found, ctx: CodecContext) => Complaint;
  /** Writes the value, if `attributes` has one, and says so. Absent: never sent from here. */
  readonly encode?: (body: Writer, attributes: PathAttributes, ctx: CodecContext) => boolean;
}
