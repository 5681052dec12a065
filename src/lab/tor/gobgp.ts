/**
 * GoBGP as the ToR. gobgpd keeps no kernel routes of its own: it would hand them to FRR's zebra, but Debian's gobgpd 3.10
 * panics on the interface messages of Debian's zebra 8.4 (every `software-name` was tried). So a follower of the lab
 * (`follow.ts`) copies gobgpd's best routes into the ToR's kernel, and nothing else.
 */
import { at, isRecord, parseJson, type TorRoute, type TorSession, type TorSoftware } from './tor.ts';

const api = '127.0.0.1:50051';
const ask = (...words: readonly string[]): readonly string[] => ['gobgp', '-u', '127.0.0.1', '-j', ...words];

/** osrg/gobgp api.PeerState.SessionState. */
const stateNames = ['Unknown', 'Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];
/** The protobuf bytes of Family{afi, safi: unicast} in a MultiProtocolCapability, as gobgp prints them. */
const familyOfCapability: Readonly<Record<string, 'ipv4' | 'ipv6'>> = { CgQIARAB: 'ipv4', CgQIAhAB: 'ipv6' };

export const gobgp: TorSoftware = {
  title: 'GoBGP',
  versionCommand: ['gobgpd', '--version'],
  needs: [
    { program: 'gobgpd', package: 'gobgpd' },
    { program: 'gobgp', package: 'gobgpd' },
  ],
  files: ({ tor, nodes, nodeAsn }) => ({
    'gobgpd.toml': `[global.config]
  as = ${tor.asn}
  router-id = "${tor.address.v4}"
${nodes.map(({ address }) => neighbour(address.v4, nodeAsn)).join('')}`,
  }),
  processes: (_topology, dir) => [
    {
      role: 'gobgpd',
      command: [
        ...['gobgpd', '-f', `${dir}/gobgpd.toml`, '--api-hosts', api],
        ...['--pprof-disable', '--log-plain'],
      ],
    },
  ],
  sessionCommands: () => [ask('neighbor')],
  routeCommands: () => [ask('global', 'rib', '-a', 'ipv4'), ask('global', 'rib', '-a', 'ipv6')],
  parseSessions: ([text = '']) => {
    const neighbours = parseJson(text);
    return Array.isArray(neighbours) ? neighbours.flatMap(sessionOf) : undefined;
  },
  parseRoutes: (outputs) => {
    const tables = outputs.map(parseJson);
    const all = tables.every((table) => isRecord(table) && !('error' in table));
    return all ? tables.filter(isRecord).flatMap(routesOf) : undefined;
  },
  complaint: /level=(warning|error|fatal|panic)|^panic:/,
  // 4 is the hold timer, 6 a Cease.
  harmless:
    /sent notification" Code=[46] |hold timer expired|failed to (connect|dial)|Cease|closed|connection|i\/o timeout|read\/write/i,
};

const neighbour = (address: string, asn: number): string => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${asn}
  [neighbors.timers.config]
    hold-time = 3
    keepalive-interval = 1
    connect-retry = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`;

function sessionOf(facts: unknown): readonly TorSession[] {
  const address = at(facts, 'state', 'neighbor_address');
  const code = at(facts, 'state', 'session_state');
  if (typeof address !== 'string') return [];
  const established = code === 6;
  const remote = at(facts, 'state', 'remote_cap');
  const offered = (Array.isArray(remote) ? remote : []).flatMap((capability) => {
    const value = at(capability, 'value');
    const family = typeof value === 'string' ? familyOfCapability[value] : undefined;
    return family === undefined ? [] : [family];
  });
  return [
    {
      neighbour: address,
      established,
      state: stateNames[typeof code === 'number' ? code : 0] ?? 'Unknown',
      families: established ? offered : [],
    },
  ];
}

/** Path attribute 3 (NEXT_HOP) or 14 (MP_REACH_NLRI) names the next hop; a path with no neighbour is gobgpd's own. */
function routesOf(table: Readonly<Record<string, unknown>>): readonly TorRoute[] {
  return Object.entries(table).flatMap(([prefix, paths]) => {
    const best = Array.isArray(paths) ? paths.find((path) => at(path, 'best') === true) : undefined;
    const attributes = at(best, 'attrs');
    const hop = (Array.isArray(attributes) ? attributes : []).find((attribute) =>
      [3, 14].includes(Number(at(attribute, 'type'))),
    );
    const nextHop = at(hop, 'nexthop');
    return typeof nextHop === 'string' ? [{ prefix, nextHop }] : [];
  });
}
