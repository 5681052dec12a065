import { describe, expect, test } from 'vitest';
import { choose, criteriaOf, decide } from '../../../bgp/rib/decide.ts';
import { explain } from '../../../bgp/rib/explain.ts';
import { type Path, pathOf, type Source } from '../../../bgp/rib/path.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import { attributesOf, sequence, sourceOf } from '../../support/routes.ts';
import { address, v4 } from '../../support/wire.ts';

interface Side {
  readonly source?: Partial<Source>;
  readonly attributes?: Partial<PathAttributes>;
}

const near = v4('192.0.2.200');
const byDistance = criteriaOf({}, (nextHop) => (nextHop === near ? 10 : 20));

/** Where both start; each row's advantage is over this. */
const plain: Side = {
  source: { type: 'ibgp', bgpId: ipv4(9), address: address('2001:db8::9'), port: 9 },
  attributes: {
    localPref: 50,
    asPath: sequence(1, 2, 3),
    origin: 'incomplete',
    med: 90,
    clusterList: [ipv4(1), ipv4(2), ipv4(3)],
    nextHop: v4('192.0.2.9'),
    communities: [0xffff_0006, 9],
  },
};

const rows: readonly (readonly [why: string, advantage: Side])[] = [
  [
    'long-lived stale: its neighbour is gone, and any other path is preferred (RFC 9494)',
    { attributes: { communities: [9] } },
  ],
  ['learned, while we originate the prefix', { source: { type: 'local' } }],
  ['lower LOCAL_PREF than the best', { attributes: { localPref: 51 } }],
  ['longer AS path than the best', { attributes: { asPath: sequence(1, 2) } }],
  ['higher ORIGIN than the best', { attributes: { origin: 'egp' } }],
  ['higher MED than another path by the same neighbouring AS', { attributes: { med: 89 } }],
  ['learned by iBGP, while the best is by eBGP', { source: { type: 'ebgp' } }],
  ['its next hop costs more than that of the best', { attributes: { nextHop: near } }],
  ['higher BGP identifier than the best', { source: { bgpId: ipv4(8) } }],
  ['longer cluster list than the best', { attributes: { clusterList: [ipv4(1)] } }],
  ['higher neighbour address than the best', { source: { address: address('203.0.113.9') } }],
  ['higher neighbour port than the best', { source: { port: 8 } }],
  ['higher next hop than the best path of this neighbour', { attributes: { nextHop: v4('192.0.2.8') } }],
  [
    'alike in all that counts; the other comes first by what else it says',
    { attributes: { communities: [0xffff_0006, 8] } },
  ],
];

const pathWith = (key: string, advantages: readonly Side[]): Path => {
  const sides = [plain, ...advantages];
  const source: Partial<Source> = Object.assign({ key }, ...sides.map((side) => side.source));
  const attributes: Partial<PathAttributes> = Object.assign({}, ...sides.map((side) => side.attributes));
  return pathOf(sourceOf(source), attributesOf(attributes));
};

describe('RFC 4271 §9.1.2.2: an advantage in one step beats those in all later ones together', () => {
  test.each(rows.map(([why, advantage], index) => ({ why, advantage, index })))(
    'the other is $why',
    ({ why, advantage, index }) => {
      const winner = pathWith('winner', [advantage]);
      const loser = pathWith(
        'loser',
        rows.slice(index + 1).map(([, later]) => later),
      );
      for (const paths of [
        [winner, loser],
        [loser, winner],
      ]) {
        const decision = decide(paths, byDistance);
        expect(decision.best).toBe(winner);
        expect(choose(paths, byDistance)[0]).toBe(winner);
        expect(decision.rounds.map((round) => round.step.worse)).toEqual([why]);
      }
    },
  );
});

const from = (key: string, source: Partial<Source>, attributes: Partial<PathAttributes>): Path =>
  pathOf(sourceOf({ key, ...source }), attributesOf(attributes));

test('RFC 4271 §9.1.2.2 c: MED is compared within one neighbouring AS only, so no order of arrival matters', () => {
  // The textbook circle: a beats b by identifier, b beats c likewise, and c beats a by MED.
  const a = from('a', { bgpId: ipv4(1) }, { asPath: sequence(1), med: 20 });
  const b = from('b', { bgpId: ipv4(2) }, { asPath: sequence(2), med: 50 });
  const c = from('c', { bgpId: ipv4(3) }, { asPath: sequence(1), med: 10 });
  for (const paths of [
    [a, b, c],
    [c, b, a],
    [b, a, c],
    [b, c, a],
    [a, c, b],
    [c, a, b],
  ]) {
    expect(decide(paths).best).toBe(b);
  }
});

test('RFC 4271 §9.1.2.2 c: a missing MED counts as zero, the lowest', () => {
  const none = from('none', { bgpId: ipv4(2) }, { asPath: sequence(1) });
  const ten = from('ten', { bgpId: ipv4(1) }, { asPath: sequence(1), med: 10 });
  expect(decide([ten, none]).best).toBe(none);
});

test('RFC 4456 §9: ORIGINATOR_ID stands for the identifier of the neighbour that reflected', () => {
  const reflected = from('a', { type: 'ibgp', bgpId: ipv4(1) }, { originatorId: ipv4(9) });
  const direct = from('b', { type: 'ibgp', bgpId: ipv4(5) }, {});
  expect(decide([reflected, direct]).best).toBe(direct);
});

test('eBGP and iBGP paths are never used side by side', () => {
  const external = from('e', { type: 'ebgp' }, { nextHop: v4('192.0.2.1') });
  const internal = from('i', { type: 'ibgp' }, { nextHop: v4('192.0.2.2') });
  expect(choose([internal, external])).toEqual([external]);
});

test('RFC 4456 §9: the shorter CLUSTER_LIST decides between equal identifiers, before the neighbour address', () => {
  const far = from(
    'a',
    { type: 'ibgp', address: address('192.0.2.1') },
    { originatorId: ipv4(7), clusterList: [ipv4(1), ipv4(2)] },
  );
  const close = from(
    'b',
    { type: 'ibgp', address: address('192.0.2.9') },
    { originatorId: ipv4(7), clusterList: [ipv4(1)] },
  );
  expect(decide([far, close]).best).toBe(close);
});

test('RFC 9494 §4.3: a long-lived stale route is used only while there is no other, however much it was preferred', () => {
  const stale = from('a', {}, { localPref: 1000, communities: [0xffff_0006] });
  const fresh = from('b', { type: 'ibgp' }, { localPref: 1, asPath: sequence(1, 2, 3) });
  expect(decide([stale, fresh]).best).toBe(fresh);
  expect(decide([stale]).best).toBe(stale);
});

describe('RFC 4271 §9.1.2.1: next hops', () => {
  const dead = v4('192.0.2.66');
  const criteria = criteriaOf({}, (nextHop) => (nextHop === dead ? undefined : 0));
  test('a path whose next hop is unreachable is not eligible, though it is the better one', () => {
    const lost = from('a', {}, { localPref: 200, nextHop: dead });
    const used = from('b', {}, { localPref: 100 });
    const decision = decide([lost, used], criteria);
    expect(decision).toMatchObject({ best: used, unresolved: [lost] });
    expect(choose([lost, used], criteria)).toEqual([used]);
    expect(choose([lost], criteria)).toEqual([]);
    expect([...explain([lost, used], [used], criteria).values()]).toEqual([
      'not eligible: no route of this node leads to its next hop 192.0.2.66',
      'the only path whose next hop is reachable',
    ]);
  });
  test('what we originate needs none', () => {
    const own = from('local', { type: 'local' }, { nextHop: dead });
    expect(choose([own], criteria)).toEqual([own]);
  });
  test('§9.1.2.2 e: the path with the nearer one wins, and those at one distance share the load', () => {
    const metrics = new Map([
      [v4('192.0.2.1'), 20],
      [v4('192.0.2.2'), 10],
      [v4('192.0.2.3'), 10],
    ]);
    const paths = [1, 2, 3].map((n) =>
      from(`${n}`, { type: 'ibgp', bgpId: ipv4(n) }, { nextHop: v4(`192.0.2.${n}`) }),
    );
    const near = criteriaOf({}, (nextHop) => metrics.get(nextHop as ReturnType<typeof v4>));
    expect(choose(paths, near)).toEqual(paths.slice(1));
  });
});

describe('options', () => {
  const few = (...paths: Path[]): Path[] => paths;
  test('alwaysCompareMed: MED counts between neighbouring ASes too', () => {
    const high = from('a', { bgpId: ipv4(1) }, { asPath: sequence(1), med: 20 });
    const low = from('b', { bgpId: ipv4(2) }, { asPath: sequence(2), med: 10 });
    expect(choose(few(high, low))[0]).toBe(high);
    expect(
      choose(
        few(high, low),
        criteriaOf({ alwaysCompareMed: true }, () => 0),
      ),
    ).toEqual([low]);
  });
  test('missingMedWorst: a route without MED is the worst of its AS', () => {
    const without = from('a', { bgpId: ipv4(1) }, { asPath: sequence(1) });
    const worst = from('b', { bgpId: ipv4(2) }, { asPath: sequence(1), med: 4_294_967_294 });
    expect(choose(few(without, worst))).toEqual([without]);
    expect(
      choose(
        few(without, worst),
        criteriaOf({ missingMedWorst: true }, () => 0),
      ),
    ).toEqual([worst]);
  });
  test('paths by other ASes are used beside the best only under relaxAsPath, and only if equally long', () => {
    const hop = (n: number): Partial<PathAttributes> => ({ nextHop: v4(`192.0.2.${n}`) });
    const a = from('a', { bgpId: ipv4(1) }, { ...hop(1), asPath: sequence(1, 9) });
    const b = from('b', { bgpId: ipv4(2) }, { ...hop(2), asPath: sequence(2, 9) });
    const c = from('c', { bgpId: ipv4(3) }, { ...hop(3), asPath: sequence(1, 9) });
    const longer = from('d', { bgpId: ipv4(4) }, { ...hop(4), asPath: sequence(2, 8, 9) });
    const paths = few(longer, c, b, a);
    expect(choose(paths)).toEqual([a, c]);
    expect(
      choose(
        paths,
        criteriaOf({ relaxAsPath: true }, () => 0),
      ),
    ).toEqual([a, b, c]);
    expect(explain(paths, [a, c]).get(b)).toBe(
      'as good as the best, but not used beside it, as its AS path is another (multipath.relaxASPath); higher BGP identifier than the best',
    );
  });
  test('ebgpPaths and ibgpPaths bound how many paths of their kind are used at once', () => {
    const options = { ebgpPaths: 2, ibgpPaths: 1 };
    const paths = (type: Source['type']): Path[] =>
      [1, 2, 3].map((n) => from(`${n}`, { type, bgpId: ipv4(n) }, { nextHop: v4(`192.0.2.${n}`) }));
    const [ebgp, ibgp] = [paths('ebgp'), paths('ibgp')];
    const criteria = criteriaOf(options, () => 0);
    expect(choose(ebgp, criteria)).toEqual(ebgp.slice(0, 2));
    expect(choose(ibgp, criteria)).toEqual(ibgp.slice(0, 1));
    expect([...explain(ebgp, ebgp.slice(0, 2), criteria).values()][2]).toBe(
      'as good as the best, but 2 paths are the most that are used at once (multipath); higher BGP identifier than the best',
    );
  });
});

test('two paths of one neighbour that say the same are one', () => {
  const once = from('a', {}, {});
  const again = from('a', {}, {});
  expect(choose([once, again])).toHaveLength(1);
  expect(decide([once, again]).best).toBe(once);
});

test('a choice can be told in words', () => {
  const nextHop = (index: number): Partial<PathAttributes> => ({ nextHop: ipv4(0xc0000200 + index) });
  const paths = [
    from('a', { bgpId: ipv4(1) }, { ...nextHop(1), asPath: sequence(1) }),
    from('b', { bgpId: ipv4(2) }, { ...nextHop(2), asPath: sequence(1) }),
    from('c', { bgpId: ipv4(3) }, { ...nextHop(3), asPath: [{ kind: 'sequence', asns: [asn(3), asn(4)] }] }),
    from('d', { bgpId: ipv4(4) }, { ...nextHop(4), asPath: [{ kind: 'sequence', asns: [asn(3), asn(4)] }] }),
  ];
  expect([...explain(paths, choose(paths))].map(([path, why]) => `${path.source.key}: ${why}`)).toEqual([
    'a: shorter AS path than 2 others; lower BGP identifier than 1 other',
    'c: longer AS path than the best',
    'd: longer AS path than the best',
    'b: as good as the best and used beside it; higher BGP identifier than the best',
  ]);
  expect([...explain(paths.slice(0, 1), paths.slice(0, 1)).values()]).toEqual(['the only path']);
});
