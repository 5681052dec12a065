/** The programs of test/deploy/setup.sh, and what they say of the chart. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

export const root = new URL('../..', import.meta.url).pathname;
const linked = (name: string): string => `${root}node_modules/.cache/tortie-deploy/${name}`;

/** Standard output; throws with what the program said on standard error if it fails. */
export const run = (command: string, ...argv: readonly string[]): string =>
  execFileSync(command, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: root });

export const helm = (...argv: readonly string[]): string => run(linked('helm'), ...argv);
export const kubectl = (...argv: readonly string[]): string => run(linked('kubectl'), ...argv);

/** The same for what goes on meanwhile in this process. @param kubeconfig  path */
export const programs = (kubeconfig: string) => {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const asked = async (path: string, argv: readonly string[]): Promise<string> =>
    (await promisify(execFile)(path, argv, { env, cwd: root, encoding: 'utf8' })).stdout;
  return {
    helm: (...argv: readonly string[]) => asked(linked('helm'), argv),
    kubectl: (...argv: readonly string[]) => asked(linked('kubectl'), argv),
    tortiectl: (...argv: readonly string[]) => asked(`${root}src/tortie.sh`, ['ctl', ...argv]),
  };
};

export interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly resources?: { readonly limits?: unknown };
  readonly securityContext: {
    readonly privileged: boolean;
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
    readonly seccompProfile: { readonly type: string };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Pod {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** Any object of the chart, seen as the tests need it. */
export interface ChartObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: { readonly template?: { readonly spec: Pod } };
  readonly rules?: readonly Rule[];
}

export const objectsOf = (text: string): readonly ChartObject[] =>
  parseAllDocuments(text)
    .map((document) => document.toJS() as ChartObject | null)
    .filter((one) => one !== null);

export const containersOf = ({ spec }: ChartObject): readonly Container[] => [
  ...(spec?.template?.spec.initContainers ?? []),
  ...(spec?.template?.spec.containers ?? []),
];
