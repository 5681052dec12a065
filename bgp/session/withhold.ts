/**
 * What is left out of our next OPEN because the neighbour refused the last one for it (RFC 5492 §3 and §5).
 *
 * 2/4: it knows no capabilities at all, so none are sent. 2/7 that names a capability we offered: it cannot bear that one.
 * 2/7 that names what we did not offer is a demand, and nothing can be left out to meet it. What a session cannot do
 * without, its families and a four-octet AS number, is left out only where plain BGP-4 says the same.
 */
import { Reader, Writer } from '../../src/lib/bytes.ts';
import { encodeCapability } from '../wire/capabilities.ts';
import { errorCodes, openErrors } from '../wire/iana.ts';
import type { Capability, NotificationMessage, OpenMessage } from '../wire/message.ts';

/** Codes of capabilities; all: the whole parameter. */
export type Withheld = 'all' | ReadonlySet<number>;

export const noneWithheld: Withheld = new Set();

/** ", without …" to put behind a sentence; empty if nothing is left out. */
export function describeWithheld(withheld: Withheld): string {
  if (withheld === 'all') return ', without any capability, which the neighbour refuses';
  const codes = [...withheld].sort((a, b) => a - b).join(', ');
  return codes === '' ? '' : `, without what the neighbour refuses: capability ${codes}`;
}

const essential: ReadonlySet<Capability['kind']> = new Set(['multiprotocol', 'fourOctetAs']);

const codeOf = (capability: Capability): number => {
  const writer = new Writer(64);
  encodeCapability(writer, capability);
  return writer.done()[0] ?? 0;
};

export const withhold = (offered: readonly Capability[], withheld: Withheld): readonly Capability[] => {
  if (withheld === 'all') return [];
  return withheld.size === 0 ? offered : offered.filter((one) => !withheld.has(codeOf(one)));
};

/** An OPEN without any capability: IPv4 unicast only, and an AS number of two octets. */
const canBePlain = ({ capabilities }: OpenMessage): boolean =>
  capabilities.every((one) => one.kind !== 'fourOctetAs' || one.asn <= 0xffff) &&
  capabilities.some((one) => one.kind === 'multiprotocol' && one.family === 'ipv4-unicast');

/**
 * What to leave out next time, after `notification` answered the OPEN `sent`.
 * @returns  more than `withheld`; undefined: nothing would change
 */
export function nextWithheld(
  sent: OpenMessage,
  withheld: Withheld,
  { code, subcode, data }: NotificationMessage,
): Withheld | undefined {
  if (code !== errorCodes.open || withheld === 'all') return undefined;
  if (subcode === openErrors.unsupportedOptionalParameter) return canBePlain(sent) ? 'all' : undefined;
  if (subcode !== openErrors.unsupportedCapability) return undefined;
  const optional = sent.capabilities.filter(({ kind }) => !essential.has(kind)).map(codeOf);
  const named = codesIn(data);
  const refused = named.size === 0 ? optional : optional.filter((one) => named.has(one));
  return refused.length === 0 ? undefined : new Set([...withheld, ...refused]);
}

/** The data of 2/7: capabilities as they stand in an OPEN (RFC 5492 §5). */
function codesIn(data: Uint8Array): ReadonlySet<number> {
  const reader = new Reader(data);
  const codes = new Set<number>();
  while (reader.left > 0) {
    codes.add(reader.u8());
    reader.bytes(reader.left > 0 ? reader.u8() : 0);
    if (reader.failed) break;
  }
  return codes;
}
