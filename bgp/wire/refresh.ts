/** ROUTE-REFRESH: RFC 2918 §3, and the subtypes of RFC 7313 §3.2. */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { assert, ok, type Result } from '../../src/lib/result.ts';
import { families, familyOf } from './family.ts';
import { frameMessage } from './frame.ts';
import { HEADER_LENGTH, refreshErrors } from './iana.ts';
import type { CodecContext, RouteRefreshMessage, WireError } from './message.ts';
import { refreshError } from './wire-error.ts';

/** By the octet that says it. */
const subtypes: readonly RouteRefreshMessage['subtype'][] = ['request', 'begin', 'end'];
const LENGTH = HEADER_LENGTH + 4;
/** So much of a message that is too long is quoted. */
const QUOTED = 2048;

/**
 * Without RFC 7313 the octet of the subtype is reserved and ignored, and so is what may follow (an ORF was never
 * negotiated). With it a BoRR or EoRR of another length fails, 7/1 (data: the message), and an unknown subtype is
 * ignored (RFC 7313 §5).
 */
export function decodeRouteRefresh(
  frame: Uint8Array,
  ctx: CodecContext,
): Result<RouteRefreshMessage, WireError> {
  const reader = new Reader(frame, HEADER_LENGTH);
  const afi = reader.u16();
  const octet = reader.u8();
  const family = familyOf(afi, reader.u8());
  if (ctx.enhancedRefresh !== true) return ok({ kind: 'routeRefresh', subtype: 'request', family });
  const subtype = subtypes[octet];
  if (subtype === undefined) return ok({ kind: 'routeRefresh', subtype: 'request', family: undefined });
  if (subtype !== 'request' && frame.byteLength !== LENGTH)
    return refreshError(
      refreshErrors.invalidLength,
      `A ROUTE-REFRESH of subtype ${subtype} is ${frame.byteLength} octets long, not ${LENGTH} (RFC 7313 §5).`,
      frame.slice(0, QUOTED),
    );
  return ok({ kind: 'routeRefresh', subtype, family });
}

/** Throws only if asked for a family we do not speak. */
export function encodeRouteRefresh({ family, subtype }: RouteRefreshMessage): Uint8Array {
  assert(family !== undefined, 'a ROUTE-REFRESH for no family');
  const { afi, safi } = families[family];
  return frameMessage('routeRefresh', new Writer(4).u16(afi).u8(subtypes.indexOf(subtype)).u8(safi).done());
}
