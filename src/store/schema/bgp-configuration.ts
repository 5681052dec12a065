/** projectcalico.org/v3 BGPConfiguration. Strict; Calico's fields that this version lacks are refused by name. */
import type { z } from 'zod';
import {
  type Address,
  asn,
  containsAddress,
  type Ipv4,
  type Ipv6,
  isIpv4,
  type Prefix,
  parsePrefix,
} from '../../lib/net.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { NodeBgpSettings } from '../../model/bgp-configuration.ts';
import type { Community } from '../../model/bgp-filter.ts';
import type { BgpConfiguration, Meta } from '../../model/resource.ts';
import { asNumber, parseAddressField, prefix } from './addresses.ts';
import { longestRestart } from './bgp-peer.ts';
import {
  defaultOrNodeName,
  isPrefix,
  notOfOneNode,
  prefixLength,
  type Rule,
  withDefault,
  withRules,
} from './cel.ts';
import { community, parseCommunity } from './community.ts';
import { flag, list, maybe, oneOf, parseText, portNumber, seconds, text, wholeNumber } from './fields.ts';
import { describe, type Flaw, mustBe, type Wrong, wrong } from './flaw.ts';
import { defaultOrNode } from './meta.ts';
import { check, field, manifest, read, strict } from './read.ts';
import { secretKey } from './secret-key.ts';

/** Calico's form of a list of prefixes: one object around each. */
const prefixes = (about: string) =>
  maybe(
    list(strict({ cidr: withRules(prefix, [isPrefix], prefixLength) }).transform(({ cidr }) => cidr))
      .describe(about)
      .meta({ maxItems: 500 }),
  );

const communityName = field(
  (json) => {
    const parsed = parseText(json);
    return !parsed.ok || /^[A-Za-z0-9._-]{1,63}$/.test(parsed.value)
      ? parsed
      : wrong(
          `must be a name, but is ${describe(json)}.`,
          'Write letters, digits, dots, hyphens and underscores, 63 at most.',
        );
  },
  { type: 'string', pattern: '^[A-Za-z0-9._-]{1,63}$', maxLength: 63 },
);

interface Named {
  readonly communities?: readonly { readonly name: string; readonly value: Community }[];
  readonly prefixAdvertisements?: readonly {
    readonly cidr: Prefix;
    readonly communities: readonly string[];
  }[];
}

/** A name of `communities`, or a community itself. */
function lookUp(written: string, { communities = [] }: Named): Community | undefined {
  const named = communities.find(({ name }) => name === written);
  if (named !== undefined) return named.value;
  const parsed = parseCommunity(written);
  return parsed.ok ? parsed.value : undefined;
}

function unknownCommunity(spec: Named) {
  for (const [index, { communities }] of (spec.prefixAdvertisements ?? []).entries()) {
    const place = communities.findIndex((written) => lookUp(written, spec) === undefined);
    if (place < 0) continue;
    return {
      at: ['prefixAdvertisements', index, 'communities', place],
      wrong: {
        what: `is neither a community nor a name of spec.communities: ${describe(communities[place])}.`,
        fix: 'Add it to spec.communities, or write a community like 64512:100 or 64512:1:100.',
      },
    };
  }
  return undefined;
}

/** Calico's words, in any case, as our log has them: what is finer than debug or graver than error is the nearest of ours. */
const severities: Readonly<Record<string, NonNullable<NodeBgpSettings['logLevel']>>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  critical: 'error',
  fatal: 'error',
  panic: 'error',
  none: 'error',
};

const severity = field(
  (json): Result<NodeBgpSettings['logLevel'], Wrong> => {
    const word = parseText(json);
    if (!word.ok) return word;
    if (word.value === '') return ok(undefined);
    const level = severities[word.value.toLowerCase()];
    return level === undefined
      ? wrong(
          `must be one of Debug, Info, Warning, Error, Fatal, but is ${describe(json)}.`,
          'Write for example Info.',
        )
      : ok(level);
  },
  { type: 'string', pattern: '^(?i:trace|debug|info|warn|warning|error|critical|fatal|panic|none)?$' },
);

const linkPattern = field(
  (json) => {
    const pattern = parseText(json);
    return !pattern.ok || /^(?!\*$)[a-zA-Z0-9_.*:-]{1,15}$/.test(pattern.value)
      ? pattern
      : wrong(
          `must be the name of a link, or one with * in it, but is ${describe(json)}.`,
          'Write for example docker0 or br-*; * alone is not taken.',
        );
  },
  { type: 'string', pattern: '^([a-zA-Z0-9_.:-]|[a-zA-Z0-9_.*:-]{2,15})$', maxLength: 15 },
);

/** Metrics that leave room for better and for worse, as Calico has them. */
const routePriority = wholeNumber('a metric', 1, 2_147_483_646);

const mostPaths = 64;
const paths = wholeNumber('a number of paths', 1, mostPaths);

const multipath = strict({
  ebgp: maybe(paths.describe('So many equal paths of other ASes are used at once; 64 if absent.')),
  ibgp: maybe(paths.describe('So many equal paths of our own AS are used at once; 64 if absent.')),
  relaxASPath: maybe(
    flag.describe('AS paths of one length count as equal, whatever ASes are in them; default true.'),
  ),
});

const bestPath = strict({
  alwaysCompareMED: maybe(flag.describe('MED counts between routes of different ASes too.')),
  missingMEDWorst: maybe(flag.describe('A route without MED counts as the worst, not as the best.')),
});

const unusable: readonly (readonly [Prefix, string])[] = (
  [
    ['0.0.0.0/8', 'it is the address of no host'],
    ['127.0.0.0/8', 'a loopback address is the pod’s own'],
    ['224.0.0.0/3', 'it is the address of no host'],
    ['::/127', 'it is the address of no host, or the pod’s own'],
    ['::ffff:0.0.0.0/96', 'it is an IPv4 address in IPv6 form'],
    ['fe80::/10', 'a pod dials a link-local address from one of its own, by which nobody knows it'],
    ['ff00::/8', 'it is a multicast address'],
  ] as const
).flatMap(([written, why]) => {
  const range = parsePrefix(written);
  return range === undefined ? [] : [[range, why] as const];
});

/** Where workloads reach the speaker: an address that nobody else has, of the version asked for. */
function parsePeering(json: unknown): Result<Address | undefined, Wrong> {
  if (json === '') return ok(undefined);
  const parsed = parseAddressField(json);
  if (!parsed.ok) return parsed;
  const why = unusable.find(([range]) => containsAddress(range, parsed.value))?.[1];
  return why === undefined
    ? parsed
    : wrong(
        `cannot be ${describe(json)}: ${why}.`,
        'Give an address that nobody has, like 169.254.77.1 or fd00:77::1.',
      );
}

const peering4 = field(
  (json): Result<Ipv4 | undefined, Wrong> => {
    const parsed = parsePeering(json);
    if (!parsed.ok || parsed.value === undefined) return parsed.ok ? ok(undefined) : parsed;
    return isIpv4(parsed.value)
      ? ok(parsed.value)
      : wrong(`must be an IPv4 address, but is ${describe(json)}.`, 'Write it like 169.254.77.1.');
  },
  { type: 'string' },
);
const peering6 = field(
  (json): Result<Ipv6 | undefined, Wrong> => {
    const parsed = parsePeering(json);
    if (!parsed.ok || parsed.value === undefined) return parsed.ok ? ok(undefined) : parsed;
    return isIpv4(parsed.value)
      ? wrong(`must be an IPv6 address, but is ${describe(json)}.`, 'Write it like fd00:77::1.')
      : ok(parsed.value);
  },
  { type: 'string' },
);

const isOfVersion = (version: 4 | 6): Rule => ({
  rule: `self == '' || (isIP(self) && ip(self).family() == ${version})`,
  message: `must be an IPv${version} address`,
});

/** What is the same at all nodes, or has an annotation of the Node: not in an object for one node. */
const forAll = [
  'asNumber',
  'nodeToNodeMeshEnabled',
  'nodeMeshPassword',
  'nodeMeshMaxRestartTime',
  'serviceLoadBalancerIPs',
  'serviceExternalIPs',
  'serviceClusterIPs',
] as const;

/** Likewise, but the API server fills in Enabled. */
const aggregation = 'serviceLoadBalancerAggregation' as const;

const spec = strict({
  asNumber: maybe(asNumber.describe('AS number of the nodes; 64512 if absent.')),
  listenPort: maybe(portNumber.describe('TCP port every node listens on for BGP; 179 if absent.')),
  nodeToNodeMeshEnabled: maybe(flag.describe('Every node has a session with every other; true if absent.')),
  logSeverityScreen: maybe(
    severity.describe('What the speaker logs: Debug, Info, Warning, Error; its --log-level if absent.'),
  ),
  serviceLoadBalancerIPs: prefixes('Load balancer addresses of Services in these may be announced.'),
  serviceExternalIPs: prefixes('External addresses of Services in these may be announced.'),
  serviceClusterIPs: prefixes('Cluster addresses of Services in these may be announced.'),
  serviceLoadBalancerAggregation: maybe(
    withDefault(
      oneOf('Enabled', 'Disabled').describe(
        'Disabled: never the prefixes above as a whole, only addresses of Services.',
      ),
      'Enabled',
    ),
  ),
  communities: maybe(
    list(strict({ name: communityName, value: community }))
      .describe('Names for communities, for prefixAdvertisements.')
      .meta({ maxItems: 500 }),
  ),
  prefixAdvertisements: maybe(
    list(
      strict({
        cidr: withRules(prefix, [isPrefix], prefixLength),
        communities: list(text.meta({ maxLength: 64 }))
          .describe('Each a name from communities, or a community itself.')
          .meta({ maxItems: 50 }),
      }),
    )
      .describe('What is announced inside cidr carries these communities too.')
      .meta({ maxItems: 500 }),
  ),
  nodeMeshPassword: maybe(
    strict({
      secretKeyRef: secretKey.describe(
        'Where the password is: a Secret in the namespace of Tortie, and a key of it.',
      ),
    }).describe('The nodes sign what they send each other with this password (RFC 2385).'),
  ),
  nodeMeshMaxRestartTime: maybe(
    seconds(1, longestRestart).describe(
      'How long nodes keep the routes of one that restarts (RFC 4724); 120s if absent.',
    ),
  ),
  bindMode: maybe(
    oneOf('None', 'NodeIP').describe('NodeIP: the speaker listens on the addresses of its node only.'),
  ),
  ignoredInterfaces: maybe(
    list(linkPattern)
      .describe('Links, by name or with *, whose networks are not taken for the own networks of a node.')
      .meta({ maxItems: 100 }),
  ),
  localWorkloadPeeringIPV4: maybe(
    withRules(
      peering4.describe(
        'The address at which pods of a BGPPeer with localWorkloadSelector dial their node; its own if absent.',
      ),
      [isOfVersion(4)],
      { maxLength: 64 },
    ),
  ),
  localWorkloadPeeringIPV6: maybe(
    withRules(peering6.describe('As localWorkloadPeeringIPV4, for sessions over IPv6.'), [isOfVersion(6)], {
      maxLength: 64,
    }),
  ),
  programClusterRoutes: maybe(
    field(
      (json): Result<'Enabled' | 'EnabledNoEncapOnly' | 'Disabled', Wrong> => {
        if (json === 'Enabled' || json === 'EnabledNoEncapOnly' || json === 'Disabled') return ok(json);
        return json === 'EnabledIPIPOnly'
          ? wrong(
              'is not supported in this version as EnabledIPIPOnly: there is no IPIP.',
              'Write Enabled, or Disabled.',
            )
          : mustBe('Enabled, EnabledNoEncapOnly or Disabled', json, 'Write Enabled or Disabled.');
      },
      {
        type: 'string',
        enum: ['Enabled', 'EnabledNoEncapOnly', 'Disabled'],
      },
    ).describe('Disabled: learned routes are not written to the kernel; something else must route to pods.'),
  ),
  ipv4NormalRoutePriority: maybe(
    routePriority.describe('Metric of our IPv4 routes in the kernel; 1024 if absent.'),
  ),
  ipv6NormalRoutePriority: maybe(
    routePriority.describe('Metric of our IPv6 routes in the kernel; 1024 if absent.'),
  ),
  multipath: maybe(multipath.describe('How many equal paths are used at once.')),
  bestPath: maybe(bestPath.describe('How the best path is chosen, where that may be chosen.')),
  requireEBGPPolicy: maybe(
    flag.describe('A peer of another AS without a filter in a direction exchanges nothing in it (RFC 8212).'),
  ),
});

export const bgpConfigurationSchema = withRules(manifest(maybe(spec.superRefine(check(unknownCommunity)))), [
  defaultOrNodeName,
  notOfOneNode(forAll),
]);

type Given = Partial<z.output<typeof spec>>;

export function readBgpConfiguration(meta: Meta, json: unknown): Result<BgpConfiguration, readonly Flaw[]> {
  const named = defaultOrNode(meta.name);
  if (!named.ok) return named;
  const parsed = read(bgpConfigurationSchema, json);
  if (!parsed.ok) return parsed;
  const given: Given = parsed.value.spec ?? {};
  const isMisplaced = (name: (typeof forAll)[number] | typeof aggregation): boolean =>
    name === aggregation ? given[name] === 'Disabled' : given[name] !== undefined;
  const misplaced = named.value === undefined ? [] : [...forAll, aggregation].filter(isMisplaced);
  if (misplaced.length > 0) return err(misplaced.map(notHere));
  const own = nodeSettingsOf(given);
  return ok({
    kind: 'BGPConfiguration',
    meta,
    ...own,
    ...(named.value === undefined ? {} : { override: own }),
    asNumber: given.asNumber ?? asn(64512),
    listenPort: given.listenPort ?? 179,
    nodeToNodeMeshEnabled: given.nodeToNodeMeshEnabled ?? true,
    ...(given.nodeMeshMaxRestartTime === undefined
      ? {}
      : { nodeMeshMaxRestartTimeMs: given.nodeMeshMaxRestartTime }),
    ...(given.nodeMeshPassword === undefined
      ? {}
      : { nodeMeshPassword: given.nodeMeshPassword.secretKeyRef }),
    serviceClusterIps: given.serviceClusterIPs ?? [],
    serviceExternalIps: given.serviceExternalIPs ?? [],
    serviceLoadBalancerIps: given.serviceLoadBalancerIPs ?? [],
    serviceLoadBalancerAggregation: given.serviceLoadBalancerAggregation !== 'Disabled',
    prefixAdvertisements: own.prefixAdvertisements ?? [],
  });
}

const notHere = (name: string): Flaw => ({
  path: ['spec', name],
  what: 'cannot stand in an object for one node.',
  fix:
    name === 'asNumber'
      ? 'Set the annotation projectcalico.org/ASNumber of the Node instead.'
      : 'Say it in BGPConfiguration/default.',
});

function nodeSettingsOf(given: Given): NodeBgpSettings {
  const { listenPort, logSeverityScreen, bindMode, ignoredInterfaces, prefixAdvertisements } = given;
  const { programClusterRoutes, ipv4NormalRoutePriority, ipv6NormalRoutePriority, requireEBGPPolicy } = given;
  return {
    ...(listenPort === undefined ? {} : { listenPort }),
    ...(logSeverityScreen === undefined ? {} : { logLevel: logSeverityScreen }),
    ...(bindMode === undefined ? {} : { bindMode }),
    ...(ignoredInterfaces === undefined ? {} : { ignoredInterfaces }),
    ...(prefixAdvertisements === undefined
      ? {}
      : {
          prefixAdvertisements: prefixAdvertisements.map(({ cidr, communities }) => ({
            cidr,
            communities: communities.flatMap((written) => lookUp(written, given) ?? []),
          })),
        }),
    ...(programClusterRoutes === undefined
      ? {}
      : { programClusterRoutes: programClusterRoutes !== 'Disabled' }),
    ...(ipv4NormalRoutePriority === undefined ? {} : { ipv4RoutePriority: ipv4NormalRoutePriority }),
    ...(ipv6NormalRoutePriority === undefined ? {} : { ipv6RoutePriority: ipv6NormalRoutePriority }),
    ...choicesOf(given),
    ...(requireEBGPPolicy === undefined ? {} : { requireEbgpPolicy: requireEBGPPolicy }),
    ...peeringOf(given),
  };
}

function peeringOf({
  localWorkloadPeeringIPV4: v4,
  localWorkloadPeeringIPV6: v6,
}: Given): Pick<NodeBgpSettings, 'workloadPeering'> {
  if (v4 === undefined && v6 === undefined) return {};
  return {
    workloadPeering: { ...(v4 === undefined ? {} : { ipv4: v4 }), ...(v6 === undefined ? {} : { ipv6: v6 }) },
  };
}

function choicesOf({
  multipath: some,
  bestPath: best,
}: Given): Pick<NodeBgpSettings, 'multipath' | 'bestPath'> {
  return {
    ...(some === undefined
      ? {}
      : {
          multipath: {
            ...(some.ebgp === undefined ? {} : { ebgp: some.ebgp }),
            ...(some.ibgp === undefined ? {} : { ibgp: some.ibgp }),
            ...(some.relaxASPath === undefined ? {} : { relaxAsPath: some.relaxASPath }),
          },
        }),
    ...(best === undefined
      ? {}
      : {
          bestPath: {
            ...(best.alwaysCompareMED === true ? { alwaysCompareMed: true } : {}),
            ...(best.missingMEDWorst === true ? { missingMedWorst: true } : {}),
          },
        }),
  };
}
