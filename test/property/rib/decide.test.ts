import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '../../../bgp/rib/decide.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import { compareAddresses } from '../../../src/lib/net.ts';
import { arbitraryPaths } from '../../support/routes.ts';
import { prefix } from '../../support/wire.ts';

/** RFC 4271 §9.1.2.2 written to be obvious: at each step whoever is beaten by anyone left is struck out. */
function oracle(paths: readonly Path[]): { readonly best: Path; readonly equal: readonly Path[] } {
  const beats: readonly ((a: Path, b: Path) => boolean)[] = [
    (a, b) => a.source.type === 'local' && b.source.type !== 'local',
    (a, b) => (a.attributes.localPref ?? 100) > (b.attributes.localPref ?? 100),
    (a, b) => hops(a) < hops(b),
    (a, b) => rank(a) < rank(b),
    (a, b) => neighbour(a) === neighbour(b) && (a.attributes.med ?? 0) < (b.attributes.med ?? 0),
    (a, b) => a.source.type === 'ebgp' && b.source.type === 'ibgp',
    (a, b) => (a.attributes.originatorId ?? a.source.bgpId) < (b.attributes.originatorId ?? b.source.bgpId),
    (a, b) => (a.attributes.clusterList ?? []).length < (b.attributes.clusterList ?? []).length,
    (a, b) => compareAddresses(a.source.address, b.source.address) < 0,
    (a, b) => a.source.port < b.source.port,
  ];
  const after = (steps: number): readonly Path[] =>
    beats
      .slice(0, steps)
      .reduce<readonly Path[]>(
        (left, beat) => left.filter((path) => !left.some((other) => beat(other, path))),
        paths,
      );
  const [best] = after(beats.length);
  if (best === undefined) throw new Error('nothing is left');
  return { best, equal: after(6) };
}

const rank = (path: Path): number => ['igp', 'egp', 'incomplete'].indexOf(path.attributes.origin);
const hops = (path: Path): number =>
  path.attributes.asPath
    .map((part) => (part.kind === 'set' ? 1 : part.asns.length))
    .reduce((a, b) => a + b, 0);
const neighbour = (path: Path): number | undefined => {
  const [first] = path.attributes.asPath;
  return first?.kind === 'sequence' ? first.asns[0] : undefined;
};

const shuffled = fc
  .tuple(arbitraryPaths, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })))
  .map(([paths, weights]): readonly [readonly Path[], readonly Path[]] => {
    const keyed = paths.map((path) => ({ path, weight: Number(weights.next().value) }));
    return [paths, keyed.sort((a, b) => a.weight - b.weight).map(({ path }) => path)];
  });

test('RFC 4271 §9.1.2.2: the chosen path and its equals are those of the brute-force oracle', () => {
  fc.assert(
    fc.property(arbitraryPaths, (paths) => {
      const { best, equal } = decide(paths);
      const expected = oracle(paths);
      expect(best).toBe(expected.best);
      expect(new Set(equal)).toEqual(new Set(expected.equal));
    }),
    { numRuns: 2000 },
  );
});

test('the order in which paths arrived decides nothing: best, multipath and reasons are the same', () => {
  fc.assert(
    fc.property(shuffled, ([paths, others]) => {
      expect(reasonsOf(others)).toEqual(reasonsOf(paths));
      expect(chosen(others)).toEqual(chosen(paths));
    }),
    { numRuns: 1000 },
  );
});

function reasonsOf(paths: readonly Path[]): Map<string, string> {
  const { best, rounds } = decide(paths);
  const lost = rounds.flatMap((round) =>
    round.lost.map((path) => [path.source.key, round.step.worse] as const),
  );
  return new Map([[best.source.key, 'best'] as const, ...lost].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function chosen(paths: readonly Path[]): readonly Path[] {
  const rib = new LocRib();
  const at = prefix('10.0.0.0/8');
  for (const path of paths) rib.offer(at, path.source.key, path);
  rib.settle();
  return rib.choice(at);
}

test('every path but the best leaves in exactly one round, and the best in none', () => {
  fc.assert(
    fc.property(arbitraryPaths, (paths) => {
      const { best, rounds } = decide(paths);
      const leavers = rounds.flatMap((round) => round.lost);
      expect(leavers).toHaveLength(paths.length - 1);
      expect(new Set([...leavers, best])).toEqual(new Set(paths));
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

test('multipath holds equals of the best only, each by another next hop', () => {
  fc.assert(
    fc.property(arbitraryPaths, (paths) => {
      const { best, equal } = oracle(paths);
      const used = chosen(paths);
      expect(used[0]).toBe(best);
      expect(used.every((path) => equal.includes(path))).toBe(true);
      const nextHops = used.map((path) => path.attributes.nextHop);
      expect(new Set(nextHops).size).toBe(nextHops.length);
      const possible = best.source.type === 'local' ? [best] : equal;
      expect(new Set(nextHops)).toEqual(new Set(possible.map((path) => path.attributes.nextHop)));
    }),
  );
});
