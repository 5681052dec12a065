/** The NetworkPolicy cases that other projects wrote, as data beside the repository, and the cluster they play in. */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { ClusterChange } from '../../felix/calc/graph.ts';
import { keyOf, type Pod, type Resource, refOf } from '../../src/model/resource.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';

const file = new URL('../../../shared/conformance/policy/networkpolicy-cases.json', import.meta.url).pathname;

type Labels = Readonly<Record<string, string>>;
interface Named {
  readonly Namespace: string;
  readonly Pod: string;
  readonly Labels: Labels;
}

/** One action, under its only key. */
type Action = Readonly<{
  CreatePolicy?: { readonly Policy: object };
  UpdatePolicy?: { readonly Policy: object };
  DeletePolicy?: { readonly Namespace: string; readonly Name: string };
  CreateNamespace?: Omit<Named, 'Pod'>;
  SetNamespaceLabels?: Omit<Named, 'Pod'>;
  DeleteNamespace?: { readonly Namespace: string };
  CreatePod?: Named;
  SetPodLabels?: Named;
  DeletePod?: Omit<Named, 'Labels'>;
}>;

export interface PolicyStep {
  readonly actions: readonly Action[];
  /** "x/a>y/b TCP/80": refused by either end; and by each. */
  readonly denied: readonly string[];
  readonly ingressDenied: readonly string[];
  readonly egressDenied: readonly string[];
  /** Connections judged, a pod to itself included. */
  readonly cells: number;
}

export interface PolicyCases {
  readonly podIPs: Readonly<Record<string, string>>;
  readonly nextPodIP: string;
  readonly ports: readonly number[];
  readonly protocols: readonly ('TCP' | 'UDP' | 'SCTP')[];
  readonly cases: readonly {
    readonly id: number;
    readonly description: string;
    readonly steps: readonly PolicyStep[];
  }[];
}

/** Undefined, and a line that says so, if the cases are not there. */
export function readPolicyCases(): PolicyCases | undefined {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  console.log(`skipped: no conformance cases at ${file}`);
  return undefined;
}

function resourceOf(json: unknown): Resource {
  const read = readManifest(json);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return read.value;
}

const put = (json: unknown): ClusterChange => ({ kind: 'put', resource: resourceOf(json) });

const namespaceChange = (name: string, labels: Labels): ClusterChange =>
  put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });

/** Every pod listens on each port and protocol, and names the ports as the cases do: "serve-80-tcp". */
function podChange(cases: PolicyCases, key: string, labels: Labels): ClusterChange {
  const [namespace, name] = key.split('/');
  const ports = cases.ports.flatMap((containerPort) =>
    cases.protocols.map((protocol) => ({
      name: `serve-${containerPort}-${protocol.toLowerCase()}`,
      containerPort,
      protocol,
    })),
  );
  return put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { containers: [{ name: 'main', ports }] },
    status: { podIP: cases.podIPs[key] ?? cases.nextPodIP },
  });
}

/** The nine pods in three namespaces every case begins with. */
const firstChanges = (cases: PolicyCases): readonly ClusterChange[] => [
  ...['x', 'y', 'z'].map((name) => namespaceChange(name, { ns: name })),
  ...Object.keys(cases.podIPs).map((key) => podChange(cases, key, { pod: key.slice(2) })),
];

const gone = (
  kind: 'Pod' | 'Namespace' | 'NetworkPolicy',
  name: string,
  namespace?: string,
): ClusterChange => ({
  kind: 'delete',
  ref: { kind, name, ...(namespace === undefined ? {} : { namespace }) },
});

function changesOf(cases: PolicyCases, action: Action): readonly ClusterChange[] {
  const policy = action.CreatePolicy ?? action.UpdatePolicy;
  const namespace = action.CreateNamespace ?? action.SetNamespaceLabels;
  const pod = action.CreatePod ?? action.SetPodLabels;
  const changes = [
    // Some of the policies leave out what kind they are.
    policy && put({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...policy.Policy }),
    action.DeletePolicy && gone('NetworkPolicy', action.DeletePolicy.Name, action.DeletePolicy.Namespace),
    namespace && namespaceChange(namespace.Namespace, namespace.Labels),
    action.DeleteNamespace && gone('Namespace', action.DeleteNamespace.Namespace),
    pod && podChange(cases, `${pod.Namespace}/${pod.Pod}`, pod.Labels),
    action.DeletePod && gone('Pod', action.DeletePod.Pod, action.DeletePod.Namespace),
  ].filter((each) => each !== undefined);
  if (changes.length !== 1) throw new Error(`unknown action ${JSON.stringify(action)}`);
  return changes;
}

/** What the API server would hold. */
export type Resources = Map<string, Resource>;

const podsIn = (resources: Resources): readonly Pod[] =>
  [...resources.values()].filter((each): each is Pod => each.kind === 'Pod');

/** One connection the cases judge. */
export interface Cell {
  readonly from: Pod;
  readonly to: Pod;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

export const nameOf = ({ meta }: Pod): string => `${meta.namespace}/${meta.name}`;

function* cellsOf(cases: PolicyCases, resources: Resources): Generator<Cell> {
  const pods = podsIn(resources);
  for (const from of pods)
    for (const to of pods)
      for (const protocol of cases.protocols)
        for (const port of cases.ports) yield { from, to, protocol, port };
}

/** "x/a>y/b TCP/80" of every connection that is not allowed. */
export const denied = (
  cases: PolicyCases,
  resources: Resources,
  isAllowed: (cell: Cell) => boolean,
): readonly string[] =>
  [...cellsOf(cases, resources)]
    .filter(({ from, to }) => from !== to) // not judged by those who wrote the cases
    .filter((cell) => !isAllowed(cell))
    .map(({ from, to, protocol, port }) => `${nameOf(from)}>${nameOf(to)} ${protocol}/${port}`)
    .sort();

export const others = (cells: readonly string[]): readonly string[] =>
  cells.filter((cell) => !/^(\S+)>\1 /.test(cell)).toSorted();

export const addressOf = (pod: Pod): Pod['ips'][number] => pod.ips[0] ?? expect.unreachable();

function note(resources: Resources, changes: readonly ClusterChange[]): void {
  for (const each of changes) {
    if (each.kind === 'put') resources.set(keyOf(refOf(each.resource)), each.resource);
    else resources.delete(keyOf(each.ref));
  }
}

/** Runs a case step by step; `look` is asked after each. */
export function play(
  cases: PolicyCases,
  steps: readonly PolicyStep[],
  see: (changes: readonly ClusterChange[]) => void,
  look: (step: PolicyStep, resources: Resources) => void,
): void {
  const resources: Resources = new Map();
  const tell = (changes: readonly ClusterChange[]): void => {
    note(resources, changes);
    see(changes);
  };
  tell(firstChanges(cases));
  for (const step of steps) {
    for (const action of step.actions) tell(changesOf(cases, action));
    expect([...cellsOf(cases, resources)].length).toBe(step.cells);
    look(step, resources);
  }
}
