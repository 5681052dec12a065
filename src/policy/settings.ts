/** What FelixConfiguration says of a node. */
import { type ResolvedFelix, resolveFelix } from '../model/felix-configuration.ts';
import type { Cluster } from './cluster.ts';

export function settingsAt({ configurations, nodes }: Cluster, name: string): ResolvedFelix['settings'] {
  const labels = nodes.find(({ meta }) => meta.name === name)?.meta.labels ?? {};
  return resolveFelix(configurations, { name, labels }).settings;
}
