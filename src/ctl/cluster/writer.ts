/** The global options to the port for writing, with the same cluster and rights as `open.ts` reads with. */
import { realClock } from '../../host/clock.ts';
import { ok, type Result } from '../../lib/result.ts';
import { openApi } from '../../store/kubernetes/api.ts';
import { kubernetesObjects } from '../../store/kubernetes/objects.ts';
import type { Objects } from '../../store/objects.ts';
import { openObjects } from '../../store/open.ts';
import type { Global } from '../command.ts';
import { loadKubeConfig } from './open.ts';

/** Fails: a sentence for the command line. */
export async function openWriter(options: Global): Promise<Result<Objects>> {
  if (options.datastore !== 'kubernetes')
    return openObjects(options.datastore, { clock: realClock, random: Math.random });
  const config = await loadKubeConfig(options);
  if (!config.ok) return config;
  const api = openApi(config.value);
  return api.ok ? ok(kubernetesObjects(async () => api)) : api;
}
