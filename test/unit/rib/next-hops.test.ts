import { expect, test } from 'vitest';
import type { ImportRule } from '../../../bgp/policy/import.ts';
import { AdjRibIn } from '../../../bgp/rib/adj-rib-in.ts';
import { criteriaOf } from '../../../bgp/rib/decide.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import { pathOf } from '../../../bgp/rib/path.ts';
import type { Address } from '../../../src/lib/net.ts';
import { ok } from '../../../src/lib/result.ts';
import { attributesOf, sequence, sourceOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const asIs: ImportRule = (_prefix, path) => ok(path);
const by =
  (nextHop: Address): ImportRule =>
  (_prefix, path) =>
    ok(pathOf(path.source, { ...path.attributes, nextHop }));

test('a next hop is asked for as soon as a path has it, be it the best or not, and be it import policy that says so', () => {
  const asked = new Set<Address>();
  const rib = new LocRib();
  rib.criteria = criteriaOf({}, (nextHop) => {
    asked.add(nextHop);
    return 0;
  });
  const [a, b, c] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(address) as [Address, Address, Address];
  const [better, worse] = [a, b].map((from, index) => {
    const source = sourceOf({ key: `${index}`, address: from });
    const adjRibIn = new AdjRibIn(rib);
    adjRibIn.open(source);
    const asPath = sequence(...Array.from({ length: index + 1 }, () => 64_601));
    const path = pathOf(source, attributesOf({ asPath, nextHop: from }));
    adjRibIn.announce('ipv4-unicast', [prefix('10.0.0.0/24')], undefined, path, asIs, 10);
    rib.settle(() => undefined);
    return adjRibIn;
  }) as [AdjRibIn, AdjRibIn];

  expect([...asked]).toEqual([a, b]);

  worse.reimport(by(c));
  worse.work(Number.POSITIVE_INFINITY);
  rib.settle(() => undefined);

  expect([...asked]).toEqual([a, b, c]);
  expect([better.acceptedSize, worse.acceptedSize]).toEqual([1, 1]);
  expect(rib.choice(prefix('10.0.0.0/24')).map(({ nextHop }) => nextHop)).toEqual([a]);
});
