/**
 * Reading an UPDATE (RFC 4271 §4.3) into withdrawals, announcements and the flaws that were repaired (RFC 7606).
 * Writing is in `update-encode.ts`.
 */
import { Reader } from '../../src/lib/bytes.ts';
import type { Prefix } from '../../src/lib/net.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import { mergeAs4Path } from './as-path.ts';
import { type AttributeList, decodeAttributes } from './attribute-list.ts';
import type { Found } from './attribute-row.ts';
import { decodePrefixes, type NextHops } from './family.ts';
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
import { updateError } from './wire-error.ts';

/** The prefixes of a message by where they stood. */
interface Nlri {
  readonly withdrawn: readonly Prefix[];
  readonly announced: readonly Prefix[];
}

/**
 * Reads a whole UPDATE message, header included and already checked.
 * Fails: 3/1, 3/2, 3/9 or 3/10 where RFC 7606 leaves no milder remedy.
 */
export function decodeUpdate(frame: Uint8Array, ctx: CodecContext): Result<UpdateMessage, WireError> {
  const reader = new Reader(frame, HEADER_LENGTH);
  const withdrawnLength = reader.u16();
  if (withdrawnLength + 2 > reader.left) return inconsistent('Withdrawn Routes Length');
  const withdrawn = decodePrefixes(reader.sub(withdrawnLength), 'ipv4-unicast');
  if (!withdrawn.ok) return badNetwork('Withdrawn Routes', withdrawn.error);
  const attributesLength = reader.u16();
  if (attributesLength > reader.left) return inconsistent('Total Path Attribute Length');
  const attributesAt = reader.at;
  reader.bytes(attributesLength);
  const announced = decodePrefixes(reader, 'ipv4-unicast');
  if (!announced.ok) return badNetwork('NLRI', announced.error);
  const list = decodeAttributes(frame, attributesAt, attributesAt + attributesLength, ctx);
  if (!list.ok) return list;
  const nlri: Nlri = { withdrawn: withdrawn.value, announced: announced.value };
  const eor = endOfRibFamily(nlri, attributesLength, list.value.found);
  if (eor !== undefined && ctx.families.has(eor))
    return ok({ kind: 'update', withdrawn: [], announced: [], endOfRib: eor, flaws: [] });
  return compose(nlri, list.value, ctx);
}

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
function endOfRibFamily(nlri: Nlri, attributesLength: number, found: Found): Family | undefined {
  if (nlri.withdrawn.length + nlri.announced.length > 0) return undefined;
  if (attributesLength === 0) return 'ipv4-unicast';
  const alone = attributesLength <= 7; // flags, code, a length of one or two octets, AFI, SAFI
  return alone && found.mpUnreach?.carriesNlri === false ? found.mpUnreach.family : undefined;
}

function compose(nlri: Nlri, list: AttributeList, ctx: CodecContext): Result<UpdateMessage, WireError> {
  const { found } = list;
  const classic = ctx.families.has('ipv4-unicast') ? nlri : { withdrawn: [], announced: [] };
  const reached = found.mpReach?.prefixes ?? [];
  const reachable = nlri.announced.length > 0 || found.mpReach?.carriesNlri === true;
  // What is already withdrawn need not be told what else it misses: the broken attribute itself, mostly.
  const spoken = classic.announced.length + reached.length > 0;
  const absent = spoken && !withdraws(list.flaws) ? missing(nlri, found, ctx) : [];
  const flaws = [...list.flaws, ...absent];
  const withdraw = withdraws(flaws);
  if (withdraw && !reachable)
    return updateError(
      updateErrors.malformedAttributeList,
      `${flaws.map((flaw) => flaw.why).join(' ')} No route is announced, so its prefixes may be among what is broken (RFC 7606 §5.2).`,
    );
  const withdrawn = [...classic.withdrawn, ...(found.mpUnreach?.prefixes ?? [])];
  return ok(
    withdraw
      ? {
          kind: 'update',
          withdrawn: [...withdrawn, ...classic.announced, ...reached],
          announced: [],
          flaws,
        }
      : { kind: 'update', withdrawn, announced: announcements(classic.announced, found), flaws },
  );
}

const withdraws = (flaws: readonly Flaw[]): boolean =>
  flaws.some((flaw) => flaw.remedy === 'treat-as-withdraw');

/** RFC 7606 §3 d; NEXT_HOP only for prefixes of the NLRI field (RFC 4760 §3), LOCAL_PREF only inside an AS (RFC 4271 §5.1.5). */
function missing(nlri: Nlri, { common, nextHop }: Found, ctx: CodecContext): Flaw[] {
  const absent = [
    common.origin === undefined && 'ORIGIN',
    common.asPath === undefined && 'AS_PATH',
    nlri.announced.length > 0 && nextHop === undefined && 'NEXT_HOP',
    ctx.peerType === 'ibgp' && common.localPref === undefined && 'LOCAL_PREF',
  ];
  return absent
    .filter((name) => name !== false)
    .map((name) => ({
      remedy: 'treat-as-withdraw',
      why: `${name} is missing: the routes of the message are withdrawn (RFC 7606 §3 d).`,
    }));
}

function announcements(classic: readonly Prefix[], found: Found): Announcement[] {
  const { nextHop, mpReach } = found;
  const announced: Announcement[] = [];
  if (classic.length > 0 && nextHop !== undefined)
    announced.push({
      family: 'ipv4-unicast',
      attributes: attributesOf(found, { nextHop }),
      prefixes: classic,
    });
  if (mpReach?.family !== undefined && mpReach.hops !== undefined && mpReach.carriesNlri)
    announced.push({
      family: mpReach.family,
      attributes: attributesOf(found, mpReach.hops),
      prefixes: mpReach.prefixes,
    });
  return announced;
}

function attributesOf(found: Found, hops: NextHops): PathAttributes {
  const { common, unknown } = found;
  return {
    ...common,
    ...reconciled(found),
    ...hops,
    origin: common.origin ?? 'incomplete',
    ...(unknown.length > 0 ? { unknown } : {}),
  };
}

/**
 * AS numbers of a two-octet neighbour, made whole (RFC 6793 §4.2.3): an AGGREGATOR that is not AS_TRANS says that
 * someone on the way changed it without knowing its AS4 twin, so neither AS4 attribute can be believed.
 */
function reconciled(found: Found): Pick<PathAttributes, 'asPath' | 'aggregator'> {
  const asPath: AsPath = found.common.asPath ?? [];
  const { aggregator } = found.common;
  const { as4Aggregator, as4Path } = found;
  const distrusted = aggregator !== undefined && as4Aggregator !== undefined && aggregator.asn !== AS_TRANS;
  const trueAggregator = aggregator !== undefined && !distrusted ? (as4Aggregator ?? aggregator) : aggregator;
  return {
    asPath: as4Path === undefined || distrusted ? asPath : mergeAs4Path(asPath, as4Path),
    ...(trueAggregator === undefined ? {} : { aggregator: trueAggregator }),
  };
}
