/** BIRD 2 as a neighbour. */
import { existsSync, writeFileSync } from 'node:fs';
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

const route = ({ prefix, community, communities = [], large }: Announced): string =>
  `route ${prefix} blackhole {
    ${[...(community === undefined ? [] : [community]), ...communities]
      .map((one) => `bgp_community.add((${one.replaceAll(':', ',')}));`)
      .join(' ')}
    ${large === undefined ? '' : `bgp_large_community.add((${large.replaceAll(':', ',')}));`}
  };`;

const channel = (wish: Wish, neighbour: NeighbourWish, family: 4 | 6): string => {
  const isOther = isV6(neighbour.address) !== (family === 6);
  const hop =
    isOther && neighbour.extendedNextHop === undefined
      ? `next hop address ${family === 6 ? wish.own.v6 : wish.own.v4};`
      : 'next hop self ebgp;';
  return `ipv${family} {
    import all; export filter told; ${hop}
    ${neighbour.addPath ? 'add paths on;' : ''}
    ${neighbour.extendedNextHop && family === 4 ? 'extended next hop on;' : ''}
  };`;
};

const protocol = (wish: Wish, one: NeighbourWish, index: number): string => `protocol bgp n${index} {
  local ${ownAddressTo(wish, one)} as ${wish.asn};
  neighbor ${one.address} as ${one.asn};
  hold time 9; keepalive time 1; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ${one.isPassive ? 'passive;' : ''}
  ${one.password === undefined ? '' : `password "${one.password}";`}
  ${one.ttlSecurity ? 'ttl security on;' : ''}
  ${one.restartTime === undefined ? '' : `graceful restart on; graceful restart time ${one.restartTime};`}
  ${one.longLived === undefined ? '' : `long lived graceful restart on; long lived stale time ${one.longLived};`}
  ${one.extendedMessages ? 'enable extended messages on;' : ''}
  ${one.role === undefined ? '' : `local role ${one.role};`}
  ${one.isClient && isInternal(wish, one) ? 'rr client;' : ''}
  ${one.bfd ? 'bfd on;' : ''}
  ${one.families.map((family) => channel(wish, one, family)).join('\n  ')}
}`;

const configuration = (wish: Wish, announces: readonly Announced[]): string => `log stderr all;
router id ${wish.own.v4};
protocol device {}
protocol bfd { interface "*" { interval 100 ms; multiplier 3; }; }
# A MED set elsewhere is not told to another AS.
filter told {
  ${announces
    .filter(({ med }) => med !== undefined)
    .map(({ prefix, med }) => `if net = ${prefix} then bgp_med = ${med};`)
    .join('\n  ')}
  if source = RTS_STATIC || source = RTS_BGP then accept;
  reject;
}
protocol static announce4 { ipv4; ${announces
  .filter(({ prefix }) => !isV6(prefix))
  .map(route)
  .join('\n')} }
protocol static announce6 { ipv6; ${announces
  .filter(({ prefix }) => isV6(prefix))
  .map(route)
  .join('\n')} }
${wish.neighbours.map((one, index) => protocol(wish, one, index)).join('\n')}
`;

/** One block for each path; only those of BGP. */
function parse(text: string): readonly Learned[] {
  return text
    .split(/\n(?=\S|\s+unicast \[)/)
    .filter((block) => block.includes('BGP.as_path:'))
    .map((block) => {
      const one = (name: string): string | undefined =>
        new RegExp(`BGP\\.${name}: (.*)`).exec(block)?.[1]?.trim();
      const tuples = (name: string): readonly string[] =>
        [...(one(name) ?? '').matchAll(/\(([^)]*)\)/g)].map(([, inner]) =>
          (inner ?? '').replaceAll(/,\s*/g, ':'),
        );
      const med = one('med');
      return {
        nextHop: one('next_hop')?.split(' ')[0] ?? '',
        asPath: (one('as_path') ?? '').split(' ').filter(Boolean).map(Number),
        ...(med !== undefined && { med: Number(med) }),
        communities: tuples('community'),
        large: tuples('large_community'),
        text: block,
      };
    });
}

export const startBird: StartForeign = async (place, wish) => {
  const file = `${place.directory}/bird.conf`;
  const control = `${place.directory}/bird.ctl`;
  const lives: Running[] = [];
  const start = async (announces: readonly Announced[], ...more: readonly string[]): Promise<void> => {
    writeFileSync(file, configuration(wish, announces));
    const life = place.start(['bird', '-f', '-c', file, '-s', control, ...more]);
    lives.push(life);
    await eventually(
      () => {
        if (life.process.exitCode !== null || !existsSync(control)) throw new Error(life.output());
      },
      { within: 30_000 },
    );
  };
  const ask = (command: string): Promise<string> => place.exec(`birdc -s ${control} '${command}'`);
  const nameOf = (address: string): string =>
    `n${wish.neighbours.findIndex((one) => one.address === address)}`;
  const output = (): string => lives.map((life) => life.output()).join('');
  await start(wish.announces);
  return {
    running: () => lives,
    output,
    isUp: async (neighbour) => / Established/.test(await ask(`show protocols ${nameOf(neighbour)}`)),
    learned: async (prefix) => {
      try {
        return parse(await ask(`show route ${prefix} all`));
      } catch {
        return []; // "Network not found" is an error to it
      }
    },
    refresh: async (neighbour) => {
      await ask(`reload in ${nameOf(neighbour)}`);
    },
    shutDown: async (neighbour, text) => {
      await ask(`disable ${nameOf(neighbour)} "${text}"`);
    },
    says: async (neighbour) => `${await ask(`show protocols all ${nameOf(neighbour)}`)}\n${output()}`,
    die: async () => {
      await lives.at(-1)?.end('SIGKILL');
    },
    revive: (announces) => start(announces, '-R'),
  };
};
