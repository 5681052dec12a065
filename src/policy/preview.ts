/**
 * What a change of policy would do before it is done: between whom, and for what traffic, the verdict becomes another.
 *
 * Asked once for each class of endpoints, addresses and ports that rules cannot tell apart (`preview/classes.ts`), never for each
 * pair of pods.
 */

import type { Address, IpVersion } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { same } from '../lib/same.ts';
import type { Direction } from '../model/policy.ts';
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
import { type Both, Ends, isOfFamily, standing, versionsOf } from './preview/ends.ts';
import { trafficWords } from './preview/words.ts';
import { enacted } from './staged.ts';
import { type Verdict, verdictUnder } from './verdict.ts';
import { hostEndpointAt, type Who, whoHas } from './who.ts';
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
/** Verdicts that are asked for; and pairs of kinds that are looked at: a second for a million, or so. */
const mostQuestions = 1_000_000;
const mostPairs = 2_000_000;

/** @param isEnacted  what is staged afterwards is done too. Fails: a sentence. */
export function preview(
  before: readonly Resource[],
  after: readonly Resource[],
  isEnacted = false,
): Result<Preview> {
  const [old, then] = [snapshotOf(before).cluster, snapshotOf(after).cluster];
  const next = isEnacted ? enacted(then) : then;
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
  const book: Book = {
    ...{ old, next },
    selecting: new Map(),
    policies: new Map([
      [old, oldPolicies.filter((policy) => relevant.has(policy))],
      [next, nextPolicies.filter((policy) => relevant.has(policy))],
    ]),
  };
  const ends = new Ends({ clusters: [old, next], policiesOf: (who) => selectingOf(book, who) });
  const world: World = {
    ...{ ...book, ends, changed: policies, onlyPolicies, traffic: new Map() },
    names: naming(),
  };
  if (subjects.length * peers.length > mostPairs) return err(tooMany(subjects.length, peers.length));
  const changes: Change[] = [];
  for (const pair of pairsAmong(subjects, peers)) {
    const question = questionOf(world, pair);
    if (question !== undefined) changes.push(...changesOf(world, question));
    if (ends.asked > mostQuestions) return err(tooMany(subjects.length, peers.length));
  }
  return ok({ policies: [...policies].sort(), changes: merged(changes), bothEnds, asked: ends.asked });
}

const tooMany = (subjects: number, peers: number): string =>
  `The change touches ${subjects} kinds of endpoints, and rules tell ${peers} kinds of peers apart: that is more than is asked (${mostQuestions} verdicts, ${mostPairs} pairs). Preview fewer policies at a time.`;

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

/** One list for each class, so that equal lists are one. */
function naming(): World['names'] {
  const known = new Map<Class, readonly string[]>();
  return (one) => {
    const names = known.get(one) ?? one.members.map(({ label }) => label);
    known.set(one, names);
    return names;
  };
}

type Pair = readonly [from: Class, to: Class];

/** Both ways, each once. */
function* pairsAmong(subjects: readonly Class[], peers: readonly Class[]): Generator<Pair> {
  const inner = new Set(subjects);
  for (const subject of subjects)
    for (const peer of peers) {
      yield [subject, peer];
      if (!inner.has(peer)) yield [peer, subject];
    }
}

interface Book {
  readonly old: Cluster;
  readonly next: Cluster;
  /** Those that are enforced and matter here. */
  readonly policies: ReadonlyMap<Cluster, readonly Policy[]>;
  /** Answers that were found before. */
  readonly selecting: Map<Who, Both<readonly Policy[]>>;
}

interface World extends Book {
  readonly ends: Ends;
  /** Of all members; one list for each class. */
  readonly names: (one: Class) => readonly string[];
  /** Nothing else of the cluster changes. */
  readonly onlyPolicies: boolean;
  /** Ids of policies. */
  readonly changed: ReadonlySet<string>;
  readonly traffic: Map<string, readonly TrafficClass[]>;
}

/** Between one class and another: what there is to ask. */
interface Question {
  readonly pair: Pair;
  readonly versions: readonly IpVersion[];
  /** What the policies of both can tell apart. */
  readonly traffic: readonly TrafficClass[];
}

/** Undefined: neither end says anything else than before. */
function questionOf(world: World, pair: Pair): Question | undefined {
  const [from, to] = pair;
  const [source, destination] = standing(from, to);
  const versions = versionsOf(from, to);
  if (versions.length === 0) return undefined;
  const [here, there] = [selectingOf(world, source), selectingOf(world, destination)];
  const all = [...here[0], ...there[0], ...here[1], ...there[1]];
  if (world.onlyPolicies && !all.some(({ id }) => world.changed.has(id))) return undefined;
  const { ends } = world;
  if (!ends.changes('Egress', from, to) && !ends.changes('Ingress', to, from)) return undefined;
  return { pair, versions, traffic: trafficFor(world, [...new Set(all)]) };
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

interface Found {
  readonly traffic: TrafficClass;
  readonly index: number;
  readonly version: IpVersion;
  readonly allowed: boolean;
  /** The end that says something else than before, and so decides. */
  readonly direction: Direction;
}

function changesOf({ ends, names }: World, { pair, versions, traffic: all }: Question): readonly Change[] {
  const [from, to] = pair;
  const found = versions.flatMap((version) =>
    all.flatMap((traffic, index): readonly Found[] => {
      if (!isOfFamily(traffic, version)) return [];
      const egress = ends.says('Egress', from, to, version, all, index);
      const ingress = ends.says('Ingress', to, from, version, all, index);
      const allowed = egress[1] && ingress[1];
      if ((egress[0] && ingress[0]) === allowed) return [];
      const isEgress = egress[1] === allowed && egress[0] !== allowed;
      return [{ traffic, index, version, allowed, direction: isEgress ? 'Egress' : 'Ingress' }];
    }),
  );
  return [true, false].flatMap((allowed): readonly Change[] => {
    const these = found.filter((each) => each.allowed === allowed);
    const [first] = these;
    if (first === undefined) return [];
    const { direction, version, index } = first;
    const [own, peer] = direction === 'Egress' ? [from, to] : [to, from];
    return [
      {
        from: names(from),
        to: names(to),
        traffic: trafficWords(
          these.map(({ traffic }) => traffic),
          all,
        ),
        allowed,
        because: ends.because(direction, own, peer, version, all, index, ([before, after]) =>
          becauseOf(direction, allowed, before, after),
        ),
      },
    ];
  });
}

/** The policies before and after that say something of it. */
function selectingOf({ old, next, policies, selecting }: Book, who: Who): Both<readonly Policy[]> {
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

/** What decides at that end where it was decided otherwise before. */
function becauseOf(direction: Direction, allowed: boolean, before: Verdict, after: Verdict): string {
  const of = ({ end, moment, who }: Judgement): string => `${end} ${moment} ${who}`;
  const old = new Map(before.judgements.map((judgement) => [of(judgement), judgement.allowed]));
  const isOwn = ({ end }: Judgement): boolean => (end === 'source') === (direction === 'Egress');
  const deciding = after.judgements.find(
    (judgement) => isOwn(judgement) && judgement.allowed === allowed && old.get(of(judgement)) !== allowed,
  );
  return deciding === undefined
    ? 'no policy judges it any more'
    : `${direction.toLowerCase()}: ${reasonWords(deciding.because, deciding)}`;
}

/** First those with the same peers on one line, then those with the same sources. */
function merged(changes: readonly Change[]): readonly Change[] {
  const join = (all: readonly Change[], side: 'from' | 'to'): readonly Change[] => {
    const other = side === 'from' ? 'to' : 'from';
    const texts = new Map<readonly string[], string>();
    const textOf = (list: readonly string[]): string => {
      const text = texts.get(list) ?? list.join();
      texts.set(list, text);
      return text;
    };
    const groups = Map.groupBy(all, (change) =>
      JSON.stringify([change.traffic, change.allowed, change.because, textOf(change[other])]),
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
