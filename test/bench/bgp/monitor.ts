/**
 * A process of `npm run bench -- bgp`: sessions that look on. Of each prefix it keeps whose announcement was told last
 * (the last AS of the path names it), so that it can tell a right table from a full one.
 */
import { answer } from './calls.ts';
import { acceptSession, nowMs, openSession, type Session, type SessionSpec } from './talk.ts';
import { bestIdentities, churnIdentity, numberOf, type Plan, type Universe, universeOf } from './universe.ts';

interface View {
  /** By number of the prefix: the identity told last, 0: none. */
  told: Uint32Array;
  /** How many are as wanted. */
  right: number;
  /** Prefixes nobody announced. */
  strange: number;
  /** Prefixes said, counting each time. */
  said: number;
}

const emptyView = (): View => ({ told: new Uint32Array(0), right: 0, strange: 0, said: 0 });

let sessions: readonly Session[] = [];
let views: readonly View[] = [];
let universe: Universe = universeOf({ family: 4, count: 0, form: 'single', injectors: 0, isShared: true });
let wanted: Uint32Array = new Uint32Array(0);
let isAllRight = false;
/** When the last session became right; it may become wrong again. */
let rightAt = 0;
let onRight: () => void = () => undefined;
/** By sequence of churn: when it was told, 0: not. */
let arrivals = new Float64Array(0);
const firstChurn = churnIdentity(0);
let churnFrom = firstChurn;

function hear(view: View, number: number, identity: number): void {
  view.said += 1;
  if (number < 0) {
    view.strange += 1;
    return;
  }
  const before = view.told[number];
  if (before === identity) return;
  const want = wanted[number];
  if (before === want) view.right -= 1;
  else if (identity === want) view.right += 1;
  view.told[number] = identity;
  if (identity >= firstChurn) arrivals[identity - churnFrom] = nowMs();
}

/** Prefixes of `bytes[from..to)`. */
function hearPrefixes(
  view: View,
  bytes: Buffer,
  from: number,
  to: number,
  isV6: boolean,
  identity: number,
): void {
  for (let at = from; at < to; ) {
    const length = bytes[at] ?? 0;
    const octets = (length + 7) >> 3;
    const skipped = isV6 ? 2 : 0; // 2a00
    let address = 0;
    for (let index = skipped; index < skipped + 4; index += 1)
      address = address * 256 + (index < octets ? (bytes[at + 1 + index] ?? 0) : 0);
    hear(view, numberOf(universe, address, length), identity);
    at += 1 + octets;
  }
}

/** The last AS of AS_PATH, four octets each. */
const lastAs = (bytes: Buffer, at: number, length: number): number =>
  length >= 4 ? bytes.readUInt32BE(at + length - 4) : 0;

function hearUpdate(view: View, bytes: Buffer, start: number, end: number): void {
  const withdrawn = bytes.readUInt16BE(start);
  if (withdrawn > 0) hearPrefixes(view, bytes, start + 2, start + 2 + withdrawn, false, 0);
  const first = start + 2 + withdrawn + 2;
  const last = first + bytes.readUInt16BE(first - 2);
  if (first === last) return;
  const { identity, reach, reachEnd } = hearAttributes(view, bytes, first, last);
  if (reach > 0) hearPrefixes(view, bytes, reach, reachEnd, true, identity);
  hearPrefixes(view, bytes, last, end, false, identity);
}

/** Hears what MP_UNREACH_NLRI takes back; where the prefixes of MP_REACH_NLRI lie, 0: there are none. */
function hearAttributes(
  view: View,
  bytes: Buffer,
  first: number,
  last: number,
): { identity: number; reach: number; reachEnd: number } {
  const found = { identity: 0, reach: 0, reachEnd: 0 };
  for (let at = first; at < last; ) {
    const isLong = ((bytes[at] ?? 0) & 0x10) !== 0;
    const code = bytes[at + 1] ?? 0;
    const length = isLong ? bytes.readUInt16BE(at + 2) : (bytes[at + 2] ?? 0);
    const body = at + (isLong ? 4 : 3);
    if (code === 2) found.identity = lastAs(bytes, body, length);
    else if (code === 14) {
      found.reach = body + 4 + (bytes[body + 3] ?? 0) + 1;
      found.reachEnd = body + length;
    } else if (code === 15) hearPrefixes(view, bytes, body + 3, body + length, bytes[body + 1] === 2, 0);
    at = body + length;
  }
  return found;
}

function afterChunk(): void {
  const isNow = views.every(({ right }) => right === universe.total);
  if (isNow && !isAllRight) rightAt = nowMs();
  isAllRight = isNow;
  if (isNow) onRight();
}

answer({
  open: async (specs: readonly SessionSpec[]) => {
    views = specs.map(emptyView);
    sessions = await Promise.all(
      specs.map((spec, index) => {
        const view = views[index] ?? emptyView();
        return openSession(spec, (bytes, start, end) => hearUpdate(view, bytes, start, end), afterChunk);
      }),
    );
  },
  /** Answers when somebody has dialled and the session is up. */
  listen: async (spec: SessionSpec) => {
    const view = emptyView();
    views = [view];
    const session = await acceptSession(
      spec,
      (bytes, start, end) => hearUpdate(view, bytes, start, end),
      afterChunk,
    );
    if (typeof session === 'string') throw new Error(session);
    sessions = [session];
  },
  plan: (plan: Plan) => {
    universe = universeOf(plan);
    for (const view of views) view.told = new Uint32Array(universe.total);
  },
  /** From now on this is what is right: each prefix its best announcement, or nothing at all. */
  want: ({ plan, what }: { plan: Plan; what: 'announce' | 'withdraw' }) => {
    wanted = what === 'announce' ? bestIdentities(plan, universe.total) : new Uint32Array(universe.total);
    for (const view of views) {
      view.right = 0;
      for (let number = 0; number < universe.total; number += 1)
        if (view.told[number] === wanted[number]) view.right += 1;
    }
    isAllRight = false;
  },
  /** Answers once every session is right, or after `within` ms, with how it is. */
  right: async (within: number) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, within);
    onRight = resolve;
    if (isAllRight) resolve();
    await promise;
    clearTimeout(timer);
    onRight = () => undefined;
    return report();
  },
  report,
  churn: ({ from, count }: { from: number; count: number }) => {
    churnFrom = churnIdentity(from);
    arrivals = new Float64Array(count);
  },
  arrivals: () => arrivals,
});

function report(): object {
  return {
    isRight: isAllRight,
    rightAt,
    right: views.map(({ right }) => right),
    strange: views.reduce((sum, { strange }) => sum + strange, 0),
    said: views.reduce((sum, { said }) => sum + said, 0),
    closed: [...new Set(sessions.map((session) => session.closed()).filter((why) => why !== undefined))],
  };
}
