/** `--datastore`: a text to a store. */
import { readFileSync } from 'node:fs';
import type { Clock } from '../host/clock.ts';
import type { Address } from '../lib/net.ts';
import type { Random } from '../lib/random.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { openDirStore } from './dir.ts';
import { openKubernetesObjects, openKubernetesStore } from './kubernetes.ts';
import { lazyObjects } from './lazy.ts';
import type { Meter } from './meter.ts';
import type { Objects } from './objects.ts';
import { namedSecrets, type Secrets } from './secrets.ts';
import type { Store } from './store.ts';

export interface StoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** For `kubernetes`; absent: found as kubectl does. */
  readonly kubeconfig?: string;
  readonly onLog?: (message: string) => void;
  /** For `kubernetes`: told of every request. */
  readonly meter?: Meter;
}

/**
 * @param text  "dir:PATH" or "kubernetes"
 * Fails: value, a sentence for the command line. Whether the datastore is there is a matter of its batches.
 */
export function openStore(text: string, { onLog, ...options }: StoreOptions): Result<Store> {
  if (text === 'kubernetes') return ok(openKubernetesStore(options));
  const path = pathIn(text);
  if (path !== undefined) return ok(openDirStore(path, { clock: options.clock, ...(onLog && { onLog }) }));
  return err(neither(text));
}

/** What is written by us: whole objects, of the same datastore. Fails as `openStore` does. */
export function openObjects(text: string, options: StoreOptions): Result<Objects> {
  if (text === 'kubernetes') return ok(openKubernetesObjects(options));
  const path = pathIn(text);
  return path === undefined
    ? err(neither(text))
    : ok(lazyObjects(async () => new (await import('./dir/objects.ts')).DirObjects(path)));
}

/**
 * Secrets of the same datastore.
 * @param objects  of `openObjects`
 * @param namespace  where they are; absent: in a directory any, else the namespace of our service account, or kube-system
 */
export function openSecrets(text: string, objects: Objects, namespace: string | undefined): Secrets {
  const path = pathIn(text);
  if (path === undefined) return namedSecrets(objects, namespace ?? ownNamespace());
  return {
    place: (name) => `Secret ${namespace === undefined ? '' : `${namespace}/`}${name} in ${path}`,
    everyMs: 2_000,
    read: async (name) => (await import('./dir/secrets.ts')).readDirSecret(path, name, namespace),
  };
}

/** Where the API server is; undefined for a datastore that has none. */
export function serverOf(text: string): (() => Promise<readonly Address[]>) | undefined {
  if (pathIn(text) !== undefined) return undefined;
  return async () => (await import('./kubernetes/server.ts')).serverAddresses();
}

const accountNamespace = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

function ownNamespace(): string {
  try {
    return readFileSync(accountNamespace, 'utf8').trim();
  } catch {
    return 'kube-system';
  }
}

const pathIn = (text: string): string | undefined =>
  text.startsWith('dir:') && text.length > 'dir:'.length ? text.slice('dir:'.length) : undefined;

const neither = (text: string): string =>
  `--datastore must be dir:PATH or kubernetes, but is ${JSON.stringify(text)}.`;
