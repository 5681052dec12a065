/** Arista EOS. Nobody has loaded it here: to be looked over. */
import { formatAddress, formatPrefix, type IpVersion } from '../../lib/net.ts';
import {
  announcedIn,
  mostPrefixes,
  notes,
  passwordText,
  preamble,
  type TorGroup,
  type TorSide,
} from './side.ts';

const ip = { 4: 'ip', 6: 'ipv6' } as const;

export function eos(side: TorSide): readonly string[] {
  return [
    ...preamble(side, '!'),
    ...prefixLists(side),
    'route-map TORTIE permit 10',
    '   match ip address prefix-list TORTIE4',
    'route-map TORTIE permit 20',
    '   match ipv6 address prefix-list TORTIE6',
    ...side.groups.flatMap(({ options: { bfd } }) =>
      bfd === undefined
        ? []
        : [
            'router bfd',
            `   interval ${bfd.minTxMs} min-rx ${bfd.minRxMs} multiplier ${bfd.multiplier} default`,
          ],
    ),
    `router bgp ${side.asn}`,
    '   no bgp default ipv4-unicast',
    ...side.groups.flatMap((group) => neighbours(side, group)),
    ...([4, 6] as const).flatMap((version) => addressFamily(side.groups, version)),
  ];
}

const prefixLists = (side: TorSide): readonly string[] => [
  ...announcedIn(side, 4).map(
    (prefix, index) => `ip prefix-list TORTIE4 seq ${(index + 1) * 10} permit ${formatPrefix(prefix)} le 32`,
  ),
  'ipv6 prefix-list TORTIE6',
  ...announcedIn(side, 6).map(
    (prefix, index) => `   seq ${(index + 1) * 10} permit ${formatPrefix(prefix)} le 128`,
  ),
];

function neighbours({ range }: TorSide, group: TorGroup): readonly string[] {
  const { name, nodes, keepalive, hold, options, role, isInternal } = group;
  const password = passwordText(group);
  const one = (line: string): string => `   neighbor ${name} ${line}`;
  const [first] = nodes;
  return [
    ...notes(group, '   !'),
    one('peer group'),
    one(`timers ${keepalive} ${hold}`),
    ...(password === undefined ? [] : [one(`password 0 ${password}`)]),
    ...(options.ttlSecurity === undefined ? [] : [one(`ttl maximum-hops ${options.ttlSecurity}`)]),
    ...(options.bfd === undefined ? [] : [one('bfd')]),
    ...(role === undefined ? [] : [`   ! role ${role} (RFC 9234): set it where this release has it`]),
    one(`maximum-routes ${mostPrefixes}`),
    ...(isInternal ? [one('route-reflector-client')] : []),
    ...(range === undefined || first === undefined
      ? nodes.flatMap((node) => {
          const neighbour = `   neighbor ${formatAddress(node.address)}`;
          return [
            `${neighbour} peer group ${name}`,
            `${neighbour} remote-as ${node.asn}`,
            `${neighbour} description ${node.name}`,
          ];
        })
      : [`   bgp listen range ${formatPrefix(range)} peer-group ${name} remote-as ${first.asn}`]),
  ];
}

function addressFamily(groups: readonly TorGroup[], version: IpVersion): readonly string[] {
  const members = groups.filter(({ families }) => families.includes(version));
  if (members.length === 0) return [];
  return [
    '   !',
    `   address-family ${ip[version] === 'ip' ? 'ipv4' : 'ipv6'}`,
    ...members.flatMap(({ name }) => [
      `      neighbor ${name} activate`,
      `      neighbor ${name} route-map TORTIE in`,
      `      neighbor ${name} route-map TORTIE out`,
    ]),
  ];
}
