/** FRR 8 and later, for `vtysh` or frr.conf. Proven in test/netns/tor-config.test.ts. */
import { formatAddress, formatPrefix, type IpVersion } from '../../lib/net.ts';
import {
  announcedIn,
  isV4,
  mostPrefixes,
  notes,
  passwordText,
  preamble,
  type TorGroup,
  type TorSide,
} from './side.ts';

const family = { 4: 'ipv4', 6: 'ipv6' } as const;
const ip = { 4: 'ip', 6: 'ipv6' } as const;

export function frr(side: TorSide): readonly string[] {
  const { groups } = side;
  return [
    ...preamble(side, '!'),
    ...groups.flatMap(bfdProfile),
    ...([4, 6] as const).flatMap((version) => prefixList(side, version)),
    'route-map TORTIE permit 10',
    ' match ip address prefix-list TORTIE4',
    'exit',
    'route-map TORTIE permit 20',
    ' match ipv6 address prefix-list TORTIE6',
    'exit',
    `router bgp ${side.asn}`,
    ' no bgp default ipv4-unicast',
    // A route that is told before the router's own kernel has it costs the first packets.
    ' bgp suppress-fib-pending',
    ...groups.flatMap((group) => neighbours(side, group)),
    ...([4, 6] as const).flatMap((version) => addressFamily(groups, version)),
    'exit',
  ];
}

/** What nodes announce, and are told of each other. */
const prefixList = (side: TorSide, version: IpVersion): readonly string[] => [
  ...announcedIn(side, version).map(
    (prefix) =>
      `${ip[version]} prefix-list TORTIE${version} permit ${withLongest(formatPrefix(prefix), version)}`,
  ),
  `${ip[version]} prefix-list TORTIE${version} deny any`,
];

/** FRR takes no "le" that says nothing. */
function withLongest(prefix: string, version: IpVersion): string {
  const most = version === 4 ? 32 : 128;
  return prefix.endsWith(`/${most}`) ? prefix : `${prefix} le ${most}`;
}

function bfdProfile({ name, options: { bfd } }: TorGroup): readonly string[] {
  if (bfd === undefined) return [];
  return [
    'bfd',
    ` profile ${name}`,
    `  detect-multiplier ${bfd.multiplier}`,
    `  transmit-interval ${bfd.minTxMs}`,
    `  receive-interval ${bfd.minRxMs}`,
    ' exit',
    'exit',
  ];
}

function neighbours({ range }: TorSide, group: TorGroup): readonly string[] {
  const { name, nodes, keepalive, hold, options, role, isInternal } = group;
  const password = passwordText(group);
  const one = (line: string): string => ` neighbor ${name} ${line}`;
  const [first] = nodes;
  return [
    ...notes(group, ' !'),
    one('peer-group'),
    one(`timers ${keepalive} ${hold}`),
    ...(password === undefined ? [] : [one(`password ${password.replaceAll(' ', '-')}`)]),
    ...(options.ttlSecurity === undefined || isInternal
      ? []
      : [one(`ttl-security hops ${options.ttlSecurity}`)]),
    ...(options.bfd === undefined ? [] : [one('bfd'), one(`bfd profile ${name}`)]),
    ...(role === undefined ? [] : [one(`local-role ${role === 'rs' ? 'rs-server' : role}`)]),
    ...(range === undefined || first === undefined
      ? nodes.flatMap(({ name: node, address, asn }) => {
          const neighbour = ` neighbor ${formatAddress(address)}`;
          return [
            `${neighbour} remote-as ${asn}`,
            `${neighbour} peer-group ${name}`,
            `${neighbour} description ${node}`,
          ];
        })
      : [one(`remote-as ${first.asn}`), ` bgp listen range ${formatPrefix(range)} peer-group ${name}`]),
  ];
}

function addressFamily(groups: readonly TorGroup[], version: IpVersion): readonly string[] {
  const members = groups.filter(({ families }) => families.includes(version));
  if (members.length === 0) return [];
  return [
    ` address-family ${family[version]} unicast`,
    ...members.flatMap(({ name, isInternal, nodes }) => [
      `  neighbor ${name} activate`,
      `  neighbor ${name} route-map TORTIE in`,
      `  neighbor ${name} route-map TORTIE out`,
      `  neighbor ${name} maximum-prefix ${mostPrefixes}`,
      ...(isInternal ? [`  neighbor ${name} route-reflector-client`] : []),
      ...(nodes.some(({ address }) => isV4(address)) && version === 6
        ? ["  ! the next hop is this router's own IPv6 address on the link of the session"]
        : []),
    ]),
    ' exit-address-family',
  ];
}
