/** `tortiectl bgp routes`: the speaker's tables, picked by the speaker and read as they come. */
import { readSocket } from '../host/socket.ts';
import { comparePrefixes, parseAddress, parsePrefix } from '../lib/net.ts';
import type { RibLine, RouteStatus } from '../model/status.ts';
import type { BgpRoutesOptions } from './options.ts';
import { complain, print } from './output.ts';
import { type Paint, paintFor, plain } from './style.ts';
import { type Cell, columns } from './table.ts';

/** Prefixes in a table for a person, unless another number is asked for. */
const usualLimit = 1000;

export async function bgpRoutes(prefix: string | undefined, options: BgpRoutesOptions): Promise<number> {
  const query = queryOf(prefix, options);
  if (typeof query === 'string') return complain({ code: 2, sentence: query });
  if (options.output === 'jsonl') return copy(options.socket, query);
  const lines: RibLine[] = [];
  const failure = await read(options.socket, query, (line) => {
    lines.push(JSON.parse(line) as RibLine);
  });
  if (failure !== undefined) return failure;
  const routes = inOrder(lines.flatMap((line) => ('more' in line ? [] : [line])));
  const isCut = lines.some((line) => 'more' in line);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(routes, options.output, () => routesText(routes, options.output === 'wide', paint, isCut));
  if (
    routes.length === 0 &&
    prefix !== undefined &&
    options.longer !== true &&
    parsePrefix(prefix) !== undefined
  )
    process.stderr.write(
      'tortiectl: there is no route of just this prefix; --longer shows those within it.\n',
    );
  return routes.length === 0 && prefix !== undefined ? 1 : 0;
}

/** As GET /rib has it; or a sentence. */
function queryOf(prefix: string | undefined, options: BgpRoutesOptions): URLSearchParams | string {
  const flaw = flawOf(prefix, options);
  if (flaw !== undefined) return flaw;
  const { received, advertised, longer, rejected, limit, output } = options;
  const isTable = output === undefined || output === 'wide';
  const most = Number(limit ?? (isTable ? usualLimit : 0));
  const asked = {
    prefix,
    received,
    advertised,
    longer: longer && '',
    rejected: rejected && '',
    limit: most === 0 ? undefined : String(most),
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) if (typeof value === 'string') query.set(name, value);
  return query;
}

function flawOf(prefix: string | undefined, { longer, limit }: BgpRoutesOptions): string | undefined {
  const isPrefix = prefix !== undefined && parsePrefix(prefix) !== undefined;
  if (prefix !== undefined && !isPrefix && parseAddress(prefix) === undefined)
    return `"${prefix}" is neither a prefix nor an address. Write for example 10.65.1.0/24 or 10.65.1.7.`;
  if (longer === true && !isPrefix) return 'With --longer write a prefix, for example 10.65.0.0/16.';
  if (limit !== undefined && !/^\d{1,9}$/.test(limit))
    return '--limit is a number of prefixes; 0 is all of them.';
  return undefined;
}

/** @returns the exit code if it failed */
async function read(
  socket: string,
  query: URLSearchParams,
  onLine: (line: string) => void,
): Promise<number | undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  const answer = await readSocket(socket, `/rib?${query}`, (bytes) => {
    const whole = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) onLine(line);
  });
  return codeOf(answer);
}

/** Line by line as it comes, however many there are. */
async function copy(socket: string, query: URLSearchParams): Promise<number> {
  const answer = await readSocket(
    socket,
    `/rib?${query}`,
    (bytes) =>
      new Promise((resolve) => {
        process.stdout.write(bytes, () => resolve());
      }),
  );
  return codeOf(answer) ?? 0;
}

function codeOf(answer: Awaited<ReturnType<typeof readSocket>>): number | undefined {
  if (!answer.ok)
    return complain({
      code: 2,
      sentence: `${answer.error} Is "tortie bgp" running here? Its socket can be named with --socket.`,
    });
  const { status, body } = answer.value;
  if (status === 200) return undefined;
  const { error = `status ${status}` } = body as { readonly error?: string };
  return complain({ code: status === 404 ? 1 : 2, sentence: error });
}

/** By prefix, the best of each first. */
function inOrder(routes: readonly RouteStatus[]): readonly RouteStatus[] {
  return routes
    .flatMap((route) => {
      const prefix = parsePrefix(route.prefix);
      return prefix === undefined ? [] : [{ route, prefix }];
    })
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix) || rank(a.route) - rank(b.route))
    .map(({ route }) => route);
}

const rank = ({ best, multipath }: RouteStatus): number => (best ? 0 : multipath ? 1 : 2);

const mark = ({ best, multipath }: RouteStatus): Cell =>
  best ? { text: '*', tone: 'good' } : { text: multipath ? '=' : '', tone: 'good' };

export function routesText(
  routes: readonly RouteStatus[],
  wide: boolean,
  paint: Paint = plain,
  isCut = false,
): string {
  if (routes.length === 0) return 'No routes.';
  const headers = ['', 'PREFIX', 'NEXT HOP', 'FROM', 'AS PATH', 'WHY'];
  const more = ['ORIGIN', 'LOCAL PREF', 'MED', 'COMMUNITIES', 'MORE'];
  const table = columns(
    wide ? [...headers.slice(0, 5), ...more, 'WHY'] : headers,
    routes.map((route) => [
      mark(route),
      route.prefix,
      route.nextHop,
      route.from,
      route.asPath,
      ...(wide
        ? [
            route.origin,
            numberText(route.localPref),
            numberText(route.med),
            route.communities.join(' '),
            moreText(route),
          ]
        : []),
      { text: route.reason, tone: 'quiet' },
    ]),
    { paint },
  );
  const cut = isCut ? '\nThere are more: name a prefix, or say --limit 0.' : '';
  return `${table}\n\n* best, = used beside it${cut}`;
}

/** What few routes have, each by its name. */
const moreText = (route: RouteStatus): string =>
  [
    route.pathId === undefined ? '' : `path-id ${route.pathId}`,
    route.originatorId === undefined ? '' : `originator ${route.originatorId}`,
    route.clusterList === undefined ? '' : `clusters ${route.clusterList.join(' ')}`,
    route.otc === undefined ? '' : `only-to-customer ${route.otc}`,
    route.extendedCommunities === undefined ? '' : route.extendedCommunities.join(' '),
    route.aggregator === undefined ? '' : `aggregator ${route.aggregator}`,
    route.atomicAggregate === undefined ? '' : 'atomic-aggregate',
    route.unknownAttributes === undefined ? '' : `attributes ${route.unknownAttributes.join(' ')}`,
  ]
    .filter((text) => text !== '')
    .join(', ');

const numberText = (value: number | undefined): string => (value === undefined ? '' : String(value));
