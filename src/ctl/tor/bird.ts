/** BIRD 2. Proven in test/netns/tor-config.test.ts. */
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

const identifier = (text: string): string => text.replaceAll(/[^A-Za-z0-9]/g, '_');

export function bird(side: TorSide): readonly string[] {
  return [
    ...preamble(side, '#'),
    ...([4, 6] as const).flatMap((version) => filter(side, version)),
    ...(side.groups.some(({ options }) => options.bfd !== undefined) ? ['protocol bfd tortie {', '}'] : []),
    ...side.groups.flatMap((group) => [
      ...notes(group, '#'),
      ...template(side, group),
      ...neighbours(side, group),
    ]),
  ];
}

/** What nodes announce, and are told of each other. */
function filter(side: TorSide, version: IpVersion): readonly string[] {
  const prefixes = announcedIn(side, version).map((prefix) => `${formatPrefix(prefix)}+`);
  return [
    `filter tortie${version} {`,
    ...(prefixes.length === 0 ? [] : [`  if net ~ [ ${prefixes.join(', ')} ] then accept;`]),
    '  reject;',
    '}',
  ];
}

function template(side: TorSide, group: TorGroup): readonly string[] {
  const { name, hold, keepalive, options, families, isInternal, role } = group;
  const password = passwordText(group);
  const { bfd } = options;
  const hops = options.ttlSecurity;
  const line = (text: string): string => `  ${text}`;
  return [
    `template bgp ${identifier(name)} {`,
    line(`local ${formatAddress(side.address)} as ${side.asn};`),
    line(`hold time ${hold};`),
    line(`keepalive time ${keepalive};`),
    ...(password === undefined ? [] : [line(`password "${password}";`)]),
    ...(hops === undefined
      ? []
      : [...(hops > 1 ? [line(`multihop ${hops};`)] : []), line('ttl security on;')]),
    ...(bfd === undefined
      ? []
      : [
          line(
            `bfd { min rx interval ${bfd.minRxMs} ms; min tx interval ${bfd.minTxMs} ms; multiplier ${bfd.multiplier}; };`,
          ),
        ]),
    ...(isInternal ? [line('rr client;')] : []),
    ...(role === undefined ? [] : [line(`local role ${role.replace('-', '_')};`)]),
    line('graceful restart aware;'),
    ...families.map((version) =>
      line(
        `ipv${version} { import filter tortie${version}; export filter tortie${version}; import limit ${mostPrefixes} action restart; };`,
      ),
    ),
    '}',
  ];
}

const neighbours = ({ range }: TorSide, { name, nodes, port }: TorGroup): readonly string[] => {
  const [first] = nodes;
  if (range !== undefined && first !== undefined)
    return [
      `protocol bgp ${identifier(name)}_nodes from ${identifier(name)} {`,
      `  neighbor range ${formatPrefix(range)} as ${first.asn};`,
      '}',
    ];
  const at = port === 179 ? '' : ` port ${port}`;
  return nodes.map(
    (node) =>
      `protocol bgp ${identifier(`${name}-${node.name}`)} from ${identifier(name)} { description "${node.name}"; neighbor ${formatAddress(node.address)}${at} as ${node.asn}; }`,
  );
};
