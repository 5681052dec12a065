/** Kubelet, one for all nodes: runs the pods that are bound to a node, tells their state, and lets go those that are deleted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiServer } from '../../support/api-server.ts';
import type { Playground } from '../../support/namespaces.ts';
import { type Again, type PlayedContainer, playContainer, type Surroundings } from './container.ts';
import type { PlayedNode } from './node.ts';
import { openSandbox, type Sandbox } from './sandbox.ts';
import { type ContainerSpec, isEnding, type Pod } from './shapes.ts';

export interface Machine {
  readonly ground: Playground;
  readonly api: Pick<ApiServer, 'request' | 'certificate'>;
  readonly nodes: ReadonlyMap<string, PlayedNode>;
  /** The image that deploy/rootfs.sh stands for. Pods of another have a network and no process. */
  readonly image: string;
  /** For the pods' service account files. */
  readonly scratch: string;
}

export interface PlayedPod {
  readonly pod: Pod;
  readonly sandbox: Sandbox | undefined;
  readonly containers: readonly PlayedContainer[];
  /** Why it is not there yet, in words. */
  readonly trouble: string | undefined;
}

export interface Kubelet {
  /** "kube-system/tortie-node-x7f2a": what runs. */
  readonly pods: () => readonly PlayedPod[];
  /** @param all  of the API server */
  follow(all: readonly Pod[]): void;
  /** Nothing runs any more; nobody is told. */
  close(): Promise<void>;
}

const pathOf = ({ metadata }: Pod): string =>
  `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;

class Life {
  pod: Pod;
  readonly #machine: Machine;
  readonly #node: PlayedNode;
  sandbox: Sandbox | undefined;
  trouble: string | undefined;
  containers: PlayedContainer[] = [];
  #initialized = false;
  #stopping: Promise<void> | undefined;
  #told = '';

  constructor(pod: Pod, node: PlayedNode, machine: Machine) {
    this.pod = pod;
    this.#node = node;
    this.#machine = machine;
    void this.#start().catch((error: unknown) => {
      this.trouble = String(error);
    });
  }

  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  async #start(): Promise<void> {
    const { spec } = this.pod;
    while (!spec.hostNetwork && this.sandbox === undefined && !this.stopping) {
      this.sandbox = await openSandbox(this.#machine.ground, this.#node, this.pod).catch((error: unknown) => {
        this.trouble = String(error);
        return undefined;
      });
      if (this.sandbox === undefined) await pause(500);
    }
    const isOurs = (one: ContainerSpec): boolean => one.image.startsWith(this.#machine.image);
    const around = await this.#surroundings();
    for (const one of spec.initContainers ?? []) {
      const played = this.#play(one, around, 'OnFailure');
      if (played === undefined || !(await played.done)) return;
    }
    this.#initialized = true;
    const again = spec.restartPolicy === 'OnFailure' ? 'OnFailure' : 'Always';
    for (const one of spec.containers.filter(isOurs)) this.#play(one, around, again);
    this.trouble = undefined;
  }

  #play(spec: ContainerSpec, around: Surroundings, again: Again): PlayedContainer | undefined {
    if (this.stopping) return undefined;
    const played = playContainer(spec, { pod: this.pod, around, again });
    this.containers.push(played);
    return played;
  }

  async #surroundings(): Promise<Surroundings> {
    const { spec } = this.pod;
    const { ground } = this.#machine;
    const volume = (name: string): string => {
      const path = spec.volumes?.find((one) => one.name === name)?.hostPath?.path;
      if (path === undefined) throw new Error(`volume ${name}: only hostPath is played`);
      const from = this.#node.host(path);
      mkdirSync(from, { recursive: true });
      return from;
    };
    return {
      ...{ ground, node: this.#node.name, netns: `/run/netns/${this.#node.netns}`, volume },
      podAddress: this.#addresses()[0] ?? '',
      account: await this.#account(),
      services: ['KUBERNETES_SERVICE_HOST=10.96.0.1', 'KUBERNETES_SERVICE_PORT=443'],
    };
  }

  /** Token, authority and namespace; the token is bound to this very pod, and so to its node. */
  async #account(): Promise<string | undefined> {
    const { metadata, spec } = this.pod;
    const { serviceAccountName, automountServiceAccountToken = true } = spec;
    if (serviceAccountName === undefined || !automountServiceAccountToken) return undefined;
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid };
    const path = `/api/v1/namespaces/${metadata.namespace}/serviceaccounts/${serviceAccountName}/token`;
    const { status, body } = await this.#machine.api.request('POST', path, {
      ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
      spec: { expirationSeconds: 3607, boundObjectRef },
    });
    if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    const directory = join(this.#machine.scratch, metadata.uid);
    mkdirSync(directory, { recursive: true });
    const { token } = (body as { readonly status: { readonly token: string } }).status;
    // Kubelet makes the token readable for whom the pod runs as.
    const files = { token, 'ca.crt': this.#machine.api.certificate, namespace: metadata.namespace ?? '' };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    return directory;
  }

  #addresses(): readonly string[] {
    return this.pod.spec.hostNetwork ? this.#node.addresses : (this.sandbox?.addresses ?? []);
  }

  #status(): object {
    const { spec } = this.pod;
    const main = this.containers.slice(spec.initContainers?.length ?? 0);
    const isFinished =
      main.length > 0 && spec.restartPolicy === 'OnFailure' && main.every((one) => one.exitCode() === 0);
    const ready = this.#initialized && !this.stopping && !isFinished && main.every((one) => one.ready());
    const ips = this.#addresses();
    const condition = (type: string, is: boolean) => ({ type, status: is ? 'True' : 'False' });
    return {
      phase: isFinished ? 'Succeeded' : this.#initialized ? 'Running' : 'Pending',
      ...(ips.length === 0 ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
      conditions: [
        ...[condition('PodScheduled', true), condition('Initialized', this.#initialized)],
        ...[condition('ContainersReady', ready), condition('Ready', ready)],
      ],
      containerStatuses: main.map((one) => ({
        ...{ name: one.name, image: one.image, imageID: '', ready: one.ready() },
        ...{ started: one.exitCode() === null, restartCount: one.restarts() },
      })),
    };
  }

  async #end(): Promise<void> {
    const grace = this.pod.spec.terminationGracePeriodSeconds ?? 30;
    await Promise.all(this.containers.map((one) => one.stop(grace)));
    for (;;) {
      const failed = await this.sandbox?.remove().catch((error: unknown) => error);
      if (failed === undefined) return;
      this.trouble = String(failed);
      await pause(500);
    }
  }

  /** Ends its containers and its network. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  /** To the API server, if there is news. */
  async tell(): Promise<void> {
    const status = this.#status();
    if (JSON.stringify(status) === this.#told) return;
    const patch = 'application/merge-patch+json';
    const answer = await this.#machine.api.request(
      'PATCH',
      `${pathOf(this.pod)}/status`,
      { status } as never,
      patch,
    );
    if (answer.status < 300) this.#told = JSON.stringify(status);
    else if (answer.status !== 404) this.trouble = JSON.stringify(answer.body);
  }
}

export function createKubelet(machine: Machine): Kubelet {
  const lives = new Map<string, Life>();

  async function letGo(uid: string, life: Life, exists: boolean): Promise<void> {
    await life.stop();
    if (exists)
      await machine.api.request('DELETE', pathOf(life.pod), {
        gracePeriodSeconds: 0,
        preconditions: { uid },
      });
    lives.delete(uid);
  }

  function followOne(pod: Pod, node: PlayedNode): void {
    const { uid } = pod.metadata;
    const life = lives.get(uid) ?? new Life(pod, node, machine);
    lives.set(uid, life);
    life.pod = pod;
    if (life.stopping) return;
    const next = isEnding(pod) ? letGo(uid, life, true) : life.tell();
    // Neither is lost: a pod that is not gone, or whose news nobody heard, is looked at again next turn.
    next.catch((error: unknown) => {
      life.trouble = String(error);
    });
  }

  return {
    pods: () => [...lives.values()],
    follow: (all) => {
      const known = new Set(all.map(({ metadata }) => metadata.uid));
      for (const [uid, life] of lives) if (!known.has(uid) && !life.stopping) void letGo(uid, life, false);
      for (const pod of all) {
        const node = machine.nodes.get(pod.spec.nodeName ?? '');
        if (node !== undefined) followOne(pod, node);
      }
    },
    close: async () => {
      for (const life of lives.values()) for (const one of life.containers) await one.stop(0);
    },
  };
}
