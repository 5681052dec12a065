/** Which processes a lab consists of, and starting them one by one, each remembered the moment it runs. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { etcdCommand, serverCommand } from './api/server.ts';
import { apiDirOf, daemonKubeconfigOf, datastoreOf } from './datastore.ts';
import { fail } from './failure.ts';
import { poll } from './poll.ts';
import { isAlive, startDaemon } from './process.ts';
import { type LabState, type ProcessRecord, writeState } from './state.ts';
import { type LabNode, runDirOf } from './topology.ts';
import { torSoftware } from './tor/software.ts';

const launcher = new URL('../tortie.ts', import.meta.url).pathname;

export type ProcessPlan = Omit<ProcessRecord, 'pid' | 'startTicks'> & { readonly readyFile?: string };

export const torDirOf = (lab: string): string => join(runDirOf(lab), 'tor');
export const socketOf = (lab: string, node: string, daemon: 'bgp' | 'felix'): string =>
  join(runDirOf(lab), node, `${daemon}.sock`);

const tortie = (...words: readonly string[]): readonly string[] => [process.execPath, launcher, ...words];

/** `tortie bgp` and `tortie felix` in a node's namespace, as the DaemonSet's two containers. */
function nodeProcesses(state: Cluster, node: LabNode): readonly ProcessPlan[] {
  const { topology, ipam } = state;
  const dir = join(runDirOf(topology.name), node.name);
  const common = [
    ...['--datastore', datastoreOf(state).flag, '--node', node.name],
    ...(ipam === undefined ? [] : ['--ipam', ipam]),
  ];
  const plan = (role: 'bgp' | 'felix', ...more: readonly string[]): ProcessPlan => ({
    role,
    host: node.name,
    netns: node.netns,
    command: tortie(role, ...common, '--socket', socketOf(topology.name, node.name, role), ...more),
    logFile: join(dir, `${role}.log`),
    ...(state.api === undefined ? {} : { env: { KUBECONFIG: daemonKubeconfigOf(topology.name, role) } }),
  });
  return [plan('bgp', '--state-dir', join(dir, 'state')), plan('felix', '--state-dir', join(dir, 'state'))];
}

const kubeletProcess = (lab: string): ProcessPlan => ({
  role: 'kubelet',
  host: 'lab',
  command: tortie('lab', 'kubelet', '--name', lab),
  logFile: join(runDirOf(lab), 'kubelet.log'),
});

function torProcesses({ torKind, topology }: Pick<LabState, 'torKind' | 'topology'>): readonly ProcessPlan[] {
  const dir = torDirOf(topology.name);
  const router = torSoftware[torKind].processes(topology, dir).map((process) => ({
    ...process,
    host: 'tor',
    netns: topology.tor.netns,
    logFile: join(dir, `${process.role}.log`),
  }));
  const follower: ProcessPlan = {
    role: 'follower',
    host: 'tor',
    command: tortie('lab', 'follow', '--name', topology.name),
    logFile: join(dir, 'follower.log'),
  };
  return torKind === 'gobgp' ? [...router, follower] : router;
}

/** The API server, what it keeps things in, and the way to it from this machine. */
function apiProcesses({ name, topology: { api } }: Cluster): readonly ProcessPlan[] {
  if (api === undefined) return [];
  const dir = apiDirOf(name);
  const plan = (role: string, command: readonly string[]): ProcessPlan => ({
    ...{ role, command, host: api.name, netns: api.netns },
    logFile: join(dir, `${role}.log`),
  });
  return [
    plan('etcd', etcdCommand(dir)),
    plan('kube-apiserver', serverCommand(dir)),
    {
      role: 'door',
      host: 'lab',
      command: tortie('lab', 'door', '--name', name),
      logFile: join(dir, 'door.log'),
    },
  ];
}

export type Cluster = Pick<LabState, 'name' | 'torKind' | 'topology' | 'api' | 'ipam'>;

/** What must run before the cluster has its resources. */
export const firstProcesses = (state: Cluster): readonly ProcessPlan[] => [
  ...apiProcesses(state),
  ...torProcesses(state),
];

/** `tortie controller`, on the API server's machine as on a control plane's; a directory has nobody to lead. */
function controllerProcesses({ name, topology: { api } }: Cluster): readonly ProcessPlan[] {
  if (api === undefined) return [];
  return [
    {
      role: 'controller',
      host: api.name,
      netns: api.netns,
      command: tortie('controller', '--datastore', 'kubernetes'),
      logFile: join(apiDirOf(name), 'controller.log'),
      env: { KUBECONFIG: daemonKubeconfigOf(name, 'controller') },
    },
  ];
}

/** What lives by the cluster's resources. */
export const laterProcesses = (state: Cluster): readonly ProcessPlan[] => [
  ...controllerProcesses(state),
  ...state.topology.nodes.flatMap((node) => nodeProcesses(state, node)),
  kubeletProcess(state.name),
];

/** Everything a lab runs, in the order it is started. */
export const allProcesses = (state: Cluster): readonly ProcessPlan[] => [
  ...firstProcesses(state),
  ...laterProcesses(state),
];

export function writeTorFiles({ torKind, topology }: Pick<LabState, 'torKind' | 'topology'>): void {
  const dir = torDirOf(topology.name);
  mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(torSoftware[torKind].files(topology))) {
    writeFileSync(join(dir, name), text);
  }
}

/** Starts one process and writes it down. @returns the lab with it */
export async function start(state: LabState, plan: ProcessPlan): Promise<LabState> {
  const { readyFile, ...record } = plan;
  const started = await startDaemon(plan);
  if (started === undefined) {
    return fail(
      `${plan.host}: "${plan.command.slice(0, 2).join(' ')}" cannot be started. Its log: ${plan.logFile}.`,
    );
  }
  const others = state.processes.filter(({ role, host }) => role !== plan.role || host !== plan.host);
  const next = { ...state, processes: [...others, { ...record, ...started }] };
  writeState(next);
  if (readyFile !== undefined) {
    const ready = await poll(() => existsSync(readyFile) || !isAlive(started), {
      withinMs: 30_000,
      everyMs: 20,
    });
    if (!ready || !isAlive(started)) {
      fail(`${plan.host}: ${plan.role} did not come up. Its log: ${plan.logFile}.`);
    }
  }
  return next;
}

export const deadProcesses = (state: LabState): readonly ProcessRecord[] =>
  state.processes.filter((process) => !isAlive(process));
