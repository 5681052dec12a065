/** OPEN: RFC 4271 §4.2 and the checks of §6.2 that need no configuration; capabilities by RFC 5492, long ones by RFC 9072. */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { ok, type Result } from '../../src/lib/result.ts';
import { decodeCapabilities, encodeCapability } from './capabilities.ts';
import { frameMessage } from './frame.ts';
import { BGP_VERSION, HEADER_LENGTH, openErrors } from './iana.ts';
import type { Capability, OpenMessage, WireError } from './message.ts';
import { openError } from './wire-error.ts';

const CAPABILITIES = 2;
/** As parameter length and as first parameter type it announces the extended format (RFC 9072 §2). */
const EXTENDED = 255;

/**
 * Reads a whole OPEN, header included and already checked.
 * Fails: 2/1 (data: 4), 2/2 on AS 0 (RFC 7607 §2), 2/3 on identifier 0, 2/4, 2/6, or 2/0 on a malformed parameter.
 */
export function decodeOpen(frame: Uint8Array): Result<OpenMessage, WireError> {
  const reader = new Reader(frame, HEADER_LENGTH);
  const version = reader.u8();
  if (version !== BGP_VERSION)
    return openError(
      openErrors.unsupportedVersion,
      `The neighbour speaks BGP version ${version}; we speak only 4.`,
      Uint8Array.of(0, BGP_VERSION),
    );
  const asField = reader.u16();
  const holdTime = reader.u16();
  const bgpId = reader.ipv4();
  if (asField === 0) return openError(openErrors.badPeerAs, 'The OPEN says AS 0 (RFC 7607 §2).');
  if (holdTime === 1 || holdTime === 2)
    return openError(
      openErrors.unacceptableHoldTime,
      `A hold time of ${holdTime} s is not allowed (RFC 4271 §4.2).`,
    );
  if (bgpId === 0)
    return openError(openErrors.badBgpIdentifier, 'The BGP Identifier is 0.0.0.0 (RFC 6286 §2.1).');
  const capabilities = decodeParameters(frame, reader);
  if (!capabilities.ok) return capabilities;
  if (capabilities.value.some((capability) => capability.kind === 'fourOctetAs' && capability.asn === 0))
    return openError(openErrors.badPeerAs, 'The four-octet AS capability says AS 0 (RFC 7607 §2).');
  return ok({ kind: 'open', version, asField, holdTime, bgpId, capabilities: capabilities.value });
}

function decodeParameters(frame: Uint8Array, reader: Reader): Result<Capability[], WireError> {
  const shortLength = reader.u8();
  // The short length is ignored then, whatever it is but 0 (RFC 9072 §2).
  const extended = shortLength !== 0 && new Reader(frame, reader.at).u8() === EXTENDED;
  if (extended) reader.u8();
  const length = extended ? reader.u16() : shortLength;
  if (reader.failed || length !== reader.left)
    return malformed(`its parameters take ${reader.left} octets, and it says ${length}`);
  const capabilities: Capability[] = [];
  while (reader.left > 0) {
    const type = reader.u8();
    const value = reader.sub(extended ? reader.u16() : reader.u8());
    if (value.failed || reader.failed) return malformed(`parameter ${type} runs past its end`);
    if (type !== CAPABILITIES)
      return openError(
        openErrors.unsupportedOptionalParameter,
        `The OPEN has the optional parameter ${type}, which we do not know.`,
      );
    const decoded = decodeCapabilities(value);
    if (!decoded.ok) return malformed(decoded.error);
    capabilities.push(...decoded.value);
  }
  return ok(capabilities);
}

/** RFC 4271 §6.2: a parameter that is recognised but malformed is "Unspecific". */
const malformed = (what: string): Result<never, WireError> =>
  openError(openErrors.unspecific, `The OPEN is malformed: ${what}.`);

export function encodeOpen(message: OpenMessage): Uint8Array {
  const capabilities = new Writer(64);
  for (const capability of message.capabilities) encodeCapability(capabilities, capability);
  const body = new Writer(128)
    .u8(message.version)
    .u16(message.asField)
    .u16(message.holdTime)
    .ipv4(message.bgpId);
  encodeParameters(body, capabilities.done());
  return frameMessage('open', body.done());
}

/** All capabilities in one parameter, as RFC 5492 §4 asks; in the extended format only if they need it. */
function encodeParameters(body: Writer, capabilities: Uint8Array): void {
  const length = capabilities.byteLength;
  if (length === 0) body.u8(0);
  else if (length + 2 < EXTENDED)
    body
      .u8(length + 2)
      .u8(CAPABILITIES)
      .u8(length);
  else
    body
      .u8(EXTENDED)
      .u8(EXTENDED)
      .u16(length + 3)
      .u8(CAPABILITIES)
      .u16(length);
  body.bytes(capabilities);
}
