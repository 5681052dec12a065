/**
 * Reading an UPDATE (RFC 4271 §4.3) into withdrawals, announcements and the flaws that were repaired (RFC 7606).
 * Writing is in `update-encode.ts`.
 */
import { Reader } from '../../src/lib/bytes.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import { mergeAs4Path } from './as-path.ts';
import { type AttributeList, decodeAttributes } from './attribute-list.ts';
import type { Found } from './attribute-row.ts';
import { announcementOf, decodeNlri, type NextHops, type Nlri, noNlri } from './family.ts';
import { AS_TRANS, HEADER_LENGTH, updateErrors } from './iana.ts';
import type {
  Announcement,
  AsPath,
  CodecContext,
  Family,
  Flaw,
  PathAttributes,
  UpdateMessage,
  WireError,
} from './message.ts';
import { soundAnnouncement } from './sound.ts';
import { updateError } from './wire-error.ts';

/** The prefixes that stood in the fields of RFC 4271. */
interface Classic {
  readonly withdrawn: Nlri;
  readonly announced: Nlri;
}

/**
 * Reads a whole UPDATE message, header included and already checked.
 * Fails: 3/1, 3/2, 3/9 or 3/10 where RFC 7606 leaves no milder remedy.
 */
export const decodeUpdate = (frame: Uint8Array, ctx: CodecContext): Result<UpdateMessage, WireError> =>
  readUpdate(frame, ctx, false);

/** The same, but that the attributes may be an AttributeView. */
export const viewUpdate = (frame: Uint8Array, ctx: CodecContext): Result<UpdateMessage, WireError> =>
  readUpdate(frame, ctx, true);

/**
 * One for all messages, as they come by the hundred thousand. That there always is one matters, too: what V8 has compiled for a
 * form of object is thrown away when the last object of that form is.
 */
const bodyReader = new Reader(new Uint8Array());
const attributeReader = new Reader(new Uint8Array());

function readUpdate(
  frame: Uint8Array,
  ctx: CodecContext,
  mayView: boolean,
): Result<UpdateMessage, WireError> {
  const reader = bodyReader.over(frame, HEADER_LENGTH);
  const hasIds = ctx.addPathReceive?.has('ipv4-unicast') === true;
  const withdrawnLength = reader.u16();
  if (withdrawnLength + 2 > reader.left) return inconsistent('Withdrawn Routes Length');
  const afterWithdrawn = reader.enter(withdrawnLength);
  const withdrawn = decodeNlri(reader, 'ipv4-unicast', hasIds);
  reader.leave(afterWithdrawn);
  if (!withdrawn.ok) return badNetwork('Withdrawn Routes', withdrawn.error);
  const attributesLength = reader.u16();
  if (attributesLength > reader.left) return inconsistent('Total Path Attribute Length');
  const attributesAt = reader.at;
  reader.skip(attributesLength);
  const announced = decodeNlri(reader, 'ipv4-unicast', hasIds);
  if (!announced.ok) return badNetwork('NLRI', announced.error);
  const classic: Classic = { withdrawn: withdrawn.value, announced: announced.value };
  const attributes = attributeReader.over(frame, attributesAt, attributesAt + attributesLength);
  if (mayView && attributesLength > 0 && isAllSpoken(classic, ctx)) {
    const sound = soundAnnouncement(attributes, classic.announced, ctx);
    if (sound !== undefined) return ok(updateOf(classic.withdrawn, noNlri, [sound], noFlaws));
    attributes.jump(attributesAt);
  }
  const list = decodeAttributes(attributes, frame, ctx);
  if (!list.ok) return list;
  const eor = endOfRibFamily(classic, attributesLength, list.value.found);
  if (eor !== undefined && ctx.families.has(eor))
    return ok({ kind: 'update', withdrawn: [], announced: [], endOfRib: eor, flaws: noFlaws });
  return compose(classic, list.value, ctx);
}

const noFlaws: readonly Flaw[] = [];
const noAnnouncements: readonly Announcement[] = [];

const inconsistent = (field: string): Result<never, WireError> =>
  updateError(
    updateErrors.malformedAttributeList,
    `The ${field} of an UPDATE is greater than the message (RFC 4271 §6.3).`,
  );

const badNetwork = (field: string, what: string): Result<never, WireError> =>
  updateError(
    updateErrors.invalidNetworkField,
    `The ${field} field of an UPDATE has ${what} (RFC 7606 §5.3).`,
  );

/** RFC 4724 §2: an UPDATE with nothing in it, or with nothing but an MP_UNREACH_NLRI without prefixes. */
function endOfRibFamily(
  { withdrawn, announced }: Classic,
  attributesLength: number,
  found: Found,
): Family | undefined {
  if (withdrawn.prefixes.length + announced.prefixes.length > 0) return undefined;
  if (attributesLength === 0) return 'ipv4-unicast';
  const alone = attributesLength <= 7; // flags, code, a length of one or two octets, AFI, SAFI
  return alone && found.mpUnreach?.carriesNlri === false ? found.mpUnreach.family : undefined;
}

const isAllSpoken = ({ withdrawn, announced }: Classic, ctx: CodecContext): boolean =>
  withdrawn.prefixes.length + announced.prefixes.length === 0 || ctx.families.has('ipv4-unicast');

const nothingSaid: Classic = { withdrawn: noNlri, announced: noNlri };

/** What is in the fields of RFC 4271 counts only where IPv4 unicast is spoken. */
const spoken = (classic: Classic, ctx: CodecContext): Classic =>
  ctx.families.has('ipv4-unicast') ? classic : nothingSaid;

function compose(said: Classic, list: AttributeList, ctx: CodecContext): Result<UpdateMessage, WireError> {
  const { found } = list;
  const classic = spoken(said, ctx);
  const reached = found.mpReach?.nlri ?? noNlri;
  const reachable = said.announced.prefixes.length > 0 || found.mpReach?.carriesNlri === true;
  const flaws = withMissing(said, list, classic.announced.prefixes.length + reached.prefixes.length > 0, ctx);
  const unreached = found.mpUnreach?.nlri ?? noNlri;
  if (!withdraws(flaws))
    return ok(updateOf(classic.withdrawn, unreached, announcements(classic.announced, found), flaws));
  if (!reachable)
    return updateError(
      updateErrors.malformedAttributeList,
      `${flaws.map((flaw) => flaw.why).join(' ')} No route is announced, so its prefixes may be among what is broken (RFC 7606 §5.2).`,
    );
  const gone = joined(joined(classic.withdrawn, unreached), joined(classic.announced, reached));
  return ok(updateOf(gone, noNlri, noAnnouncements, flaws));
}

function updateOf(
  first: Nlri,
  second: Nlri,
  announced: readonly Announcement[],
  flaws: readonly Flaw[],
): UpdateMessage {
  const { prefixes, ids } = joined(first, second);
  return ids === undefined
    ? { kind: 'update', withdrawn: prefixes, announced, flaws }
    : { kind: 'update', withdrawn: prefixes, withdrawnIds: ids, announced, flaws };
}

/** Where only one of the two has Path Identifiers, those of the other are 0. */
function joined(first: Nlri, second: Nlri): Nlri {
  if (second.prefixes.length === 0) return first;
  if (first.prefixes.length === 0) return second;
  const prefixes = [...first.prefixes, ...second.prefixes];
  if (first.ids === undefined && second.ids === undefined) return { prefixes };
  return { prefixes, ids: [...idsOf(first), ...idsOf(second)] };
}

const idsOf = ({ prefixes, ids }: Nlri): readonly number[] => ids ?? prefixes.map(() => 0);

function withdraws(flaws: readonly Flaw[]): boolean {
  for (const { remedy } of flaws) if (remedy === 'treat-as-withdraw') return true;
  return false;
}

/**
 * The flaws of the list and those of what is not in it: RFC 7606 §3 d; NEXT_HOP only for prefixes of the NLRI field
 * (RFC 4760 §3), LOCAL_PREF only inside an AS (RFC 4271 §5.1.5). What is already withdrawn need not be told what else it
 * misses: the broken attribute itself, mostly.
 */
function withMissing(
  { announced }: Classic,
  { found, flaws }: AttributeList,
  isSpoken: boolean,
  ctx: CodecContext,
): readonly Flaw[] {
  const needsHop = announced.prefixes.length > 0 && found.nextHop === undefined;
  const needsPreference = ctx.peerType === 'ibgp' && found.localPref === undefined;
  const isWhole = found.origin !== undefined && found.asPath !== undefined && !needsHop && !needsPreference;
  if (!isSpoken || isWhole || withdraws(flaws)) return flaws;
  const absent = [
    found.origin === undefined && 'ORIGIN',
    found.asPath === undefined && 'AS_PATH',
    needsHop && 'NEXT_HOP',
    needsPreference && 'LOCAL_PREF',
  ];
  return [
    ...flaws,
    ...absent
      .filter((name) => name !== false)
      .map(
        (name): Flaw => ({
          remedy: 'treat-as-withdraw',
          why: `${name} is missing: the routes of the message are withdrawn (RFC 7606 §3 d).`,
        }),
      ),
  ];
}

function announcements(classic: Nlri, found: Found): readonly Announcement[] {
  const { nextHop, mpReach } = found;
  const first =
    classic.prefixes.length > 0 && nextHop !== undefined
      ? announcementOf('ipv4-unicast', attributesOf(found, { nextHop }), classic)
      : undefined;
  const second =
    mpReach?.family !== undefined && mpReach.hops !== undefined && mpReach.carriesNlri
      ? announcementOf(mpReach.family, attributesOf(found, mpReach.hops), mpReach.nlri)
      : undefined;
  if (first === undefined) return second === undefined ? noAnnouncements : [second];
  return second === undefined ? [first] : [first, second];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Fields are added in one order, so that the same set of them always makes the same shape of object. */
function attributesOf(found: Found, { nextHop, linkLocal }: NextHops): PathAttributes {
  const isTrusted = trustsAs4(found);
  const asPath: AsPath = found.asPath ?? [];
  const attributes: Mutable<PathAttributes> = {
    origin: found.origin ?? 'incomplete',
    asPath: found.as4Path === undefined || !isTrusted ? asPath : mergeAs4Path(asPath, found.as4Path),
    nextHop,
  };
  if (linkLocal !== undefined) attributes.linkLocal = linkLocal;
  if (found.med !== undefined) attributes.med = found.med;
  if (found.localPref !== undefined) attributes.localPref = found.localPref;
  if (found.atomicAggregate !== undefined) attributes.atomicAggregate = found.atomicAggregate;
  if (found.aggregator !== undefined)
    attributes.aggregator = (isTrusted ? found.as4Aggregator : undefined) ?? found.aggregator;
  addOptional(attributes, found);
  return attributes;
}

function addOptional(attributes: Mutable<PathAttributes>, found: Found): void {
  if (found.communities !== undefined) attributes.communities = found.communities;
  if (found.originatorId !== undefined) attributes.originatorId = found.originatorId;
  if (found.clusterList !== undefined) attributes.clusterList = found.clusterList;
  if (found.extendedCommunities !== undefined) attributes.extendedCommunities = found.extendedCommunities;
  if (found.largeCommunities !== undefined) attributes.largeCommunities = found.largeCommunities;
  if (found.otc !== undefined) attributes.otc = found.otc;
  if (found.unknown !== undefined) attributes.unknown = found.unknown;
}

/**
 * AS numbers of a two-octet neighbour are made whole (RFC 6793 §4.2.3), unless an AGGREGATOR that is not AS_TRANS says
 * that someone on the way changed it without knowing its AS4 twin: then neither AS4 attribute can be believed.
 */
const trustsAs4 = ({ aggregator, as4Aggregator }: Found): boolean =>
  aggregator === undefined || as4Aggregator === undefined || aggregator.asn === AS_TRANS;
