/** What becomes of the choices when next hops are reached otherwise, and what has to be asked about. */
import type { Address } from '../../src/lib/net.ts';
import type { DecisionOptions } from '../config.ts';
import { criteriaOf } from '../rib/decide.ts';
import { leadsBy } from '../rib/loc-rib.ts';
import { sameData } from './same.ts';
import type { Turn } from './turn.ts';

/** The kernel's routes lead to these next hops at another cost, or no longer. */
export function hearNextHops(turn: Turn, changes: readonly (readonly [Address, number | undefined])[]): void {
  const { reach, locRib } = turn.speaker;
  const other = reach?.learn(changes);
  if (other !== undefined && other.size > 0) locRib.reconsider(leadsBy(other));
}

/** Other options of the decision process: every choice is made anew. */
export function decideBy(turn: Turn, options: DecisionOptions = {}): void {
  const { reach, locRib } = turn.speaker;
  if (sameData(locRib.criteria.options, options)) return;
  locRib.criteria = criteriaOf(options, reach?.metric ?? reachable);
  locRib.reconsider(() => true);
}

const reachable = (): number => 0;

/** At the end of a turn: what the decisions asked for is tracked from now on. */
export function trackNextHops(turn: Turn): void {
  const { reach, locRib } = turn.speaker;
  if (reach === undefined) return;
  const fresh = reach.takeFresh();
  if (fresh.length === 0) return;
  turn.effects.push({ kind: 'track', nextHops: fresh });
  const gone = reach.sweep(() => {
    const used = new Set<Address>(fresh);
    for (const { nextHop } of locRib.routes.paths.items()) used.add(nextHop);
    return used;
  });
  if (gone.length > 0) turn.effects.push({ kind: 'untrack', nextHops: gone });
}
