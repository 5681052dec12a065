/**
 * The lab's checks: each looks at the running lab, holds it against what is expected, and waits, by looking again, as long
 * as the world may need to get there. What is still wrong then is in the result.
 */
import { readFileSync } from 'node:fs';
import { announcing } from './blocks.ts';
import { deadProcesses } from './daemons.ts';
import type { Expected } from './expect.ts';
import { hostsOf, judgedSources, podTargets, routedHosts, routedTargets } from './hosts.ts';
import {
  judgeRoutes,
  judgeSessions,
  type RouteRow,
  routeText,
  type SessionRow,
  sessionText,
} from './judge.ts';
import { type Attempt, attemptsFor, isWrong, judge, type Seen, wrongText } from './matrix.ts';
import { observe, observeTorRoutes, observeTorSessions } from './observe.ts';
import { poll } from './poll.ts';
import { probe } from './probe.ts';
import { type LabState, readPods } from './state.ts';
import { torSoftware } from './tor/software.ts';
import { complaintsIn } from './tor/tor.ts';

export interface Patience {
  readonly signal: AbortSignal;
  readonly withinMs: number;
}

export interface Routing {
  readonly sessions: readonly SessionRow[];
  readonly routes: readonly RouteRow[];
}

export const routingFailures = ({ sessions, routes }: Routing): readonly string[] => [
  ...sessions.filter(({ ok }) => !ok).map(sessionText),
  ...routes.filter(({ ok }) => !ok).map(routeText),
];

async function lookAtRouting(state: LabState): Promise<Routing> {
  const { topology } = await announcing(state);
  const seen = await observe(state);
  return {
    sessions: judgeSessions(topology, state.mesh, seen),
    routes: judgeRoutes(topology, state.mesh, seen),
  };
}

/** Waiting for a daemon that has ended is in vain; `checkDaemons` tells of it. */
const inVain = (state: LabState): boolean => deadProcesses(state).length > 0;

/** Waits for every session and route to be as it should. */
export async function checkRouting(state: LabState, patience: Patience): Promise<Routing> {
  let last: Routing = { sessions: [], routes: [] };
  await poll(
    async () => {
      last = await lookAtRouting(state);
      return routingFailures(last).length === 0 || inVain(state);
    },
    { ...patience, everyMs: 250 },
  );
  return last;
}

/** Waits for the kubelet to have every pod running. @param count  pods the manifests place on nodes */
export async function checkPods(
  state: LabState,
  count: number,
  patience: Patience,
): Promise<readonly string[]> {
  const isReady = (): boolean => {
    const pods = readPods(state.name);
    return pods.length >= count && pods.every((pod) => pod.state === 'running' && pod.addresses.length > 0);
  };
  await poll(() => isReady() || inVain(state), { ...patience, everyMs: 100 });
  if (isReady()) return [];
  const pods = readPods(state.name).filter((pod) => pod.state !== 'running');
  return pods.length === 0
    ? [`Only ${readPods(state.name).length} of ${count} pods were taken up by the lab's kubelet.`]
    : pods.map(
        ({ namespace, pod, error }) => `Pod ${namespace}/${pod} is not running: ${error ?? 'no answer yet'}`,
      );
}

/** Tries every attempt; those that are not as expected again and again until they are, or time is over. */
async function settle(
  state: LabState,
  attempts: readonly Attempt[],
  expected: readonly Expected[] | undefined,
  patience: Patience,
): Promise<readonly Seen[]> {
  const look = async (some: readonly Attempt[]): Promise<readonly Seen[]> =>
    judge(some, await probe(some, hostsOf(state.topology, readPods(state.name))), expected);
  let wrong: readonly Attempt[] = attempts;
  const settled = await poll(
    async () => {
      wrong = (await look(wrong)).filter(isWrong);
      return wrong.length === 0;
    },
    { ...patience, everyMs: 50 },
  );
  const last = await look(attempts);
  if (!settled || !last.some(isWrong)) return last;
  // What was right a moment ago and is wrong now may be a packet lost under load: it has one more chance.
  const again = await look(last.filter(isWrong));
  return last.map((one) => again.find((other) => sameAttempt(one, other)) ?? one);
}

const sameAttempt = (a: Attempt, b: Attempt): boolean =>
  a.from === b.from && a.version === b.version && a.target === b.target;

export interface Plan {
  readonly attempts: readonly Attempt[];
  readonly expected: readonly Expected[];
}

/** Between the lab's own pods and the client, which are under no policy. @param cut  hosts that nobody can reach now */
export function connectivityPlan({ topology }: LabState, cut: readonly string[]): Plan {
  const targets = routedTargets(topology);
  const expected = targets.map((target) => ({
    target,
    sources: cut.includes(target.host) ? [] : ['everyone', ...cut.map((host) => `-${host}`)],
  }));
  return { attempts: attemptsFor(routedHosts(topology), targets), expected };
}

export function checkConnectivity(
  state: LabState,
  cut: readonly string[],
  patience: Patience,
): Promise<readonly Seen[]> {
  const { attempts, expected } = connectivityPlan(state, cut);
  return settle(state, attempts, expected, patience);
}

/** @param expected  absent: every container port is tried, and nothing judged */
export function checkPolicy(
  state: LabState,
  expected: readonly Expected[] | undefined,
  patience: Patience,
): Promise<readonly Seen[]> {
  const pods = readPods(state.name);
  const targets = expected?.map(({ target }) => target) ?? podTargets(pods);
  return settle(state, attemptsFor(judgedSources(state.topology, pods), targets), expected, patience);
}

/** Too short for a lost packet to be sent again: a change is seen by the first that is let through, or is not. */
const soonMs = 60;

/** Waits until the packets of the given attempts are as expected. @returns the moment they were; undefined: not in time */
export function momentOfPackets(
  state: LabState,
  { attempts, expected }: Plan,
  patience: Patience,
): Promise<number | undefined> {
  const hosts = hostsOf(state.topology, readPods(state.name));
  return momentOf(
    async () => !judge(attempts, await probe(attempts, hosts, soonMs), expected).some(isWrong),
    patience,
  );
}

/** @returns the moment (performance.now) it was seen */
async function momentOf(check: () => Promise<boolean>, patience: Patience): Promise<number | undefined> {
  return (await poll(check, { ...patience, everyMs: 20 })) ? performance.now() : undefined;
}

/** Waits until the ToR's session with a neighbour is no longer established. */
export const momentSessionLost = (
  state: LabState,
  neighbour: string,
  patience: Patience,
): Promise<number | undefined> =>
  momentOf(async () => {
    const session = (await observeTorSessions(state)).find((one) => one.neighbour === neighbour);
    return session?.established === false;
  }, patience);

/** Waits until the ToR's BGP table has all of `prefixes`, or none. */
export const momentOfTor = (
  state: LabState,
  prefixes: readonly string[],
  present: boolean,
  patience: Patience,
): Promise<number | undefined> =>
  momentOf(async () => {
    const routes = await observeTorRoutes(state);
    return (
      routes !== undefined &&
      prefixes.every((prefix) => routes.some((route) => route.prefix === prefix) === present)
    );
  }, patience);

export const matrixFailures = (seen: readonly Seen[]): readonly string[] =>
  seen.filter(isWrong).map(wrongText);

/** Processes that ended though nobody asked them to, with the last thing they said. */
export const checkDaemons = (state: LabState): readonly string[] =>
  deadProcesses(state).map(({ host, role, logFile }) => {
    const lines = readText(logFile).trim().split('\n');
    const telling = lines.findLast((line) => /error|fatal/i.test(line)) ?? lines.at(-1) ?? '';
    return `${role} on ${host} has ended. Its log ${logFile} says: ${telling.slice(0, 200)}`;
  });

/** What the ToR's log says against our messages. */
export function checkTorLog(state: LabState): readonly string[] {
  const software = torSoftware[state.torKind];
  const complaints = state.processes
    .filter(({ host, role }) => host === 'tor' && role !== 'follower')
    .flatMap(({ logFile }) => complaintsIn(software, readText(logFile)))
    .map((line) => `The ToR's log complains: ${line.trim()}`);
  return [...new Set(complaints)];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
