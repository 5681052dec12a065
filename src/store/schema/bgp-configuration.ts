/** projectcalico.org/v3 BGPConfiguration. Strict; Calico's fields that this version lacks are refused by name. */
import { asn, type Prefix } from '../../lib/net.ts';
import { ok, type Result } from '../../lib/result.ts';
import type { Community } from '../../model/bgp-filter.ts';
import type { BgpConfiguration, Meta } from '../../model/resource.ts';
import { asNumber, prefix } from './addresses.ts';
import { longestRestart } from './bgp-peer.ts';
import { isPrefix, onlyDefaultName, prefixLength, withDefault, withRules } from './cel.ts';
import { community, parseCommunity } from './community.ts';
import { flag, list, maybe, oneOf, parseText, portNumber, seconds, text } from './fields.ts';
import { describe, type Flaw, wrong } from './flaw.ts';
import { onlyDefault } from './meta.ts';
import { check, field, manifest, read, strict, unsupported } from './read.ts';
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

export const bgpConfigurationSchema = withRules(
  manifest(
    maybe(
      strict({
        asNumber: maybe(asNumber.describe('AS number of the nodes; 64512 if absent.')),
        listenPort: maybe(portNumber.describe('TCP port every node listens on for BGP; 179 if absent.')),
        nodeToNodeMeshEnabled: maybe(
          flag.describe('Every node has a session with every other; true if absent.'),
        ),
        // Info is what our own log starts from, so the value Calico writes by default asks for nothing.
        logSeverityScreen: unsupported('the log level is an option of the process', 'Info', 'info', 'INFO'),
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
        bindMode: unsupported('the address to listen on is an option of the process', 'None'),
        ignoredInterfaces: unsupported('routes of interfaces are never read, so none can be ignored', []),
        localWorkloadPeeringIPV4: unsupported('peering with local workloads is not there yet', ''),
        localWorkloadPeeringIPV6: unsupported('peering with local workloads is not there yet', ''),
        programClusterRoutes: unsupported(
          'routes of other nodes always come by BGP',
          'EnabledNoEncapOnly',
          'Enabled',
        ),
        ipv4NormalRoutePriority: unsupported('the metric of routes cannot be chosen yet'),
        ipv6NormalRoutePriority: unsupported('the metric of routes cannot be chosen yet'),
      }).superRefine(check(unknownCommunity)),
    ),
  ),
  [onlyDefaultName],
);

export function readBgpConfiguration(meta: Meta, json: unknown): Result<BgpConfiguration, readonly Flaw[]> {
  const named = onlyDefault(meta.name);
  if (!named.ok) return named;
  const parsed = read(bgpConfigurationSchema, json);
  if (!parsed.ok) return parsed;
  const { spec } = parsed.value;
  return ok({
    kind: 'BGPConfiguration',
    meta,
    asNumber: spec?.asNumber ?? asn(64512),
    listenPort: spec?.listenPort ?? 179,
    nodeToNodeMeshEnabled: spec?.nodeToNodeMeshEnabled ?? true,
    ...(spec?.nodeMeshMaxRestartTime === undefined
      ? {}
      : { nodeMeshMaxRestartTimeMs: spec.nodeMeshMaxRestartTime }),
    ...(spec?.nodeMeshPassword === undefined ? {} : { nodeMeshPassword: spec.nodeMeshPassword.secretKeyRef }),
    serviceClusterIps: spec?.serviceClusterIPs ?? [],
    serviceExternalIps: spec?.serviceExternalIPs ?? [],
    serviceLoadBalancerIps: spec?.serviceLoadBalancerIPs ?? [],
    serviceLoadBalancerAggregation: spec?.serviceLoadBalancerAggregation !== 'Disabled',
    prefixAdvertisements: (spec?.prefixAdvertisements ?? []).map(({ cidr, communities }) => ({
      cidr,
      communities: communities.flatMap((written) => lookUp(written, spec ?? {}) ?? []),
    })),
  });
}
