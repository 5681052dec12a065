/**
 * The cluster's own API server as datastore: one mirror for each watched kind.
 *
 * It is in sync once every kind was listed; after that a server that is away, restarts or forgets its history only
 * delays what is told. What it holds is a copy; the API server owns the resources.
 */
import type { Clock } from '../host/clock.ts';
import { millis } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';
import type { Result } from '../lib/result.ts';
import type { Problem } from '../model/problem.ts';
import { keyOf, type ResourceRef } from '../model/resource.ts';
import { Delivery } from './delivery.ts';
import type { Api } from './kubernetes/api.ts';
import { lazyObjects } from './lazy.ts';
import type { Meter } from './meter.ts';
import type { Objects } from './objects.ts';
import type { Json, Store, Watched } from './store.ts';

export interface KubernetesStoreOptions {
  /** Absent: $KUBECONFIG, ~/.kube/config or the pod's service account, in this order. */
  readonly kubeconfig?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of every request. */
  readonly meter?: Meter;
}

/** A kubeconfig that cannot be used may be put right at any time. */
const configRetryMs = 5000;

export function openKubernetesStore(options: KubernetesStoreOptions): Store {
  const connection = connectionOf(options);
  return {
    watch: (kinds, onBatch) => follow(options, connection, kinds, new Delivery(kinds, onBatch)),
    putStatus: (ref, status) => putStatus(connection, ref, status),
  };
}

export function openKubernetesObjects(options: KubernetesStoreOptions): Objects {
  const connection = connectionOf(options);
  return lazyObjects(async () => (await import('./kubernetes/objects.ts')).kubernetesObjects(connection));
}

function connectionOf(options: KubernetesStoreOptions): Connection {
  let connected: Promise<Result<Api>> | undefined;
  return async () => {
    connected ??= connect(options);
    const api = await connected;
    if (!api.ok) connected = undefined;
    return api;
  };
}

/** The same for all watchers and writers of a store, tried anew as long as it fails. */
type Connection = () => Promise<Result<Api>>;

/** Loaded when first needed. */
async function connect({ kubeconfig, meter }: KubernetesStoreOptions): Promise<Result<Api>> {
  const [{ readCredentials }, { openApi }] = await Promise.all([
    import('./kubernetes/credentials.ts'),
    import('./kubernetes/api.ts'),
  ]);
  const credentials = await readCredentials(kubeconfig);
  if (!credentials.ok) return credentials;
  const reload = async () => {
    const newer = await readCredentials(kubeconfig);
    return newer.ok ? newer.value : undefined;
  };
  return openApi(credentials.value, { reload, ...(meter && { meter }) });
}

const unusable = ({ kubeconfig }: KubernetesStoreOptions, why: string): Problem => ({
  where: kubeconfig ?? 'the kubeconfig',
  what: `cannot be used: ${why}.`,
  fix: 'Name a kubeconfig in $KUBECONFIG, or run inside the cluster with a service account.',
});

function follow(
  options: KubernetesStoreOptions,
  connection: Connection,
  kinds: readonly Watched[],
  delivery: Delivery,
): () => void {
  const stops: (() => void)[] = [];
  let stopped = false;

  const start = async (): Promise<void> => {
    const [api, { openMirror }] = await Promise.all([connection(), import('./kubernetes/mirror.ts')]);
    if (stopped) return;
    if (!api.ok) {
      delivery.tell([], false, [unusable(options, api.error)]);
      stops.push(options.clock.after(millis(configRetryMs), () => void start()));
      return;
    }
    const doors = { api: api.value, clock: options.clock, random: options.random };
    const mirrors = kinds.map((kind) =>
      openMirror(kind, doors, (changes) => {
        const synced = mirrors.every((mirror) => mirror.synced);
        delivery.tell(
          changes,
          synced,
          mirrors.flatMap((mirror) => mirror.problems),
        );
      }),
    );
    stops.push(...mirrors.map((mirror) => mirror.stop));
  };

  void start();
  return () => {
    stopped = true;
    for (const stop of stops) stop();
  };
}

async function putStatus(
  connection: Connection,
  ref: ResourceRef,
  status: { readonly [key: string]: Json },
): Promise<void> {
  const [api, { statusPath }] = await Promise.all([connection(), import('./kubernetes/paths.ts')]);
  if (!api.ok) throw new Error(`the status of ${keyOf(ref)} was not written: ${api.error}.`);
  const answer = await api.value.patch(statusPath(ref), { status });
  if (answer.ok) return;
  throw new Error(
    answer.error.status === 404
      ? `${keyOf(ref)} is not there, or has no status, so none was written: ${answer.error.message}.`
      : `the status of ${keyOf(ref)} was not written: ${answer.error.message}.`,
  );
}
