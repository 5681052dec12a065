/** What of Kubernetes' objects the player reads. */

type Texts = Readonly<Record<string, string>>;

export interface Meta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly generation?: number;
  readonly labels?: Texts;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly { readonly uid: string }[];
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
}

/** httpGet only: the chart has no other. */
export interface Probe {
  readonly httpGet: { readonly host?: string; readonly port: number; readonly path: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
    readonly mountPropagation?: string;
  }[];
  readonly securityContext?: SecurityContext & {
    readonly capabilities?: { readonly add?: readonly string[] };
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
  };
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: unknown;
}

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
}

export interface PodSpec {
  readonly nodeName?: string;
  readonly nodeSelector?: Texts;
  readonly tolerations?: readonly Toleration[];
  readonly hostNetwork?: boolean;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly restartPolicy?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: SecurityContext;
  readonly initContainers?: readonly ContainerSpec[];
  readonly containers: readonly ContainerSpec[];
  readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
  readonly affinity?: { readonly podAntiAffinity?: unknown };
}

export interface Condition {
  readonly type: string;
  readonly status: string;
}

export interface Pod {
  readonly metadata: Meta;
  readonly spec: PodSpec;
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

export interface Node {
  readonly metadata: Meta;
  readonly spec: { readonly taints?: readonly Taint[] };
}

interface Template {
  readonly metadata: { readonly labels?: Texts; readonly annotations?: Texts };
  readonly spec: PodSpec;
}

/** DaemonSet, Deployment and Job. */
export interface Workload {
  readonly metadata: Meta;
  readonly spec: {
    readonly replicas?: number;
    readonly template: Template;
    /** Of a DaemonSet. */
    readonly updateStrategy?: { readonly rollingUpdate?: { readonly maxUnavailable?: number } };
    /** Of a Deployment. */
    readonly strategy?: {
      readonly rollingUpdate?: { readonly maxUnavailable?: number; readonly maxSurge?: number };
    };
  };
}

export const workloadKinds = ['daemonsets', 'deployments', 'jobs'] as const;
export type WorkloadKind = (typeof workloadKinds)[number];

export interface World {
  readonly nodes: readonly Node[];
  readonly pods: readonly Pod[];
  readonly workloads: Readonly<Record<WorkloadKind, readonly Workload[]>>;
}

export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

export const isEnding = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;
