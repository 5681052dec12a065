import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DecisionOptions } from '../../../bgp/config.ts';
import { type Choice, choose, criteriaOf, decide, ranked } from '../../../bgp/rib/decide.ts';
import { explain } from '../../../bgp/rib/explain.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import { type Address, compareAddresses } from '../../../src/lib/net.ts';
import { arbitraryPaths } from '../../support/routes.ts';
import { address } from '../../support/wire.ts';

interface Case {
  readonly paths: readonly Path[];
  readonly options: DecisionOptions;
  readonly metrics: ReadonlyMap<Address, number | undefined>;
}

/** RFC 4271 §9.1.2.2 written to be obvious: at each step whoever is beaten by anyone left is struck out. */
function oracle({ paths, options, metrics }: Case): {
  readonly best: Path | undefined;
  readonly equal: readonly Path[];
} {
  const med = (path: Path): number => path.attributes.med ?? (options.missingMedWorst ? 2 ** 32 - 1 : 0);
  const isLocal = (path: Path): boolean => path.source.type === 'local';
  const cost = (path: Path): number => (isLocal(path) ? 0 : (metrics.get(path.attributes.nextHop) ?? 0));
  const beats: readonly ((a: Path, b: Path) => boolean)[] = [
    (a, b) => !isStale(a) && isStale(b),
    (a, b) => isLocal(a) && !isLocal(b),
    (a, b) => (a.attributes.localPref ?? 100) > (b.attributes.localPref ?? 100),
    (a, b) => hops(a) < hops(b),
    (a, b) => rank(a) < rank(b),
    (a, b) => (options.alwaysCompareMed === true || neighbour(a) === neighbour(b)) && med(a) < med(b),
    (a, b) => a.source.type !== 'ibgp' && b.source.type === 'ibgp',
    (a, b) => cost(a) < cost(b),
    (a, b) => (a.attributes.originatorId ?? a.source.bgpId) < (b.attributes.originatorId ?? b.source.bgpId),
    (a, b) => (a.attributes.clusterList ?? []).length < (b.attributes.clusterList ?? []).length,
    (a, b) => compareAddresses(a.source.address, b.source.address) < 0,
    (a, b) => a.source.port < b.source.port,
  ];
  const eligible = paths.filter(
    (path) => isLocal(path) || metrics.get(path.attributes.nextHop) !== undefined,
  );
  const after = (steps: number): readonly Path[] =>
    beats
      .slice(0, steps)
      .reduce<readonly Path[]>(
        (left, beat) => left.filter((path) => !left.some((other) => beat(other, path))),
        eligible,
      );
  return { best: after(beats.length)[0], equal: after(8) };
}

test('the rank of a path is what the steps before MED say of it, as one number', () => {
  fc.assert(
    fc.property(arbitraryPaths, (paths) => {
      const { steps, middle } = criteriaOf({}, () => 0);
      const [first] = middle;
      const before = steps.slice(0, first === undefined ? 0 : steps.indexOf(first));
      for (const a of paths)
        for (const b of paths) {
          const said = before.map(({ compare }) => compare(a, b)).find((difference) => difference !== 0) ?? 0;
          expect(Math.sign(a.rank - b.rank)).toBe(Math.sign(said));
        }
    }),
  );
});

const isStale = (path: Path): boolean => path.attributes.communities?.includes(0xffff_0006) === true;
const rank = (path: Path): number => ['igp', 'egp', 'incomplete'].indexOf(path.attributes.origin);
const hops = (path: Path): number =>
  path.attributes.asPath
    .map((part) => (part.kind === 'set' ? 1 : part.asns.length))
    .reduce((a, b) => a + b, 0);
const neighbour = (path: Path): number | undefined => {
  const [first] = path.attributes.asPath;
  return first?.kind === 'sequence' ? first.asns[0] : undefined;
};

const criteriaFor = ({ options, metrics }: Case) => criteriaOf(options, (nextHop) => metrics.get(nextHop));

const flag = fc.option(fc.constant(true as const), { nil: undefined });
const most = fc.option(fc.constantFrom(1, 2), { nil: undefined });
/** As it may come: an absent option is absent. */
const options: fc.Arbitrary<DecisionOptions> = fc
  .record({
    alwaysCompareMed: flag,
    missingMedWorst: flag,
    relaxAsPath: flag,
    ebgpPaths: most,
    ibgpPaths: most,
  })
  .map((drawn) => Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined)));
const metrics: fc.Arbitrary<Case['metrics']> = fc
  .array(fc.constantFrom(undefined, 0, 0, 10), { minLength: 3, maxLength: 3 })
  .map((costs) => new Map(costs.map((cost, index) => [address(`192.0.2.${index + 1}`), cost])));

const cases: fc.Arbitrary<Case> = fc.record({ paths: arbitraryPaths, options, metrics });

const shuffled: fc.Arbitrary<readonly [Case, Case]> = fc
  .tuple(cases, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })))
  .map(([given, weights]): readonly [Case, Case] => {
    const keyed = given.paths.map((path) => ({ path, weight: Number(weights.next().value) }));
    const paths = keyed.sort((a, b) => a.weight - b.weight).map(({ path }) => path);
    return [given, { ...given, paths }];
  });

test('RFC 4271 §9.1.2.2: under any options the chosen path and its equals are those of the brute-force oracle', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const { best, equal } = decide(given.paths, criteriaFor(given));
      const expected = oracle(given);
      expect(best).toBe(expected.best);
      expect(new Set(equal)).toEqual(new Set(expected.equal));
      expect(chosen(given)[0]).toBe(expected.best);
    }),
    { numRuns: 3000 },
  );
});

test('the order in which paths arrived decides nothing: best, multipath, ranks and reasons are the same', () => {
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      expect(reasonsOf(other)).toEqual(reasonsOf(one));
      expect(chosen(other)).toEqual(chosen(one));
      expect(ranked(other.paths, criteriaFor(other))).toEqual(ranked(one.paths, criteriaFor(one)));
    }),
    { numRuns: 1000 },
  );
});

function reasonsOf(given: Case): Map<string, string> {
  const choice = chosen(given);
  const reasons = explain(given.paths, choice, criteriaFor(given));
  expect(reasons.size).toBe(given.paths.length);
  return new Map(
    [...reasons].map(([path, why]) => [path.source.key, why] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const chosen = (given: Case): Choice => choose(given.paths, criteriaFor(given));

test('every path but the best leaves in exactly one round or is not eligible, and the best does neither', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const { best, rounds, unresolved } = decide(given.paths, criteriaFor(given));
      const leavers = [...rounds.flatMap((round) => round.lost), ...unresolved];
      expect(leavers).toHaveLength(given.paths.length - (best === undefined ? 0 : 1));
      expect(new Set([...leavers, ...(best === undefined ? [] : [best])])).toEqual(new Set(given.paths));
    }),
  );
});

test('each path in the ranking is what would be chosen if those before it were not there', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const order = ranked(given.paths, criteriaFor(given));
      for (const [index, path] of order.entries()) {
        const left = given.paths.filter((one) => !order.slice(0, index).includes(one));
        expect(path).toBe(oracle({ ...given, paths: left }).best);
      }
      const left = given.paths.filter((one) => !order.includes(one));
      expect(oracle({ ...given, paths: left }).best).toBeUndefined();
      expect(ranked(given.paths, criteriaFor(given), 2)).toEqual(order.slice(0, 2));
    }),
  );
});

test('paths of one neighbouring AS are in a total order: what wins in pairs wins over all', () => {
  fc.assert(
    fc.property(arbitraryPaths, (paths) => {
      const alike = paths.map((path) => ({ ...path, neighbourAs: undefined }));
      const winners = alike.filter((path) =>
        alike.every((other) => other === path || decide([path, other]).best === path),
      );
      expect(winners).toEqual([decide(alike).best]);
    }),
  );
});

test('multipath holds as many equals of the best as may be, each by another next hop and by the ASes of the best unless relaxed', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const { best, equal } = oracle(given);
      const used = chosen(given);
      expect(used[0]).toBe(best);
      if (best === undefined) return;
      const { relaxAsPath, ebgpPaths = 64, ibgpPaths = 64 } = given.options;
      const asPath = (path: Path): string => JSON.stringify(path.attributes.asPath);
      const possible = equal.filter((path) => relaxAsPath === true || asPath(path) === asPath(best));
      expect(used.every((path) => possible.includes(path))).toBe(true);
      const nextHops = used.map((path) => path.attributes.nextHop);
      expect(new Set(nextHops).size).toBe(nextHops.length);
      const most = { local: 1, ebgp: ebgpPaths, ibgp: ibgpPaths }[best.source.type];
      expect(used).toHaveLength(
        Math.min(most, new Set(possible.map((path) => path.attributes.nextHop)).size),
      );
    }),
  );
});
