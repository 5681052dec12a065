/** What there is to be seen in a lab right now: sessions and routes, each from both sides. Changes nothing. */
import { askSocket } from '../host/socket.ts';
import type { BgpStatus } from '../model/status.ts';
import { socketOf, torDirOf } from './daemons.ts';
import { run } from './process.ts';
import type { LabState } from './state.ts';
import { torSoftware } from './tor/software.ts';
import { at, parseJson, type TorRoute, type TorSession } from './tor/tor.ts';

export interface KernelRoute {
  readonly prefix: string;
  /** Gateways; empty for a route that goes to no neighbour. */
  readonly via: readonly string[];
  /** rtm_protocol by name or number, as `ip` prints it. */
  readonly protocol: string;
}

export interface Observed {
  /** By node; absent while the daemon does not answer. */
  readonly bgp: ReadonlyMap<string, BgpStatus>;
  /** Empty while the ToR's CLI does not answer. */
  readonly torSessions: readonly TorSession[];
  readonly torRoutes: readonly TorRoute[];
  /** By namespace. */
  readonly kernel: ReadonlyMap<string, readonly KernelRoute[]>;
}

export async function observe(state: LabState): Promise<Observed> {
  const { topology } = state;
  const namespaces = [topology.tor.netns, ...topology.nodes.map(({ netns }) => netns)];
  const [statuses, torSessions, torRoutes, tables] = await Promise.all([
    Promise.all(
      topology.nodes.map(async ({ name }) => [name, await bgpStatus(topology.name, name)] as const),
    ),
    observeTorSessions(state),
    observeTorRoutes(state),
    Promise.all(namespaces.map(async (netns) => [netns, await kernelRoutes(netns)] as const)),
  ]);
  return {
    bgp: new Map(statuses.flatMap(([name, status]) => (status === undefined ? [] : [[name, status]]))),
    torSessions,
    torRoutes: torRoutes ?? [],
    kernel: new Map(tables),
  };
}

async function bgpStatus(lab: string, node: string): Promise<BgpStatus | undefined> {
  const answer = await askSocket(socketOf(lab, node, 'bgp'), '/status', { timeoutMs: 3000 });
  // Both sides are this program's own, so the shape is believed.
  return answer.ok && answer.value.status === 200 ? (answer.value.body as BgpStatus) : undefined;
}

const askTor = async (
  { topology }: LabState,
  commands: readonly (readonly string[])[],
): Promise<readonly string[]> =>
  (await Promise.all(commands.map((command) => run(command, { netns: topology.tor.netns })))).map(
    ({ stdout }) => stdout,
  );

export async function observeTorSessions(state: LabState): Promise<readonly TorSession[]> {
  const software = torSoftware[state.torKind];
  const outputs = await askTor(state, software.sessionCommands(torDirOf(state.name)));
  return software.parseSessions(outputs) ?? [];
}

/** Undefined while the CLI does not answer, which differs from having none. */
export async function observeTorRoutes(state: LabState): Promise<readonly TorRoute[] | undefined> {
  const software = torSoftware[state.torKind];
  const outputs = await askTor(state, software.routeCommands(torDirOf(state.name)));
  return software.parseRoutes(outputs);
}

async function kernelRoutes(netns: string): Promise<readonly KernelRoute[]> {
  const dumps = await Promise.all(
    ['-4', '-6'].map((family) => run(['ip', '-j', family, 'route', 'show', 'table', 'main'], { netns })),
  );
  return dumps.flatMap(({ stdout }) => parseKernelRoutes(stdout));
}

/** `ip -j route`: `gateway`, or `nexthops` of several. */
export function parseKernelRoutes(json: string): readonly KernelRoute[] {
  const routes = parseJson(json);
  return (Array.isArray(routes) ? routes : []).map((route) => {
    const hops = at(route, 'nexthops');
    const gateways = [
      at(route, 'gateway'),
      ...(Array.isArray(hops) ? hops : []).map((hop) => at(hop, 'gateway')),
    ];
    return {
      prefix: String(at(route, 'dst')),
      via: gateways.filter((gateway) => typeof gateway === 'string'),
      protocol: String(at(route, 'protocol')),
    };
  });
}
