/** What the checks of this node look at, read once: with root all of it, without it what anybody may read. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../../../store/kubernetes/api.ts';
import { at, listAt, textAt } from '../../cluster/json.ts';
import { run } from '../../run.ts';
import { features } from './features.ts';
import { type Listener, listenersOn } from './listeners.ts';

export interface Link {
  readonly name: string;
  /** In octets. */
  readonly mtu: number;
  readonly isPods: boolean;
}

export interface Route {
  /** "default" or a prefix. */
  readonly to: string;
  readonly devices: readonly string[];
  /** Number or name of who set it. */
  readonly protocol: string;
}

export interface CniFile {
  readonly name: string;
  /** Types of its plugins, in order; undefined if it is not JSON. */
  readonly plugins?: readonly string[];
  readonly mtu?: number;
}

export interface NodeFacts {
  /** By path below /proc/sys. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  /** Prefixes of pods that this node routes, of protocols 80 and 81. */
  readonly podPrefixes: readonly string[];
  /** As `nft -j list ruleset` tells it. */
  readonly ruleset: readonly unknown[];
  /** Lines of `iptables-legacy-save` and `ip6tables-legacy-save`; empty if that is not in use. */
  readonly legacy: readonly string[];
  readonly listeners: readonly Listener[];
  /** What our ruleset uses that the kernel has not, with what nft says. */
  readonly lacking: readonly { readonly feature: string; readonly said: string }[];
  /** Numbers of routing protocols to their names in rt_protos. */
  readonly protocols: ReadonlyMap<string, string>;
  /** In the order the container runtime reads them. */
  readonly cni: readonly CniFile[];
  readonly cniDirectory: string;
}

export type Need = 'sysctls' | 'links' | 'routes' | 'ruleset' | 'legacy' | 'features' | 'cni';

export interface Gathered {
  readonly facts: NodeFacts;
  readonly unread: ReadonlyMap<string, string>;
}

/** True if this machine is a node that Tortie runs on: an uninstall leaves these directories, but empty. */
export const isNode = (hostRoot: string): boolean =>
  ['run/tortie', 'var/lib/tortie'].some((path) => list(join(hostRoot, path)).length > 0);

/** @param hostRoot  where the node's files are; what the kernel says is always that of this network namespace */
export async function gatherNode(hostRoot: string): Promise<Gathered> {
  const unread = new Map<string, string>();
  const listed = async (need: Need, file: string, args: readonly string[]): Promise<readonly unknown[]> => {
    const { code, stdout, stderr } = await run(file, args);
    const json = parseJson(stdout === '' ? '[]' : stdout);
    if (code === 0 && json !== undefined) return Array.isArray(json) ? json : listAt(json, 'nftables');
    unread.set(
      need,
      `"${[file, ...args].join(' ')}" fails: ${stderr.trim().split('\n')[0] ?? ''}${rootHint()}`,
    );
    return [];
  };
  const [links, routes, routes6, ruleset] = await Promise.all([
    listed('links', 'ip', ['-j', 'link', 'show']),
    listed('routes', 'ip', ['-j', '-N', 'route', 'show', 'table', 'all']),
    listed('routes', 'ip', ['-j', '-N', '-6', 'route', 'show', 'table', 'all']),
    listed('ruleset', 'nft', ['-j', 'list', 'ruleset']),
  ]);
  const lacking = await lackingFeatures(unread);
  const allRoutes = [...routes, ...routes6].flatMap(routeOf);
  const cniDirectory = join(hostRoot, 'etc/cni/net.d');
  const facts: NodeFacts = {
    sysctls: readSysctls(),
    links: links.map(linkOf),
    routes: allRoutes,
    podPrefixes: allRoutes
      .filter(({ protocol, to }) => ['80', '81'].includes(protocol) && to !== 'default')
      .map(({ to }) => to),
    ruleset,
    legacy: await legacyRules(unread),
    listeners: listenersOn(179),
    lacking,
    protocols: readProtocols(join(hostRoot, 'etc/iproute2')),
    cni: readCni(cniDirectory, unread),
    cniDirectory,
  };
  return { facts, unread };
}

const rootHint = (): string => (process.getuid?.() === 0 ? '' : ' Root may.');

const linkOf = (json: unknown): Link => ({
  name: textAt(json, 'ifname'),
  mtu: Number(at(json, 'mtu') ?? 0),
  isPods: textAt(json, 'ifname').startsWith('cali'),
});

/** Of unicast routes; the table "local" and unreachable routes lead nowhere. */
function routeOf(json: unknown): readonly Route[] {
  const devices = [textAt(json, 'dev'), ...listAt(json, 'nexthops').map((hop) => textAt(hop, 'dev'))].filter(
    (name) => name !== '',
  );
  const isUnicast =
    ['', 'unicast', '1'].includes(textAt(json, 'type')) &&
    textAt(json, 'table') !== 'local' &&
    textAt(json, 'table') !== '255';
  if (!isUnicast || devices.length === 0) return [];
  return [{ to: textAt(json, 'dst'), devices, protocol: textAt(json, 'protocol') }];
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
};

const list = (path: string): readonly string[] => {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
};

function readSysctls(): ReadonlyMap<string, string> {
  const perLink = list('/proc/sys/net/ipv4/conf').flatMap((link) => [
    `net/ipv4/conf/${link}/rp_filter`,
    `net/ipv4/conf/${link}/forwarding`,
    `net/ipv6/conf/${link}/force_forwarding`,
  ]);
  const paths = [
    'net/ipv6/conf/all/forwarding',
    'net/netfilter/nf_conntrack_count',
    'net/netfilter/nf_conntrack_max',
    ...perLink,
  ];
  return new Map(
    paths.flatMap((path) => {
      const value = read(`/proc/sys/${path}`);
      return value === undefined ? [] : [[path, value] as const];
    }),
  );
}

/** Tables of the old kind exist only where somebody uses them. */
async function legacyRules(unread: Map<string, string>): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const [names, command] of [
    ['/proc/net/ip_tables_names', 'iptables-legacy-save'],
    ['/proc/net/ip6_tables_names', 'ip6tables-legacy-save'],
  ] as const) {
    if (!/filter/.test(read(names) ?? '')) continue;
    const { code, stdout, stderr } = await run(command, ['-t', 'filter']);
    if (code === 0) lines.push(...stdout.split('\n'));
    else
      unread.set('legacy', `There are rules of the old iptables, and "${command}" fails: ${stderr.trim()}.`);
  }
  return lines;
}

/** A transaction that is checked by the kernel and not made: the only honest answer to what it can. */
async function lackingFeatures(unread: Map<string, string>): Promise<NodeFacts['lacking']> {
  if (process.getuid?.() !== 0) {
    unread.set('features', 'Only root may ask the kernel what its nf_tables can do.');
    return [];
  }
  const lacking: NodeFacts['lacking'][number][] = [];
  for (const { feature, script } of features) {
    const { code, stderr } = await run('nft', ['--check', '-f', '-'], script);
    if (code === 127) {
      unread.set('features', 'The command nft is not there. Install the package nftables.');
      return [];
    }
    if (code !== 0) lacking.push({ feature, said: stderr.trim().split('\n')[0] ?? '' });
  }
  return lacking;
}

/** rt_protos(5): "80 tortie-bgp", in the file and in what lies beside it. */
function readProtocols(directory: string): ReadonlyMap<string, string> {
  const drop = list(join(directory, 'rt_protos.d')).filter((name) => name.endsWith('.conf'));
  const files = ['rt_protos', ...drop.map((name) => `rt_protos.d/${name}`)];
  const found = new Map<string, string>();
  for (const file of files)
    for (const line of (read(join(directory, file)) ?? '').split('\n')) {
      const [, number, name] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? [];
      if (number !== undefined && name !== undefined) found.set(number, name);
    }
  return found;
}

function readCni(directory: string, unread: Map<string, string>): readonly CniFile[] {
  if (!existsSync(directory)) unread.set('cni', `There is no directory ${directory}.`);
  return list(directory)
    .filter((name) => /\.(conf|conflist|json)$/.test(name))
    .map((name) => {
      const json = parseJson(read(join(directory, name)) ?? '');
      if (json === undefined) return { name };
      const plugins = at(json, 'plugins') === undefined ? [json] : listAt(json, 'plugins');
      const ours = plugins.find((plugin) => textAt(plugin, 'type') === 'tortie');
      const mtu = Number(at(ours, 'mtu') ?? 0);
      return { name, plugins: plugins.map((plugin) => textAt(plugin, 'type')), ...(mtu > 0 ? { mtu } : {}) };
    });
}
