/** BIRD or FRR in a host of a rack with a configuration of the test's own, which can be changed while it runs. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { hurry, type Running } from './namespaces.ts';
import type { Rack } from './rack.ts';

export interface OwnRouter {
  /** Gives it another configuration: BIRD reads it again, bgpd is told line by line (vtysh). */
  configure(text: string): Promise<void>;
  /** Runs a command of its CLI. */
  ask(command: string): Promise<string>;
  output(): string;
}

export type OwnKind = 'bird' | 'frr';

/** @param text  bird.conf or bgpd.conf; FRR's BFD daemon is started too where it says bfd */
export async function ownRouter(rack: Rack, kind: OwnKind, host: string, text: string): Promise<OwnRouter> {
  const dir = join(rack.directory, `${kind}-${host}`);
  mkdirSync(dir);
  const file = join(dir, kind === 'bird' ? 'bird.conf' : 'bgpd.conf');
  writeFileSync(file, kind === 'bird' ? text : `log stdout informational\n${text}`);
  const withBfd = / bfd\b/.test(text);
  if (kind === 'frr')
    for (const name of ['zebra', 'bfdd'])
      writeFileSync(join(dir, `${name}.conf`), 'log stdout informational\n');
  const frr = (name: string): readonly string[] => [
    `/usr/lib/frr/${name}`,
    ...['-u', 'root', '-g', 'frrvty', '--vty_socket', dir, '-z', `${dir}/zserv.api`],
    ...['-i', `${dir}/${name}.pid`, '-f', `${dir}/${name}.conf`, '-P', '0', '--log', 'stdout'],
  ];
  const commands =
    kind === 'bird'
      ? [[['bird', '-f', '-c', file, '-s', `${dir}/bird.ctl`], `${dir}/bird.ctl`] as const]
      : [
          [frr('zebra'), `${dir}/zserv.api`] as const,
          ...(withBfd
            ? [[[...frr('bfdd'), '--bfdctl', `${dir}/bfdd.sock`], `${dir}/bfdd.vty`] as const]
            : []),
          [frr('bgpd'), `${dir}/bgpd.vty`] as const,
        ];
  const running: Running[] = [];
  for (const [command, ready] of commands) {
    const one = rack.ground.start(host, command);
    running.push(one);
    await eventually(
      () => {
        if (one.process.exitCode !== null || !existsSync(ready)) throw new Error(one.output());
      },
      { within: 30_000 },
    );
    if (withBfd) hurry(one);
  }
  const output = (): string => running.map((one) => one.output()).join('');
  const vtysh = (words: readonly string[]): Promise<string> =>
    rack.ground.exec(
      host,
      `vtysh -H /dev/null --vty_socket ${dir} ${words.map((word) => `-c '${word}'`).join(' ')}`,
    );
  return {
    output,
    ask: (command) =>
      kind === 'bird' ? rack.ground.exec(host, `birdc -s ${dir}/bird.ctl ${command}`) : vtysh([command]),
    configure: async (next) => {
      if (kind === 'frr') {
        await vtysh(['configure terminal', ...next.trim().split('\n')]);
        return;
      }
      writeFileSync(file, next);
      await rack.ground.exec(host, `birdc -s ${dir}/bird.ctl configure`);
    },
  };
}

/** One line each to `put` into a neighbour's block: `password "x"`, `ttl-security hops 1`. */
export const birdConf = (
  neighbour: string,
  address: string,
  lines: string,
  port = 179,
): string => `log stderr all;
router id 172.30.0.1;
protocol device {}
protocol bgp node {
  local ${address} as 65000;
  neighbor ${neighbour} port ${port} as 64512;
  hold time 9; keepalive time 1; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ${lines}
  ${neighbour.includes(':') ? 'ipv6' : 'ipv4'} { import all; export none; };
}
`;

export const frrConf = (neighbour: string, lines: readonly string[]): string => `router bgp 65000
bgp router-id 172.30.0.1
no bgp ebgp-requires-policy
neighbor ${neighbour} remote-as 64512
neighbor ${neighbour} timers 1 9
neighbor ${neighbour} timers connect 1
${lines.map((line) => `${line.startsWith('no ') ? 'no neighbor' : 'neighbor'} ${neighbour} ${line.replace(/^no /, '')}`).join('\n')}
`;
