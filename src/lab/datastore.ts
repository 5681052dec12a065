/** Where a lab's resources live: a directory of manifests, or the API server the lab runs. The same to everything else. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { realClock } from '../host/clock.ts';
import { openDirStore } from '../store/dir.ts';
import { openKubernetesStore } from '../store/kubernetes.ts';
import type { Store } from '../store/store.ts';
import { asAdmin } from './api/client.ts';
import { definitions, grants, manifestsIn, putAll } from './api/cluster.ts';
import { type ApiObjects, apiObjects, nameOf } from './api/objects.ts';
import {
  type Access,
  certificateIn,
  kubeconfigFor,
  prepareServer,
  serverPort,
  serverProgram,
  serverSetup,
} from './api/server.ts';
import { fail } from './failure.ts';
import { poll } from './poll.ts';
import { run } from './process.ts';
import type { LabState } from './state.ts';
import { runDirOf, storeDirOf } from './topology.ts';

export const datastoreKinds = ['dir', 'kubernetes'] as const;
export type DatastoreKind = (typeof datastoreKinds)[number];

export interface Datastore {
  /** What the daemons are told, e.g. "dir:/run/tortie-lab/lab/store". */
  readonly flag: string;
  /** Puts everything the cluster starts with: file name to text. Fails with a sentence. */
  fill(files: Readonly<Record<string, string>>): Promise<void>;
  /** Puts what `text` says; `name` is of the file it came from. */
  put(name: string, text: string): Promise<void>;
  /** Takes that away again. */
  drop(name: string, text: string): Promise<void>;
  /** For the lab's own kubelet: reads, and writes the status of pods. */
  open(): Store;
  /** Ends the life of an object that is being deleted; nothing to do in a directory. */
  release(ref: { readonly namespace: string; readonly pod: string; readonly uid?: string }): Promise<void>;
}

/** The part of a lab's state that says which it is. */
type Where = Pick<LabState, 'name' | 'topology' | 'api'>;

export const datastoreOf = (lab: Where): Datastore =>
  lab.api === undefined ? directory(lab.name) : cluster(lab.name, lab.api.port);

function directory(name: string): Datastore {
  const dir = storeDirOf(name);
  const write = (file: string, text: string): void => {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, file), text);
  };
  return {
    flag: `dir:${dir}`,
    fill: async (files) => Object.entries(files).forEach(([file, text]) => void write(file, text)),
    put: async (file, text) => write(file, text),
    drop: async (file) => rmSync(join(dir, file)),
    open: () => openDirStore(dir, { clock: realClock }),
    release: async () => undefined,
  };
}

export const apiDirOf = (lab: string): string => join(runDirOf(lab), 'api');
/** The person's, with every right, to the door on this machine's loopback. */
export const kubeconfigOf = (lab: string): string => join(runDirOf(lab), 'kubeconfig');
/** The same for who is on a node of the lab. */
const innerKubeconfigOf = (lab: string): string => join(apiDirOf(lab), 'kubeconfig');
/** Those of the daemons: limited rights, over the nodes' own network. */
export const daemonKubeconfigOf = (lab: string, daemon: Daemon): string =>
  join(apiDirOf(lab), `kubeconfig-${daemon}`);

export const daemons = ['bgp', 'felix', 'controller'] as const;
type Daemon = (typeof daemons)[number];

export const accessOf = (lab: string, port: number): Access => ({
  server: `127.0.0.1:${port}`,
  certificate: certificateIn(apiDirOf(lab)),
});

const objectsOf = (lab: string, port: number): ApiObjects => apiObjects(asAdmin(accessOf(lab, port)));

function cluster(lab: string, port: number): Datastore {
  const objects = (): ApiObjects => objectsOf(lab, port);
  const said = (error: unknown): never =>
    fail(`The API server refuses: ${error instanceof Error ? error.message : String(error)}`);
  return {
    flag: 'kubernetes',
    fill: async (files) => {
      await ready(lab, port);
      const own = Object.values(files).flatMap(manifestsIn);
      await putAll(objects(), [...definitions(), ...grants(), ...own]).catch(said);
    },
    put: (_, text) => putAll(objects(), manifestsIn(text)).catch(said),
    drop: async (_, text) => {
      for (const manifest of manifestsIn(text)) await objects().remove(nameOf(manifest)).catch(said);
    },
    open: () => openKubernetesStore({ kubeconfig: kubeconfigOf(lab), clock: realClock, random: Math.random }),
    release: ({ namespace, pod, uid }) =>
      objects().remove({ apiVersion: 'v1', kind: 'Pod', namespace, name: pod }, uid),
  };
}

/** Starting on a busy machine takes its time. */
const startMs = 180_000;

async function ready(lab: string, port: number): Promise<void> {
  const ask = asAdmin(accessOf(lab, port));
  let last = 'it does not answer';
  const isUp = await poll(
    async () => {
      const answer = await ask('GET', '/readyz').catch((error: unknown) => String(error));
      last = typeof answer === 'string' ? answer : String(answer.body);
      return typeof answer !== 'string' && answer.status === 200;
    },
    { withinMs: startMs, everyMs: 200 },
  );
  if (!isUp) fail(`The API server did not get ready: ${last}. Its log: ${apiDirOf(lab)}/kube-apiserver.log.`);
}

/** Finds or builds the server; a sentence if that cannot be done here. */
export async function needServer(onWait: (text: string) => void): Promise<void> {
  if (!existsSync(serverProgram))
    onWait('finding kube-apiserver, or building it once with Go (some minutes)');
  const done = await run(['sh', serverSetup], { timeoutMs: 30 * 60_000 });
  if (done.code !== 0) fail(`There is no API server to run: ${done.stderr.trim()}`);
}

/** Keys, kubeconfigs and a free port for the door. @param addresses  of the server on the nodes' network */
export async function prepareApi(
  lab: string,
  addresses: readonly string[],
): Promise<{ readonly port: number }> {
  prepareServer(apiDirOf(lab), ['127.0.0.1', ...addresses]);
  const port = await freePort();
  const certificate = certificateIn(apiDirOf(lab));
  writeFileSync(kubeconfigOf(lab), kubeconfigFor('admin', accessOf(lab, port)), { mode: 0o600 });
  const server = `${addresses[0]}:${serverPort}`;
  writeFileSync(innerKubeconfigOf(lab), kubeconfigFor('admin', { server, certificate }), { mode: 0o600 });
  for (const daemon of daemons)
    writeFileSync(
      daemonKubeconfigOf(lab, daemon),
      kubeconfigFor(`tortie-${daemon}`, { server, certificate }),
      {
        mode: 0o600,
      },
    );
  return { port };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
