/** FRR as a neighbour: zebra, bgpd, and bfdd where it is asked for. */
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { at, parseJson } from '../../src/lab/tor/tor.ts';
import { eventually } from '../support/eventually.ts';
import type { Running } from '../support/namespaces.ts';
import {
  type Announced,
  isInternal,
  isV6,
  type Learned,
  type NeighbourWish,
  type StartForeign,
  type Wish,
} from './foreign.ts';

const session = (wish: Wish, one: NeighbourWish): readonly string[] =>
  [
    `remote-as ${one.asn}`,
    'timers 1 9',
    'timers connect 1',
    'advertisement-interval 0',
    one.isPassive && 'passive',
    one.password !== undefined && `password ${one.password}`,
    one.ttlSecurity && 'ttl-security hops 1',
    one.role !== undefined && `local-role ${one.role}`,
    one.extendedNextHop && 'capability extended-nexthop',
    one.bfd && 'bfd',
    one.restartTime !== undefined && !isInternal(wish, one) && 'graceful-restart',
  ].filter((line) => typeof line === 'string');

const family = (wish: Wish, announces: readonly Announced[], version: 4 | 6): string => `
 address-family ipv${version} unicast
${wish.neighbours
  .filter(({ families }) => families.includes(version))
  .flatMap((one) => [
    `  neighbor ${one.address} activate`,
    ...(one.addPath ? [`  neighbor ${one.address} addpath-tx-all-paths`] : []),
    ...(one.isClient ? [`  neighbor ${one.address} route-reflector-client`] : []),
  ])
  .join('\n')}
${announces
  .map((one, index) =>
    isV6(one.prefix) === (version === 6)
      ? `  network ${one.prefix}${isPlain(one) ? '' : ` route-map announce${index}`}`
      : '',
  )
  .join('\n')}
 exit-address-family`;

/** Nothing is to be set. */
const isPlain = ({ community, large, med }: Announced): boolean =>
  community === undefined && large === undefined && med === undefined;

function routeMap(one: Announced, index: number): string {
  const { community, large, med } = one;
  if (isPlain(one)) return '';
  return `route-map announce${index} permit 10
${community === undefined ? '' : ` set community ${community}`}
${large === undefined ? '' : ` set large-community ${large}`}
${med === undefined ? '' : ` set metric ${med}`}
exit`;
}

const configuration = (wish: Wish, announces: readonly Announced[]): string => {
  const restart = wish.neighbours.find(({ restartTime }) => restartTime !== undefined)?.restartTime;
  const longLived = wish.neighbours.find((one) => one.longLived !== undefined)?.longLived;
  return `log stdout informational
${announces.map(routeMap).join('\n')}
router bgp ${wish.asn}
 bgp router-id ${wish.own.v4}
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
${restart === undefined ? '' : ` bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time ${restart}\n`}
${longLived === undefined ? '' : ` bgp long-lived-graceful-restart stale-time ${longLived}\n`}
${wish.neighbours.flatMap((one) => session(wish, one).map((line) => ` neighbor ${one.address} ${line}`)).join('\n')}
${family(wish, announces, 4)}
${family(wish, announces, 6)}
`;
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const words = (value: unknown): readonly string[] => (text(value) ?? '').split(' ').filter(Boolean);

function parse(json: string): readonly Learned[] {
  const paths = at(parseJson(json), 'paths');
  return (Array.isArray(paths) ? paths : []).map((path: unknown) => {
    const hops = at(path, 'nexthops');
    const hop: unknown = Array.isArray(hops) ? hops[0] : undefined;
    const med = at(path, 'metric');
    return {
      nextHop: text(at(hop, 'ip')) ?? '',
      asPath: words(at(path, 'aspath', 'string'))
        .map(Number)
        .filter(Number.isInteger),
      ...(typeof med === 'number' && { med }),
      communities: words(at(path, 'community', 'string')),
      large: words(at(path, 'largeCommunity', 'string')),
      text: JSON.stringify(path),
    };
  });
}

export const startFrr: StartForeign = async (place, wish) => {
  const { directory } = place;
  chmodSync(directory, 0o755);
  const lives: Running[] = [];
  const start = async (name: string, ready: string, config: string): Promise<void> => {
    writeFileSync(`${directory}/${name}.conf`, config);
    rmSync(`${directory}/${ready}`, { force: true });
    const life = place.start([
      ...[`/usr/lib/frr/${name}`, '-u', 'root', '-g', 'frrvty', '--vty_socket', directory],
      ...['-z', `${directory}/zserv.api`, '-i', `${directory}/${name}.pid`],
      ...['-f', `${directory}/${name}.conf`, '-P', '0', '--log', 'stdout'],
      ...(name === 'bfdd' ? ['--bfdctl', `${directory}/bfdd.sock`] : []),
    ]);
    lives.push(life);
    await eventually(
      () => {
        if (life.process.exitCode !== null || !existsSync(`${directory}/${ready}`))
          throw new Error(life.output());
      },
      { within: 30_000 },
    );
  };
  const bgpd = (announces: readonly Announced[]): Promise<void> =>
    start('bgpd', 'bgpd.vty', configuration(wish, announces));
  const ask = (...commands: readonly string[]): Promise<string> =>
    place.exec(
      `vtysh -H /dev/null --vty_socket ${directory} ${commands.map((one) => `-c '${one}'`).join(' ')}`,
    );
  const output = (): string => lives.map((life) => life.output()).join('');
  await start('zebra', 'zserv.api', 'log stdout informational\n');
  if (wish.neighbours.some(({ bfd }) => bfd)) await start('bfdd', 'bfdd.vty', 'log stdout informational\n');
  await bgpd(wish.announces);
  return {
    running: () => lives,
    output,
    isUp: async (neighbour) =>
      at(parseJson(await ask(`show bgp neighbors ${neighbour} json`)), neighbour, 'bgpState') ===
      'Established',
    learned: async (prefix) => parse(await ask(`show bgp ipv${isV6(prefix) ? 6 : 4} unicast ${prefix} json`)),
    refresh: async (neighbour) => {
      await ask(`clear bgp ${neighbour} soft in`);
    },
    shutDown: async (neighbour, message) => {
      await ask(
        'configure terminal',
        `router bgp ${wish.asn}`,
        `neighbor ${neighbour} shutdown message ${message}`,
      );
    },
    says: async (neighbour) => `${await ask(`show bgp neighbors ${neighbour}`)}\n${output()}`,
    die: async () => {
      await lives.at(-1)?.end('SIGKILL');
    },
    revive: bgpd,
  };
};
