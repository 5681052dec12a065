/** The NetworkPolicy cases that other projects wrote, as data beside the repository, and the cluster they play in. */
import { existsSync, readFileSync } from 'node:fs';
import type { ClusterChange } from '../../felix/calc/graph.ts';
import type { Resource } from '../../src/model/resource.ts';
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
export const firstChanges = (cases: PolicyCases): readonly ClusterChange[] => [
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

export function changesOf(cases: PolicyCases, action: Action): readonly ClusterChange[] {
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
