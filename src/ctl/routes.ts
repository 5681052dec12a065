/** `tortiectl bgp routes`: the speaker's tables. */

import { comparePrefixes, contains, type Prefix, parsePrefix } from '../lib/net.ts';
import type { BgpStatus, RouteStatus } from '../model/status.ts';
import type { BgpRoutesOptions } from './options.ts';
import { ask, complain, print } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { type Cell, columns } from './table.ts';

export async function bgpRoutes(prefix: string | undefined, options: BgpRoutesOptions): Promise<number> {
  const within = prefix === undefined ? undefined : parsePrefix(prefix);
  if (prefix !== undefined && within === undefined) {
    return complain({
      code: 2,
      sentence: `"${prefix}" is not a prefix. Write for example 10.65.1.0/24 or fd00:65::/48.`,
    });
  }
  const query = await queryOf(options);
  if (!query.ok) return complain(query.error);
  const asked = await ask<readonly RouteStatus[]>(options.socket, `/routes${query.value}`, 'bgp');
  if (!asked.ok) return complain(asked.error);
  const routes = chosen(asked.value, within);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(routes, options.output, () => routesText(routes, options.output === 'wide', paint));
  return routes.length === 0 && within !== undefined ? 1 : 0;
}

/** A neighbour may be named by its BGPPeer, its Node or its address: the speaker knows it by its name. */
async function queryOf({ socket, received, advertised }: BgpRoutesOptions) {
  const peer = received ?? advertised;
  if (peer === undefined) return { ok: true, value: '' } as const;
  const status = await ask<BgpStatus>(socket, '/status', 'bgp');
  if (!status.ok) return status;
  const { peers } = status.value;
  const found = peers.find(({ name, resource, address }) => [name, resource, address].includes(peer));
  if (found === undefined) {
    const known = peers.map(({ name, address }) => `${name} (${address})`).join(', ');
    const sentence = `There is no neighbour "${peer}". There ${peers.length === 0 ? 'is none' : `are: ${known}`}.`;
    return { ok: false, error: { code: 1, sentence } } as const;
  }
  const which = received === undefined ? 'advertised' : 'received';
  return { ok: true, value: `?${which}=${encodeURIComponent(found.name)}` } as const;
}

/** Within `within`, in the order of prefixes, the best of each first. */
function chosen(routes: readonly RouteStatus[], within: Prefix | undefined): readonly RouteStatus[] {
  return routes
    .flatMap((route) => {
      const prefix = parsePrefix(route.prefix);
      if (prefix === undefined || (within !== undefined && !contains(within, prefix))) return [];
      return [{ route, prefix }];
    })
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix) || rank(a.route) - rank(b.route))
    .map(({ route }) => route);
}

const rank = ({ best, multipath }: RouteStatus): number => (best ? 0 : multipath ? 1 : 2);

const mark = ({ best, multipath }: RouteStatus): Cell =>
  best ? { text: '*', tone: 'good' } : { text: multipath ? '=' : '', tone: 'good' };

export function routesText(routes: readonly RouteStatus[], wide: boolean, paint: Paint = plain): string {
  if (routes.length === 0) return 'No routes.';
  const headers = ['', 'PREFIX', 'NEXT HOP', 'FROM', 'AS PATH', 'WHY'];
  const more = ['ORIGIN', 'LOCAL PREF', 'MED', 'COMMUNITIES'];
  const table = columns(
    wide ? [...headers.slice(0, 5), ...more, 'WHY'] : headers,
    routes.map((route) => [
      mark(route),
      route.prefix,
      route.nextHop,
      route.from,
      route.asPath,
      ...(wide
        ? [route.origin, numberText(route.localPref), numberText(route.med), route.communities.join(' ')]
        : []),
      { text: route.reason, tone: 'quiet' },
    ]),
    { paint },
  );
  return `${table}\n\n* best, = used beside it`;
}

const numberText = (value: number | undefined): string => (value === undefined ? '' : String(value));
