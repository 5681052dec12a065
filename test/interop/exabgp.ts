/** ExaBGP as a neighbour: it has no table of its own, so what it learned is what it hands to its process. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { at, parseJson } from '../../src/lab/tor/tor.ts';
import { eventually } from '../support/eventually.ts';
import type { Running } from '../support/namespaces.ts';
import {
  type Announced,
  isV6,
  type Learned,
  type NeighbourWish,
  ownAddressTo,
  type StartForeign,
  type Wish,
} from './foreign.ts';

/** An IPv6 next hop is only allowed where there is IPv6. */
const familiesOf = ({ families, extendedNextHop }: NeighbourWish): readonly (4 | 6)[] =>
  extendedNextHop ? [4, 6] : families;

const routeOf = (wish: Wish, one: Announced): string =>
  [
    `route ${one.prefix}`,
    one.pathId === undefined ? '' : `path-information ${one.pathId}`,
    `next-hop ${one.nextHop ?? (isV6(one.prefix) ? wish.own.v6 : wish.own.v4)}`,
    one.med === undefined ? '' : `med ${one.med}`,
    one.community === undefined ? '' : `community [${one.community}]`,
    one.communities === undefined ? '' : `community [${one.communities.join(' ')}]`,
    one.large === undefined ? '' : `large-community [${one.large}]`,
  ]
    .filter(Boolean)
    .join(' ');

/**
 * In the file, not by the process: ExaBGP 4.2 sometimes hangs on some thousand commands that come while it dials, and then
 * sends no OPEN.
 */
const neighbour = (
  wish: Wish,
  announces: readonly Announced[],
  one: NeighbourWish,
): string => `neighbor ${one.address} {
  router-id ${wish.own.v4};
  local-address ${ownAddressTo(wish, one)};
  local-as ${wish.asn};
  peer-as ${one.asn};
  hold-time 9;
  ${one.isPassive ? 'passive true;' : ''}
  ${one.password === undefined ? '' : `md5-password "${one.password}";`}
  ${one.ttlSecurity ? 'outgoing-ttl 255; incoming-ttl 255;' : ''}
  family { ${familiesOf(one)
    .map((family) => `ipv${family} unicast;`)
    .join(' ')} }
  capability {
    route-refresh enable;
    ${one.restartTime === undefined ? '' : `graceful-restart ${one.restartTime};`}
    ${one.addPath ? 'add-path send/receive;' : ''}
    ${one.extendedMessages ? 'extended-message enable;' : ''}
    ${one.extendedNextHop ? 'nexthop enable;' : ''}
  }
  ${one.addPath ? `add-path { ${one.families.map((family) => `ipv${family} unicast;`).join(' ')} }` : ''}
  ${one.extendedNextHop ? 'nexthop { ipv4 unicast ipv6; }' : ''}
  static { ${announces.map((route) => `${routeOf(wish, route)};`).join('\n')} }
  api { processes [ door ]; neighbor-changes; receive { parsed; update; } }
}`;

const configuration = (
  wish: Wish,
  announces: readonly Announced[],
  directory: string,
): string => `process door {
  run /bin/sh ${directory}/door.sh;
  encoder json;
}
${wish.neighbours.map((one) => neighbour(wish, announces, one)).join('\n')}
`;

/** Says what is appended to `said`, and appends what it hears to `heard`. */
const door = (directory: string): string =>
  `tail -n +1 -f ${directory}/said &\nexec cat >> ${directory}/heard\n`;

interface Said {
  readonly type: string;
  readonly neighbor: { readonly state?: string; readonly address: { readonly peer: string } };
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const entries = (value: unknown): readonly [string, unknown][] =>
  Object.entries((value ?? {}) as Record<string, unknown>);

const pathIdOf = (route: unknown): string => String(at(route, 'path-information') ?? '');

/** The announcements of a prefix in one line, each with its path identifier. */
const announcedIn = (line: Said, prefix: string): readonly (readonly [string, Learned])[] => {
  const attributes = at(line, 'neighbor', 'message', 'update', 'attribute');
  const med = at(attributes, 'med');
  const tuples = (name: string): readonly string[] =>
    list(at(attributes, name)).map((one) => list(one).join(':'));
  return entries(at(line, 'neighbor', 'message', 'update', 'announce'))
    .flatMap(([, hops]) => entries(hops))
    .flatMap(([nextHop, found]) =>
      list(found)
        .filter((route) => at(route, 'nlri') === prefix)
        .map((route) => [
          pathIdOf(route),
          {
            nextHop,
            asPath: list(at(attributes, 'as-path')).map(Number),
            ...(typeof med === 'number' && { med }),
            communities: tuples('community'),
            large: tuples('large-community'),
            text: JSON.stringify(line),
          },
        ]),
    );
};

const withdrawnIn = (line: Said, prefix: string): readonly string[] =>
  entries(at(line, 'neighbor', 'message', 'update', 'withdraw'))
    .flatMap(([, found]) => list(found))
    .filter((route) => at(route, 'nlri') === prefix)
    .map(pathIdOf);

/** By path identifier, the newest. */
function pathsOf(lines: readonly Said[], prefix: string): readonly Learned[] {
  const paths = new Map<string, Learned>();
  for (const line of lines) {
    if (line.neighbor.state === 'down') paths.clear();
    for (const id of withdrawnIn(line, prefix)) paths.delete(id);
    for (const [id, learned] of announcedIn(line, prefix)) paths.set(id, learned);
  }
  return [...paths.values()];
}

export const startExabgp: StartForeign = async (place, wish) => {
  const { directory } = place;
  const lives: Running[] = [];
  const say = (line: string): void => appendFileSync(`${directory}/said`, `${line}\n`);
  const heard = (): readonly Said[] =>
    existsSync(`${directory}/heard`)
      ? readFileSync(`${directory}/heard`, 'utf8')
          .split('\n')
          .map(parseJson)
          .filter((line): line is Said => at(line, 'neighbor', 'address', 'peer') !== undefined)
      : [];
  const start = async (announces: readonly Announced[]): Promise<void> => {
    writeFileSync(`${directory}/exabgp.conf`, configuration(wish, announces, directory));
    writeFileSync(`${directory}/door.sh`, door(directory));
    writeFileSync(`${directory}/said`, '');
    writeFileSync(`${directory}/heard`, '');
    const [first] = wish.neighbours;
    const life = place.start(['exabgp', `${directory}/exabgp.conf`], {
      'exabgp.daemon.user': 'root',
      'exabgp.daemon.drop': 'false',
      'exabgp.tcp.bind': first === undefined ? wish.own.v4 : ownAddressTo(wish, first),
      'exabgp.tcp.port': '179',
      'exabgp.api.cli': 'false',
      'exabgp.log.level': 'INFO',
    });
    lives.push(life);
    await eventually(
      () => {
        if (life.process.exitCode !== null) throw new Error(life.output());
      },
      { within: 10_000 },
    );
  };
  const of = (address: string): readonly Said[] =>
    heard().filter((line) => line.neighbor.address.peer === address);
  const output = (): string => lives.map((life) => life.output()).join('');
  await start(wish.announces);
  return {
    running: () => lives,
    output,
    isUp: async (address) => of(address).findLast(({ type }) => type === 'state')?.neighbor.state === 'up',
    learned: async (prefix) => pathsOf(heard(), prefix),
    refresh: async (address) => {
      for (const family of wish.neighbours.find((one) => one.address === address)?.families ?? [])
        say(`announce route-refresh ipv${family} unicast`);
    },
    shutDown: async (address) => {
      say(`neighbor ${address} teardown 2`);
    },
    says: async (address) =>
      `${of(address)
        .map((line) => JSON.stringify(line))
        .join('\n')}\n${output()}`,
    die: async () => {
      await lives.at(-1)?.end('SIGKILL');
    },
    revive: start,
  };
};
