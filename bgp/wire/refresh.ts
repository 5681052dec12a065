/** ROUTE-REFRESH: RFC 2918 §3. */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { assert } from '../../src/lib/result.ts';
import { families, familyOf } from './family.ts';
import { frameMessage } from './frame.ts';
import { HEADER_LENGTH } from './iana.ts';
import type { RouteRefreshMessage } from './message.ts';

/** The reserved octet is ignored, and so is what may follow (an ORF was never negotiated). Never fails. */
export function decodeRouteRefresh(frame: Uint8Array): RouteRefreshMessage {
  const reader = new Reader(frame, HEADER_LENGTH);
  const afi = reader.u16();
  reader.u8();
  return { kind: 'routeRefresh', family: familyOf(afi, reader.u8()) };
}

/** Throws only if asked for a family we do not speak. */
export function encodeRouteRefresh({ family }: RouteRefreshMessage): Uint8Array {
  assert(family !== undefined, 'a ROUTE-REFRESH for no family');
  const { afi, safi } = families[family];
  return frameMessage('routeRefresh', new Writer(4).u16(afi).u8(0).u8(safi).done());
}
