/** A source has one Path for each content, however its routes came to it: as received, or as filters leave them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NamedRule } from '../../../bgp/config.ts';
import { compileGuard, compileImport } from '../../../bgp/policy/import.ts';
import { AdjRibIn } from '../../../bgp/rib/adj-rib-in.ts';
import { attributesKey } from '../../../bgp/rib/key.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import type { Path } from '../../../bgp/rib/path.ts';
import { ipv4, type Prefix, prefix4 } from '../../../src/lib/net.ts';
import { attributesOf, configOf, peerOf, sequence, sourceOf } from '../../support/routes.ts';
import { v4 } from '../../support/wire.ts';

const setsMed = (value: number): NamedRule => ({
  name: `sets MED ${value}`,
  action: 'Accept',
  operations: [{ kind: 'setMed', value }],
});

/** A neighbour whose filters make many contents one, and the tables it fills. */
function neighbour() {
  const locRib = new LocRib();
  const adjRibIn = new AdjRibIn(locRib);
  adjRibIn.open(sourceOf());
  const ruleOf = (med: number) => {
    const config = configOf();
    const filters = { importV4: [setsMed(med)], importV6: [], exportV4: [], exportV6: [] };
    return compileImport(config, peerOf({ filters }), compileGuard(config));
  };
  return { locRib, adjRibIn, ruleOf };
}

const at = (index: number): Prefix => prefix4(ipv4(v4('10.2.0.0') + index * 256), 24);

test('routes that filters leave alike are one choice, and so is one that came like that', () => {
  const { adjRibIn, locRib, ruleOf } = neighbour();
  const [rule, again] = [ruleOf(5), ruleOf(5)];
  const received = [1, 2, 5].map((med) => adjRibIn.path(attributesOf({ asPath: sequence(64_999), med })));
  const accepted = received.flatMap((path) => [rule(at(0), path), again(at(1), path)]);
  const { paths } = locRib.routes;
  const numbers = new Set(accepted.map((one) => (one.ok ? paths.hold(one.value) : one.error)));
  expect(numbers).toEqual(new Set([paths.hold(received[2] as Path)]));
});

/** What may happen to a neighbour's routes. */
class Told {
  readonly #side = neighbour();
  #rule = this.#side.ruleOf(0);

  announce(where: number, pathId: number, med: number, origin: 'igp' | 'egp'): void {
    const { adjRibIn } = this.#side;
    const path = adjRibIn.path(attributesOf({ asPath: sequence(64_999), med, origin }));
    adjRibIn.announce('ipv4-unicast', [at(where)], [pathId], path, this.#rule, Number.POSITIVE_INFINITY);
  }

  withdraw(where: number, pathId: number): void {
    this.#side.adjRibIn.withdraw(at(where), pathId);
  }

  /** So much comes and goes that every table forgets. */
  flood(med: number): void {
    for (let index = 0; index < 1500; index += 1) this.announce(9, 0, med + index, 'igp');
    this.withdraw(9, 0);
  }

  refilter(med: number): void {
    this.#rule = this.#side.ruleOf(med);
    this.#side.adjRibIn.reimport(this.#rule);
    this.#side.adjRibIn.work(Number.POSITIVE_INFINITY);
  }

  reopen(): void {
    this.#side.adjRibIn.grow('ipv4-unicast');
    this.#side.adjRibIn.open(sourceOf());
  }

  get paths(): readonly Path[] {
    return [...this.#side.locRib.routes.paths.items()];
  }
}

const few = fc.nat(3);
const act: fc.Arbitrary<(told: Told) => void> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(few, few, few, fc.constantFrom('igp' as const, 'egp' as const))
      .map((what) => (told: Told) => told.announce(...what)),
  },
  { weight: 4, arbitrary: fc.tuple(few, few).map((what) => (told: Told) => told.withdraw(...what)) },
  { weight: 1, arbitrary: fc.integer({ min: 10, max: 1e6 }).map((med) => (told: Told) => told.flood(med)) },
  { weight: 2, arbitrary: few.map((med) => (told: Told) => told.refilter(med)) },
  { weight: 1, arbitrary: fc.constant((told: Told) => told.reopen()) },
);

test('no two Paths that differ in nothing stand in the tables, whatever came, went and was asked anew', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (history) => {
      const told = new Told();
      for (const happen of history) {
        happen(told);
        const sources = [...new Set(told.paths.map(({ source }) => source))];
        const contents = told.paths.map(
          ({ source, attributes }) => `${sources.indexOf(source)} ${attributesKey(attributes)}`,
        );
        expect(new Set(contents).size).toBe(contents.length);
      }
    }),
  );
});
