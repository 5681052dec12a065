/** projectcalico.org/v3 HostEndpoint: an interface of a node, or all of them, for policies to select. */
import { ok, type Result } from '../../lib/result.ts';
import type { Meta } from '../../model/meta.ts';
import type { HostEndpoint } from '../../model/policy.ts';
import { address } from './addresses.ts';
import { type Rule, withRules } from './cel.ts';
import { maybe, parseText, portNumber, text, upTo } from './fields.ts';
import { describe, type Flaw, mustBe, wrong } from './flaw.ts';
import { ipProtocol } from './match.ts';
import { check, field, manifest, read, strict } from './read.ts';

const node = field(
  (json) => {
    const parsed = parseText(json);
    if (!parsed.ok) return parsed;
    return parsed.value !== '' && parsed.value.length <= 253
      ? parsed
      : mustBe('the name of a node', json, 'Give metadata.name of the Node, or --node of the daemons there.');
  },
  { type: 'string', minLength: 1, maxLength: 253 },
);

const interfacePattern = '^([*]|[a-zA-Z0-9_.-]{1,15})?$';

const interfaceOrAbsent = field(
  (json) => {
    const parsed = parseText(json);
    if (!parsed.ok) return parsed;
    if (parsed.value === '') return ok(undefined);
    return new RegExp(interfacePattern).test(parsed.value)
      ? parsed
      : wrong(
          `cannot be an interface: ${describe(json)}.`,
          'Use at most 15 letters, digits, "-", "_" and ".", or "*" for all of the host.',
        );
  },
  { type: 'string', maxLength: 15, pattern: interfacePattern },
);

const portPattern = '^[a-zA-Z0-9_.-]{1,128}$';
const portName = field(
  (json) => {
    const parsed = parseText(json);
    return !parsed.ok || new RegExp(portPattern).test(parsed.value)
      ? parsed
      : wrong(
          `cannot be a port's name: ${describe(json)}.`,
          'Use at most 128 letters, digits, "-", "_" and ".".',
        );
  },
  { type: 'string', pattern: portPattern },
);

const namesSomething: Rule = {
  rule: "(has(self.interfaceName) && self.interfaceName != '') || (has(self.expectedIPs) && size(self.expectedIPs) > 0)",
  message: 'name the interface, * for all of the host, or its addresses in expectedIPs',
};

export const hostEndpointSchema = manifest(
  withRules(
    strict({
      node: node.describe('The node it is of.'),
      interfaceName: maybe(
        interfaceOrAbsent.describe(
          'The interface, or * for all that goes to and from the host itself; if absent the one with an address of expectedIPs.',
        ),
      ),
      expectedIPs: maybe(
        upTo(256, address.meta({ maxLength: 45 }), { isSet: true }).describe(
          'Addresses that it has; rules that select it mean these.',
        ),
      ),
      profiles: maybe(upTo(256, text, { isSet: true }).describe('Profiles, asked in order after all tiers.')),
      ports: maybe(
        upTo(
          256,
          strict({
            name: portName.describe('What rules call it.'),
            protocol: ipProtocol.describe('By name, or IANA’s number.'),
            port: portNumber,
          }),
        ).describe('Ports that rules may call by name.'),
      ),
    }).superRefine(
      check(({ interfaceName, expectedIPs = [] }) =>
        interfaceName !== undefined || expectedIPs.length > 0
          ? undefined
          : {
              at: [],
              wrong: {
                what: 'names neither an interface nor an address.',
                fix: 'Give interfaceName ("*" for all of the host) or expectedIPs.',
              },
            },
      ),
    ),
    [namesSomething],
  ),
);

export function readHostEndpoint(meta: Meta, json: unknown): Result<HostEndpoint, readonly Flaw[]> {
  const parsed = read(hostEndpointSchema, json);
  if (!parsed.ok) return parsed;
  const { node, interfaceName, expectedIPs = [], profiles = [], ports = [] } = parsed.value.spec;
  return ok({
    kind: 'HostEndpoint',
    meta,
    node,
    ...(interfaceName === undefined ? {} : { interfaceName }),
    expectedIps: [...new Set(expectedIPs)],
    profiles: [...new Set(profiles)],
    ports,
  });
}
