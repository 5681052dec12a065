/**
 * What kube-controller-manager and kube-scheduler would do next in a small cluster: DaemonSets and Deployments rolled as their
 * strategies say, Jobs, pods of owners that are gone, and where a pod may run. Decisions only.
 */
import { createHash } from 'node:crypto';
import {
  isEnding,
  isReady,
  type Node,
  type Pod,
  type PodSpec,
  type Taint,
  type Toleration,
  type Workload,
  type WorkloadKind,
  type World,
  workloadKinds,
} from './shapes.ts';

export type Act =
  | { readonly kind: 'create'; readonly of: WorkloadKind; readonly owner: Workload; readonly node?: string }
  | { readonly kind: 'delete'; readonly pod: Pod }
  | { readonly kind: 'bind'; readonly pod: Pod; readonly node: string }
  | { readonly kind: 'status'; readonly of: WorkloadKind; readonly owner: Workload; readonly status: object };

/** Label of the pods of one version of a workload's template. */
export const revisionLabel = 'controller-revision-hash';
export const revisionOf = ({ spec }: Workload): string =>
  createHash('sha256').update(JSON.stringify(spec.template)).digest('hex').slice(0, 10);

const tolerates = ({ key, effect, value = '' }: Taint, one: Toleration): boolean =>
  (one.effect === undefined || one.effect === effect) &&
  (one.key === undefined ? one.operator === 'Exists' : one.key === key) &&
  (one.operator === 'Exists' || (one.value ?? '') === value);

/** Its node selector and tolerations let it run there. */
const fits = ({ nodeSelector = {}, tolerations = [] }: PodSpec, { metadata, spec }: Node): boolean =>
  Object.entries(nodeSelector).every(([key, value]) => metadata.labels?.[key] === value) &&
  (spec.taints ?? [])
    .filter(({ effect }) => effect !== 'PreferNoSchedule')
    .every((taint) => tolerations.some((one) => tolerates(taint, one)));

const isOf = (pod: Pod, { metadata }: Workload): boolean =>
  pod.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid) ?? false;

const isNew = (pod: Pod, owner: Workload): boolean =>
  pod.metadata.labels?.[revisionLabel] === revisionOf(owner);

interface Counts {
  readonly current: readonly Pod[];
  readonly fresh: readonly Pod[];
  readonly ready: readonly Pod[];
}
const countsOf = (pods: readonly Pod[], owner: Workload): Counts => {
  const current = pods.filter((pod) => !isEnding(pod));
  return {
    current,
    fresh: current.filter((pod) => isNew(pod, owner)),
    ready: current.filter(isReady),
  };
};

/** Of the pods of before: those that are not ready, and of the others as many as may be missing at once. */
function outdated(
  { current, ready }: Counts,
  owner: Workload,
  wanted: number,
  allowed: number,
): readonly Act[] {
  const old = current.filter((pod) => !isNew(pod, owner));
  const room = Math.max(0, allowed - (wanted - ready.length));
  const going = [...old.filter((pod) => !isReady(pod)), ...old.filter(isReady).slice(0, room)];
  return going.map((pod) => ({ kind: 'delete', pod }));
}

function daemons(owner: Workload, { nodes, pods }: World): readonly Act[] {
  const mine = pods.filter((pod) => isOf(pod, owner));
  const wanted = nodes
    .filter((node) => fits(owner.spec.template.spec, node))
    .map(({ metadata }) => metadata.name);
  const missing = wanted.filter((node) => !mine.some(({ spec }) => spec.nodeName === node));
  const counts = countsOf(mine, owner);
  const allowed = owner.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  const status = {
    ...{ observedGeneration: owner.metadata.generation, desiredNumberScheduled: wanted.length },
    ...{ currentNumberScheduled: counts.current.length, numberMisscheduled: 0 },
    ...{ numberReady: counts.ready.length, numberAvailable: counts.ready.length },
    ...{
      numberUnavailable: wanted.length - counts.ready.length,
      updatedNumberScheduled: counts.fresh.length,
    },
  };
  return [
    ...missing.map((node): Act => ({ kind: 'create', of: 'daemonsets', owner, node })),
    ...outdated(counts, owner, wanted.length, allowed),
    { kind: 'status', of: 'daemonsets', owner, status },
  ];
}

function replicas(owner: Workload, { pods }: World): readonly Act[] {
  const mine = pods.filter((pod) => isOf(pod, owner));
  const wanted = owner.spec.replicas ?? 1;
  const counts = countsOf(mine, owner);
  const { maxUnavailable = 1, maxSurge = 0 } = owner.spec.strategy?.rollingUpdate ?? {};
  const missing = Math.max(0, wanted + maxSurge - mine.length);
  const status = {
    ...{ observedGeneration: owner.metadata.generation, replicas: counts.current.length },
    ...{ updatedReplicas: counts.fresh.length, readyReplicas: counts.ready.length },
    ...{ availableReplicas: counts.ready.length, unavailableReplicas: wanted - counts.ready.length },
  };
  return [
    ...Array.from({ length: missing }, (): Act => ({ kind: 'create', of: 'deployments', owner })),
    ...outdated(counts, owner, wanted, maxUnavailable),
    { kind: 'status', of: 'deployments', owner, status },
  ];
}

function jobs(owner: Workload, { pods }: World): readonly Act[] {
  const mine = pods.filter((pod) => isOf(pod, owner));
  if (mine.length === 0) return [{ kind: 'create', of: 'jobs', owner }];
  if (!mine.some(({ status }) => status?.phase === 'Succeeded')) return [];
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({
    ...{ type, status: 'True', lastProbeTime: at, lastTransitionTime: at },
  }));
  const status = { startTime: at, completionTime: at, succeeded: 1, ready: 0, terminating: 0, conditions };
  return [{ kind: 'status', of: 'jobs', owner, status: { ...status, uncountedTerminatedPods: {} } }];
}

const controllers: Readonly<Record<WorkloadKind, (owner: Workload, world: World) => readonly Act[]>> = {
  daemonsets: daemons,
  deployments: replicas,
  jobs,
};

/** Nothing is asked of them but selectors, taints, and that no two of one template with anti-affinity share a node. */
function schedule({ nodes, pods }: World): readonly Act[] {
  const open = pods.find(({ metadata, spec }) => spec.nodeName === undefined && !metadata.deletionTimestamp);
  const component = open?.metadata.labels?.['app.kubernetes.io/component'];
  const taken =
    open?.spec.affinity?.podAntiAffinity === undefined
      ? []
      : pods.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === component);
  const rest = pods.filter((pod) => pod !== open);
  if (open === undefined) return [];
  const node = nodes.find(
    (one) => fits(open.spec, one) && !taken.some(({ spec }) => spec.nodeName === one.metadata.name),
  );
  const later = schedule({ nodes, pods: rest, workloads: { daemonsets: [], deployments: [], jobs: [] } });
  return node === undefined ? later : [{ kind: 'bind', pod: open, node: node.metadata.name }];
}

/** What the garbage collector takes: pods none of whose owners is there. */
function orphans({ pods, workloads }: World): readonly Act[] {
  const owners = new Set(
    workloadKinds.flatMap((kind) => workloads[kind].map(({ metadata }) => metadata.uid)),
  );
  return pods
    .filter((pod) => !isEnding(pod) && (pod.metadata.ownerReferences?.length ?? 0) > 0)
    .filter(({ metadata }) => !metadata.ownerReferences?.some(({ uid }) => owners.has(uid)))
    .map((pod) => ({ kind: 'delete', pod }));
}

export const decide = (world: World): readonly Act[] => [
  ...workloadKinds.flatMap((kind) =>
    world.workloads[kind]
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .flatMap((owner) => controllers[kind](owner, world)),
  ),
  ...schedule(world),
  ...orphans(world),
];
