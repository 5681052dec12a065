import { describe, expect, test } from 'vitest';
import { decide } from '../../../bgp/rib/decide.ts';
import { explain } from '../../../bgp/rib/explain.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import { type Path, pathOf, type Source } from '../../../bgp/rib/path.ts';
import type { PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import { attributesOf, sequence, sourceOf } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

interface Side {
  readonly source?: Partial<Source>;
  readonly attributes?: Partial<PathAttributes>;
}

/** Where both start; each row's advantage is over this. */
const plain: Side = {
  source: { type: 'ibgp', bgpId: ipv4(9), address: address('2001:db8::9'), port: 9 },
  attributes: {
    localPref: 50,
    asPath: sequence(1, 2, 3),
    origin: 'incomplete',
    med: 90,
    clusterList: [ipv4(1), ipv4(2), ipv4(3)],
  },
};

const rows: readonly (readonly [why: string, advantage: Side])[] = [
  ['learned, while we originate the prefix', { source: { type: 'local' } }],
  ['lower LOCAL_PREF than the best', { attributes: { localPref: 51 } }],
  ['longer AS path than the best', { attributes: { asPath: sequence(1, 2) } }],
  ['higher ORIGIN than the best', { attributes: { origin: 'egp' } }],
  ['higher MED than another path by the same neighbouring AS', { attributes: { med: 89 } }],
  ['learned by iBGP, while the best is by eBGP', { source: { type: 'ebgp' } }],
  ['higher BGP identifier than the best', { source: { bgpId: ipv4(8) } }],
  ['longer cluster list than the best', { attributes: { clusterList: [ipv4(1)] } }],
  ['higher neighbour address than the best', { source: { address: address('203.0.113.9') } }],
  ['higher neighbour port than the best', { source: { port: 8 } }],
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
        const decision = decide(paths);
        expect(decision.best).toBe(winner);
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
  const rib = new LocRib();
  const at = prefix('10.0.0.0/24');
  const external = from('e', { type: 'ebgp' }, { nextHop: v4('192.0.2.1') });
  const internal = from('i', { type: 'ibgp' }, { nextHop: v4('192.0.2.2') });
  for (const path of [internal, external]) rib.offer(at, path.source.key, path);
  rib.settle();
  expect(rib.choice(at)).toEqual([external]);
});

test('a choice can be told in words', () => {
  const at = prefix('10.0.0.0/24');
  const rib = new LocRib();
  const nextHop = (index: number): Partial<PathAttributes> => ({ nextHop: ipv4(0xc0000200 + index) });
  const paths = [
    from('a', { bgpId: ipv4(1) }, { ...nextHop(1), asPath: sequence(1) }),
    from('b', { bgpId: ipv4(2) }, { ...nextHop(2), asPath: sequence(2) }),
    from('c', { bgpId: ipv4(3) }, { ...nextHop(3), asPath: [{ kind: 'sequence', asns: [asn(3), asn(4)] }] }),
    from('d', { bgpId: ipv4(4) }, { ...nextHop(4), asPath: [{ kind: 'sequence', asns: [asn(3), asn(4)] }] }),
  ];
  for (const path of paths) rib.offer(at, path.source.key, path);
  rib.settle();
  expect(
    [...explain(rib.paths(at), rib.choice(at))].map(([path, why]) => `${path.source.key}: ${why}`),
  ).toEqual([
    'a: shorter AS path than 2 others; lower BGP identifier than 1 other',
    'c: longer AS path than the best',
    'd: longer AS path than the best',
    'b: as good as the best and used beside it; higher BGP identifier than the best',
  ]);
  expect([...explain(paths.slice(0, 1), paths.slice(0, 1)).values()]).toEqual(['the only path']);
});
