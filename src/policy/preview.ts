/**
 * What a change of policy would do before it is done: between whom, and for what traffic, the verdict becomes another.
 *
 * Asked once for each class of endpoints, addresses and ports that rules cannot tell apart (`preview/classes.ts`), never for each
 * pair of pods.
 */

import type { Address } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { same } from '../lib/same.ts';
import type { Resource } from '../model/resource.ts';
import { matchesSelector } from '../model/selector.ts';
import { type Cluster, snapshotOf } from './cluster.ts';
import type { Judgement } from './judgement.ts';
import { type Known, knownHost, knownPod } from './known.ts';
import { connectionOf } from './meet.ts';
import type { Policy } from './policy.ts';
import { changedBetween } from './preview/apply.ts';
import {
  type Class,
  criteriaOf,
  outsideClasses,
  podClasses,
  type TrafficClass,
  trafficOf,
} from './preview/classes.ts';
import { trafficWords } from './preview/words.ts';
import { type Verdict, verdictUnder } from './verdict.ts';
import { hostEndpointAt, pairsOf, type Who, whoHas } from './who.ts';
import { reasonWords } from './why.ts';

/** From any of these to any of those. */
export interface Change {
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** "TCP 80", "everything but TCP 443". */
  readonly traffic: string;
  readonly allowed: boolean;
  /** What decides afterwards, for one of them. */
  readonly because: string;
}

export interface Preview {
  /** Ids of the policies that are new, gone or different. */
  readonly policies: readonly string[];
  readonly changes: readonly Change[];
  /** False: the cluster is too big to ask for the other end's own policies too, so some of these may be denied there anyway. */
  readonly bothEnds: boolean;
  /** How many verdicts were asked for, before and after. */
  readonly asked: number;
}

/** Selectors times pods that are looked at with every policy of the cluster. */
const widest = 20_000_000;
const mostQuestions = 400_000;

/** Fails: a sentence. */
export function preview(before: readonly Resource[], after: readonly Resource[]): Result<Preview> {
  const [old, next] = [snapshotOf(before).cluster, snapshotOf(after).cluster];
  const enforced = (cluster: Cluster): readonly Policy[] =>
    cluster.policies.filter(({ staged }) => staged === undefined);
  const [oldPolicies, nextPolicies] = [enforced(old), enforced(next)];
  const changed = changedBetween(oldPolicies, nextPolicies);
  const onlyPolicies = same(withoutPolicies(old), withoutPolicies(next));
  const isTouched = (known: readonly Known[]): boolean =>
    !onlyPolicies ||
    changed.some(({ selector }) => known.some(({ labels }) => matchesSelector(selector, labels)));
  const all = [...new Set([...oldPolicies, ...nextPolicies])];
  const bothEnds = all.length * next.pods.length <= widest;
  const relevant = new Set(bothEnds ? all : relevantPolicies([old, next], all, isTouched));
  const criteria = criteriaOf([...relevant], [old, next]);
  const peers = [...podClasses([old, next], criteria, () => true), ...outsideClasses([old, next], criteria)];
  const subjects = peers.filter(
    ({ members: [who] }) => who !== undefined && isSubject([old, next], who, isTouched),
  );
  const policies = new Set(changed.map(({ id }) => id));
  const world: World = {
    ...{ old, next, changed: policies, onlyPolicies, traffic: new Map() },
    selecting: new Map(),
    policies: new Map([
      [old, oldPolicies.filter((policy) => relevant.has(policy))],
      [next, nextPolicies.filter((policy) => relevant.has(policy))],
    ]),
  };
  const changes: Change[] = [];
  let asked = 0;
  for (const pair of pairsAmong(subjects, peers)) {
    const question = questionOf(world, pair);
    if (question === undefined) continue;
    asked += question.pairs.length * question.traffic.length;
    if (asked > mostQuestions) return err(tooMany(subjects.length, peers.length));
    changes.push(...changesOf(world, question));
  }
  return ok({ policies: [...policies].sort(), changes: merged(changes), bothEnds, asked });
}

const tooMany = (subjects: number, peers: number): string =>
  `The change touches ${subjects} kinds of endpoints, and rules tell ${peers} kinds of peers apart: that is more than the ${mostQuestions} verdicts that are asked. Preview fewer policies at a time.`;

const withoutPolicies = ({ policies: _, ...rest }: Cluster): Omit<Cluster, 'policies'> => rest;

/** Those that say something of an endpoint that a changed policy selects. */
function relevantPolicies(
  clusters: readonly Cluster[],
  policies: readonly Policy[],
  isTouched: (known: readonly Known[]) => boolean,
): readonly Policy[] {
  const touched = (clusters.at(-1)?.pods ?? [])
    .map((pod) => clusters.map((cluster) => knownPod(cluster, pod)))
    .filter(isTouched)
    .flat();
  return policies.filter(({ selector }) => touched.some(({ labels }) => matchesSelector(selector, labels)));
}

/** Of hosts, what their host endpoint is. */
const knownWho = (cluster: Cluster, { spot }: Who): readonly Known[] => {
  if (spot?.kind === 'workload') return spot.pod === undefined ? [] : [knownPod(cluster, spot.pod)];
  const endpoint = spot === undefined ? undefined : hostEndpointAt(cluster, spot.node);
  return endpoint === undefined ? [] : [knownHost(cluster, endpoint)];
};

const isSubject = (
  clusters: readonly Cluster[],
  who: Who,
  isTouched: (known: readonly Known[]) => boolean,
): boolean => {
  const known = clusters.flatMap((cluster) => knownWho(cluster, who));
  return known.length > 0 && isTouched(known);
};

type Pair = readonly [from: Class, to: Class];

/** Both ways, each once. */
function pairsAmong(subjects: readonly Class[], peers: readonly Class[]): readonly Pair[] {
  const inner = new Set(subjects);
  return subjects.flatMap((subject) => [
    ...peers.map((peer): Pair => [subject, peer]),
    ...peers.filter((peer) => !inner.has(peer)).map((peer): Pair => [peer, subject]),
  ]);
}

interface World {
  readonly old: Cluster;
  readonly next: Cluster;
  /** Nothing else of the cluster changes. */
  readonly onlyPolicies: boolean;
  /** Ids of policies. */
  readonly changed: ReadonlySet<string>;
  /** Those that are enforced and matter here. */
  readonly policies: ReadonlyMap<Cluster, readonly Policy[]>;
  /** Answers that were found before. */
  readonly selecting: Map<Who, readonly [old: readonly Policy[], next: readonly Policy[]]>;
  readonly traffic: Map<string, readonly TrafficClass[]>;
}

/** Between one class and another: what there is to ask. */
interface Question {
  readonly pair: Pair;
  readonly source: Who;
  readonly destination: Who;
  readonly pairs: readonly (readonly [Address, Address])[];
  readonly policies: readonly [old: readonly Policy[], next: readonly Policy[]];
  /** What these policies can tell apart. */
  readonly traffic: readonly TrafficClass[];
}

/** One of each class stands for all of it; two of one class where there are two, for a pod always reaches itself. */
function questionOf(world: World, pair: Pair): Question | undefined {
  const [from, to] = pair;
  const [source] = from.members;
  const destination = from === to ? to.members[1] : to.members[0];
  if (source === undefined || destination === undefined) return undefined;
  const [here, there] = [selectingOf(world, source), selectingOf(world, destination)];
  const join = (a: readonly Policy[], b: readonly Policy[]): readonly Policy[] => [...new Set([...a, ...b])];
  const [old, next] = [join(here[0], there[0]), join(here[1], there[1])];
  const all = [...old, ...next];
  if (world.onlyPolicies && !all.some(({ id }) => world.changed.has(id))) return undefined;
  const pairs = pairsOf(source, destination);
  return { pair, source, destination, pairs, policies: [old, next], traffic: trafficFor(world, all) };
}

function trafficFor({ old, next, traffic }: World, policies: readonly Policy[]): readonly TrafficClass[] {
  // A changed policy has one id and two contents.
  const key = policies.map(({ id }) => id).join('\n');
  const before = traffic.get(key);
  if (before !== undefined) return before;
  const classes = trafficOf(policies, [old, next]);
  traffic.set(key, classes);
  return classes;
}

function changesOf(world: World, question: Question): readonly Change[] {
  const { source, destination, pairs, policies, traffic: all } = question;
  const [from, to] = question.pair;
  const found = pairs.flatMap((pair) =>
    all
      .filter((traffic) => isOfFamily(traffic, pair[0]))
      .flatMap((traffic) => {
        const ask = (cluster: Cluster, own: readonly Policy[]): Verdict =>
          verdictUnder(cluster, own, connectionOf(cluster, source, destination, pair, traffic));
        const [before, after] = [ask(world.old, policies[0]), ask(world.next, policies[1])];
        return before.allowed === after.allowed ? [] : [{ traffic, before, after }];
      }),
  );
  return [true, false].flatMap((allowed): readonly Change[] => {
    const these = found.filter(({ after }) => after.allowed === allowed);
    const [first] = these;
    if (first === undefined) return [];
    return [
      {
        from: from.members.map(({ label }) => label),
        to: to.members.map(({ label }) => label),
        traffic: trafficWords(
          these.map(({ traffic }) => traffic),
          all,
        ),
        allowed,
        because: becauseOf(first.before, first.after),
      },
    ];
  });
}

const isOfFamily = ({ protocol }: TrafficClass, address: Address): boolean =>
  protocol === 1 ? typeof address === 'number' : protocol !== 58 || typeof address === 'bigint';

/** The policies before and after that say something of it. */
function selectingOf(
  { old, next, policies, selecting }: World,
  who: Who,
): readonly [readonly Policy[], readonly Policy[]] {
  const before = selecting.get(who);
  if (before !== undefined) return before;
  const of = (cluster: Cluster): readonly Policy[] => {
    const known = knownWithHost(cluster, who);
    return (policies.get(cluster) ?? []).filter(({ selector }) =>
      known.some(({ labels }) => matchesSelector(selector, labels)),
    );
  };
  const found = [of(old), of(next)] as const;
  selecting.set(who, found);
  return found;
}

/** A pod's packets cross its node's host endpoint too. */
const knownWithHost = (cluster: Cluster, who: Who): readonly Known[] => {
  const { spot } = who;
  const endpoint = spot?.kind === 'workload' ? hostEndpointAt(cluster, spot.pod?.nodeName) : undefined;
  return [...knownWho(cluster, who), ...(endpoint === undefined ? [] : [knownHost(cluster, endpoint)])];
};

/** What decides where it was decided otherwise before. */
function becauseOf(before: Verdict, after: Verdict): string {
  const of = ({ end, moment, who }: Judgement): string => `${end} ${moment} ${who}`;
  const old = new Map(before.judgements.map((judgement) => [of(judgement), judgement.allowed]));
  const deciding = after.judgements.find(
    (judgement) => judgement.allowed === after.allowed && old.get(of(judgement)) !== after.allowed,
  );
  return deciding === undefined
    ? 'no policy judges it any more'
    : `${deciding.direction.toLowerCase()}: ${reasonWords(deciding.because, deciding)}`;
}

/** First those with the same peers on one line, then those with the same sources. */
function merged(changes: readonly Change[]): readonly Change[] {
  const join = (all: readonly Change[], side: 'from' | 'to'): readonly Change[] => {
    const other = side === 'from' ? 'to' : 'from';
    const groups = Map.groupBy(all, (change) =>
      JSON.stringify([change[other], change.traffic, change.allowed, change.because]),
    );
    return [...groups.values()].flatMap((group) => {
      const [first] = group;
      return first === undefined
        ? []
        : [{ ...first, [side]: [...new Set(group.flatMap((change) => change[side]))].sort() }];
    });
  };
  return join(join(changes, 'to'), 'from').toSorted(
    (a, b) => Number(a.allowed) - Number(b.allowed) || (a.from.join() < b.from.join() ? -1 : 1),
  );
}

/** A connection that goes on now, e.g. of connection tracking. */
export interface Seen {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  readonly port?: number;
}

/** Of these, those whose verdict, were they to begin afterwards, is another than before. */
export function changedConnections(
  before: readonly Resource[],
  after: readonly Resource[],
  seen: readonly Seen[],
): readonly (Seen & { readonly allowed: boolean })[] {
  const [old, next] = [snapshotOf(before).cluster, snapshotOf(after).cluster];
  const isAllowed = (cluster: Cluster, { source, destination, ...traffic }: Seen): boolean => {
    const [from, to] = [whoHas(cluster, source), whoHas(cluster, destination)];
    const policies = cluster.policies.filter(({ staged }) => staged === undefined);
    return verdictUnder(cluster, policies, connectionOf(cluster, from, to, [source, destination], traffic))
      .allowed;
  };
  return seen.flatMap((one) => {
    const allowed = isAllowed(next, one);
    return isAllowed(old, one) === allowed ? [] : [{ ...one, allowed }];
  });
}

const fewest = 3;
const namesWords = (names: readonly string[]): string =>
  names.length <= fewest + 1
    ? names.join(', ')
    : `${names.slice(0, fewest).join(', ')} and ${names.length - fewest} more`;

/** Lines for a person. @param whole  with every name */
export function previewLines({ policies, changes, bothEnds }: Preview, whole: boolean): readonly string[] {
  const names = (all: readonly string[]): string => (whole ? all.join(', ') : namesWords(all));
  return [
    policies.length === 0 ? 'No enforced policy changes.' : `Changed: ${policies.join(', ')}`,
    ...(changes.length === 0 ? ['No verdict changes.'] : []),
    ...changes.flatMap(({ from, to, traffic, allowed, because }) => [
      `${allowed ? '+ will be ALLOWED' : '- will be DENIED'}  ${names(from)} → ${names(to)}: ${traffic}`,
      `    ${because}`,
    ]),
    ...(bothEnds
      ? []
      : [
          'The policies of the other ends are not counted: some of these may be denied there before and after.',
        ]),
  ];
}
