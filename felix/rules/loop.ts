/**
 * Service-loop prevention: a packet to a service range that no Service translated ends here.
 *
 *   forward 1  service-loop  destination in service-ranges, not translated → reported, dropped or rejected
 *
 * The routers send the whole range to the nodes, and a node would send what it does not know back by its default route, in
 * circles until the hop limit is used up.
 */
import { type IpVersion, type Prefix, versionOf } from '../../src/lib/net.ts';
import { type Addition, familyName, prefixSets, versions } from './addition.ts';
import { ended } from './dropped.ts';
import type { Rule } from './model.ts';
import type { RulesSettings } from './settings.ts';

export interface LoopPlan {
  readonly action: 'Drop' | 'Reject' | 'Disabled';
  /** serviceClusterIPs, serviceExternalIPs and serviceLoadBalancerIPs of BGPConfiguration/default. */
  readonly ranges: readonly Prefix[];
}

const serviceRanges = 'service-ranges';
const looping = 'dropped-service-loop';

export function serviceLoop(
  { action, ranges }: LoopPlan,
  { denied }: Pick<RulesSettings, 'denied'> = {},
): Addition {
  if (action === 'Disabled' || ranges.length === 0) return { chains: [], sets: [] };
  const rule = (version: IpVersion): Rule => ({
    matches: [
      { kind: 'addressSet', side: 'destination', version, set: familyName(serviceRanges, version) },
      { kind: 'ctDnat', not: true },
    ],
    verdict: { kind: 'jump', chain: looping },
  });
  const verdict = { kind: action === 'Drop' ? 'drop' : 'reject' } as const;
  return {
    chains: [
      {
        name: 'service-loop',
        base: { hook: 'forward', priority: 1 },
        rules: versions.filter((version) => ranges.some((range) => versionOf(range) === version)).map(rule),
      },
      { name: looping, rules: ended('serviceLoop', denied, { verdict }) },
    ],
    sets: prefixSets(serviceRanges, 'what is announced for Services', ranges),
  };
}
