/** The part of the ruleset that does not depend on policies, fitted to the settings and to what host endpoints there are. */
import { same } from '../../src/lib/same.ts';
import { type HostUse, noHosts } from '../rules/host.ts';
import type { RulesSettings } from '../rules/settings.ts';
import type { HostStage } from '../rules/stage.ts';
import { staticRuleset } from '../rules/static.ts';
import { everyInterface } from './hosts.ts';
import type { Graph } from './state.ts';

const earlyStages = ['untracked', 'preDnat'] as const satisfies readonly HostStage[];

/** In which stages a host endpoint of this node has something to say. */
export function hostUseOf({ hosts, locals, policies }: Graph): HostUse {
  const { owners } = hosts.places;
  if (owners.size === 0) return noHosts;
  const used = new Set<HostStage>();
  for (const { key, kind } of locals.values()) {
    if (kind !== 'host') continue;
    for (const { stage, staged } of policies.of(key)) if (staged === undefined) used.add(stage);
  }
  return {
    stages: [...earlyStages.filter((stage) => used.has(stage)), 'normal', 'forward'],
    wildcard: owners.has(everyInterface),
  };
}

/**
 * Puts up the frame if it is another than before; what is no longer needed stays for those that still have to leave it.
 * @returns  takes that away; undefined: the frame is the same
 */
export function fitFrame(graph: Graph, settings: RulesSettings, hosts: HostUse): (() => void) | undefined {
  const { frame, output } = graph;
  if (same(frame.settings, settings) && same(frame.hosts, hosts)) return undefined;
  const before = frame.rules;
  const rules = staticRuleset(settings, hosts);
  const had = new Set(before.sets.map(({ name }) => name));
  for (const decl of rules.sets) if (!had.has(decl.name)) output.declare(decl);
  for (const chain of rules.chains) output.putChain(chain);
  frame.settings = settings;
  frame.hosts = hosts;
  frame.rules = rules;
  return () => {
    const chains = new Set(rules.chains.map(({ name }) => name));
    const sets = new Set(rules.sets.map(({ name }) => name));
    for (const { name } of before.chains) if (!chains.has(name)) output.removeChain(name);
    for (const { name } of before.sets) if (!sets.has(name)) output.removeSet(name);
  };
}
