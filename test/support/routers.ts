/**
 * BIRD, FRR and GoBGP as a neighbour of all nodes of a rack: how each is started, what its own CLI says. What each prints
 * is read by the lab's parsers, which have tests of their own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { torSoftware } from '../../src/lab/tor/software.ts';
import {
  at,
  complaintsIn,
  parseJson,
  type TorKind,
  type TorRoute,
  type TorSession,
} from '../../src/lab/tor/tor.ts';
import { eventually } from './eventually.ts';
import type { Running } from './namespaces.ts';
import type { Rack } from './rack.ts';

export interface RouterOptions {
  readonly asn: number;
  /** The AS it takes the nodes for; 64512 if absent. */
  readonly nodeAsn?: number;
  /** Its host in the rack and that host's number. */
  readonly host: string;
  readonly number: number;
  /** Prefixes it announces. */
  readonly announces: readonly string[];
  /** BIRD only: more lines of configuration. */
  readonly more?: string;
  /** BIRD and FRR: seconds for which it asks others to keep its routes while it restarts (RFC 4724). */
  readonly restartTime?: number;
}

export interface Path extends TorRoute {
  readonly asPath: string;
}

export interface Router {
  readonly running: readonly Running[];
  sessions(): Promise<readonly TorSession[]>;
  /** The best path of each prefix a node announced. */
  routes(): Promise<readonly Path[]>;
  /** Log lines that complain about a message of ours. */
  complaints(): readonly string[];
  /** Runs its CLI: birdc, vtysh -c, or gobgp. */
  ask(command: string): Promise<string>;
  /** BIRD and FRR: its BGP daemon dies without a word. */
  die(): Promise<void>;
  /** After `die`: starts it again as one that restarts, with these prefixes to announce. */
  revive(announces: readonly string[]): void;
}

const withSlash64 = (prefix: string): boolean => prefix.includes(':');

const configurations: Readonly<
  Record<TorKind, (rack: Rack, options: RouterOptions) => Record<string, string>>
> = {
  bird: (rack, { asn, nodeAsn = 64512, number, announces, more = '', restartTime }) => {
    const graceful =
      restartTime === undefined ? '' : `graceful restart on; graceful restart time ${restartTime};`;
    const statics = (family: 'ipv4' | 'ipv6'): string =>
      announces
        .filter((prefix) => withSlash64(prefix) === (family === 'ipv6'))
        .map((prefix) => `route ${prefix} blackhole;`)
        .join(' ');
    return {
      'bird.conf': `log stderr all;
router id 172.30.0.${number};
protocol device {}
protocol static announce4 { ipv4; ${statics('ipv4')} }
protocol static announce6 { ipv6; ${statics('ipv6')} }
template bgp nodes {
  local 172.30.0.${number} as ${asn};
  hold time 9; keepalive time 1; connect retry time 1; connect delay time 1; error wait time 1, 2;
  ${graceful}
  ipv4 { import all; export where source = RTS_STATIC; next hop self; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address fd00:30::${number}; };
}
${more}
${rack.nodes.map(({ name, address }) => `protocol bgp ${name} from nodes { neighbor ${address.v4} as ${nodeAsn}; }`).join('\n')}
`,
    };
  },
  frr: (rack, { asn, nodeAsn = 64512, number, announces, restartTime }) => {
    const graceful =
      restartTime === undefined
        ? ''
        : ` bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 bgp graceful-restart restart-time ${restartTime}
`;
    const networks = (isV6: boolean): string =>
      announces
        .filter((prefix) => withSlash64(prefix) === isV6)
        .map((prefix) => `  network ${prefix}`)
        .join('\n');
    return {
      'zebra.conf': 'log stdout informational\n',
      'bgpd.conf': `log stdout informational
router bgp ${asn}
 bgp router-id 172.30.0.${number}
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
${graceful} neighbor nodes peer-group
 neighbor nodes remote-as ${nodeAsn}
 neighbor nodes timers 1 9
 neighbor nodes timers connect 1
 neighbor nodes advertisement-interval 0
${rack.nodes.map(({ address }) => ` neighbor ${address.v4} peer-group nodes`).join('\n')}
 address-family ipv4 unicast
  neighbor nodes activate
${networks(false)}
 exit-address-family
 address-family ipv6 unicast
  neighbor nodes activate
${networks(true)}
 exit-address-family
`,
    };
  },
  gobgp: (rack, { asn, nodeAsn = 64512, number }) => ({
    'gobgpd.toml': `[global.config]
  as = ${asn}
  router-id = "172.30.0.${number}"
${rack.nodes
  .map(
    ({ address }) => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address.v4}"
    peer-as = ${nodeAsn}
  [neighbors.timers.config]
    hold-time = 9
    keepalive-interval = 1
    connect-retry = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`,
  )
  .join('')}`,
  }),
};

/** Words for any goodbye of ours, and what BIRD says of its own IPv6 next hop on an IPv4 session. */
const ownAffairs = /Down BGP Notification received|received notification.*Code=6|Missing link-local address/;

/** How the CLI is run: a whole command is one word to vtysh. */
const doors: Readonly<Record<TorKind, (dir: string, command: string) => string>> = {
  bird: (dir, command) => `birdc -s ${dir}/bird.ctl ${command}`,
  frr: (dir, command) => `vtysh -H /dev/null --vty_socket ${dir} -c '${command}'`,
  gobgp: (_dir, command) => `gobgp -u 127.0.0.1 ${command}`,
};

/** Resolves when its CLI answers; GoBGP is then told what to announce. */
export async function startRouter(rack: Rack, kind: TorKind, options: RouterOptions): Promise<Router> {
  const software = torSoftware[kind];
  const { host } = options;
  const dir = join(rack.directory, host);
  mkdirSync(dir);
  if (kind === 'frr') execFileSync('chmod', ['755', rack.directory, dir]);
  const configure = (announces: readonly string[]): void => {
    for (const [name, text] of Object.entries(configurations[kind](rack, { ...options, announces })))
      writeFileSync(join(dir, name), text);
  };
  configure(options.announces);

  const running: Running[] = [];
  const topology = {
    name: '',
    nodeAsn: 64512,
    tor: { netns: '', address: { v4: `172.30.0.${options.number}`, v6: '' }, asn: options.asn },
    clients: [],
    nodes: [],
  };
  const processes = software.processes(topology, dir);
  for (const { command, readyFile } of processes) {
    const one = rack.ground.start(host, command);
    running.push(one);
    await eventually(
      () => {
        if (one.process.exitCode !== null || (readyFile !== undefined && !existsSync(readyFile)))
          throw new Error(`${command.join(' ')}: ${one.output()}`);
      },
      { within: 30_000 },
    );
  }
  const run = (words: readonly string[]): Promise<string> =>
    rack.ground.exec(host, words.map((word) => `'${word}'`).join(' '));
  const ask = (command: string): Promise<string> => rack.ground.exec(host, doors[kind](dir, command));
  const all = (commands: readonly (readonly string[])[]): Promise<readonly string[]> =>
    Promise.all(commands.map(run));

  const router: Router = {
    running,
    ask,
    sessions: async () => software.parseSessions(await all(software.sessionCommands(dir))) ?? [],
    routes: async () => {
      const texts = await all(software.routeCommands(dir));
      return (software.parseRoutes(texts) ?? []).map((route) => ({
        ...route,
        asPath: asPathOf[kind](texts, route.prefix) ?? '?',
      }));
    },
    die: async () => running.at(-1)?.end('SIGKILL'),
    revive: (announces) => {
      configure(announces);
      const command = processes.at(-1)?.command ?? [];
      running.push(rack.ground.start(host, kind === 'bird' ? [...command, '-R'] : command));
    },
    complaints: () =>
      running.flatMap((one) => complaintsIn(software, one.output())).filter((line) => !ownAffairs.test(line)),
  };
  await eventually(
    async () => {
      if ((await router.sessions()).length < rack.nodes.length)
        throw new Error(running.map((one) => one.output()).join(''));
    },
    { within: 30_000 },
  );
  if (kind === 'gobgp')
    for (const prefix of options.announces) {
      const [family, next] = withSlash64(prefix) ? ['ipv6', 'fd00:30::'] : ['ipv4', '172.30.0.'];
      await ask(`global rib add ${prefix} nexthop ${next}${options.number} -a ${family}`);
    }
  return router;
}

/** The AS path of the best path of a prefix, as the router prints it. */
const asPathOf: Readonly<Record<TorKind, (texts: readonly string[], prefix: string) => string | undefined>> =
  {
    bird: ([text = ''], prefix) => {
      const block = text.split(/\n(?=\S)/).find((one) => one.startsWith(`${prefix} `));
      return /BGP\.as_path: (.*)/.exec(block ?? '')?.[1]?.trim();
    },
    frr: (texts, prefix) => {
      for (const text of texts) {
        const paths = at(parseJson(text), 'routes', prefix);
        const path = Array.isArray(paths) ? at(paths[0], 'path') : undefined;
        if (typeof path === 'string') return path;
      }
      return undefined;
    },
    gobgp: (texts, prefix) => {
      for (const text of texts) {
        const paths = at(parseJson(text), prefix);
        const attributes = Array.isArray(paths) ? at(paths[0], 'attrs') : undefined;
        const found = (Array.isArray(attributes) ? attributes : []).find((one) => at(one, 'type') === 2);
        const segments = at(found, 'as_paths');
        if (Array.isArray(segments)) return segments.flatMap((segment) => at(segment, 'asns')).join(' ');
      }
      return undefined;
    },
  };
