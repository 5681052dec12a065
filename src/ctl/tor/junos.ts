/** Juniper Junos, as "set" commands. Nobody has loaded it here: to be looked over. */
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

const inet = { 4: 'inet', 6: 'inet6' } as const;

export function junos(side: TorSide): readonly string[] {
  return [
    ...preamble(side, '#'),
    `set routing-options autonomous-system ${side.asn}`,
    ...([4, 6] as const).flatMap((version) => policy(side, version)),
    'set policy-options policy-statement TORTIE term rest then reject',
    ...side.groups.flatMap((group) => groupLines(side, group)),
  ];
}

const policy = (side: TorSide, version: IpVersion): readonly string[] => {
  const term = `set policy-options policy-statement TORTIE term nodes${version}`;
  const prefixes = announcedIn(side, version);
  if (prefixes.length === 0) return [];
  return [
    ...prefixes.map((prefix) => `${term} from route-filter ${formatPrefix(prefix)} orlonger`),
    `${term} then accept`,
  ];
};

function groupLines(side: TorSide, group: TorGroup): readonly string[] {
  const { name, hold, options, families, isInternal, nodes, role } = group;
  const { bfd, ttlSecurity } = options;
  const password = passwordText(group);
  const set = (text: string): string => `set protocols bgp group ${name} ${text}`;
  const [first] = nodes;
  return [
    ...notes(group, '#'),
    set(`type ${isInternal ? 'internal' : 'external'}`),
    ...(isInternal ? [set(`cluster ${formatAddress(side.address)}`)] : []),
    set(`local-address ${formatAddress(side.address)}`),
    set(`hold-time ${hold}`),
    ...(password === undefined ? [] : [set(`authentication-key "${password}"`)]),
    ...(ttlSecurity === undefined
      ? []
      : [`# GTSM: drop TCP 179 with a TTL below ${256 - ttlSecurity} in a firewall filter on lo0`]),
    ...(bfd === undefined
      ? []
      : [
          set(`bfd-liveness-detection minimum-interval ${Math.max(bfd.minTxMs, bfd.minRxMs)}`),
          set(`bfd-liveness-detection multiplier ${bfd.multiplier}`),
        ]),
    ...(role === undefined ? [] : [`# role ${role} (RFC 9234): set it where this release has it`]),
    ...families.map((version) =>
      set(`family ${inet[version]} unicast prefix-limit maximum ${mostPrefixes} teardown 80 idle-timeout 5`),
    ),
    set('import TORTIE'),
    set('export TORTIE'),
    ...(side.range === undefined || first === undefined
      ? nodes.flatMap((node) => [
          set(`neighbor ${formatAddress(node.address)} description ${node.name}`),
          set(`neighbor ${formatAddress(node.address)} peer-as ${node.asn}`),
        ])
      : [set(`peer-as ${first.asn}`), set(`allow ${formatPrefix(side.range)}`)]),
  ];
}
