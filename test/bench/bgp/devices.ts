/**
 * The speakers compared, each as a user of it would run it and as like the others as can be: no policy but to accept
 * everything; injectors are told nothing unless the bench is about that.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { formatAddress, ipv4, parseAddress } from '../../../src/lib/net.ts';
import { eventually } from '../../support/eventually.ts';
import type { Playground, Running } from '../../support/namespaces.ts';
import type { SessionSpec } from './talk.ts';

export interface Neighbour {
  readonly session: SessionSpec;
  /** It is told routes. */
  readonly isTold: boolean;
}

export interface DeviceSpec {
  readonly neighbours: readonly Neighbour[];
  readonly withKernel: boolean;
  /** All neighbours are clients of a route reflector, of our AS. */
  readonly isReflector: boolean;
  /** The delay of our event loop is measured: that wakes it a thousand times a second, and is not part of what others pay. */
  readonly isWatched: boolean;
}

export interface Device {
  /** Of the process that speaks BGP. */
  readonly running: Running;
  /** What it says of the delay of its event loop, 99th percentile in ms; ours only. Read after it has ended. */
  readonly delayFile?: string;
}

export type DeviceName = 'ours' | 'bird' | 'frr' | 'gobgp';

type Start = (ground: Playground, directory: string, spec: DeviceSpec) => Promise<Device>;

export const ownAsn = 64512;
export const ownAddress = { 4: '10.0.0.1', 6: 'fd00:0:0:0:0:0:0:1' } as const;

/** The namespace of the one measured. */
export const deviceHost = 'device';

const launcher = new URL('../../../src/tortie.sh', import.meta.url).pathname;
const delayProbe = new URL('./delay.ts', import.meta.url).pathname;

async function ready(running: Running, file: string): Promise<void> {
  await eventually(
    () => {
      if (running.process.exitCode !== null || !existsSync(file)) throw new Error(running.output());
    },
    { within: 30_000, every: 20 },
  );
}

const manifests = ({ neighbours, isReflector }: DeviceSpec): readonly object[] => {
  const calico = (kind: string, name: string, spec: object): object => ({
    apiVersion: 'projectcalico.org/v3',
    kind,
    metadata: { name },
    spec,
  });
  const accept = [{ action: 'Accept' }];
  const reject = [{ action: 'Reject' }];
  return [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'node1',
        annotations: {
          'projectcalico.org/IPv4Address': `${ownAddress[4]}/16`,
          'projectcalico.org/IPv6Address': `fd00::1/64`,
          ...(isReflector && { 'projectcalico.org/RouteReflectorClusterID': '10.0.0.1' }),
        },
      },
      spec: {},
    },
    calico('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false, asNumber: ownAsn }),
    calico('BGPFilter', 'all', { importV4: accept, exportV4: accept, importV6: accept, exportV6: accept }),
    calico('BGPFilter', 'in', { importV4: accept, exportV4: reject, importV6: accept, exportV6: reject }),
    ...neighbours.map(({ session, isTold }, index) =>
      calico('BGPPeer', `n${index}`, {
        peerIP: session.from,
        asNumber: session.asn,
        filters: [isTold ? 'all' : 'in'],
      }),
    ),
  ];
};

const startOurs: Start = async (ground, directory, spec) => {
  const store = join(directory, 'store');
  mkdirSync(store);
  writeFileSync(
    join(store, 'all.yaml'),
    manifests(spec)
      .map((one) => stringify(one))
      .join('---\n'),
  );
  const socket = join(directory, 'bgp.sock');
  const delayFile = join(directory, 'delay');
  const running = ground.start(
    deviceHost,
    [
      ...[
        launcher,
        'bgp',
        '--datastore',
        `dir:${store}`,
        '--node',
        'node1',
        '--socket',
        socket,
        '--rehearse',
      ],
      ...['--state-dir', join(directory, 'state'), '--log-level', 'warn'],
      ...(spec.withKernel ? [] : ['--no-fib']),
    ],
    // E.g. --cpu-prof --cpu-prof-dir=DIR, to see where the time goes.
    {
      env: {
        NODE_OPTIONS: `${spec.isWatched ? `--import=${delayProbe}` : ''} ${process.env['TORTIE_BENCH_NODE_OPTIONS'] ?? ''}`,
        TORTIE_BENCH_DELAY: delayFile,
      },
    },
  );
  await ready(running, socket);
  return spec.isWatched ? { running, delayFile } : { running };
};

const birdConf = ({
  neighbours,
  withKernel,
  isReflector,
}: DeviceSpec): string => `log stderr { warning, error, fatal };
router id 10.0.0.1;
protocol device {}
${withKernel ? 'protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }' : ''}
${neighbours
  .map(
    ({ session: { from, asn, family }, isTold }, index) => `protocol bgp n${index} {
  local ${ownAddress[family]} as ${ownAsn};
  neighbor ${from} as ${asn};
  passive;
  ${isReflector ? 'rr client;' : ''}
  ipv${family} { import all; export ${isTold ? 'all' : 'none'}; };
}`,
  )
  .join('\n')}
`;

const startBird: Start = async (ground, directory, spec) => {
  const file = join(directory, 'bird.conf');
  const control = join(directory, 'bird.ctl');
  writeFileSync(file, birdConf(spec));
  const running = ground.start(deviceHost, ['bird', '-f', '-c', file, '-s', control]);
  await ready(running, control);
  return { running };
};

const frrConf = ({ neighbours, isReflector }: DeviceSpec): string => {
  const family = neighbours[0]?.session.family ?? 4;
  return `log stdout warnings
ip prefix-list none seq 5 deny any
ipv6 prefix-list none seq 5 deny any
router bgp ${ownAsn}
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
${neighbours
  .map(
    ({ session: { from, asn } }) => ` neighbor ${from} remote-as ${asn}
 neighbor ${from} passive
 neighbor ${from} timers 30 90
 neighbor ${from} advertisement-interval 0`,
  )
  .join('\n')}
 address-family ipv${family} unicast
${neighbours
  .map(
    ({ session: { from }, isTold }) => `  neighbor ${from} activate
${isReflector ? `  neighbor ${from} route-reflector-client\n` : ''}${isTold ? '' : `  neighbor ${from} prefix-list none out`}`,
  )
  .join('\n')}
 exit-address-family
`;
};

const startFrr: Start = async (ground, directory, spec) => {
  writeFileSync(join(directory, 'zebra.conf'), 'log stdout warnings\n');
  writeFileSync(join(directory, 'bgpd.conf'), frrConf(spec));
  chmodSync(directory, 0o755);
  const start = (name: string, more: readonly string[]): Running =>
    ground.start(deviceHost, [
      ...[`/usr/lib/frr/${name}`, '-u', 'root', '-g', 'frrvty', '--vty_socket', directory],
      ...[
        '-z',
        `${directory}/zserv.api`,
        '-i',
        `${directory}/${name}.pid`,
        '-f',
        `${directory}/${name}.conf`,
      ],
      ...['-P', '0', '--log', 'stdout', ...more],
    ]);
  const zebra = start('zebra', []);
  await ready(zebra, join(directory, 'zserv.api'));
  const running = start('bgpd', spec.withKernel ? [] : ['-n']);
  await ready(running, join(directory, 'bgpd.vty'));
  return { running };
};

/** As GoBGP writes it: it knows a neighbour by the text of its address. */
const shortest = (address: string): string => formatAddress(parseAddress(address) ?? ipv4(0));

const gobgpConf = ({ neighbours, isReflector }: DeviceSpec): string => `[global.config]
  as = ${ownAsn}
  router-id = "10.0.0.1"
[global.apply-policy.config]
  export-policy-list = ["told"]
  default-export-policy = "reject-route"
[[defined-sets.neighbor-sets]]
  neighbor-set-name = "told"
  neighbor-info-list = [${neighbours
    .filter(({ isTold }) => isTold)
    .map(({ session }) => `"${shortest(session.from)}"`)
    .join(', ')}]
[[policy-definitions]]
  name = "told"
  [[policy-definitions.statements]]
    name = "told"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "told"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
${neighbours
  .map(
    ({ session: { from, asn, family } }) => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${shortest(from)}"
    peer-as = ${asn}
  [neighbors.transport.config]
    passive-mode = true
${isReflector ? '  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = "10.0.0.1"\n' : ''}  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv${family}-unicast"
`,
  )
  .join('')}`;

const startGobgp: Start = async (ground, directory, spec) => {
  const file = join(directory, 'gobgpd.toml');
  writeFileSync(file, gobgpConf(spec));
  return { running: ground.start(deviceHost, ['gobgpd', '-f', file, '--log-level', 'error']) };
};

export const devices: Readonly<Record<DeviceName, Start>> = {
  ours: startOurs,
  bird: startBird,
  frr: startFrr,
  gobgp: startGobgp,
};
