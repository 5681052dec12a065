/**
 * One node with the real `tortie felix` and pods attached by the real CNI plugin, in namespaces of the test's own.
 * The datastore is a directory that the test writes; the test plays kubelet and container runtime.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { askSocket } from '../../src/host/socket.ts';
import type { FelixStatus, PodPolicyStatus } from '../../src/model/status.ts';
import { eventually } from './eventually.ts';
import { createPlayground, type Playground, type Running, type StartOptions } from './namespaces.ts';

const plugin = new URL('../../src/cni/tortie', import.meta.url).pathname;

interface Answer {
  readonly code: number;
  /** Parsed standard output; undefined if there was none. */
  readonly result: unknown;
}

interface PluginCall {
  readonly container: string;
  /** "namespace/name". */
  readonly pod: string;
  readonly cniVersion?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

export interface FelixNode {
  readonly ground: Playground;
  readonly stateDir: string;
  /** Replaces what the datastore holds, in one atomic rename. */
  store(objects: readonly object[]): void;
  /** Does not wait for anything. @param more  options of `tortie felix` beside the usual ones */
  launch(more?: readonly string[], options?: StartOptions): Running;
  /** The same, and waits until it is in sync. */
  start(more?: readonly string[], options?: StartOptions): Promise<Running>;
  call(command: string, call: PluginCall): Promise<Answer>;
  /** ADD into a namespace of its own; the addresses it got. */
  add(call: PluginCall): Promise<readonly string[]>;
  /** Path of the pod's namespace, made at first use. */
  netns(pod: string): string;
  status(): Promise<FelixStatus>;
  policy(pod: string): Promise<PodPolicyStatus>;
  /** Waits until felix has nothing pending and `check` holds. */
  settled(check: (status: FelixStatus) => boolean): Promise<void>;
  close(): Promise<void>;
}

export function createFelixNode(prefix: string, node: string): FelixNode {
  execFileSync(new URL('../../src/cni/build.sh', import.meta.url).pathname);
  const ground = createPlayground(prefix);
  const directory = mkdtempSync(join(tmpdir(), `tortie-${prefix}-`));
  const socket = join(directory, 'felix.sock');
  const manifests = join(directory, 'store');
  const stateDir = join(directory, 'state');
  mkdirSync(manifests);

  const netns = (pod: string): string => `/run/netns/${ground.netns(pod.replace('/', '-'))}`;

  async function ask(path: string): Promise<unknown> {
    const answer = await askSocket(socket, path);
    if (!answer.ok) throw new Error(answer.error);
    if (answer.value.status !== 200) throw new Error(JSON.stringify(answer.value.body));
    return answer.value.body;
  }

  const status = async (): Promise<FelixStatus> => (await ask('/status')) as FelixStatus;

  function call(command: string, { container, pod, cniVersion, config, env }: PluginCall): Promise<Answer> {
    const [namespace, name] = pod.split('/');
    const environment = {
      TORTIE_CNI_SOCKET: socket,
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: netns(pod),
      CNI_IFNAME: 'eth0',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name}`,
      ...env,
    };
    const stdin = { cniVersion: cniVersion ?? '1.0.0', name: 'pods', type: 'tortie', ...config };
    return new Promise((resolve) => {
      const child = execFile(plugin, { env: environment }, (error, stdout) => {
        const code = typeof error?.code === 'number' ? error.code : 0;
        resolve({ code, result: stdout === '' ? undefined : JSON.parse(stdout) });
      });
      child.stdin?.end(JSON.stringify(stdin));
    });
  }

  const launch = (more: readonly string[] = [], options: StartOptions = {}): Running =>
    ground.tortie(
      node,
      [
        ...['felix', '--datastore', `dir:${manifests}`, '--node', node, '--socket', socket],
        ...['--state-dir', stateDir, '--log-level', 'debug', ...more],
      ],
      options,
    );

  return {
    ground,
    stateDir,
    store: (objects) => {
      const text = objects.map((object) => stringify(object)).join('---\n');
      writeFileSync(join(directory, 'next'), text);
      renameSync(join(directory, 'next'), join(manifests, 'all.yaml'));
    },
    launch,
    start: async (more, options) => {
      const running = launch(more, options);
      await eventually(
        async () => {
          if (running.process.exitCode !== null) throw new Error(`felix ended: ${running.output()}`);
          if ((await status()).dataplane !== 'in-sync')
            throw new Error(`felix is not in sync: ${running.output()}`);
        },
        { within: 30_000 },
      );
      return running;
    },
    call,
    add: async (request) => {
      const { code, result } = await call('ADD', request);
      if (code !== 0) throw new Error(`ADD ${request.pod}: ${JSON.stringify(result)}`);
      const { ips } = result as { readonly ips: readonly { readonly address: string }[] };
      return ips.map(({ address }) => address.replace(/\/.*/, ''));
    },
    netns,
    status,
    policy: async (pod) => {
      const [namespace, name] = pod.split('/');
      return (await ask(`/policy?namespace=${namespace}&pod=${name}`)) as PodPolicyStatus;
    },
    settled: (check) =>
      eventually(
        async () => {
          const now = await status();
          if (now.pending === true || !check(now)) throw new Error(`not settled: ${JSON.stringify(now)}`);
        },
        { within: 30_000, every: 5 },
      ),
    close: async () => {
      await ground.close();
      rmSync(directory, { recursive: true });
    },
  };
}

export const nodeObject = (name: string, ...podCIDRs: readonly string[]): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { podCIDR: podCIDRs[0], podCIDRs },
});

export const namespaceObject = (name: string, labels: Readonly<Record<string, string>> = {}): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});

export interface PodObject {
  readonly labels?: Readonly<Record<string, string>>;
  readonly ips?: readonly string[];
  readonly ports?: readonly object[];
  readonly serviceAccountName?: string;
}

/** @param pod  "namespace/name" */
export function podObject(
  pod: string,
  nodeName: string,
  { labels = {}, ips = [], ports = [], ...more }: PodObject = {},
): object {
  const [namespace, name] = pod.split('/');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { nodeName, containers: [{ name: 'c', image: 'none', ports }], ...more },
    status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
  };
}
