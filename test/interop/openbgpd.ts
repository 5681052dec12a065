/** OpenBGPD, the portable one of Debian, as a neighbour. */
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
  ownAddressTo,
  type StartForeign,
  type Wish,
} from './foreign.ts';

const announceLine = ({ prefix, community, large, med }: Announced): string => {
  const set = [
    community === undefined ? '' : `community ${community}`,
    large === undefined ? '' : `large-community ${large}`,
    med === undefined ? '' : `med ${med}`,
  ].filter(Boolean);
  return `network ${prefix}${set.length > 0 ? ` set { ${set.join(', ')} }` : ''}`;
};

const neighbour = (wish: Wish, one: NeighbourWish): string => `neighbor ${one.address} {
  remote-as ${one.asn}
  local-address ${ownAddressTo(wish, one)}
  holdtime 9
  ${!isV6(one.address) && one.families.includes(6) ? 'multihop 2' : ''}
  announce IPv4 ${one.families.includes(4) ? 'unicast' : 'none'}
  announce IPv6 ${one.families.includes(6) ? 'unicast' : 'none'}
  ${one.isPassive ? 'passive' : ''}
  ${one.password === undefined ? '' : `tcp md5sig password ${one.password}`}
  ${one.ttlSecurity ? 'ttl-security yes' : ''}
  ${one.addPath ? 'announce add-path recv yes\n  announce add-path send all' : ''}
  ${one.marksRefresh ? 'announce enhanced refresh yes' : ''}
  ${one.role === undefined ? '' : `announce policy ${one.role}`}
  ${one.isClient && isInternal(wish, one) ? 'route-reflector' : ''}
}`;

const configuration = (wish: Wish, announces: readonly Announced[], socket: string): string => `AS ${wish.asn}
router-id ${wish.own.v4}
socket "${socket}"
fib-update no
nexthop qualify via default
connect-retry 1
${announces.map(announceLine).join('\n')}
${wish.neighbours.map((one) => neighbour(wish, one)).join('\n')}
allow from any
allow to any
${wish.neighbours
  .filter(({ address, families }) => !isV6(address) && families.includes(6))
  // By itself it would name ::1 to a neighbour of the other family.
  .map(
    ({ address }) => `match to ${address} prefix ::/0 or-longer set nexthop ${wish.own.v6}
match to ${address} prefix ::/0 or-longer set nexthop no-modify`,
  )
  .join('\n')}
`;

const strings = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

function parse(json: string): readonly Learned[] {
  const rib = at(parseJson(json), 'rib');
  return (Array.isArray(rib) ? rib : [])
    .filter((path: unknown) => at(path, 'announced') !== true)
    .map((path: unknown) => {
      const med = at(path, 'metric');
      return {
        nextHop: String(at(path, 'exit_nexthop') ?? ''),
        asPath: String(at(path, 'aspath') ?? '')
          .split(' ')
          .filter(Boolean)
          .map(Number),
        ...(typeof med === 'number' && { med }),
        communities: strings(at(path, 'communities')),
        large: strings(at(path, 'large_communities')),
        text: JSON.stringify(path),
      };
    });
}

export const startOpenbgpd: StartForeign = async (place, wish) => {
  const file = `${place.directory}/bgpd.conf`;
  const socket = `${place.directory}/bgpd.sock`;
  const lives: Running[] = [];
  const start = async (announces: readonly Announced[]): Promise<void> => {
    writeFileSync(file, configuration(wish, announces, socket));
    chmodSync(file, 0o600);
    rmSync(socket, { force: true });
    const life = place.start(['/usr/sbin/bgpd', '-d', '-v', '-f', file]);
    lives.push(life);
    await eventually(
      () => {
        if (life.process.exitCode !== null || !existsSync(socket)) throw new Error(life.output());
      },
      { within: 30_000 },
    );
  };
  const ask = (command: string): Promise<string> => place.exec(`bgpctl -s ${socket} ${command}`);
  const output = (): string => lives.map((life) => life.output()).join('');
  await start(wish.announces);
  return {
    running: () => lives,
    output,
    isUp: async (address) => {
      const neighbours = at(parseJson(await ask(`-j show neighbor ${address}`)), 'neighbors');
      return Array.isArray(neighbours) && at(neighbours[0], 'state') === 'Established';
    },
    learned: async (prefix) => parse(await ask(`-j show rib detail ${prefix} all`)),
    refresh: async (address) => {
      await ask(`neighbor ${address} refresh`);
    },
    shutDown: async (address, text) => {
      await ask(`neighbor ${address} down "${text}"`);
    },
    says: async (address) => `${await ask(`show neighbor ${address}`)}\n${output()}`,
    die: async () => {
      await lives.at(-1)?.end('SIGKILL');
    },
    revive: start,
  };
};
