/**
 * A whole cluster for tests: a lab whose resources live in a real API server, brought up in this process, broken and mended.
 * Nodes, ToR and pods are real namespaces; pods are made through the API and attached by the lab's kubelet.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askSocket } from '../../src/host/socket.ts';
import { type Ask, asAdmin } from '../../src/lab/api/client.ts';
import { serverPort } from '../../src/lab/api/server.ts';
import { heal } from '../../src/lab/break.ts';
import { checkDaemons } from '../../src/lab/checks.ts';
import { loadCluster } from '../../src/lab/cluster.ts';
import { callCni } from '../../src/lab/cni.ts';
import { allProcesses, socketOf, start } from '../../src/lab/daemons.ts';
import { accessOf, daemonKubeconfigOf, daemons } from '../../src/lab/datastore.ts';
import { bringUp, takeDown } from '../../src/lab/lab.ts';
import { poll } from '../../src/lab/poll.ts';
import { isAlive, signal } from '../../src/lab/process.ts';
import { type LabState, type PodRecord, readPods } from '../../src/lab/state.ts';
import { netnsPath } from '../../src/lab/topology.ts';
import type { BgpStatus, FelixStatus } from '../../src/model/status.ts';
import { type ClusterObjects, clusterObjects } from './cluster-objects.ts';
import { eventually } from './eventually.ts';

export interface LabCluster {
  readonly name: string;
  /** As admin. */
  readonly ask: Ask;
  readonly objects: ClusterObjects;
  readonly nodes: readonly string[];
  /** What the lab's kubelet knows of a pod that runs: "shop/web". */
  pod(name: string): PodRecord;
  /** Waits until the pods of these names run. */
  running(...names: readonly string[]): Promise<void>;
  netnsOf(host: string): string;
  status(node: string): Promise<{ readonly bgp: BgpStatus; readonly felix: FelixStatus }>;
  /** Both daemons of every node have read the cluster, every session is up, and nothing is wrong. */
  settled(): Promise<void>;
  /** Ends a process and waits for its end: ("apiserver", "kube-apiserver"), ("node1", "felix"). */
  kill(host: string, role: string, name?: 'SIGTERM' | 'SIGUSR2' | 'SIGKILL'): Promise<void>;
  /** Ends it for good: no `heal()` starts it again. */
  retire(host: string, role: string): Promise<void>;
  /** Starts what has ended. @param env  for those started now */
  heal(env?: Readonly<Record<string, string>>): Promise<void>;
  /** The API server answers. */
  served(): Promise<void>;
  /** Etcd forgets all history up to now. */
  compact(): void;
  /** What the runtime does when a container ends, whatever the API server thinks. */
  detach(pod: PodRecord): Promise<void>;
  /** Everything our daemons write to a node's kernel, without counters. */
  kernel(node: string): string;
  /** Where the daemons find the API server from their next start on: "ADDRESS:PORT" on the nodes' network. */
  pointAt(server: string): Promise<void>;
  close(): Promise<void>;
}

export interface ClusterOptions {
  readonly nodes: number;
  /** YAML of what is there from the beginning, beside Nodes, BGP and pools. */
  readonly manifests: string;
}

/** @param name  of the lab, different for each test file */
export async function startCluster(name: string, options: ClusterOptions): Promise<LabCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'tortie-c-'));
  process.env['TORTIE_LAB_RUN'] = join(directory, 'run');
  mkdirSync(join(directory, 'manifests'));
  writeFileSync(join(directory, 'manifests', 'test.yaml'), options.manifests);
  const loaded = loadCluster(join(directory, 'manifests'), options.nodes);
  if (!loaded.ok) throw new Error(loaded.error);
  const close = async (): Promise<void> => {
    await takeDown(name);
    rmSync(directory, { recursive: true });
  };
  let state: LabState;
  try {
    state = await bringUp({
      ...{ name, torKind: 'bird', cluster: loaded.value, api: 'kubernetes' },
      signal: new AbortController().signal,
      ...{ onStep: () => undefined, onWait: () => undefined },
    });
  } catch (error) {
    await close();
    throw error;
  }
  const ask = asAdmin(accessOf(name, state.api?.port ?? 0));
  const objects = clusterObjects({ request: ask });
  const { topology } = state;
  const nodes = topology.nodes.map((node) => node.name);

  const netnsOf = (host: string): string => {
    const hosts = [...topology.nodes, ...topology.clients, ...(topology.api ? [topology.api] : [])];
    const netns = host === 'tor' ? topology.tor.netns : hosts.find((one) => one.name === host)?.netns;
    if (netns === undefined) throw new Error(`there is no host ${host}`);
    return netns;
  };
  const inNetns = (host: string, command: string): string =>
    execFileSync('nsenter', [`--net=${netnsPath(netnsOf(host))}`, 'sh', '-c', command], {
      encoding: 'utf8',
      env: { ...process.env, ETCDCTL_API: '3' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const pod = (wanted: string): PodRecord => {
    const found = readPods(name).find((one) => `${one.namespace}/${one.pod}` === wanted);
    if (found === undefined) throw new Error(`there is no pod ${wanted}`);
    return found;
  };
  const daemon = async (node: string, role: 'bgp' | 'felix'): Promise<unknown> => {
    const answer = await askSocket(socketOf(name, node, role), '/status');
    if (!answer.ok) throw new Error(`${role} of ${node}: ${answer.error}`);
    return answer.value.body;
  };
  const status: LabCluster['status'] = async (node) => ({
    bgp: (await daemon(node, 'bgp')) as BgpStatus,
    felix: (await daemon(node, 'felix')) as FelixStatus,
  });

  const kill: LabCluster['kill'] = async (host, role, how = 'SIGKILL') => {
    const found = state.processes.find((one) => one.host === host && one.role === role);
    if (found === undefined) throw new Error(`there is no ${role} on ${host}`);
    signal(found, how);
    if (!(await poll(() => !isAlive(found), { withinMs: 30_000, everyMs: 10 })))
      throw new Error(`${role} on ${host} does not end`);
  };

  return {
    name,
    ask,
    objects,
    nodes,
    pod,
    netnsOf,
    status,
    close,
    running: (...names) =>
      eventually(
        () => {
          for (const one of names)
            if (pod(one).state !== 'running')
              throw new Error([`${one}: ${pod(one).error ?? 'not yet'}`, ...checkDaemons(state)].join('\n'));
        },
        { within: 60_000, every: 100 },
      ),
    settled: () =>
      eventually(
        async () => {
          for (const node of nodes) {
            const { bgp, felix } = await status(node);
            const isRight =
              felix.dataplane === 'in-sync' &&
              bgp.inSync &&
              bgp.peers.length === nodes.length &&
              bgp.peers.every((peer) => peer.state === 'Established') &&
              bgp.problems.length + felix.problems.length === 0;
            if (!isRight) throw new Error(`${node}: ${JSON.stringify({ bgp, felix })}`);
          }
        },
        { within: 60_000, every: 200 },
      ),
    kill,
    retire: async (host, role) => {
      await kill(host, role);
      const rest = state.processes.filter((one) => one.host !== host || one.role !== role);
      state = { ...state, processes: rest };
    },
    heal: async (env) => {
      if (env === undefined) {
        ({ state } = await heal(state));
        return;
      }
      for (const plan of allProcesses(state)) {
        const known = state.processes.find(({ host, role }) => host === plan.host && role === plan.role);
        if (known === undefined || !isAlive(known))
          state = await start(state, { ...plan, env: { ...plan.env, ...env } });
      }
    },
    served: () =>
      eventually(
        async () => {
          const { status: code, body } = await ask('GET', '/readyz');
          if (code !== 200) throw new Error(`not ready: ${JSON.stringify(body)}`);
        },
        { within: 90_000, every: 200 },
      ),
    compact: () => {
      const said = inNetns('apiserver', 'etcdctl endpoint status --write-out=json');
      const [first] = JSON.parse(said) as readonly {
        readonly Status: { readonly header: { readonly revision: number } };
      }[];
      inNetns('apiserver', `etcdctl compact ${first?.Status.header.revision}`);
    },
    detach: async ({ namespace, pod: podName, node, containerId, netns, uid }) => {
      await callCni({
        ...{ command: 'DEL', nodeNetns: netnsOf(node), socket: socketOf(name, node, 'felix') },
        ...{ containerId, podNetnsPath: netnsPath(netns), namespace, pod: podName, uid: uid ?? containerId },
      });
    },
    kernel: (node) =>
      inNetns(
        node,
        'nft -s list table inet tortie; ip route show; ip -6 route show proto 80; ip -6 route show proto 81',
      ),
    pointAt: async (server) => {
      for (const path of daemons.map((one) => daemonKubeconfigOf(name, one))) {
        const text = readFileSync(path, 'utf8').replace(/https:\/\/[\d.]+:\d+/, `https://${server}`);
        writeFileSync(path, text, { mode: 0o600 });
      }
    },
  };
}

/** Where the API server itself listens on the nodes' network. */
export const apiAddress = '172.30.0.2';
export const apiPort = serverPort;
