/** BIRD 2 as the ToR: one process, both families over one session to each node, routes into the ToR's kernel. */
import type { TorRoute, TorSession, TorSoftware } from './tor.ts';

const control = (dir: string): string => `${dir}/bird.ctl`;
const ask = (dir: string, ...words: readonly string[]): readonly string[] => [
  'birdc',
  '-r',
  '-s',
  control(dir),
  ...words,
];

export const bird: TorSoftware = {
  title: 'BIRD',
  versionCommand: ['bird', '--version'],
  needs: [
    { program: 'bird', package: 'bird2' },
    { program: 'birdc', package: 'bird2' },
  ],
  files: ({ tor, nodes, nodeAsn }) => ({
    'bird.conf': `log stderr all;
router id ${tor.address.v4};
protocol device { scan time 2; }
protocol direct outside { ipv4; ipv6; interface "outside"; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; merge paths on; }
protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; merge paths on; }
template bgp node {
  local ${tor.address.v4} as ${tor.asn};
  hold time 3; keepalive time 1; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ipv4 { import all; export where proto = "outside"; next hop self; };
  ipv6 { import all; export where proto = "outside"; next hop address ${tor.address.v6}; };
}
${nodes.map(({ address }, index) => `protocol bgp peer${index + 1} from node { neighbor ${address.v4} as ${nodeAsn}; }`).join('\n')}
`,
  }),
  processes: (_topology, dir) => [
    {
      role: 'bird',
      command: ['bird', '-f', '-c', `${dir}/bird.conf`, '-s', control(dir)],
      readyFile: control(dir),
    },
  ],
  sessionCommands: (dir) => [ask(dir, 'show', 'protocols', 'all')],
  routeCommands: (dir) => [ask(dir, 'show', 'route', 'primary', 'all')],
  parseSessions: ([text = '']) =>
    text.includes('Name       Proto') ? protocolBlocks(text).flatMap(sessionOf) : undefined,
  parseRoutes: ([text = '']) => (text.startsWith('BIRD') ? routesOf(text) : undefined),
  complaint: /<(RMT|ERR|BUG|FATAL|WARN)>/,
  harmless:
    /Hold timer expired|Administrative|Cease|Connection (closed|lost|collision)|Socket|shut ?down|Kernel/i,
};

/** `show protocols all`: a block begins in the first column and its details are indented. */
const protocolBlocks = (text: string): readonly string[] => text.split(/\n(?=\S)/);

function sessionOf(block: string): readonly TorSession[] {
  const neighbour = /Neighbor address: (\S+)/.exec(block)?.[1];
  const state = /BGP state: +(\S+)/.exec(block)?.[1];
  if (neighbour === undefined || state === undefined) return [];
  const up = (channel: 'ipv4' | 'ipv6'): boolean =>
    new RegExp(`Channel ${channel}\\n +State: +UP`).test(block);
  return [
    {
      neighbour,
      established: state === 'Established',
      state,
      families: (['ipv4', 'ipv6'] as const).filter(up),
    },
  ];
}

/** `show route primary all`: a prefix in the first column, its attributes indented below. */
function routesOf(text: string): readonly TorRoute[] {
  return text.split(/\n(?=\S)/).flatMap((block) => {
    const prefix = /^(\S+\/\d+) /.exec(block)?.[1];
    const nextHop = /BGP\.next_hop: (\S+)/.exec(block)?.[1];
    return prefix === undefined || nextHop === undefined ? [] : [{ prefix, nextHop }];
  });
}
