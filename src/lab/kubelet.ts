/**
 * The lab's kubelet: for every Pod of a lab node a namespace, the CNI plugin called as a container runtime would, the
 * pod's listeners, and its status. One process for all nodes; it owns the pods' namespaces and `pods.json`.
 *
 * Each pod is a slot with what is wanted and what is there; `nextStep` decides, one step at a time and with backoff.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import { millis } from '../lib/net.ts';
import type { Pod, ResourceRef } from '../model/resource.ts';
import type { Batch, Change, Store } from '../store/store.ts';
import { type CniCall, callCni } from './cni.ts';
import { type Listeners, listenAs } from './listen.ts';
import type { PodRecord } from './state.ts';
import { netnsPath, podNetns, type Topology } from './topology.ts';
import { makePodNetns, namespacesOf, removeNetns } from './wire.ts';

interface Slot {
  wanted: Pod | undefined;
  record: PodRecord | undefined;
  listeners: Listeners | undefined;
  /** Its status says that it runs. */
  reported: boolean;
  /** It is being deleted, and its object stays until the kubelet lets it go: its uid. */
  ending: Ending | undefined;
  /** Failed releases in a row. */
  refused: number;
  working: boolean;
}

interface Ending {
  readonly namespace: string;
  readonly pod: string;
  readonly uid?: string;
}

const emptySlot = (): Slot => ({
  wanted: undefined,
  record: undefined,
  listeners: undefined,
  reported: false,
  ending: undefined,
  refused: 0,
  working: false,
});

export interface KubeletPorts {
  readonly topology: Topology;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Socket of the node agent of a node. */
  readonly agentOf: (node: string) => string;
  /** Lets an object that is being deleted go. */
  readonly release: (pod: Ending) => Promise<void>;
  readonly save: (pods: readonly PodRecord[]) => void;
}

/** @param before  what an earlier kubelet of this lab left. Call the result to stop; the pods stay. */
export function runKubelet(ports: KubeletPorts, before: readonly PodRecord[]): () => void {
  const slots = new Map<string, Slot>();
  for (const record of before) {
    slots.set(`${record.namespace}/${record.pod}`, { ...emptySlot(), record });
  }
  let inSync = false;

  const save = (): void => ports.save([...slots.values()].flatMap(({ record }) => record ?? []));

  async function work(key: string, slot: Slot): Promise<void> {
    if (slot.working || !inSync) return;
    slot.working = true;
    for (let step = nextStep(slot); step !== undefined; step = nextStep(slot)) {
      await steps[step](ports, slot).catch((error: unknown) => {
        const said = error instanceof Error ? error.message : String(error);
        ports.log.warn(`${key}: ${step} failed`, { error: said });
        if (slot.record) slot.record = { ...slot.record, attempts: slot.record.attempts + 1, error: said };
        else slot.refused += 1;
      });
      save();
      const attempts = slot.record?.attempts ?? slot.refused;
      if (attempts > 0) await pause(ports.clock, Math.min(5000, 100 * 2 ** attempts));
    }
    slot.working = false;
    if (slot.wanted === undefined && slot.record === undefined && slot.ending === undefined)
      slots.delete(key);
  }

  function want(change: Change): void {
    const pod = change.kind === 'put' && change.resource.kind === 'Pod' ? change.resource : undefined;
    const meta = change.kind === 'put' ? change.resource.meta : change.ref;
    const key = `${meta.namespace ?? 'default'}/${meta.name}`;
    const slot = slots.get(key) ?? emptySlot();
    const ours = pod !== undefined && isOurs(pod, ports.topology) ? pod : undefined;
    slot.wanted = ours?.deleting ? undefined : ours;
    slot.ending = pod?.deleting && isPlaced(pod, ports.topology) ? endingOf(pod) : undefined;
    slots.set(key, slot);
  }

  function take(batch: Batch): void {
    batch.changes.forEach(want);
    inSync ||= batch.inSync;
    for (const [key, slot] of slots) void work(key, slot);
  }

  return ports.store.watch(['Pod'], take);
}

const isPlaced = (pod: Pod, topology: Topology): boolean =>
  topology.nodes.some(({ name }) => name === pod.nodeName);

const isOurs = (pod: Pod, topology: Topology): boolean =>
  !pod.hostNetwork && !pod.finished && isPlaced(pod, topology);

const endingOf = ({ meta: { namespace = 'default', name, uid } }: Pod): Ending => ({
  namespace,
  pod: name,
  ...(uid === undefined ? {} : { uid }),
});

const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(millis(ms), resolve);
  });

type Step = 'attach' | 'listen' | 'report' | 'detach' | 'release';

/** What a change of cannot be followed in place: the pod must be made anew. Labels are not of this kind. */
const sameSandbox = (pod: Pod, record: PodRecord): boolean =>
  pod.nodeName === record.node &&
  JSON.stringify(portsOf(pod)) === JSON.stringify(record.ports) &&
  (pod.meta.uid === undefined || record.uid === undefined || pod.meta.uid === record.uid);

function nextStep({ wanted, record, listeners, reported, ending }: Slot): Step | undefined {
  if (record === undefined && ending !== undefined) return 'release';
  if (record === undefined) return wanted === undefined ? undefined : 'attach';
  if (wanted === undefined || record.state === 'removing' || !sameSandbox(wanted, record)) return 'detach';
  if (record.state === 'creating') return 'attach';
  if (listeners === undefined) return 'listen';
  return reported ? undefined : 'report';
}

const portsOf = (pod: Pod): PodRecord['ports'] => pod.ports.map(({ protocol, port }) => ({ protocol, port }));

const steps: Readonly<Record<Step, (ports: KubeletPorts, slot: Slot) => Promise<void>>> = {
  attach: async (ports, slot) => {
    const pod = slot.wanted;
    if (pod === undefined) return;
    const record = slot.record ?? newRecord(pod, ports.topology.name);
    slot.record = record;
    if (!namespacesOf(ports.topology.name).includes(record.netns)) await makePodNetns(record.netns);
    // A pod of this name may have been here before: its address must not be taken for this one's.
    await ports.store.putStatus(refOf(record), { phase: 'Pending', podIP: null, podIPs: null });
    const addresses = await callCni(callOf(ports, record, 'ADD'));
    slot.record = { ...withoutError(record), state: 'running', addresses, attempts: 0 };
  },
  listen: async (_ports, slot) => {
    const { record } = slot;
    if (record === undefined) return;
    const name = `${record.namespace}/${record.pod}`;
    slot.listeners = await listenAs(name, netnsPath(record.netns), record.ports);
  },
  report: async (ports, slot) => {
    const { record } = slot;
    if (record === undefined) return;
    await ports.store.putStatus(refOf(record), {
      phase: 'Running',
      podIP: record.addresses[0] ?? null,
      podIPs: record.addresses.map((ip) => ({ ip })),
      conditions: [{ type: 'Ready', status: 'True' }],
    });
    slot.reported = true;
    ports.log.info(`${record.namespace}/${record.pod} runs`, { addresses: record.addresses });
    slot.record = { ...withoutError(record), attempts: 0 };
  },
  detach: async (ports, slot) => {
    const { record } = slot;
    if (record === undefined) return;
    slot.listeners?.close();
    slot.listeners = undefined;
    slot.reported = false;
    slot.record = { ...record, state: 'removing' };
    await callCni(callOf(ports, record, 'DEL'));
    await removeNetns(record.netns);
    slot.record = undefined;
    ports.log.info(`${record.namespace}/${record.pod} is removed`);
  },
  release: async (ports, slot) => {
    if (slot.ending !== undefined) await ports.release(slot.ending);
    slot.ending = undefined;
    slot.refused = 0;
  },
};

const refOf = ({ namespace, pod }: PodRecord): ResourceRef => ({ kind: 'Pod', namespace, name: pod });

const withoutError = ({ error: _, ...record }: PodRecord): PodRecord => record;

const newRecord = (pod: Pod, lab: string): PodRecord => {
  const namespace = pod.meta.namespace ?? 'default';
  return {
    namespace,
    pod: pod.meta.name,
    node: pod.nodeName ?? '',
    netns: podNetns(lab, namespace, pod.meta.name),
    containerId: randomUUID().replaceAll('-', ''),
    ...(pod.meta.uid === undefined ? {} : { uid: pod.meta.uid }),
    state: 'creating',
    addresses: [],
    ports: portsOf(pod),
    attempts: 0,
  };
};

function callOf({ topology, agentOf }: KubeletPorts, record: PodRecord, command: 'ADD' | 'DEL'): CniCall {
  const node = topology.nodes.find(({ name }) => name === record.node);
  return {
    command,
    nodeNetns: node?.netns ?? '',
    socket: agentOf(record.node),
    containerId: record.containerId,
    podNetnsPath: netnsPath(record.netns),
    namespace: record.namespace,
    pod: record.pod,
    uid: record.uid ?? record.containerId,
  };
}
