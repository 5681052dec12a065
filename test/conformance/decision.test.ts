/**
 * OpenBGPD's own decision cases: candidates in the order they must win.
 *
 * Three of its rules are not RFC 4271's and not ours; the cases are judged with them put in where OpenBGPD has them:
 *  - weight, a local number: higher wins after eBGP over iBGP;
 *  - route age, only where a case sets the flag: the older wins before the identifiers;
 *  - med-always: MED counts between all neighbouring ASes.
 * Candidates that are malformed or whose next hop is unreachable never come as far as our Loc-RIB: they go last.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decide, decisionSteps, type Step } from '../../bgp/rib/decide.ts';
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
      }),
    ),
  };
};

/** Our steps with OpenBGPD's three put in. */
function stepsFor(flags: readonly string[], of: (path: Path) => Candidate): readonly Step[] {
  const words = { better: 'test', worse: 'test' };
  const weight: Step = { ...words, compare: (a, b) => of(b).weight - of(a).weight };
  const age: Step = { ...words, compare: (a, b) => of(a).learnedAt - of(b).learnedAt };
  return decisionSteps.flatMap((step): readonly Step[] => {
    if (step.better === 'learned by eBGP, unlike')
      return [step, weight, ...(flags.includes('route-age') ? [age] : [])];
    if (step.among === undefined || !flags.includes('med-always')) return [step];
    const { among: _, ...always } = step;
    return [always];
  });
}

function ranking(entrants: readonly Entrant[], flags: readonly string[]): readonly number[] {
  const ofPath = new Map(entrants.map((entrant) => [entrant.path, entrant]));
  const candidateOf = (path: Path): Candidate => {
    const entrant = ofPath.get(path);
    if (entrant === undefined) throw new Error('a path nobody entered');
    return entrant.candidate;
  };
  const steps = stepsFor(flags, candidateOf);
  const isEligible = ({ candidate }: Entrant): boolean =>
    candidate.nexthopValid && candidate.malformed !== true;
  let left = entrants.filter(isEligible);
  const order: number[] = [];
  while (left.length > 0) {
    const { best } = decide(
      left.map(({ path }) => path),
      steps,
    );
    order.push(ofPath.get(best)?.index ?? -1);
    left = left.filter(({ path }) => path !== best);
  }
  return [...order, ...entrants.filter((entrant) => !isEligible(entrant)).map(({ index }) => index)];
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
