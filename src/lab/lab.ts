/** Bringing a lab up and taking it down again. Every step is remembered before the next, so `down` always knows what there is. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import type { Cluster } from './cluster.ts';
import { firstProcesses, laterProcesses, type ProcessPlan, start, writeTorFiles } from './daemons.ts';
import { type DatastoreKind, datastoreOf, needServer, prepareApi } from './datastore.ts';
import { fail } from './failure.ts';
import { endAll, isAlive, run, selfStarted } from './process.ts';
import { type IpamMode, type LabState, readPlayer, readState, writeState } from './state.ts';
import { planTopology, runDirOf } from './topology.ts';
import { torSoftware } from './tor/software.ts';
import type { TorKind, TorSoftware } from './tor/tor.ts';
import { makeWire, namespacesOf, removeWire } from './wire.ts';

const always = [
  { program: 'ip', package: 'iproute2' },
  { program: 'nsenter', package: 'util-linux' },
  { program: 'nft', package: 'nftables' },
];

/** Fails with a sentence if this machine or user cannot run a lab. */
export const checkMachine = (torKind: TorKind): void => checkPrograms(torSoftware[torKind].needs);

/** The same for a lab with these routers. @param needs  programs, and the packages they are in */
export function checkPrograms(needs: TorSoftware['needs']): void {
  if (process.getuid?.() !== 0) {
    fail('The lab makes network namespaces, which needs root. Run it with sudo, or as root in a container.');
  }
  const missing = [...always, ...needs].filter(({ program }) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((need) => need.package))].join(' ');
    fail(
      `Not installed: ${missing.map(({ program }) => program).join(', ')}. Run "npm run setup", or: apt-get install ${packages}.`,
    );
  }
}

function isInstalled(program: string): boolean {
  const places = program.startsWith('/')
    ? ['']
    : (process.env['PATH'] ?? '').split(':').map((dir) => `${dir}/`);
  return places.some((place) => existsSync(`${place}${program}`));
}

export type Presence = 'absent' | 'running' | 'starting' | 'stale';

/** Stale: something of a lab of this name is there, but not a lab that works or is just being made. */
export function presenceOf(name: string): Presence {
  const state = readState(name);
  if (state === undefined) return withoutState(name);
  if (state.phase === 'starting') return isAlive(state.maker) ? 'starting' : 'stale';
  return state.processes.some(isAlive) ? 'running' : 'stale';
}

/** A scene that is being played, or what is left of one or of a lab. */
function withoutState(name: string): Presence {
  const player = readPlayer(name);
  if (player !== undefined && isAlive(player)) return 'running';
  return existsSync(runDirOf(name)) || namespacesOf(name).length > 0 ? 'stale' : 'absent';
}

export interface UpOptions {
  readonly name: string;
  readonly torKind: TorKind;
  readonly cluster: Cluster;
  readonly api: DatastoreKind;
  readonly ipam?: IpamMode;
  readonly manifests?: string;
  /** Aborted: ends early, with a failure; what was made is for `takeDown`. */
  readonly signal: AbortSignal;
  readonly onStep: (done: string) => void;
  readonly onWait: (what: string) => void;
}

export function refuseIfPresent(name: string): void {
  const presence = presenceOf(name);
  const down = `src/tortie.sh lab down${name === 'lab' ? '' : ` --name ${name}`}`;
  if (presence === 'stale') {
    fail(
      `A lab "${name}" was left behind by a crash (${runDirOf(name)} or its namespaces). Clean up with: ${down}`,
    );
  }
  if (presence !== 'absent')
    fail(`A lab "${name}" is ${presence} already. Use another --name, or first: ${down}`);
}

export async function bringUp(options: UpOptions): Promise<LabState> {
  const { name, torKind, cluster, manifests, ipam, signal, onStep, onWait } = options;
  const withApi = options.api === 'kubernetes';
  const topology = planTopology(name, cluster.nodeAsn, cluster.nodes, withApi);
  if (!topology.ok) return fail(topology.error);
  if (withApi) await needServer(onWait);
  mkdirSync(runDirOf(name), { recursive: true, mode: 0o700 });
  let state: LabState = {
    version: 1,
    name,
    torKind,
    topology: topology.value,
    ...(manifests === undefined ? {} : { manifests }),
    mesh: cluster.mesh,
    ...(ipam === undefined ? {} : { ipam }),
    phase: 'starting',
    maker: selfStarted(),
    processes: [],
    failedLinks: [],
  };
  const startAll = async (plans: readonly ProcessPlan[]): Promise<void> => {
    for (const plan of plans) {
      if (signal.aborted) return fail('Interrupted.');
      state = await start(state, plan);
    }
  };
  const apiAddress = topology.value.api?.address.v4;
  if (apiAddress !== undefined) state = { ...state, api: await prepareApi(name, [apiAddress]) };
  writeState(state);
  await makeWire(topology.value);
  onStep(`${wordsFor(topology.value.nodes.length, 'node')}, the ToR and two outside hosts are wired`);
  writeTorFiles(state);
  await startAll(firstProcesses(state));
  if (withApi) onWait('starting etcd and kube-apiserver');
  await datastoreOf(state).fill(cluster.files);
  if (withApi) onStep('kube-apiserver runs, and has our definitions and the cluster');
  await startAll(laterProcesses(state));
  state = { ...state, phase: 'up' };
  writeState(state);
  onStep(`${await torVersion(torKind)} on the ToR; tortie bgp and tortie felix on every node`);
  return state;
}

export const wordsFor = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

async function torVersion(torKind: TorKind): Promise<string> {
  const { title, versionCommand } = torSoftware[torKind];
  const { stdout, stderr } = await run(versionCommand);
  return `${title} ${/\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? ''}`.trim();
}

/** Ends and removes everything of the lab: also what a crashed one left. Harmless if there is none. */
export async function takeDown(name: string): Promise<void> {
  const state = readState(name);
  await endAll(state?.processes ?? []);
  await removeWire(name);
  rmSync(runDirOf(name), { recursive: true, force: true });
  const left = namespacesOf(name);
  if (left.length > 0)
    fail(`These namespaces could not be removed: ${left.join(', ')}. See "ip netns pids NAME".`);
}
