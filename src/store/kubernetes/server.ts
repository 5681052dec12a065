/** Where the API server is, as the credentials have it: not asked of the server, so known while it is away. */
import { lookup } from 'node:dns/promises';
import { type Address, parseAddress } from '../../lib/net.ts';
import { readCredentials } from './credentials.ts';

/** Empty if nothing says it, or its name cannot be resolved. */
export async function serverAddresses(kubeconfig?: string): Promise<readonly Address[]> {
  const config = await readCredentials(kubeconfig);
  if (!config.ok) return [];
  const host = hostOf(config.value.getCurrentCluster()?.server ?? '');
  const written = parseAddress(host);
  if (written !== undefined) return [written];
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.flatMap(({ address }) => parseAddress(address) ?? []);
}

function hostOf(url: string): string {
  return URL.parse(url)?.hostname.replace(/^\[|\]$/g, '') ?? '';
}
