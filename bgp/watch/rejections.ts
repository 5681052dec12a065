/**
 * How many routes import policy rejects, by neighbour and reason. Nobody counts while routes come: the tables know only that
 * a route is not taken, and why is worked out when asked. So it is counted behind a scrape, in pieces between which others
 * get their turn, not oftener than every 15 s, and not at all while no neighbour has said anything.
 */
import { importReasons, reasonOf } from '../policy/reasons.ts';
import type { Routes } from '../rib/routes.ts';
import type { Neighbour } from '../speaker/neighbour.ts';
import type { Speaker } from '../speaker/turn.ts';

/** By `PeerConfig.key` and code of policy/reasons.ts. */
export type Rejected = ReadonlyMap<string, ReadonlyMap<string, number>>;

const leastMs = 15_000;
const rowsInPiece = 4000;
/** Asking policy costs a microsecond or more; passing by a route that is taken next to nothing. */
const askedInPiece = 500;

export interface RejectionsOptions {
  readonly speaker: () => Speaker;
  /** Monotonic, in ms. */
  readonly now: () => number;
  /** Something that differs when any neighbour has said something, or the configuration is another. */
  readonly mark: () => string;
  readonly later: (run: () => void) => void;
}

export class Rejections {
  readonly #options: RejectionsOptions;
  #last: Rejected = new Map();
  #mark: string | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #isCounting = false;

  constructor(options: RejectionsOptions) {
    this.#options = options;
  }

  /** As counted last. Asking begins the next count, if it is time. */
  read(): Rejected {
    const { now, mark, speaker } = this.#options;
    if (this.#isCounting || now() - this.#startedAt < leastMs) return this.#last;
    const fresh = mark();
    if (fresh === this.#mark) return this.#last;
    this.#mark = fresh;
    this.#startedAt = now();
    this.#isCounting = true;
    this.#goOn(count(speaker()));
    return this.#last;
  }

  #goOn(counting: Generator<undefined, Rejected>): void {
    const { value, done } = counting.next();
    if (done !== true) {
      this.#options.later(() => this.#goOn(counting));
      return;
    }
    this.#last = value;
    this.#isCounting = false;
  }
}

/** Piece by piece; what comes and goes meanwhile may be in it or not. */
function* count({ neighbours, locRib: { routes } }: Speaker): Generator<undefined, Rejected> {
  const found = new Map<string, Map<string, number>>();
  const keys = new Map([...neighbours].map(([key, { adjRibIn }]) => [adjRibIn.source, key]));
  let asked = 0;
  for (let route = 1; route < routes.limit; route += 1) {
    if (route % rowsInPiece === 0 || asked === askedInPiece) {
      asked = 0;
      yield undefined;
    }
    if (routes.source(route) === 0 || routes.accepted(route) !== 0) continue;
    const neighbour = neighbours.get(keys.get(routes.source(route)) ?? '');
    const code = neighbour && whyNot(neighbour, routes, route);
    if (neighbour === undefined || code === undefined) continue;
    asked += 1;
    add(found, neighbour.config.key, code);
  }
  return found;
}

function whyNot({ session, stale }: Neighbour, routes: Routes, route: number): string | undefined {
  const rule = session?.accept ?? stale?.accept;
  if (rule === undefined || routes.standing(route) === 'void') return undefined;
  const verdict = rule(routes.nets.prefix(routes.net(route)), routes.paths.get(routes.received(route)));
  return verdict.ok ? undefined : reasonOf(verdict.error, importReasons)?.code;
}

function add(found: Map<string, Map<string, number>>, key: string, code: string): void {
  const ofPeer = found.get(key) ?? new Map<string, number>();
  found.set(key, ofPeer);
  ofPeer.set(code, (ofPeer.get(code) ?? 0) + 1);
}
