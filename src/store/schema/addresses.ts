/** Addresses, prefixes and AS numbers as fields. Our own parser decides; `ip-address` helps to say why it said no. */
import { Address4, Address6 } from 'ip-address';
import {
  type Address,
  type Asn,
  asn,
  formatPrefix,
  hostPrefix,
  lengthOf,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import { describe, mustBe, type Wrong, wrong } from './flaw.ts';
import { field } from './read.ts';

const addressFix = 'Write an address like 10.0.0.1 or fd00::1.';
const prefixFix = 'Write a prefix like 10.0.0.0/24 or fd00::/64.';

/** Why `text` is not an address, as a clause. */
function whyNot(text: string): string {
  if (text.includes('/')) return 'it is a prefix, not a single address';
  if (text.includes('%')) return 'an address with a zone (%) is not taken here';
  try {
    if (text.includes(':')) new Address6(text);
    else new Address4(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.replace(/\.$/, '').replace(/^I(?=nvalid)/, 'i');
  }
  return 'it is not in the usual notation';
}

export function parseAddressField(json: unknown): Result<Address, Wrong> {
  if (typeof json !== 'string') return mustBe('an IP address', json, addressFix);
  const address = parseAddress(json);
  return address === undefined
    ? wrong(`must be an IP address, but is ${describe(json)}: ${whyNot(json)}.`, addressFix)
    : ok(address);
}

export const address = field(parseAddressField, { type: 'string' });

function parsePrefixField(json: unknown): Result<Prefix, Wrong> {
  if (typeof json !== 'string') return mustBe('an IP prefix', json, prefixFix);
  const prefix = parsePrefix(json);
  if (prefix !== undefined) return ok(prefix);
  const [address, length] = json.split('/');
  const why =
    length === undefined
      ? 'the length after "/" is missing'
      : parseAddress(address ?? '') === undefined
        ? whyNot(address ?? '')
        : `the length after "/" must be a number from 0 to ${json.includes(':') ? 128 : 32}`;
  return wrong(`must be an IP prefix, but is ${describe(json)}: ${why}.`, prefixFix);
}

/** Host bits are cleared, as Kubernetes and Calico do for ipBlocks and pod CIDRs. */
export const prefix = field(parsePrefixField, { type: 'string' });

/** A single address is the prefix of that address alone. */
export const prefixOrAddress = field(
  (json): Result<Prefix, Wrong> => {
    const single = typeof json === 'string' ? parseAddress(json) : undefined;
    return single === undefined ? parsePrefixField(json) : ok(hostPrefix(single));
  },
  { type: 'string' },
);

/** A prefix written without host bits. */
export const strictPrefix = field(parseStrictPrefix, { type: 'string' });

function parseStrictPrefix(json: unknown): Result<Prefix, Wrong> {
  const parsed = parsePrefixField(json);
  if (!parsed.ok || typeof json !== 'string') return parsed;
  const written = parseAddress(json.slice(0, json.indexOf('/')));
  return written === networkOf(parsed.value)
    ? parsed
    : wrong(
        `has bits set after the first ${lengthOf(parsed.value)}: ${describe(json)}.`,
        `Write ${formatPrefix(parsed.value)}.`,
      );
}

const asNumberFix = 'Write a number from 1 to 4294967295, like 64512 or "1.10".';

/** Numbers no speaker may have as its own: RFC 7607, RFC 6793 §9 (AS_TRANS), RFC 7300. */
const reservedAsNumbers: Readonly<Record<number, string>> = {
  0: 'RFC 7607 forbids it',
  23456: 'RFC 6793 keeps it for speakers without 4-octet AS numbers',
  65535: 'RFC 7300 reserves it',
  4294967295: 'RFC 7300 reserves it',
};

function asNumberOf(json: unknown): number | undefined {
  if (typeof json === 'number') return Number.isInteger(json) ? json : undefined;
  const parts = typeof json === 'string' ? /^(?:(\d{1,5})\.)?(\d{1,10})$/.exec(json) : null;
  if (parts === null) return undefined;
  const [high, low] = [Number(parts[1] ?? 0), Number(parts[2])];
  if (parts[1] !== undefined && (high > 65535 || low > 65535)) return undefined;
  return high * 65536 + low;
}

/** A number, or text in plain or dotted ("a.b", RFC 5396 asdot) notation, as Calico takes it. */
export const asNumber = field(parseAsNumber, {
  'x-kubernetes-int-or-string': true,
  minimum: 1,
  maximum: 4294967295,
  pattern: '^([0-9]{1,5}[.])?[0-9]{1,10}$',
});

function parseAsNumber(json: unknown): Result<Asn, Wrong> {
  const number = asNumberOf(json);
  if (number === undefined || number < 0 || number > 4294967295)
    return mustBe('an AS number', json, asNumberFix);
  const reserved = reservedAsNumbers[number];
  return reserved === undefined
    ? ok(asn(number))
    : wrong(`cannot be ${number}: ${reserved}.`, 'Use another number, such as one from 64512 to 65534.');
}
