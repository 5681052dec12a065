/** Where the API server is and who asks it, as kubectl finds both. */
import { ok, type Result } from '../../lib/result.ts';
import { type Credentials, readAccount } from './account.ts';

/**
 * The client library takes half a second to load and 50 MB for as long as we run, so a pod that has only its service account does
 * without it.
 * @param kubeconfig  absent: $KUBECONFIG, ~/.kube/config or the pod's service account, in this order. Fails: a clause
 */
export async function readCredentials(kubeconfig?: string): Promise<Result<Credentials>> {
  const account = kubeconfig === undefined ? readAccount() : undefined;
  return account === undefined ? (await import('./config.ts')).readConfig(kubeconfig) : ok(account);
}
