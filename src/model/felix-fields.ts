/**
 * The fields of FelixConfiguration, one row each: form, default, when a change takes effect, and what it does here.
 *
 * Names, forms and defaults are Calico's, but where a row says otherwise. What has no meaning here is in `felix-refused.ts`
 * with the reason.
 */
import type { Address, Prefix } from '../lib/net.ts';
import type { PortRange } from './policy.ts';

/** One entry of the failsafe ports. */
export interface ProtoPort {
  /** IANA number: 6, 17 or 132. */
  readonly protocol: number;
  readonly port: number;
  /** Only with a peer in this prefix; absent: any. */
  readonly net?: Prefix;
}

/** So many in each `perMs`. */
export interface Rate {
  readonly count: number;
  readonly unit: 'second' | 'minute' | 'hour' | 'day';
}

export type Shape =
  | { readonly kind: 'flag' }
  /** Both ends included. */
  | { readonly kind: 'number'; readonly least: number; readonly most: number }
  /** Upper and lower case are the same, as in Calico's own definitions. */
  | { readonly kind: 'word'; readonly words: readonly string[] }
  /** Go's text, "1m30s"; the value is in ms. */
  | { readonly kind: 'duration'; readonly leastMs: number; readonly mostMs: number }
  /** `pattern`: of the whole text. */
  | { readonly kind: 'text'; readonly pattern: string; readonly most: number; readonly example: string }
  /** A regular expression. */
  | { readonly kind: 'pattern' }
  /** Names of interfaces, or /patterns/, with commas between. */
  | { readonly kind: 'interfaces' }
  | { readonly kind: 'address'; readonly version?: 4 | 6 }
  | { readonly kind: 'ports' }
  /** "first:last" or one number. */
  | { readonly kind: 'portRange' }
  /** "10/second". */
  | { readonly kind: 'rate' };

/** live: at once, or with the next pod where the row says so. restart: felix ends with code 129 and is started again. */
export type Effect = 'live' | 'restart';

export interface Row<T> {
  readonly shape: Shape;
  readonly usual: T;
  readonly effect: Effect;
  /** What it does here, for the docs and `kubectl explain`. */
  readonly what: string;
  /** Not a field of Calico's. */
  readonly extension?: true;
}

const flag = (usual: boolean, effect: Effect, what: string): Row<boolean> => ({
  ...{ usual, effect, what },
  shape: { kind: 'flag' },
});
const number = (range: [number, number], usual: number, effect: Effect, what: string): Row<number> => ({
  ...{ usual, effect, what },
  shape: { kind: 'number', least: range[0], most: range[1] },
});
const word = <const W extends string>(
  words: readonly W[],
  usual: W,
  effect: Effect,
  what: string,
): Row<W> => ({
  ...{ usual, effect, what },
  shape: { kind: 'word', words },
});
const day = 86_400_000;
const duration = (usual: number, effect: Effect, what: string, leastMs = 0): Row<number> => ({
  ...{ usual, effect, what },
  shape: { kind: 'duration', leastMs, mostMs: day },
});
const optional = <T>(shape: Shape, effect: Effect, what: string): Row<T | undefined> => ({
  ...{ shape, effect, what },
  usual: undefined,
});
const extension = <T>(row: Row<T>): Row<T> => ({ ...row, extension: true });

const tcp = (...ports: readonly number[]): readonly ProtoPort[] =>
  ports.map((port) => ({ protocol: 6, port }));
const udp = (...ports: readonly number[]): readonly ProtoPort[] =>
  ports.map((port) => ({ protocol: 17, port }));

const failsafe = (usual: readonly ProtoPort[], what: string): Row<readonly ProtoPort[]> => ({
  ...{ usual, what },
  shape: { kind: 'ports' },
  effect: 'live',
});

const uint32 = [1, 0xffff_ffff] satisfies [number, number];
const metric = [1, 2_147_483_646] satisfies [number, number];
const mask = (backend: string, more = ''): Row<number> =>
  number(
    uint32,
    0xffff_0000,
    'live',
    `With ${backend}: the lowest bit of it is set on packets that untracked or preDNAT policy of a HostEndpoint accepted${more}; nothing else of the packet mark is ever used.`,
  );
const allowAction = (where: string): Row<'Accept' | 'Return'> =>
  word(
    ['Accept', 'Return'],
    'Accept',
    'live',
    `What our ${where} do with what policy allows. Both are the same: in nftables an accept ends one chain of a hook, and the chains of others judge in any case.`,
  );

export const felixFields = {
  // What is judged, and how.
  defaultEndpointToHostAction: word(
    ['Drop', 'Accept', 'Return'],
    'Accept',
    'live',
    'What becomes of traffic from a pod to its own node once the egress policy of the pod allows it. Calico’s own default is Drop, which its manifests set to Accept; here it is Accept.',
  ),
  failsafeInboundHostPorts: failsafe(
    [...tcp(22), ...udp(68), ...tcp(179, 2379, 2380, 5473, 6443, 6666, 6667)],
    'Ports of the node that stay open to it whatever policy of a HostEndpoint says.',
  ),
  failsafeOutboundHostPorts: failsafe(
    [...udp(53, 67), ...tcp(179, 2379, 2380, 5473, 6443, 6666, 6667)],
    'Ports that the node may always reach whatever policy of a HostEndpoint says.',
  ),
  disableConntrackInvalidCheck: flag(
    false,
    'live',
    'true: packets that connection tracking calls invalid are judged by policy instead of dropped.',
  ),
  nftablesFilterDenyAction: word(
    ['Drop', 'Reject'],
    'Drop',
    'live',
    'What becomes of denied packets: Reject tells the sender (a TCP reset, or ICMP administratively prohibited).',
  ),
  iptablesFilterDenyAction: word(
    ['Drop', 'Reject'],
    'Drop',
    'live',
    'The same while rules are written by iptables.',
  ),
  nftablesFilterAllowAction: allowAction('filter chains'),
  nftablesMangleAllowAction: allowAction('chains before translation'),
  workloadSourceSpoofing: word(
    ['Disabled', 'Any'],
    'Disabled',
    'live',
    'Any: the annotation cni.projectcalico.org/allowedSourcePrefixes of a pod is honoured: it may send from those prefixes too.',
  ),
  allowVXLANPacketsFromWorkloads: flag(
    false,
    'live',
    'true: pods may send VXLAN (UDP to vxlanPort). By default it is dropped, since it could carry what policy forbids.',
  ),
  allowIPIPPacketsFromWorkloads: flag(
    false,
    'live',
    'true: pods may send IP in IP (protocol 4). By default it is dropped, since it could carry what policy forbids.',
  ),
  vxlanPort: number([1, 65_535], 4789, 'live', 'The UDP port that allowVXLANPacketsFromWorkloads is about.'),
  connectionPolicy: extension(
    word(
      ['Keep', 'Reevaluate'],
      'Keep',
      'live',
      'Keep: what was allowed once stays allowed until the connection ends. Reevaluate: a connection that the new policy forbids ends with it.',
    ),
  ),
  logPrefix: {
    usual: 'calico-packet',
    shape: { kind: 'text', pattern: '([a-zA-Z0-9%: /_-])*', most: 127, example: 'calico-packet' },
    effect: 'live',
    what: 'Begins each line that a rule with action Log writes to the kernel’s log; %t is the tier, %k the kind, %n the name and %p the namespace and name of the policy. iptables shows 29 characters.',
  } satisfies Row<string>,
  logActionRateLimit: optional<Rate>(
    { kind: 'rate' },
    'live',
    'At most so many lines of action Log, for example 10/second; no limit if absent.',
  ),
  logActionRateLimitBurst: number(
    [1, 9999],
    5,
    'live',
    'So many more at once, where logActionRateLimit is set.',
  ),
  denyLogGroup: extension(
    number(
      [0, 65_535],
      81,
      'live',
      'The nfnetlink_log group that denied packets are told to; whoever else listens to this group must move.',
    ),
  ),
  denyLogRateLimit: extension(
    number(
      [0, 10_000],
      10,
      'live',
      'So many denied packets a second of each rule are recorded for tortiectl flows; 0 records none. They are counted in any case.',
    ),
  ),

  // Translation.
  natOutgoingAddress: optional<Address>(
    { kind: 'address' },
    'live',
    'Pods of pools with natOutgoing have this source outside, instead of that of the interface they leave by. For its own family only; the node must have the address.',
  ),
  natOutgoingExclusions: word(
    ['IPPoolsOnly', 'IPPoolsAndHostIPs'],
    'IPPoolsOnly',
    'live',
    'Where natOutgoing does not apply: to addresses in pools, or to those and to the nodes themselves.',
  ),
  natPortRange: optional<PortRange>(
    { kind: 'portRange' },
    'live',
    'Source ports that natOutgoing may choose, for TCP, UDP and SCTP, as first:last; the kernel’s choice if absent.',
  ),
  iptablesNATOutgoingInterfaceFilter: optional<string>(
    { kind: 'text', pattern: '[a-zA-Z0-9:._+-]{1,15}', most: 15, example: 'eth+' },
    'live',
    'natOutgoing applies only to what leaves by this interface; a + at the end stands for any more characters.',
  ),
  floatingIPs: word(
    ['Enabled', 'Disabled'],
    'Disabled',
    'live',
    'Enabled: the annotation cni.projectcalico.org/floatingIPs of pods is honoured.',
  ),
  serviceLoopPrevention: word(
    ['Drop', 'Reject', 'Disabled'],
    'Drop',
    'live',
    'What becomes of packets to a service range of BGPConfiguration/default that no Service translated: they would run in circles between this node and its router.',
  ),

  // Interfaces, routes and settings of the kernel.
  mtuIfacePattern: {
    usual: '^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)',
    shape: { kind: 'pattern' },
    effect: 'live',
    what: 'Interfaces of the node whose smallest MTU new pods get; if none matches, that of the default route. --cni-mtu and the CNI configuration have their way before it.',
  } satisfies Row<string>,
  mssClamping: extension(
    word(
      ['Enabled', 'Disabled'],
      'Disabled',
      'live',
      'Enabled: TCP connections of pods begin with no greater segments than the route to the other end allows, for networks that lose the ICMP message that says so.',
    ),
  ),
  interfaceExclude: {
    usual: ['kube-ipvs0'] as readonly string[],
    shape: { kind: 'interfaces' },
    effect: 'live',
    what: 'Interfaces, by name or /pattern/, whose addresses are not taken for the node’s own where HostEndpoints ask for them, from the next change of an interface on. natOutgoing goes by the InternalIPs of Nodes.',
  } satisfies Row<readonly string[]>,
  ipForwarding: word(
    ['Enabled', 'Disabled'],
    'Enabled',
    'live',
    'Disabled: net.ipv4.ip_forward and net.ipv6.conf.all.forwarding stay as somebody else set them; pods then reach nothing but their node.',
  ),
  routeSyncDisabled: flag(false, 'restart', 'true: felix writes no routes to pods; something else must.'),
  deviceRouteSourceAddress: optional<Address>(
    { kind: 'address', version: 4 },
    'restart',
    'The source address that the node uses to its own IPv4 pods; the kernel’s choice if absent.',
  ),
  deviceRouteSourceAddressIPv6: optional<Address>(
    { kind: 'address', version: 6 },
    'restart',
    'The same for IPv6.',
  ),
  ipv4NormalRoutePriority: optional<number>(
    { kind: 'number', least: metric[0], most: metric[1] },
    'restart',
    'Metric of the routes to this node’s IPv4 pods; 0, before all others, if absent (Calico: 1024).',
  ),
  ipv6NormalRoutePriority: optional<number>(
    { kind: 'number', least: metric[0], most: metric[1] },
    'restart',
    'Metric of the routes to this node’s IPv6 pods; 1024 if absent.',
  ),
  routeRefreshInterval: duration(
    90_000,
    'live',
    'How often routes to pods are read again although the kernel told of no change; 0s: never.',
  ),
  nftablesRefreshInterval: duration(
    180_000,
    'live',
    'How often our table is read again although the kernel told of no change; 0s: never.',
  ),
  iptablesRefreshInterval: duration(180_000, 'live', 'The same while rules are written by iptables.'),
  ipsetsRefreshInterval: duration(
    90_000,
    'live',
    'The same of ipsets; rules and sets are read together, at the shorter of the two.',
  ),
  maxIpsetSize: number(
    [1, 0xffff_ffff],
    1_048_576,
    'restart',
    'The most members of one ipset; nftables has no such limit.',
  ),
  nftablesMode: word(
    ['Auto', 'Enabled', 'Disabled'],
    'Auto',
    'restart',
    'Enabled: rules are written by nftables; Disabled: by iptables; Auto: by nftables where the kernel has it.',
  ),
  iptablesBackend: word(
    ['Auto', 'Legacy', 'NFT'],
    'Auto',
    'restart',
    'Which iptables is used where rules are written by it.',
  ),
  chainInsertMode: word(
    ['Insert', 'Append'],
    'Insert',
    'live',
    'Whether iptables asks our chains before or after the rules of others. In nftables priorities say so.',
  ),
  nftablesMarkMask: mask('nftables'),
  iptablesMarkMask: mask('iptables', ', the second lowest on those that the table filter is to reject'),

  // The process.
  logSeverityScreen: optional<'Trace' | 'Debug' | 'Info' | 'Warning' | 'Error' | 'Fatal'>(
    {
      kind: 'word',
      words: ['Trace', 'Debug', 'Info', 'Warning', 'Error', 'Fatal'],
    },
    'live',
    'What felix logs, to standard error; that of --log-level if absent.',
  ),
  dataplaneWatchdogTimeout: duration(
    90_000,
    'live',
    'A write of rules that takes longer makes /livez say so, and kubelet starts felix again.',
    10_000,
  ),
} as const satisfies Readonly<Record<string, Row<unknown>>>;

export type FelixFieldName = keyof typeof felixFields;

/** What each field comes to; durations in ms. */
export type FelixSettings = {
  readonly [Name in FelixFieldName]: (typeof felixFields)[Name] extends Row<infer T> ? T : never;
};

export const felixDefaults: FelixSettings = Object.fromEntries(
  Object.entries(felixFields).map(([name, { usual }]) => [name, usual]),
) as FelixSettings;
