/**
 * What of a node is Tortie's: a decision over what the kernel lists.
 *
 * Only what bears our mark is named: the table `inet tortie` (and of iptables what xtables.ts says), routes of protocol 80, 81 and 82, and of the interfaces called as
 * Calico calls them those that a route of ours leads to or a record of ours names. A Calico beside us keeps its own.
 */
import type { Link, Route } from '../kernel/kernel.ts';

export const protocols = { bgp: 80, felix: 81, peering: 82 } as const;

export interface Found {
  readonly hasTable: boolean;
  readonly routes: readonly Route[];
  readonly links: readonly Link[];
  /** Names of the interfaces that felix has records of. */
  readonly recorded: readonly string[];
}

export interface Cleaning {
  readonly table: boolean;
  readonly routes: readonly Route[];
  /** Names. */
  readonly links: readonly string[];
}

const isWorkload = ({ name, kind }: Link): boolean => kind === 'veth' && /^cali[0-9a-f]{11}$/.test(name);

export function planCleaning({ hasTable, routes, links, recorded }: Found, pods: boolean): Cleaning {
  const reached = new Set(
    routes
      .filter(({ protocol }) => protocol === protocols.felix)
      .flatMap(({ nextHops }) => nextHops.map(({ ifindex }) => ifindex)),
  );
  const known = new Set(recorded);
  const isOurs = (link: Link): boolean =>
    isWorkload(link) && (reached.has(link.ifindex) || known.has(link.name));
  return {
    table: hasTable,
    routes: routes.filter(({ protocol }) => protocol !== protocols.felix || pods),
    links: pods ? links.filter(isOurs).map(({ name }) => name) : [],
  };
}
