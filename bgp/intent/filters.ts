/** The BGPFilters that a BGPPeer names, as one list of rules for each direction and family. */
import type { BgpFilter, FilterRules } from '../../src/model/bgp-filter.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { BgpPeer } from '../../src/model/resource.ts';
import type { Filters, NamedRule } from '../config.ts';

interface NamedFilters {
  /** Undefined: the peer names none. */
  readonly filters?: Filters;
  readonly problems: readonly Problem[];
}

/**
 * First match across filters is first match in all their rules in order. One that is not there cannot be asked what it
 * would have kept back, so from its place on nothing passes.
 */
export function filtersOf(peer: BgpPeer, known: ReadonlyMap<string, BgpFilter>): NamedFilters {
  const { filters: names, meta } = peer;
  if (names.length === 0) return { problems: [] };
  const missing = names.filter((name) => !known.has(name));
  return {
    filters: {
      exportV4: rulesOf('exportV4', names, known),
      importV4: rulesOf('importV4', names, known),
      exportV6: rulesOf('exportV6', names, known),
      importV6: rulesOf('importV6', names, known),
    },
    problems: missing.map((name) => ({
      where: `BGPPeer/${meta.name} spec.filters`,
      what: `There is no BGPFilter/${name}, so routes that no filter before it decides are neither accepted from this neighbour nor told to it.`,
      fix: 'Create that BGPFilter, or take its name out of spec.filters.',
    })),
  };
}

const rulesOf = (
  list: keyof FilterRules,
  names: readonly string[],
  known: ReadonlyMap<string, BgpFilter>,
): readonly NamedRule[] =>
  names.flatMap((name): readonly NamedRule[] => {
    const rules = known.get(name)?.[list];
    return rules === undefined
      ? [{ name: `BGPFilter/${name}, which is not there`, action: 'Reject', operations: [] }]
      : rules.map((rule, index) => ({ ...rule, name: `BGPFilter/${name} ${list}[${index}]` }));
  });
