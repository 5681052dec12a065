/** The global options to a source. What is big is loaded only for those who ask the cluster. */
import type { KubeConfig } from '@kubernetes/client-node';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Global } from '../command.ts';
import type { Source } from './source.ts';

/** Fails: a sentence for the command line. */
export async function openSource(options: Global): Promise<Result<Source>> {
  const { datastore } = options;
  const dir = /^dir:(.+)$/.exec(datastore)?.[1];
  if (dir !== undefined) return ok((await import('./dir.ts')).dirSource(dir));
  if (datastore !== 'kubernetes')
    return err(`--datastore must be kubernetes or dir:PATH, but is ${JSON.stringify(datastore)}.`);
  const config = await loadKubeConfig(options);
  if (!config.ok) return config;
  const source = (await import('./kubernetes.ts')).kubernetesSource(config.value);
  return source.ok ? source : err(unusable(options, source.error));
}

const unusable = ({ kubeconfig = 'The kubeconfig' }: Global, why: string): string =>
  `${kubeconfig} cannot be used: ${why}. Name one with --kubeconfig or $KUBECONFIG.`;

export async function loadKubeConfig(options: Global): Promise<Result<KubeConfig>> {
  const { kubeconfig, context } = options;
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
    if (context === undefined) return ok(config);
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(context))
      return err(
        `There is no context "${context}" in the kubeconfig. There ${known.length === 0 ? 'is none' : `are: ${known.join(', ')}`}.`,
      );
    config.setCurrentContext(context);
    return ok(config);
  } catch (error) {
    return err(unusable(options, error instanceof Error ? error.message : String(error)));
  }
}
