/** `--datastore`: a text to a store. */
import type { Clock } from '../host/clock.ts';
import type { Random } from '../lib/random.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { openDirStore } from './dir.ts';
import { openKubernetesStore } from './kubernetes.ts';
import type { Store } from './store.ts';

export interface StoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** For `kubernetes`; absent: found as kubectl does. */
  readonly kubeconfig?: string;
  readonly onLog?: (message: string) => void;
}

/**
 * @param text  "dir:PATH" or "kubernetes"
 * Fails: value, a sentence for the command line. Whether the datastore is there is a matter of its batches.
 */
export function openStore(text: string, { onLog, ...options }: StoreOptions): Result<Store> {
  if (text === 'kubernetes') return ok(openKubernetesStore(options));
  if (text.startsWith('dir:') && text.length > 'dir:'.length)
    return ok(openDirStore(text.slice('dir:'.length), { clock: options.clock, ...(onLog && { onLog }) }));
  return err(`--datastore must be dir:PATH or kubernetes, but is ${JSON.stringify(text)}.`);
}
