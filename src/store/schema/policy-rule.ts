/** A rule of Calico's policies and profiles. Strict; what needs more than packets is refused by name. */
import type { z } from 'zod';
import { type IpVersion, type Prefix, versionOf } from '../../lib/net.ts';
import type { CalicoEntity, CalicoRule, PortMatch } from '../../model/policy.ts';
import { type Selector, usesGlobal } from '../../model/selector.ts';
import { lexical, noGlobal, type Rule, withRules } from './cel.ts';
import { maybe, oneOf, record, selectorOrAbsent, text, textOrAbsent, upTo } from './fields.ts';
import type { Wrong } from './flaw.ts';
import { familyOf, hasPorts, icmp, ipProtocol, isProtocol, net, notNet, policyPort } from './match.ts';
import { check, field, strict, unsupported } from './read.ts';

/** A selector of endpoints. */
export const policySelector = withRules(
  selectorOrAbsent.refine((value) => value === undefined || !usesGlobal(value), {
    error: 'cannot use global(), which has a meaning in a namespaceSelector only.',
    params: { fix: 'Say it in namespaceSelector, or select by labels.' },
  }),
  [noGlobal],
).meta(lexical);

/** A selector of namespaces; global() alone is who is in none. */
export const spaceSelector = withRules(
  selectorOrAbsent.refine((value) => value === undefined || value.kind === 'global' || !usesGlobal(value), {
    error: 'has global() beside something else.',
    params: { fix: 'Write global() alone, or make two rules of it.' },
  }),
  [
    {
      rule: String.raw`!self.contains('global()') || self.matches('^[ \\t]*global[(][)][ \\t]*$')`,
      message: 'global() stands alone: make two rules of it',
    },
  ],
).meta(lexical);

const fields = {
  nets: maybe(upTo(256, net).describe('The address is in one of these.')),
  notNets: maybe(upTo(256, notNet).describe('The address is in none of these.')),
  selector: maybe(policySelector.describe('The endpoint or network set has these labels.')),
  notSelector: maybe(
    policySelector.describe('It is no endpoint of ours, and no network set, with these labels.'),
  ),
  namespaceSelector: maybe(
    spaceSelector.describe('The namespace of the endpoint has these labels; global() is: in no namespace.'),
  ),
  serviceAccounts: maybe(
    strict({
      names: maybe(upTo(256, text).describe('Its service account has one of these names.')),
      selector: maybe(policySelector.describe('Its service account has these labels.')),
    }),
  ),
  services: maybe(
    strict({
      name: field(
        (json) =>
          typeof json === 'string' && json !== ''
            ? { ok: true, value: json }
            : { ok: false, error: { what: 'names no Service.', fix: 'Give the name of a Service.' } },
        { type: 'string', minLength: 1, maxLength: 253 },
      ),
      namespace: maybe(textOrAbsent),
    }).describe('It is a backend of this Service.'),
  ),
  ports: maybe(upTo(50, policyPort).describe('Numbers, ranges like "80:90", names of ports.')),
  notPorts: maybe(upTo(50, policyPort).describe('None of these ports.')),
};

const entityShape = strict(fields);
type Given = z.output<typeof entityShape>;
type Side = 'source' | 'destination';

type Misplaced = { readonly at: readonly (string | number)[]; readonly wrong: Wrong };
const misplaced = (at: readonly (string | number)[], what: string, fix: string): Misplaced => ({
  at,
  wrong: { what, fix },
});

const beside = [
  'selector',
  'notSelector',
  'namespaceSelector',
  'nets',
  'notNets',
  'serviceAccounts',
] as const;
const isGiven = (value: unknown): boolean =>
  value !== undefined && !(Array.isArray(value) && value.length === 0);

function entityFlaw(given: Given, side: Side): Misplaced | undefined {
  if (given.services === undefined) return undefined;
  const other = beside.find((name) => isGiven(given[name]));
  if (other !== undefined)
    return misplaced(
      ['services'],
      `cannot stand beside ${other}.`,
      'Make a rule of its own for the Service.',
    );
  const port = (['ports', 'notPorts'] as const).find((name) => isGiven(given[name]));
  return side === 'destination' && port !== undefined
    ? misplaced([port], 'cannot stand beside services, which say the ports.', 'Remove one of the two.')
    : undefined;
}

const filled = (name: string): string => `(has(self.${name}) && size(self.${name}) > 0)`;

const entityRules = (side: Side): readonly Rule[] => [
  {
    rule: `!has(self.services) || !(${beside.map((name) => (name === 'serviceAccounts' ? `has(self.${name})` : filled(name))).join(' || ')})`,
    message: `services cannot stand beside ${beside.join(', ')}: make a rule of its own for the Service`,
  },
  ...(side === 'destination'
    ? [
        {
          rule: `!has(self.services) || !(${filled('ports')} || ${filled('notPorts')})`,
          message: 'services say the ports: remove ports and notPorts',
        },
      ]
    : []),
];

const unlessEmpty = <T>(list: readonly T[] | undefined): readonly T[] | undefined =>
  list === undefined || list.length === 0 ? undefined : [...new Set(list)];

/** Without the fields that are not there. */
type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function present<T extends object>(all: T): Partial<Present<T>> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Partial<
    Present<T>
  >;
}

/** Before the namespace of a policy is known, which its services are in if they do not say. */
type DraftEntity = Omit<CalicoEntity, 'services'> & {
  readonly services?: { readonly name: string; readonly namespace?: string | undefined };
};

function entityOf({ serviceAccounts, nets, notNets, ports, notPorts, ...rest }: Given): DraftEntity {
  const names = serviceAccounts?.names ?? [];
  const accounts: CalicoEntity['serviceAccounts'] | undefined =
    serviceAccounts === undefined || (names.length === 0 && serviceAccounts.selector === undefined)
      ? undefined
      : { names, ...present({ selector: serviceAccounts.selector }) };
  return present({
    ...rest,
    nets: unlessEmpty(nets),
    notNets: unlessEmpty(notNets),
    ports: unlessEmpty(ports),
    notPorts: unlessEmpty(notPorts),
    serviceAccounts: accounts,
  });
}

const entity = (side: Side) =>
  withRules(
    entityShape.superRefine(check((given) => entityFlaw(given, side))).transform(entityOf),
    entityRules(side),
  );

const sides = ['source', 'destination'] as const;
const netFields = ['nets', 'notNets'] as const;
const portFields = ['ports', 'notPorts'] as const;

const ruleShape = strict({
  action: oneOf('Allow', 'Deny', 'Log', 'Pass').describe(
    'What becomes of a packet that matches. Log goes on with the next rule, Pass with the next tier.',
  ),
  ipVersion: maybe(
    field(
      (json) =>
        json === 4 || json === 6
          ? { ok: true, value: json as IpVersion }
          : { ok: false, error: { what: 'must be 4 or 6.', fix: 'Write 4 or 6, without quotes.' } },
      { type: 'integer', enum: [4, 6] },
    ).describe('Only packets of this version.'),
  ),
  protocol: maybe(ipProtocol.describe('By name, or IANA’s number.')),
  notProtocol: maybe(ipProtocol.describe('Any but this protocol.')),
  icmp: maybe(icmp.describe('Of ICMP and ICMPv6: type and code.')),
  notICMP: maybe(icmp.describe('Of ICMP and ICMPv6: any but this type and code.')),
  source: maybe(entity('source').describe('Where the packet comes from.')),
  destination: maybe(entity('destination').describe('Where the packet goes.')),
  http: unsupported('what is inside of a connection can be judged by a proxy only, and there is none here'),
  metadata: maybe(strict({ annotations: maybe(record(text)) }).describe('For people: what the rule is for.')),
});
type GivenRule = z.output<typeof ruleShape>;

function ruleFlaw(rule: GivenRule): Misplaced | undefined {
  const { protocol, ipVersion } = rule;
  const family = familyOf(protocol);
  for (const name of ['icmp', 'notICMP'] as const)
    if (rule[name] !== undefined && family === undefined)
      return misplaced([name], 'stands without its protocol.', 'Write protocol: ICMP, or ICMPv6.');
  if (family !== undefined && ipVersion !== undefined && family !== ipVersion)
    return misplaced(
      ['ipVersion'],
      `is ${ipVersion}, but the protocol is of IPv${family}.`,
      `Write ${family}, or the protocol ${ipVersion === 4 ? 'ICMP' : 'ICMPv6'}.`,
    );
  return portFlaw(rule) ?? netFlaw(rule);
}

function portFlaw(rule: GivenRule): Misplaced | undefined {
  if (hasPorts(rule.protocol)) return undefined;
  for (const side of sides)
    for (const name of portFields) {
      const given = rule[side]?.[name];
      const isNamed = rule.protocol === undefined && given?.every((port: PortMatch) => 'name' in port);
      if (given !== undefined && isNamed !== true)
        return misplaced(
          [side, name],
          'stands without a protocol that has ports.',
          'Write protocol: TCP, UDP or SCTP.',
        );
    }
  return undefined;
}

function netFlaw(rule: GivenRule): Misplaced | undefined {
  let version = rule.ipVersion ?? familyOf(rule.protocol);
  for (const side of sides)
    for (const name of netFields)
      for (const [index, one] of (rule[side]?.[name] ?? []).entries()) {
        version ??= versionOf(one as Prefix);
        if (versionOf(one as Prefix) !== version)
          return misplaced(
            [side, name, index],
            `is not of IPv${version}, as the rest of the rule is.`,
            'Make two rules, one for each IP version.',
          );
      }
  return undefined;
}

const listOf = (side: Side, name: string): string => `self.${side}.${name}`;
const hasList = (side: Side, name: string): string =>
  `has(self.${side}) && has(${listOf(side, name)}) && size(${listOf(side, name)}) > 0`;
const eachList = (names: readonly string[], tell: (list: string, has: string) => string, join: string) =>
  sides.flatMap((side) => names.map((name) => tell(listOf(side, name), hasList(side, name)))).join(join);

/** One message, so one rule; what a name among ports means and mixed lists of prefixes this process finds. */
const ruleRules: readonly Rule[] = [
  {
    rule: `!(${['icmp', 'notICMP'].map((name) => `(has(self.${name}) && has(self.${name}.type))`).join(' || ')}) || ${isProtocol('protocol', 'ICMP', 'ICMPv6')}`,
    message: 'icmp and notICMP need the protocol: write protocol: ICMP, or ICMPv6',
  },
  {
    rule: `!has(self.ipVersion) || !(${isProtocol('protocol', 'ICMP')} && self.ipVersion != 4 || ${isProtocol('protocol', 'ICMPv6')} && self.ipVersion != 6)`,
    message: 'ipVersion is not that of the protocol: ICMP is of 4, ICMPv6 of 6',
  },
  {
    rule: `${isProtocol('protocol', 'TCP', 'UDP', 'SCTP')} || !(${eachList(portFields, (list, has) => `(${has} && (has(self.protocol) || ${list}.exists(port, type(port) == int)))`, ' || ')})`,
    message: 'ports need a protocol that has them: write protocol: TCP, UDP or SCTP',
  },
  {
    rule: `[4, 6].exists(version, (!has(self.ipVersion) || self.ipVersion == version) && ${eachList(netFields, (list, has) => `(!(${has}) || ${list}[0].contains(':') == (version == 6))`, ' && ')})`,
    message: 'nets and notNets of a rule are of one IP version: make two rules',
  },
];

type Draft = Omit<CalicoRule, 'source' | 'destination'> & {
  readonly source: DraftEntity;
  readonly destination: DraftEntity;
};

const draftOf = ({ notICMP, metadata, source, destination, http: _, ...rest }: GivenRule): Draft => ({
  ...present({ ...rest, notIcmp: notICMP }),
  action: rest.action,
  source: source ?? {},
  destination: destination ?? {},
  annotations: metadata?.annotations ?? {},
});

/** @param namespaced  a policy in a namespace, whose Services need not say theirs */
const policyRule = (namespaced: boolean) =>
  withRules(
    ruleShape
      .superRefine(check((rule) => ruleFlaw(rule) ?? (namespaced ? undefined : spaceFlaw(rule))))
      .transform(draftOf),
    namespaced ? ruleRules : [...ruleRules, needsSpace],
  );

const spaceFlaw = (rule: GivenRule): Misplaced | undefined => {
  const side = sides.find((one) => rule[one]?.services !== undefined && !rule[one].services.namespace);
  return side === undefined
    ? undefined
    : misplaced(
        [side, 'services'],
        'does not say in which namespace the Service is.',
        'Give services.namespace: this object is in none itself.',
      );
};

const needsSpace: Rule = {
  rule: sides
    .map(
      (side) =>
        `(!has(self.${side}) || !has(self.${side}.services) || (has(self.${side}.services.namespace) && self.${side}.services.namespace != ''))`,
    )
    .join(' && '),
  message: 'services.namespace is missing: this object is in no namespace itself',
};

/** Calico's limit. */
const mostRules = 1024;

export const rulesFor = (namespaced: boolean) => upTo(mostRules, policyRule(namespaced));

export type Drafts = readonly Draft[];

/** @param namespace  of the policy */
export const rulesIn = (drafts: Drafts | undefined, namespace: string | undefined): readonly CalicoRule[] =>
  (drafts ?? []).map(({ source, destination, ...rest }) => ({
    ...rest,
    source: settled(source, namespace),
    destination: settled(destination, namespace),
  }));

const settled = ({ services, ...rest }: DraftEntity, own: string | undefined): CalicoEntity => ({
  ...rest,
  ...(services === undefined
    ? {}
    : { services: { name: services.name, namespace: services.namespace ?? own ?? '' } }),
});

export const everyone: Selector = { kind: 'all' };
