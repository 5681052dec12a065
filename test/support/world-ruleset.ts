/** The ruleset of an arbitrary cluster's node, and what iptables makes of it. */
import type { Ruleset } from '../../felix/rules/model.ts';
import { defaultRulesSettings, type RulesSettings } from '../../felix/rules/settings.ts';
import { renderXtables, type Xtables, type XtOptions } from '../../felix/rules/xtables/render.ts';
import { snapshotOf } from '../../src/policy/cluster.ts';
import { resourcesOf, type World } from './arbitrary-policy.ts';
import { compileCluster } from './compiled-policy.ts';

export const xtOptions: XtOptions = {
  ...{ maxSetSize: 65_536, insert: 'first', workloadPrefixes: ['cali'], rejectedMark: 0x2_0000 },
};

/** By their default settings, but for these. */
export function rulesetOf(all: World, settings: Partial<RulesSettings>): Ruleset {
  const { cluster } = snapshotOf(resourcesOf(all));
  const pods = all.placed.flatMap(({ pod, endpoint }) => {
    const known = cluster.pods.find(
      ({ meta }) => meta.name === pod.meta.name && meta.namespace === pod.meta.namespace,
    );
    return endpoint === undefined || known === undefined
      ? []
      : [{ pod: known, interface: endpoint.interface }];
  });
  const hosts = cluster.hostEndpoints.map((endpoint) => ({
    endpoint,
    interface: endpoint.interfaceName ?? '*',
  }));
  return compileCluster(cluster, { pods, hosts }, { ...defaultRulesSettings, ...settings }).ruleset;
}

export function xtablesOf(ruleset: Ruleset): Xtables {
  const tables = renderXtables(ruleset, xtOptions);
  if (!tables.ok) throw new Error(tables.error);
  return tables.value;
}
