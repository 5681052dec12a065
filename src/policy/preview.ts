/**
 * What a change of policy would do before it is done: between whom, and for what traffic, the verdict becomes another.
 *
 * Asked once for each class of endpoints, addresses and ports that rules cannot tell apart (`preview/classes.ts`), never for each
 * pair of pods.
 */

import type { Address, IpVersion } from '../lib/net.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { same } from '../lib/same.ts';
import type { Direction, HostEndpoint } from '../model/policy.ts';
import type { Resource } from '../model/resource.ts';
import { matchesSelector } from '../model/selector.ts';
import { type Cluster, snapshotOf } from './cluster.ts';
import type { Judgement } from './judgement.ts';
import { type Known, knownHost, knownPod } from './known.ts';
import { connectionOf } from './meet.ts';
import type { Policy } from './policy.ts';
import { changedBetween } from './preview/apply.ts';
import { type Class, hostClasses, outsideClasses, podClasses } from './preview/classes.ts';
import { criteriaOf } from './preview/criteria.ts';
import { type Both, Ends, isOfFamily, versionsOf } from './preview/ends.ts';
import { type Meeting, meetingsOf } from './preview/meetings.ts';
import { NodeWords } from './preview/nodes.ts';
import { type TrafficClass, trafficOf } from './preview/traffic.ts';
import { trafficWords } from './preview/words.ts';
import { enacted } from './staged.ts';
import { type Verdict, verdictUnder } from './verdict.ts';
import { type Who, whoHas } from './who.ts';
import { reasonWords } from './why.ts';

/** From any of these to any of those. */
export interface Change {
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** "TCP 80", "everything but TCP 443". */
  readonly traffic: string;
  readonly allowed: boolean;
  /** Only between those on one node, or on different ones; absent: wherever they are. */
  readonly nodes?: 'same' | 'different';
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
  const nodes = new NodeWords([old, next], criteria);
  const peers = [
    ...podClasses([old, next], criteria, nodes),
    ...outsideClasses([old, next], criteria),
    ...hostClasses([old, next], criteria, nodes),
  ];
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
  const ends = new Ends({
    clusters: [old, next],
    policiesOf: (who) => selectingOf(book, who),
    isTouched: (both) => !onlyPolicies || both.flat().some(({ id }) => policies.has(id)),
  });
  const isPlain = [old, next].every(({ hostEndpoints }) => hostEndpoints.length === 0);
  const world: World = { ...book, ends, traffic: new Map(), names: naming() };
  if (subjects.length * peers.length > mostPairs) return err(tooMany(subjects.length, peers.length));
  const changes: Change[] = [];
  for (const [from, to] of pairsAmong(subjects, peers)) {
    const found = meetingsOf(from, to, isPlain).map((meeting) => changesOf(world, meeting));
    changes.push(...wherever(found));
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
  const [last] = clusters.slice(-1);
  const all: readonly Who[] = [
    ...(last?.pods ?? []).map((pod): Who => ({ label: '', addresses: [], spot: { kind: 'workload', pod } })),
    ...(last?.nodes ?? []).map(
      ({ meta }): Who => ({ label: '', addresses: [], spot: { kind: 'host', node: meta.name } }),
    ),
  ];
  const touched = all
    .map((who) => clusters.flatMap((cluster) => knownWho(cluster, who)))
    .filter(isTouched)
    .flat();
  return policies.filter(({ selector }) => touched.some(({ labels }) => matchesSelector(selector, labels)));
}

/** Who is asked where it sends or gets a packet: a pod, and the host endpoints of its node; of a host, those alone. */
const knownWho = (cluster: Cluster, { spot }: Who): readonly Known[] => {
  if (spot === undefined) return [];
  const node = spot.kind === 'workload' ? (spot.node ?? spot.pod?.nodeName) : spot.node;
  const hosts = hostEndpointsOf(cluster).get(node ?? '') ?? [];
  const own = spot.kind === 'workload' && spot.pod !== undefined ? [knownPod(cluster, spot.pod)] : [];
  return [...own, ...hosts.map((endpoint) => knownHost(cluster, endpoint))];
};

/** A cluster never changes: those of each node are looked up once. */
const books = new WeakMap<Cluster, ReadonlyMap<string, readonly HostEndpoint[]>>();

function hostEndpointsOf(cluster: Cluster): ReadonlyMap<string, readonly HostEndpoint[]> {
  const before = books.get(cluster);
  if (before !== undefined) return before;
  const book = Map.groupBy(cluster.hostEndpoints, ({ node }) => node);
  books.set(cluster, book);
  return book;
}

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
  readonly traffic: Map<string, readonly TrafficClass[]>;
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

/** None if neither end says anything else than before. */
function changesOf(world: World, meeting: Meeting): readonly Change[] {
  const { ends, names } = world;
  const { from, to, source, destination, nodes } = meeting;
  if (!ends.changes('Egress', meeting) && !ends.changes('Ingress', meeting)) return [];
  const policies = [source, destination].flatMap((who) => selectingOf(world, who).flat());
  const all = trafficFor(world, [...new Set(policies)]);
  const found = versionsOf(meeting).flatMap((version) =>
    all.flatMap((traffic, index): readonly Found[] => {
      if (!isOfFamily(traffic, version)) return [];
      const egress = ends.says('Egress', meeting, version, all, index);
      const ingress = ends.says('Ingress', meeting, version, all, index);
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
    return [
      {
        from: names(from),
        to: names(to),
        traffic: trafficWords(
          these.map(({ traffic }) => traffic),
          all,
        ),
        allowed,
        ...(nodes === undefined ? {} : { nodes }),
        because: ends.because(direction, meeting, version, all, index, ([before, after]) =>
          becauseOf(direction, allowed, before, after),
        ),
      },
    ];
  });
}

/** What is the same wherever the two classes meet is said once. */
function wherever([first, second, ...none]: readonly (readonly Change[])[]): readonly Change[] {
  if (none.length > 0 || first === undefined) return [];
  const anywhere = first.map(({ nodes: _, ...change }) => change);
  if (second === undefined) return anywhere;
  const said = (all: readonly Change[]): string =>
    JSON.stringify(all.map(({ traffic, allowed, because }) => [traffic, allowed, because]));
  return said(first) === said(second) ? anywhere : [...first, ...second];
}

/** The policies before and after that say something of it. */
function selectingOf({ old, next, policies, selecting }: Book, who: Who): Both<readonly Policy[]> {
  const before = selecting.get(who);
  if (before !== undefined) return before;
  const of = (cluster: Cluster): readonly Policy[] => {
    const known = knownWho(cluster, who);
    return (policies.get(cluster) ?? []).filter(({ selector }) =>
      known.some(({ labels }) => matchesSelector(selector, labels)),
    );
  };
  const found = [of(old), of(next)] as const;
  selecting.set(who, found);
  return found;
}

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
      JSON.stringify([change.traffic, change.allowed, change.nodes, change.because, textOf(change[other])]),
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

const whereWords = (nodes: Change['nodes']): string =>
  nodes === undefined ? '' : nodes === 'same' ? ' on one node' : ' on different nodes';

/** Lines for a person. @param whole  with every name */
export function previewLines({ policies, changes, bothEnds }: Preview, whole: boolean): readonly string[] {
  const names = (all: readonly string[]): string => (whole ? all.join(', ') : namesWords(all));
  return [
    policies.length === 0 ? 'No enforced policy changes.' : `Changed: ${policies.join(', ')}`,
    ...(changes.length === 0 ? ['No verdict changes.'] : []),
    ...changes.flatMap(({ from, to, traffic, allowed, nodes, because }) => [
      `${allowed ? '+ will be ALLOWED' : '- will be DENIED'}  ${names(from)} → ${names(to)}${whereWords(nodes)}: ${traffic}`,
      `    ${because}`,
    ]),
    ...(bothEnds
      ? []
      : [
          'The policies of the other ends are not counted: some of these may be denied there before and after.',
        ]),
  ];
}
