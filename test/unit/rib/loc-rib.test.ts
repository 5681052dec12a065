import { expect, test } from 'vitest';
import { AdjRibIn } from '../../../bgp/rib/adj-rib-in.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import { pathOf } from '../../../bgp/rib/path.ts';
import { ok } from '../../../src/lib/result.ts';
import { attributesOf, sequence, sourceOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

test('a better path whose neighbour is gone before anything is decided is not chosen', () => {
  const rib = new LocRib();
  const net = prefix('10.0.0.0/24');
  const tell = (from: string, length: number): AdjRibIn => {
    const source = sourceOf({ key: from, address: address(from) });
    const adjRibIn = new AdjRibIn(rib);
    adjRibIn.open(source);
    const asPath = sequence(...Array.from({ length }, () => 64_601));
    const path = pathOf(source, attributesOf({ asPath, nextHop: source.address }));
    adjRibIn.announce('ipv4-unicast', [net], undefined, path, (_prefix, told) => ok(told), 10);
    return adjRibIn;
  };
  const settle = (): readonly string[] => {
    rib.settle(() => undefined);
    return rib.choice(net).map(({ source }) => source.key);
  };
  tell('192.0.2.1', 3);
  expect(settle()).toEqual(['192.0.2.1']);

  const second = tell('192.0.2.2', 2);
  second.grow('ipv4-unicast');
  second.void('ipv4-unicast');
  expect(settle()).toEqual(['192.0.2.1']);

  tell('192.0.2.3', 1);
  tell('192.0.2.4', 2);
  expect(settle()).toEqual(['192.0.2.3']);
});
