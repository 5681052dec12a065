/** GoBGP as a neighbour. */
import { writeFileSync } from 'node:fs';
import { at, parseJson } from '../../src/lab/tor/tor.ts';
import { eventually } from '../support/eventually.ts';
import type { Running } from '../support/namespaces.ts';
import {
  type Announced,
  communityText,
  isInternal,
  isV6,
  type Learned,
  type NeighbourWish,
  ownAddressTo,
  type StartForeign,
  type Wish,
} from './foreign.ts';

const afi = (one: NeighbourWish, family: 4 | 6): string => `  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv${family}-unicast"
${one.restartTime === undefined ? '' : '    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n'}${one.longLived === undefined ? '' : `    [neighbors.afi-safis.long-lived-graceful-restart.config]\n      enabled = true\n      restart-time = ${one.longLived}\n`}${one.addPath ? '    [neighbors.afi-safis.add-paths.config]\n      receive = true\n      send-max = 8\n' : ''}`;

const neighbour = (wish: Wish, one: NeighbourWish): string => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${one.address}"
    peer-as = ${one.asn}
${one.password === undefined ? '' : `    auth-password = "${one.password}"\n`}  [neighbors.timers.config]
    hold-time = 9
    keepalive-interval = 1
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = "${ownAddressTo(wish, one)}"
${one.isPassive ? '    passive-mode = true\n' : ''}${one.ttlSecurity ? '  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n' : ''}${one.restartTime === undefined ? '' : `  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = ${one.restartTime}\n${one.longLived === undefined ? '' : '    long-lived-enabled = true\n'}`}${one.isClient && isInternal(wish, one) ? `  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = "${wish.own.v4}"\n` : ''}${one.families.map((family) => afi(one, family)).join('')}`;

const configuration = (wish: Wish): string => `[global.config]
  as = ${wish.asn}
  router-id = "${wish.own.v4}"
${wish.neighbours.map((one) => neighbour(wish, one)).join('')}`;

const numbers = (value: unknown): readonly number[] => (Array.isArray(value) ? value.map(Number) : []);

function parse(json: string): readonly Learned[] {
  const tables = parseJson(json);
  const paths = Array.isArray(tables) ? tables : Object.values((tables ?? {}) as object).flat();
  return paths
    .filter((path: unknown) => at(path, 'source-id') !== '<nil>')
    .map((path: unknown) => {
      const attributes = at(path, 'attrs');
      const find = (type: number): unknown =>
        (Array.isArray(attributes) ? attributes : []).find((one: unknown) => at(one, 'type') === type);
      const segments = at(find(2), 'as_paths');
      const med = at(find(4), 'metric');
      const large = at(find(32), 'value');
      return {
        nextHop: String(at(find(3), 'nexthop') ?? at(find(14), 'nexthop') ?? ''),
        asPath: (Array.isArray(segments) ? segments : []).flatMap((one: unknown) => numbers(at(one, 'asns'))),
        ...(typeof med === 'number' && { med }),
        communities: numbers(at(find(8), 'communities')).map(communityText),
        large: (Array.isArray(large) ? large : []).map((one: unknown) =>
          ['ASN', 'LocalData1', 'LocalData2'].map((part) => at(one, part)).join(':'),
        ),
        text: JSON.stringify(path),
      };
    });
}

export const startGobgp: StartForeign = async (place, wish) => {
  const file = `${place.directory}/gobgpd.toml`;
  const lives: Running[] = [];
  const ask = (command: string): Promise<string> => place.exec(`gobgp -u 127.0.0.1 ${command}`);
  const familyOf = (prefix: string): string => (isV6(prefix) ? 'ipv6' : 'ipv4');
  const start = async (announces: readonly Announced[], ...more: readonly string[]): Promise<void> => {
    writeFileSync(file, configuration(wish));
    const life = place.start(['gobgpd', '-f', file, ...more]);
    lives.push(life);
    await eventually(
      async () => {
        if (life.process.exitCode !== null) throw new Error(life.output());
        await ask('neighbor');
      },
      { within: 30_000 },
    );
    for (const { prefix, community, large, med, nextHop } of announces)
      await ask(
        [
          `global rib add ${prefix} nexthop ${nextHop ?? (isV6(prefix) ? wish.own.v6 : wish.own.v4)}`,
          community === undefined ? '' : `community ${community}`,
          large === undefined ? '' : `large-community ${large}`,
          med === undefined ? '' : `med ${med}`,
          `-a ${familyOf(prefix)}`,
        ].join(' '),
      );
  };
  const output = (): string => lives.map((life) => life.output()).join('');
  await start(wish.announces);
  return {
    running: () => lives,
    output,
    isUp: async (address) => /ESTABLISHED/i.test(await ask(`neighbor ${address}`)),
    learned: async (prefix) => {
      try {
        return parse(await ask(`global rib ${prefix} -j -a ${familyOf(prefix)}`));
      } catch {
        return []; // "Network not in table" is an error to it
      }
    },
    refresh: async (address) => {
      await ask(`neighbor ${address} softresetin`);
    },
    shutDown: async (address, text) => {
      await ask(`neighbor ${address} shutdown --reason "${text}"`);
    },
    says: async (address) => `${await ask(`neighbor ${address}`)}\n${output()}`,
    die: async () => {
      await lives.at(-1)?.end('SIGKILL');
    },
    revive: (announces) => start(announces, '-r'),
  };
};
