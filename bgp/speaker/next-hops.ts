/** What becomes of policies and choices when next hops are reached otherwise, and what has to be asked about. */
import type { Address } from '../../src/lib/net.ts';
import type { DecisionOptions } from '../config.ts';
import { asksForLink } from '../policy/by-link.ts';
import { criteriaOf } from '../rib/decide.ts';
import { leadsBy } from '../rib/loc-rib.ts';
import { trait } from '../rib/path.ts';
import type { Neighbour } from './neighbour.ts';
import type { Answer } from './reach.ts';
import { reexport } from './routes.ts';
import { sameData } from './same.ts';
import { staleRule } from './stale.ts';
import type { Turn } from './turn.ts';

/** The kernel's routes lead to these next hops at another cost, or no longer. */
export function hearNextHops(turn: Turn, changes: readonly Answer[]): void {
  const { reach, locRib, neighbours } = turn.speaker;
  const news = reach?.learn(changes);
  if (news === undefined) return;
  if (news.judged.size > 0) locRib.reconsider(leadsBy(news.judged));
  if (news.isMoved) for (const neighbour of neighbours.values()) askPolicies(turn, neighbour);
}

/** Next hops are reached by other links: policies that ask for links are asked again, of what the RIBs hold. */
function askPolicies(turn: Turn, { config, session, stale, adjRibIn }: Neighbour): void {
  const { filters } = config;
  const accept = session?.accept ?? stale?.accept;
  if (accept !== undefined && (asksForLink(filters?.importV4) || asksForLink(filters?.importV6))) {
    adjRibIn.rejudge(accept, stale && staleRule(stale));
    turn.speaker.jobs.add(adjRibIn);
    turn.shown.add(config.key);
  }
  if (session !== undefined && (asksForLink(filters?.exportV4) || asksForLink(filters?.exportV6)))
    reexport(turn, session, config);
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
    for (const path of locRib.routes.paths.items()) {
      used.add(path.nextHop);
      const linkLocal = (path.traits & trait.linkLocal) === 0 ? undefined : path.attributes.linkLocal;
      if (linkLocal !== undefined) used.add(linkLocal);
    }
    return used;
  });
  if (gone.length > 0) turn.effects.push({ kind: 'untrack', nextHops: gone });
}
