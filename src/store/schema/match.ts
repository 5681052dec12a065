/** What rules of Calico's policies match of a packet: protocols, ports, ICMP, prefixes. */
import { type IpVersion, lengthOf, type Prefix } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { IcmpMatch, PortMatch } from '../../model/policy.ts';
import { prefixOrAddress } from './addresses.ts';
import { prefixLength, withRules } from './cel.ts';
import { maybe, wholeNumber } from './fields.ts';
import { mustBe, type Wrong, wrong } from './flaw.ts';
import { check, field, strict } from './read.ts';

/** IANA's numbers of the names Calico has. */
const protocolNumbers: Readonly<Record<string, number>> = {
  TCP: 6,
  UDP: 17,
  ICMP: 1,
  ICMPv6: 58,
  SCTP: 132,
  UDPLite: 136,
};
const protocolNames = Object.keys(protocolNumbers);

/** @returns IANA's number */
export const ipProtocol = field(
  (json): Result<number, Wrong> => {
    const known =
      typeof json === 'string' && Object.hasOwn(protocolNumbers, json) ? protocolNumbers[json] : json;
    return typeof known === 'number' && Number.isInteger(known) && known >= 1 && known <= 255
      ? ok(known)
      : mustBe(
          'a protocol',
          json,
          `Write ${protocolNames.join(', ')}, or a number from 1 to 255 without quotes.`,
        );
  },
  {
    'x-kubernetes-int-or-string': true,
    minimum: 1,
    maximum: 255,
    pattern: `^(${protocolNames.join('|')})$`,
  },
);

const carriesPorts: ReadonlySet<number> = new Set([6, 17, 132]);
export const hasPorts = (protocol: number | undefined): boolean =>
  protocol !== undefined && carriesPorts.has(protocol);
export const familyOf = (protocol: number | undefined): IpVersion | undefined =>
  protocol === 1 ? 4 : protocol === 58 ? 6 : undefined;

/** In CEL, of an object with the field: it is one of these, by name or number. */
export const isProtocol = (field: string, ...names: readonly string[]): string =>
  `(has(self.${field}) && (${names.map((name) => `self.${field} == '${name}' || self.${field} == ${protocolNumbers[name]}`).join(' || ')}))`;

const portFix =
  'Write a number from 1 to 65535, a range like "8000:8080", or the name of a port of the destination.';
const portName = /^[a-zA-Z0-9_.-]{1,128}$/;

export const policyPort = field(
  (json): Result<PortMatch, Wrong> => {
    const text = typeof json === 'number' ? String(json) : json;
    if (typeof text !== 'string') return mustBe('a port', json, portFix);
    const numbers = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
    if (numbers === null)
      return portName.test(text) && !/^\d+$/.test(text)
        ? ok({ name: text })
        : mustBe('a port', json, portFix);
    const first = Number(numbers[1]);
    const last = Number(numbers[2] ?? first);
    if (first < 1 || last > 65535) return mustBe('a port', json, portFix);
    return first <= last
      ? ok({ first, last })
      : wrong(`is a range from ${first} down to ${last}.`, 'Put the lower port first.');
  },
  {
    'x-kubernetes-int-or-string': true,
    minimum: 1,
    maximum: 65535,
    pattern: '^([0-9]{1,5}(:[0-9]{1,5})?|[a-zA-Z0-9_.-]{1,128})$',
  },
);

/** Undefined: it asks for nothing. */
export const icmp = withRules(
  strict({
    type: maybe(wholeNumber('an ICMP type', 0, 254)),
    code: maybe(wholeNumber('an ICMP code', 0, 255)),
  })
    .superRefine(
      check(({ type, code }) =>
        code === undefined || type !== undefined
          ? undefined
          : { at: ['code'], wrong: { what: 'stands without a type.', fix: 'Give the type too.' } },
      ),
    )
    .transform(({ type, code }): IcmpMatch | undefined =>
      type === undefined ? undefined : { type, ...(code === undefined ? {} : { code }) },
    ),
  [{ rule: '!has(self.code) || has(self.type)', message: 'code needs a type: give the type too' }],
);

/** What the API server looks at: a rule about each of 2 million prefixes would cost more than it allows. */
const letters = '[0-9a-fA-F:.]+';

export const net = prefixOrAddress.meta({ ...prefixLength, pattern: `^${letters}(/[0-9]{1,3})?$` });

export const notNet = prefixOrAddress
  .superRefine(
    check((given: Prefix) =>
      lengthOf(given) > 0
        ? undefined
        : {
            at: [],
            wrong: {
              what: 'excludes every address, so that the rule could never match.',
              fix: 'Exclude less, or remove the rule.',
            },
          },
    ),
  )
  .meta({ ...prefixLength, pattern: `^${letters}(/[1-9][0-9]{0,2})?$` });
