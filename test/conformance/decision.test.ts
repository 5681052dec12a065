/**
 * OpenBGPD's own decision cases: candidates in the order they must win.
 *
 * Two of its rules are not RFC 4271's and not ours; the cases are judged with them put in where OpenBGPD has them:
 *  - weight, a local number: higher wins after eBGP over iBGP;
 *  - route age, only where a case sets the flag: the older wins before the identifiers.
 * Candidates that are malformed never come as far as our Loc-RIB: they go last, as do those whose next hop is unreachable,
 * which `decide` leaves out.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Criteria, criteriaOf, decide, ranked, type Step } from '../../bgp/rib/decide.ts';
import { type Path, pathOf } from '../../bgp/rib/path.ts';
import { asn } from '../../src/lib/net.ts';
import { attributesOf, sourceOf } from '../support/routes.ts';
import { address, v4 } from '../support/wire.ts';

interface Candidate {
  readonly neighborAs: number;
  readonly asPathLength: number;
  readonly med: number;
  readonly localPref: number;
  readonly origin: 'igp' | 'egp' | 'incomplete';
  readonly weight: number;
  readonly malformed?: boolean;
  readonly peer: {
    readonly sessionType: 'ebgp' | 'ibgp';
    readonly routerId: string;
    readonly address: string;
  };
  readonly nexthopValid: boolean;
  readonly learnedAt: number;
}
interface Vector {
  readonly id: string;
  readonly flags: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly expected: { readonly order: readonly number[] };
}

const file = new URL('../../../shared/conformance/bgp/decision.json', import.meta.url);
const vectors: readonly Vector[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).vectors : [];
if (vectors.length === 0) console.log(`no conformance cases at ${file.pathname}: nothing judged`);

interface Entrant {
  readonly candidate: Candidate;
  readonly index: number;
  readonly path: Path;
}

const entrantOf = (candidate: Candidate, index: number): Entrant => {
  const asns = [candidate.neighborAs, ...new Array<number>(candidate.asPathLength - 1).fill(65000)].map(asn);
  const { sessionType, routerId, address: at } = candidate.peer;
  return {
    candidate,
    index,
    path: pathOf(
      sourceOf({
        key: `${index}`,
        type: sessionType,
        bgpId: v4(routerId),
        address: address(at),
        port: index,
      }),
      attributesOf({
        asPath: [{ kind: 'sequence', asns }],
        med: candidate.med,
        localPref: candidate.localPref,
        origin: candidate.origin,
        nextHop: v4(`192.0.2.${index + 1}`),
      }),
    ),
  };
};

/** Our own criteria with OpenBGPD's two steps put in. */
function criteriaFor(flags: readonly string[], entrants: readonly Entrant[]): Criteria {
  const ofPath = new Map(entrants.map((entrant) => [entrant.path, entrant.candidate]));
  const of = (path: Path): Candidate => {
    const candidate = ofPath.get(path);
    if (candidate === undefined) throw new Error('a path nobody entered');
    return candidate;
  };
  const dead = new Set(
    entrants.filter(({ candidate }) => !candidate.nexthopValid).map(({ path }) => path.attributes.nextHop),
  );
  const ours = criteriaOf(flags.includes('med-always') ? { alwaysCompareMed: true } : {}, (nextHop) =>
    dead.has(nextHop) ? undefined : 0,
  );
  const words = { better: 'test', worse: 'test' };
  const weight: Step = { ...words, compare: (a, b) => of(b).weight - of(a).weight };
  const age: Step = { ...words, compare: (a, b) => of(a).learnedAt - of(b).learnedAt };
  const added = [weight, ...(flags.includes('route-age') ? [age] : [])];
  const steps = ours.steps.flatMap((step) =>
    step.better === 'learned by eBGP, unlike' ? [step, ...added] : [step],
  );
  return { ...ours, steps };
}

function ranking(entrants: readonly Entrant[], flags: readonly string[]): readonly number[] {
  const criteria = criteriaFor(flags, entrants);
  const sound = entrants.filter(({ candidate }) => candidate.malformed !== true).map(({ path }) => path);
  const order = ranked(sound, criteria);
  expect(decide(sound, criteria).best).toBe(order[0]);
  const rest = entrants.filter(({ path }) => !order.includes(path));
  return [...order, ...rest.map(({ path }) => path)].map(
    (path) => entrants.find((entrant) => entrant.path === path)?.index ?? -1,
  );
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length < 2) yield items;
  for (const [index, item] of items.entries())
    for (const rest of items.length < 2 ? [] : permutations(items.toSpliced(index, 1))) yield [item, ...rest];
}

describe.skipIf(vectors.length === 0)('OpenBGPD decision cases hold in every order of arrival', () => {
  test.each(vectors)('$id', ({ flags, candidates, expected }) => {
    let judged = 0;
    for (const entrants of permutations(candidates.map(entrantOf))) {
      expect(ranking(entrants, flags)).toEqual(expected.order);
      judged += 1;
    }
    expect(judged).toBeGreaterThan(1);
  });
});
