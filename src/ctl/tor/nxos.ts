/** Cisco NX-OS. Nobody has loaded it here: to be looked over. */
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

const words = {
  4: { ip: 'ip', family: 'ipv4', most: 32 },
  6: { ip: 'ipv6', family: 'ipv6', most: 128 },
} as const;

export function nxos(side: TorSide): readonly string[] {
  return [
    ...preamble(side, '!'),
    'feature bgp',
    ...(side.groups.some(({ options }) => options.bfd !== undefined) ? ['feature bfd'] : []),
    ...([4, 6] as const).flatMap((version) => policy(side, version)),
    `router bgp ${side.asn}`,
    ...side.groups.flatMap((group) => [...template(group), ...neighbours(side, group)]),
  ];
}

const policy = (side: TorSide, version: IpVersion): readonly string[] => {
  const { ip, most } = words[version];
  return [
    ...announcedIn(side, version).map(
      (prefix, index) =>
        `${ip} prefix-list TORTIE${version} seq ${(index + 1) * 10} permit ${formatPrefix(prefix)} le ${most}`,
    ),
    `route-map TORTIE${version} permit 10`,
    `  match ${ip} address prefix-list TORTIE${version}`,
  ];
};

function template(group: TorGroup): readonly string[] {
  const { name, keepalive, hold, options, families, isInternal, role } = group;
  const password = passwordText(group);
  const { bfd, ttlSecurity } = options;
  return [
    ...notes(group, '  !'),
    `  template peer ${name}`,
    `    timers ${keepalive} ${hold}`,
    ...(password === undefined ? [] : [`    password 0 ${password}`]),
    ...(ttlSecurity === undefined ? [] : [`    ttl-security hops ${ttlSecurity}`]),
    ...(bfd === undefined
      ? []
      : [
          `    ! bfd interval ${bfd.minTxMs} min_rx ${bfd.minRxMs} multiplier ${bfd.multiplier} belongs to the interface`,
          '    bfd',
        ]),
    ...(role === undefined ? [] : [`    ! role ${role} (RFC 9234): set it where this release has it`]),
    ...families.flatMap((version) => [
      `    address-family ${words[version].family} unicast`,
      `      route-map TORTIE${version} in`,
      `      route-map TORTIE${version} out`,
      `      maximum-prefix ${mostPrefixes} 80`,
      ...(isInternal ? ['      route-reflector-client'] : []),
    ]),
  ];
}

function neighbours({ range }: TorSide, { name, nodes }: TorGroup): readonly string[] {
  const [first] = nodes;
  if (range !== undefined && first !== undefined)
    return [`  neighbor ${formatPrefix(range)}`, `    inherit peer ${name}`, `    remote-as ${first.asn}`];
  return nodes.flatMap((node) => [
    `  neighbor ${formatAddress(node.address)}`,
    `    inherit peer ${name}`,
    `    remote-as ${node.asn}`,
    `    description ${node.name}`,
  ]);
}
