/**
 * Server and credentials, as kubectl finds them: read anew whenever the server no longer takes them, for tokens are rotated under
 * a process that runs for months. A service account's token file is read again every minute besides (client-node).
 */
import { readFileSync } from 'node:fs';
import { KubeConfig, type User } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { err, ok, type Result } from '../../lib/result.ts';
import { isObject } from '../json.ts';

/** @param kubeconfig  absent: $KUBECONFIG, ~/.kube/config or the pod's service account, in this order. Fails: a clause */
export function readConfig(kubeconfig?: string): Result<KubeConfig> {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
    const paths = kubeconfig === undefined ? (process.env['KUBECONFIG'] ?? '').split(':') : [kubeconfig];
    const files = new Map(paths.filter(Boolean).flatMap(tokenFilesIn));
    config.users = config.users.map((user) => withTokenFile(user, files.get(user.name)));
    return config.getCurrentCluster() === null ? err('the kubeconfig names no current cluster') : ok(config);
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

/** Users with `tokenFile`, which the library does not know under its own name. */
function tokenFilesIn(path: string): readonly (readonly [user: string, file: string])[] {
  const json: unknown = parse(readFileSync(path, 'utf8'));
  const users: unknown = isObject(json) ? json['users'] : undefined;
  return (Array.isArray(users) ? users : []).flatMap((entry: unknown) => {
    const { name, user } = isObject(entry) ? entry : {};
    const file = isObject(user) ? user['tokenFile'] : undefined;
    return typeof name === 'string' && typeof file === 'string' ? [[name, file] as const] : [];
  });
}

const withTokenFile = (user: User, tokenFile: string | undefined): User =>
  tokenFile === undefined || user.token
    ? user
    : { ...user, authProvider: { name: 'tokenFile', config: { tokenFile } } };
