/**
 * FRR as the ToR: zebra and bgpd started by hand, with configuration, sockets and pid files in the lab's own directory,
 * so that a system's FRR is neither needed nor disturbed.
 *
 * Debian's build insists that the user it runs as belongs to the group frrvty; `-u root -g frrvty` satisfies it.
 */
import { outside } from '../topology.ts';
import { at, isRecord, parseJson, type TorRoute, type TorSession, type TorSoftware } from './tor.ts';

const daemon = (dir: string, name: string): readonly string[] => [
  `/usr/lib/frr/${name}`,
  ...['-u', 'root', '-g', 'frrvty', '--vty_socket', dir, '-z', `${dir}/zserv.api`],
  ...['-i', `${dir}/${name}.pid`, '-f', `${dir}/${name}.conf`, '-P', '0', '--log', 'stdout'],
];
/** -H: vtysh would else keep a history file in the user's home. */
const ask = (dir: string, command: string): readonly string[] => [
  'vtysh',
  '-H',
  '/dev/null',
  '--vty_socket',
  dir,
  '-c',
  command,
];

export const frr: TorSoftware = {
  title: 'FRR',
  versionCommand: ['/usr/lib/frr/zebra', '--version'],
  needs: [
    { program: '/usr/lib/frr/zebra', package: 'frr' },
    { program: '/usr/lib/frr/bgpd', package: 'frr' },
    { program: 'vtysh', package: 'frr' },
  ],
  files: ({ tor, nodes, nodeAsn }) => ({
    'zebra.conf': 'log stdout informational\n',
    'bgpd.conf': `log stdout informational
router bgp ${tor.asn}
 bgp router-id ${tor.address.v4}
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor nodes peer-group
 neighbor nodes remote-as ${nodeAsn}
 neighbor nodes timers 1 3
 neighbor nodes timers connect 1
 neighbor nodes advertisement-interval 0
${nodes.map(({ address }) => ` neighbor ${address.v4} peer-group nodes`).join('\n')}
 address-family ipv4 unicast
  neighbor nodes activate
  network ${outside.v4}
 exit-address-family
 address-family ipv6 unicast
  neighbor nodes activate
  network ${outside.v6}
 exit-address-family
`,
  }),
  processes: (_topology, dir) => [
    { role: 'zebra', command: daemon(dir, 'zebra'), readyFile: `${dir}/zserv.api` },
    { role: 'bgpd', command: daemon(dir, 'bgpd'), readyFile: `${dir}/bgpd.vty` },
  ],
  sessionCommands: (dir) => [ask(dir, 'show bgp neighbors json')],
  routeCommands: (dir) => [ask(dir, 'show bgp ipv4 unicast json'), ask(dir, 'show bgp ipv6 unicast json')],
  parseSessions: ([text = '']) => {
    const neighbours = parseJson(text);
    return isRecord(neighbours) ? Object.entries(neighbours).flatMap(sessionOf) : undefined;
  },
  parseRoutes: (outputs) => {
    const tables = outputs.map((text) => at(parseJson(text), 'routes'));
    return tables.every(isRecord) ? tables.flatMap(routesOf) : undefined;
  },
  // Why a session went down, or an OPEN was refused, stands in a %NOTIFICATION line of its own; "OPEN receipt failed"
  // alone is one of two colliding connections (RFC 4271 §6.8) being dropped.
  complaint: /\[EC \d+\]|malformed|error|NOTIFICATION|treat-as-withdraw|discard/i,
  harmless:
    /%ADJCHANGE|OPEN receipt failed|Hold Timer Expired|Cease|Disabling MPLS|could chown socket|zclient_send_message|TCP|connect|ZEBRA:/i,
};

function sessionOf([neighbour, facts]: readonly [string, unknown]): readonly TorSession[] {
  const state = at(facts, 'bgpState');
  if (typeof state !== 'string') return [];
  const agreed = (family: string): boolean =>
    at(facts, 'neighborCapabilities', 'multiprotocolExtensions', family, 'advertisedAndReceived') === true;
  return [
    {
      neighbour,
      established: state === 'Established',
      state,
      families: (['ipv4', 'ipv6'] as const).filter((family) => agreed(`${family}Unicast`)),
    },
  ];
}

/** A path that is ours to show came from a neighbour: the ToR's own networks have peerId "(unspec)". */
function routesOf(table: Readonly<Record<string, unknown>>): readonly TorRoute[] {
  return Object.entries(table).flatMap(([prefix, paths]) => {
    const best = Array.isArray(paths) ? paths.find((path) => at(path, 'bestpath') === true) : undefined;
    const hops = at(best, 'nexthops');
    const nextHop = Array.isArray(hops) ? at(hops[0], 'ip') : undefined;
    if (at(best, 'peerId') === '(unspec)' || typeof nextHop !== 'string') return [];
    return [{ prefix, nextHop }];
  });
}
