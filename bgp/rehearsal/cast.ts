/**
 * Who takes part in a rehearsal. The configuration is made of resources, as this node's own is, so that all that follows from
 * it has the form it has later; V8 compiles for the forms it has seen.
 *
 * Three neighbours tell the same prefixes, two others are told the best path of each, and so are one update group.
 */
import { type Address, type Asn, addressAt, asn, type Ipv4, ipv4, ipv6 } from '../../src/lib/net.ts';
import { type FilterRule, oneRule } from '../../src/model/bgp-filter.ts';
import type { Resource } from '../../src/model/resource.ts';
import type { SpeakerConfig } from '../config.ts';
import { intentOf } from '../intent.ts';
import type { Capability } from '../wire/message.ts';

export type Part = 'better' | 'equal' | 'worse' | 'told' | 'alike';
export const tellers: readonly Part[] = ['better', 'equal', 'worse'];
export const listeners: readonly Part[] = ['told', 'alike'];
export const parts: readonly Part[] = [...tellers, ...listeners];

const ownAsn = asn(64_512);

interface Role {
  /** In its subnet. */
  readonly place: number;
  /** Of its session. */
  readonly version: 4 | 6;
  readonly identifier: Ipv4;
  readonly asn: Asn;
  readonly filter: string;
  readonly more: readonly Capability[];
}

/**
 * Neighbours that differ in what neighbours differ in: of another AS and of ours, by IPv4 and IPv6, with small numbers and large ones,
 * with few capabilities and with more.
 */
const roles: Readonly<Record<Part, Role>> = {
  better: {
    place: 11,
    version: 4,
    identifier: ipv4(0x0a_00_00_0b),
    asn: asn(64_601),
    filter: 'in',
    more: [],
  },
  equal: {
    place: 14,
    version: 4,
    identifier: ipv4(0xc0_a8_00_0e),
    asn: asn(4_200_000_014),
    filter: 'in',
    more: [],
  },
  worse: {
    place: 12,
    version: 6,
    identifier: ipv4(0xc0_a8_00_0c),
    asn: ownAsn,
    filter: 'in',
    more: [
      {
        kind: 'gracefulRestart',
        isRestarting: false,
        isNotification: false,
        restartTime: 120,
        families: [
          { family: 'ipv4-unicast', isForwarding: true },
          { family: 'ipv6-unicast', isForwarding: true },
        ],
      },
      { kind: 'enhancedRouteRefresh' },
    ],
  },
  told: {
    place: 13,
    version: 4,
    identifier: ipv4(0x0a_00_00_0d),
    asn: asn(64_603),
    filter: 'all',
    more: [],
  },
  alike: {
    place: 15,
    version: 4,
    identifier: ipv4(0x0a_00_00_0f),
    asn: asn(64_605),
    filter: 'all',
    more: [],
  },
};

/** A private range, and the IPv6 prefix for documentation: nothing is ever sent there. */
const subnets = { 4: ipv4(0x0a_00_00_00), 6: ipv6(0x2001_0db8n << 96n) } as const;

export const addressOf = (part: Part, version: 4 | 6): Address =>
  addressAt(subnets[version], roles[part].place);

export const asnOf = (part: Part): Asn => roles[part].asn;

export const identifierOf = (part: Part): Ipv4 => roles[part].identifier;

/** What the neighbour says it can do. */
export const capabilitiesOf = (part: Part): readonly Capability[] => [
  { kind: 'multiprotocol', family: 'ipv4-unicast' },
  { kind: 'multiprotocol', family: 'ipv6-unicast' },
  { kind: 'routeRefresh' },
  { kind: 'fourOctetAs', asn: asnOf(part) },
  ...roles[part].more,
];

const rule = (action: FilterRule['action']): readonly FilterRule[] => [oneRule({ action, operations: [] })];
const meta = (name: string) => ({ name, labels: {}, annotations: {} });
const node = 'rehearsal';

const filter = (name: string, told: FilterRule['action']): Resource => ({
  kind: 'BGPFilter',
  meta: meta(name),
  importV4: rule('Accept'),
  importV6: rule('Accept'),
  exportV4: rule(told),
  exportV6: rule(told),
});

export const castResources = (): readonly Resource[] => [
  {
    kind: 'Node',
    meta: meta(node),
    podCidrs: [],
    internalIps: [addressAt(subnets[4], 1), addressAt(subnets[6], 1)],
    taints: [],
    unschedulable: false,
    ready: true,
    deleting: false,
  },
  filter('all', 'Accept'),
  filter('in', 'Reject'),
  ...parts.map(
    (part): Resource => ({
      kind: 'BGPPeer',
      meta: meta(part),
      remote: { kind: 'address', ip: addressOf(part, roles[part].version) },
      asNumber: asnOf(part),
      filters: [roles[part].filter],
    }),
  ),
];

/** @returns  undefined if a node cannot be configured so, which would be an error of ours */
export const castConfig = (): SpeakerConfig | undefined => intentOf(node, castResources()).config;
