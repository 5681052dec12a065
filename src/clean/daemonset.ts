/** Whether a DaemonSet is ready on every node it is meant for. */
import type { Result } from '../lib/result.ts';
import { err, ok } from '../lib/result.ts';

/** apps/v1 DaemonSet, what of it counts here. */
interface DaemonSet {
  readonly metadata?: { readonly generation?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled?: number;
    readonly numberReady?: number;
  };
}

/** Undefined if all are done, else a sentence. @param body  what the API server answered */
export function notDone(body: unknown): string | undefined {
  const { metadata, status } = body as DaemonSet;
  const [generation = 1, seen = 0] = [metadata?.generation, status?.observedGeneration];
  if (seen < generation) return 'it was not looked at yet';
  const [desired = 0, ready = 0] = [status?.desiredNumberScheduled, status?.numberReady];
  return ready >= desired ? undefined : `${ready} of ${desired} nodes are done`;
}

/** Asks the API server that kubeconfig or service account lead to. */
export async function openDaemonSet({
  namespace,
  name,
}: {
  readonly namespace: string;
  readonly name: string;
}): Promise<Result<() => Promise<string | undefined>>> {
  const [{ KubeConfig }, { openApi }] = await Promise.all([
    import('@kubernetes/client-node'),
    import('../store/kubernetes/api.ts'),
  ]);
  const config = new KubeConfig();
  config.loadFromDefault();
  const api = openApi(config);
  if (!api.ok) return err(`The API server cannot be asked: ${api.error}.`);
  const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/daemonsets/${encodeURIComponent(name)}`;
  return ok(async () => {
    const answer = await api.value.get(path, {});
    return answer.ok ? notDone(answer.value) : answer.error.message;
  });
}
