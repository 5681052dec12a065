/** One container of a pod: its spec made into a box, started again when it ends, until it is told to stop. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Playground, Running } from '../../support/namespaces.ts';
import { type Box, type Mount, startBox } from '../contain.ts';
import { startProbes } from './probe.ts';
import type { ContainerSpec, EnvVar, Pod } from './shapes.ts';

export interface Surroundings {
  readonly ground: Playground;
  /** In the playground: "node1". */
  readonly node: string;
  /** Path of the network namespace that probes come from. */
  readonly netns: string;
  readonly podAddress: string;
  /** Directory of this machine for a volume of the pod, made if it is not there. */
  readonly volume: (name: string) => string;
  /** Directory with token, ca.crt and namespace; undefined: the pod has none. */
  readonly account: string | undefined;
  /** What kubelet tells of Services: "KUBERNETES_SERVICE_HOST=…". */
  readonly services: readonly string[];
}

const fields: Readonly<Record<string, (pod: Pod) => string>> = {
  'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
  'metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
  'metadata.name': ({ metadata }) => metadata.name,
};

function envValue({ name, value, valueFrom }: EnvVar, pod: Pod): string {
  if (valueFrom === undefined) return value ?? '';
  const read = fields[valueFrom.fieldRef.fieldPath];
  if (read === undefined) throw new Error(`${name}: ${valueFrom.fieldRef.fieldPath} is not played`);
  return read(pod);
}

/** @throws if the spec asks for what is not played here, so that nothing is passed over in silence */
function boxOf(container: ContainerSpec, pod: Pod, around: Surroundings): Box {
  const {
    command = ['/usr/local/bin/tortie'],
    args = [],
    volumeMounts = [],
    securityContext = {},
  } = container;
  if (
    securityContext.privileged ||
    container.lifecycle !== undefined ||
    !securityContext.readOnlyRootFilesystem
  )
    throw new Error(`${container.name}: privileged, lifecycle and a root that can be written are not played`);
  const own = (container.env ?? []).map((one) => [one.name, envValue(one, pod)] as const);
  const expand = (text: string): string =>
    text.replace(/\$\(([^)]+)\)/g, (whole, name) => own.find(([known]) => known === name)?.[1] ?? whole);
  const mounts = volumeMounts.map(
    ({ name, mountPath, readOnly = false, mountPropagation = 'None' }): Mount => ({
      ...{
        from: around.volume(name),
        to: mountPath,
        readOnly,
        follows: mountPropagation === 'HostToContainer',
      },
    }),
  );
  const account: Mount = {
    from: around.account ?? '',
    to: '/run/secrets/kubernetes.io/serviceaccount',
    readOnly: true,
  };
  const [program = '', ...rest] = [...command, ...args].map(expand);
  return {
    argv: [program, ...rest],
    // The image says who runs it if the pod does not.
    user: securityContext.runAsUser ?? pod.spec.securityContext?.runAsUser ?? 65532,
    group: securityContext.runAsGroup ?? pod.spec.securityContext?.runAsGroup ?? 65532,
    env: [
      ...around.services,
      `HOSTNAME=${pod.spec.nodeName}`,
      ...own.map(([name, value]) => `${name}=${value}`),
    ],
    mounts: around.account === undefined ? mounts : [...mounts, account],
    capabilities: securityContext.capabilities?.add ?? [],
  };
}

export interface PlayedContainer {
  readonly name: string;
  readonly image: string;
  ready(): boolean;
  restarts(): number;
  /** Of its last life, if that is over. */
  exitCode(): number | null;
  output(): string;
  /** Resolves with true when it ended well and is not to be started again; with false if it was stopped. */
  readonly done: Promise<boolean>;
  /** SIGTERM, and SIGKILL when the grace period is over. */
  stop(graceSeconds: number): Promise<void>;
}

export type Again = 'Always' | 'OnFailure';

/** Starts it. @param again  when it is started anew after its end */
export function playContainer(
  spec: ContainerSpec,
  { pod, around, again }: { readonly pod: Pod; readonly around: Surroundings; readonly again: Again },
): PlayedContainer {
  const lives: Running[] = [];
  const state = { ready: false, stopped: false };
  const box = boxOf(spec, pod, around);

  async function live(): Promise<boolean> {
    for (;;) {
      const running = startBox(around.ground, around.node, box);
      lives.push(running);
      const stopProbes = startProbes(spec, {
        ...{ netns: around.netns, podAddress: around.podAddress },
        onReady: (ready) => {
          state.ready = ready;
        },
        onDead: () => running.process.kill('SIGTERM'),
      });
      await running.ended;
      stopProbes();
      state.ready = false;
      if (state.stopped) return false;
      if (again === 'OnFailure' && running.process.exitCode === 0) return true;
      await pause(1000);
      if (state.stopped) return false;
    }
  }

  const done = live();
  return {
    ...{ name: spec.name, image: spec.image, done },
    ready: () => state.ready,
    restarts: () => lives.length - 1,
    exitCode: () => lives.at(-1)?.process.exitCode ?? null,
    output: () => lives.map((life) => life.output()).join('\n-- again --\n'),
    stop: async (graceSeconds) => {
      state.stopped = true;
      const last = lives.at(-1);
      last?.process.kill('SIGTERM');
      const timer = setTimeout(() => last?.process.kill('SIGKILL'), graceSeconds * 1000);
      await done;
      clearTimeout(timer);
    },
  };
}
