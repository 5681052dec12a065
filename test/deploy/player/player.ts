/**
 * Plays what a cluster has beside its API server: kube-controller-manager, kube-scheduler, and on each node kubelet and a container
 * runtime. It knows nothing of Tortie: it runs what the API says, and says in the API what it runs.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Json } from '../../../src/store/store.ts';
import { type Act, decide, revisionLabel, revisionOf } from './decide.ts';
import { createKubelet, type Kubelet, type Machine } from './kubelet.ts';
import { configurationOf } from './sandbox.ts';
import type { Meta, Node, Pod, Workload, WorkloadKind, World } from './shapes.ts';

export interface Player {
  readonly kubelet: Kubelet;
  /** What went wrong last, for a test that fails. */
  trouble(): string;
  close(): Promise<void>;
}

const everyMs = 250;
const groups: Readonly<Record<WorkloadKind, string>> = {
  daemonsets: '/apis/apps/v1',
  deployments: '/apis/apps/v1',
  jobs: '/apis/batch/v1',
};
const kindNames: Readonly<Record<WorkloadKind, string>> = {
  daemonsets: 'DaemonSet',
  deployments: 'Deployment',
  jobs: 'Job',
};
const merge = 'application/merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const notReady = 'node.kubernetes.io/not-ready';

const pathOf = (of: WorkloadKind, { name, namespace }: Meta): string =>
  `${groups[of]}/namespaces/${namespace}/${of}/${name}`;

export function startPlayer(machine: Machine): Player {
  const kubelet = createKubelet(machine);
  const said = new Map<string, string>();
  const life = { over: false };
  const { request } = machine.api;

  const list = async <T>(path: string): Promise<readonly T[]> => {
    const { status, body } = await request('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status}`);
    return (body as unknown as { readonly items: readonly T[] }).items;
  };
  const look = async (): Promise<World> => {
    const [daemonsets, deployments, jobs, nodes, pods] = await Promise.all([
      list<Workload>(`${groups.daemonsets}/daemonsets`),
      list<Workload>(`${groups.deployments}/deployments`),
      list<Workload>(`${groups.jobs}/jobs`),
      list<Node>('/api/v1/nodes'),
      list<Pod>('/api/v1/pods'),
    ]);
    return { nodes, pods, workloads: { daemonsets, deployments, jobs } };
  };

  async function tell(key: string, path: string, status: object): Promise<void> {
    const text = JSON.stringify(status);
    if (said.get(key) === text) return;
    const answer = await request('PATCH', `${path}/status`, { status } as Json, merge);
    if (answer.status < 300) said.set(key, text);
    else said.set('trouble', `${path}: ${JSON.stringify(answer.body)}`);
  }

  const deeds: { readonly [K in Act['kind']]: (act: Extract<Act, { kind: K }>) => Promise<unknown> } = {
    create: ({ of, owner, node }) => make(request, of, owner, node),
    delete: ({ pod: { metadata } }) =>
      request('DELETE', `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`, {
        preconditions: { uid: metadata.uid },
      }),
    bind: ({ pod: { metadata }, node }) =>
      request('POST', `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/binding`, {
        ...{ apiVersion: 'v1', kind: 'Binding', metadata: { name: metadata.name } },
        target: { apiVersion: 'v1', kind: 'Node', name: node },
      }),
    status: ({ of, owner, status }) => tell(owner.metadata.uid, pathOf(of, owner.metadata), status),
  };

  async function turn(): Promise<void> {
    const world = await look();
    kubelet.follow(world.pods);
    for (const act of decide(world)) {
      const answer = await (deeds[act.kind] as (one: Act) => Promise<unknown>)(act);
      const { status = 200, body } = (answer ?? {}) as { readonly status?: number; readonly body?: Json };
      if (status >= 300 && status !== 404) said.set('trouble', JSON.stringify(body));
    }
    for (const node of world.nodes) await tellNode(node);
  }

  /** As kubelet and the node lifecycle controller do: a node without network configuration is not ready, and tainted so. */
  async function tellNode({ metadata: { name }, spec: { taints = [] } }: Node): Promise<void> {
    const played = machine.nodes.get(name);
    if (played === undefined) return;
    const isReady = configurationOf(played) !== undefined;
    const said = { type: 'Ready', status: isReady ? 'True' : 'False', reason: 'Played', message: 'CNI' };
    await tell(name, `/api/v1/nodes/${name}`, { conditions: [said] });
    const others = taints.filter(({ key }) => key !== notReady);
    const isTainted = others.length < taints.length;
    if (isReady !== isTainted) return;
    const next = isReady ? others : [...taints, { key: notReady, effect: 'NoSchedule' }];
    // Of the version that was looked at, for others take taints off too.
    const taintsNow = [
      ...(taints.length === 0 ? [] : [{ op: 'test', path: '/spec/taints', value: taints }]),
      { op: 'add', path: '/spec/taints', value: next },
    ];
    await request('PATCH', `/api/v1/nodes/${name}`, taintsNow as unknown as Json, jsonPatch);
  }

  const done = (async () => {
    while (!life.over) {
      await turn().catch((error: unknown) => said.set('trouble', String(error)));
      await pause(everyMs);
    }
  })();

  return {
    kubelet,
    trouble: () =>
      [
        ...[...said].filter(([key]) => key === 'trouble').map(([, text]) => text),
        ...kubelet
          .pods()
          .flatMap(({ pod, containers, trouble }) => [
            `${pod.metadata.name} on ${pod.spec.nodeName}: ${trouble ?? 'runs'}`,
            ...containers.map((one) => `  ${one.name} ready=${one.ready()}: ${one.output().slice(-1500)}`),
          ]),
      ].join('\n'),
    close: async () => {
      life.over = true;
      await done;
      await kubelet.close();
    },
  };
}

function make(
  request: Machine['api']['request'],
  of: WorkloadKind,
  owner: Workload,
  node: string | undefined,
): Promise<unknown> {
  const { name, namespace, uid } = owner.metadata;
  const { metadata, spec } = owner.spec.template;
  const apiVersion = groups[of].slice('/apis/'.length);
  return request('POST', `/api/v1/namespaces/${namespace}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `${name}-${randomBytes(3).toString('hex')}`,
      labels: { ...metadata.labels, [revisionLabel]: revisionOf(owner) },
      ownerReferences: [{ apiVersion, kind: kindNames[of], name, uid, controller: true }],
    },
    // As the DaemonSet controller and the scheduler leave it.
    spec: { ...spec, ...(node === undefined ? {} : { nodeName: node }) },
  } as unknown as Json);
}
