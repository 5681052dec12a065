/**
 * `bgp decode`: a line that holds one message, as hexadecimal or in JSON with what its session agreed on, and the line of
 * JSON that says what it comes to. Pure.
 */
import { err, ok, type Result } from '../../src/lib/result.ts';
import { describeNotification } from './describe-notification.ts';
import { familyOf } from './family.ts';
import { attributeCodes } from './iana.ts';
import { headersOf, judge } from './judge.ts';
import type { CodecContext, Family } from './message.ts';
import { hexOf, type Plain, plainMessage } from './plain.ts';

type Options = Readonly<Record<string, unknown>>;

export interface DecodedLine {
  /** JSON without a line feed. */
  readonly text: string;
  /** False: the line held no octets at all. */
  readonly isMessage: boolean;
}

/** Undefined for an empty line. Never throws, whatever the line. */
export function decodeLine(line: string): DecodedLine | undefined {
  const trimmed = line.trim();
  if (trimmed === '') return undefined;
  const asked = trimmed.startsWith('{') ? parseJson(trimmed) : ok({ hex: trimmed, options: {} });
  const frame = asked.ok ? octetsOf(asked.value.hex) : asked;
  if (!asked.ok || !frame.ok) {
    const why = asked.ok && !frame.ok ? frame.error : !asked.ok ? asked.error : '';
    return { text: JSON.stringify({ outcome: 'error', why }), isMessage: false };
  }
  const context = contextOf(asked.value.options, frame.value);
  if (!context.ok)
    return { text: JSON.stringify({ outcome: 'error', why: context.error }), isMessage: false };
  return { text: JSON.stringify(verdict(frame.value, context.value)), isMessage: true };
}

interface Asked {
  readonly hex: string;
  readonly options: Options;
}

function parseJson(text: string): Result<Asked> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return err(
      `The line begins as JSON and is not: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  if (!isRecord(parsed)) return err('The line is JSON, but no object.');
  const hex = parsed['hex'] ?? parsed['hexMessage'];
  if (typeof hex !== 'string') return err('The field "hex" is missing: the octets of a message.');
  const options = parsed['options'] ?? {};
  return isRecord(options) ? ok({ hex, options }) : err('The field "options" is no object.');
}

const isRecord = (value: unknown): value is Options =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Spaces and colons between octets, and "0x" before them, are what tools print. */
function octetsOf(hex: string): Result<Uint8Array> {
  const digits = hex.replace(/^0x/i, '').replace(/[\s:]/g, '');
  if (digits === '') return err('There are no octets.');
  if (!/^[0-9a-f]*$/i.test(digits)) return err('The message is not hexadecimal.');
  if (digits.length % 2 !== 0) return err('The message has an odd number of hexadecimal digits.');
  const octets = new Uint8Array(digits.length / 2);
  for (let at = 0; at < octets.length; at += 1)
    octets[at] = Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  return ok(octets);
}

const everyFamily: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];

/** "ipv4-unicast", "ipv4 unicast", "ipv4/unicast", "ipv4" or "1/1", as different tools write a family. */
function familyNamed(name: string): Family | undefined {
  const numbers = /^(\d+)\/(\d+)$/.exec(name);
  if (numbers !== null) return familyOf(Number(numbers[1]), Number(numbers[2]));
  const plain = name.toLowerCase().replace(/[\s/_]+/g, '-');
  return everyFamily.find((family) => plain === family || plain === family.slice(0, 4));
}

/** True: all families; a list: those we speak; false, null or absent: none. */
function familiesOf(value: unknown): ReadonlySet<Family> {
  if (value === true) return new Set(everyFamily);
  if (!Array.isArray(value)) return new Set();
  return new Set(
    value.flatMap((one) => {
      const family = typeof one === 'string' ? familyNamed(one) : undefined;
      return family === undefined ? [] : [family];
    }),
  );
}

/** A session between four-octet speakers of both families, unless it is said otherwise. */
function contextOf(options: Options, frame: Uint8Array): Result<CodecContext> {
  const peerType = peerTypeOf(options, frame);
  if (peerType === undefined)
    return err(
      `The option "peerType" is ${JSON.stringify(options['peerType'])}; "ebgp" or "ibgp" is possible.`,
    );
  const families = options['families'] === undefined ? new Set(everyFamily) : familiesOf(options['families']);
  return ok({
    fourOctetAs: options['asn4'] !== false,
    peerType,
    families,
    addPathReceive: familiesOf(options['addPath']),
    extendedNextHop: familiesOf(options['extendedNextHop']),
    extendedReceive: options['extendedMessage'] === true,
    enhancedRefresh: options['enhancedRefresh'] === true,
  });
}

const firstOf = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value);

/**
 * Without the option, equal AS numbers are one AS; without those too, LOCAL_PREF tells, which only neighbours inside an AS
 * send. "ebgp-oad", of a draft, is ebgp. Undefined: it is neither.
 */
function peerTypeOf(options: Options, frame: Uint8Array): CodecContext['peerType'] | undefined {
  const said = options['peerType'];
  if (said === undefined || said === null) {
    const [local, peer] = [
      options['localAs'] ?? options['local-as'],
      options['peerAs'] ?? options['peer-as'],
    ].map(firstOf);
    const isInside =
      local === undefined || peer === undefined
        ? headersOf(frame).some(({ code }) => code === attributeCodes.localPref)
        : String(local) === String(peer);
    return isInside ? 'ibgp' : 'ebgp';
  }
  if (said === 'ibgp') return 'ibgp';
  return said === 'ebgp' || said === 'ebgp-oad' ? 'ebgp' : undefined;
}

function verdict(frame: Uint8Array, ctx: CodecContext): Plain {
  const { outcome, notification, remedy, clause, why, message, attributes } = judge(frame, ctx);
  return {
    outcome,
    code: notification?.code,
    subcode: notification?.subcode,
    notification: notification && {
      code: notification.code,
      subcode: notification.subcode,
      data: hexOf(notification.data),
      words: describeNotification(notification),
    },
    remedy,
    clause,
    why: why.length === 0 ? undefined : why.join(' '),
    message: message && plainMessage(message),
    attributesOnWire:
      attributes.length === 0
        ? undefined
        : attributes.map(({ code, name, flags, length }) => ({ code, name, flags, length })),
  };
}
