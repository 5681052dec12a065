/**
 * A pod's service account: the server by its environment, its token and the server's authority in files.
 * https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { isIPv6 } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What a request needs to know; `KubeConfig` of `@kubernetes/client-node` is one. */
export interface Credentials {
  /** Null: nothing says which. */
  getCurrentCluster(): { readonly server: string; readonly proxyUrl?: string } | null;
  /** Adds what authenticates both sides. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

interface Place {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly home?: string;
  readonly folder?: string;
}

/** The token is rotated under a process that runs for months; a token is good for minutes after there is a newer one. */
const rereadMs = 60_000;

/** Undefined: there is a kubeconfig, which goes first, or no account. */
export function readAccount({
  env = process.env,
  home = homedir(),
  folder = '/var/run/secrets/kubernetes.io/serviceaccount',
}: Place = {}): Credentials | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = env;
  const isConfigured =
    (env['KUBECONFIG'] ?? '') !== '' || textOf(join(home, '.kube', 'config')) !== undefined;
  const files = { token: join(folder, 'token'), ca: join(folder, 'ca.crt') };
  if (isConfigured || host === '' || port === '' || textOf(files.token) === undefined) return undefined;
  const server = `${schemeOf(port)}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  let read = { at: Number.NEGATIVE_INFINITY, token: '', ca: '' };
  return {
    getCurrentCluster: () => ({ server }),
    applyToHTTPSOptions: async (options: RequestOptions) => {
      const now = performance.now();
      // One that cannot be read for a moment is as good as it was.
      if (now - read.at > rereadMs)
        read = { at: now, token: textOf(files.token) ?? read.token, ca: textOf(files.ca) ?? read.ca };
      options.headers = { ...options.headers, Authorization: `Bearer ${read.token.trim()}` };
      if (read.ca !== '') options.ca = read.ca;
    },
  };
}

/** Ports on which nobody speaks TLS; for kubectl proxy beside us. */
const plainPorts = new Set(['80', '8080', '8001']);
const schemeOf = (port: string): string => (plainPorts.has(port) ? 'http' : 'https');

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
