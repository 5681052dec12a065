import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ImportRule } from '../../../bgp/policy/import.ts';
import { AdjRibIn } from '../../../bgp/rib/adj-rib-in.ts';
import { choose, criteriaOf } from '../../../bgp/rib/decide.ts';
import { type Choice, LocRib, leadsBy } from '../../../bgp/rib/loc-rib.ts';
import { familyOf, type Path, pathOf, type Source } from '../../../bgp/rib/path.ts';
import type { Family, PathAttributes } from '../../../bgp/wire/message.ts';
import type { Address, Prefix } from '../../../src/lib/net.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { arbitraryAttributes, sourceOf } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const prefixes = ['10.0.0.0/24', '10.0.1.0/24', 'fd00::/64'].map(prefix);
const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const sources = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((text, index) =>
  sourceOf({ key: text, address: address(text), bgpId: v4(text), type: index === 0 ? 'ibgp' : 'ebgp' }),
);

const source = fc.nat(sources.length - 1);
const family = fc.constantFrom(...families);
const acts = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('announce'),
        source,
        prefix: fc.constantFrom(...prefixes),
        pathId: fc.nat(2),
        attributes: arbitraryAttributes,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('withdraw'),
        source,
        prefix: fc.constantFrom(...prefixes),
        pathId: fc.nat(2),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow'), source, family }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('void'), source, family }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reimport'), source, rejects: fc.nat(2) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('work'), source, rows: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reach'), nextHop: fc.nat(2) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle') }) },
  ),
  { maxLength: 60 },
);

/** What one source has told, in the plainest words: by prefix and path identifier. */
interface Told {
  readonly prefix: Prefix;
  readonly attributes: PathAttributes;
  readonly isOld: boolean;
}

const origins = ['igp', 'egp', 'incomplete'] as const;
const accept =
  (rejects: PathAttributes['origin'] | undefined): ImportRule =>
  (_prefix, path) =>
    path.attributes.origin === rejects ? err('not wanted') : ok(path);

/** One source beside the plainest model of it. */
class Both {
  readonly #told = new Map<string, Told>();
  readonly #source: Source;
  readonly adjRibIn: AdjRibIn;
  #rejects: PathAttributes['origin'] | undefined;

  constructor(rib: LocRib, from: Source) {
    this.#source = from;
    this.adjRibIn = new AdjRibIn(rib);
    this.adjRibIn.open(from);
  }

  accepted(at: Prefix): readonly Path[] {
    return [...this.#told.values()]
      .filter((one) => one.prefix === at && one.attributes.origin !== this.#rejects)
      .map(({ attributes }) => pathOf(this.#source, attributes));
  }

  announce(at: Prefix, pathId: number, attributes: PathAttributes): void {
    const path = this.adjRibIn.path(attributes);
    this.adjRibIn.announce(familyOf(at), [at], [pathId], path, accept(this.#rejects), 100);
    this.#told.set(`${at} ${pathId}`, { prefix: at, attributes, isOld: false });
  }

  withdraw(at: Prefix, pathId: number): void {
    const was = this.adjRibIn.withdraw(at, pathId);
    // What is void may still be there, waiting to be swept.
    if (this.#told.delete(`${at} ${pathId}`)) expect(was).toBe(true);
  }

  grow(of: Family): void {
    this.void(of);
    this.adjRibIn.grow(of);
    for (const [key, one] of this.#told)
      if (familyOf(one.prefix) === of) this.#told.set(key, { ...one, isOld: true });
  }

  void(of: Family): void {
    this.adjRibIn.void(of);
    for (const [key, one] of this.#told) if (familyOf(one.prefix) === of && one.isOld) this.#told.delete(key);
  }

  reimport(rejects: PathAttributes['origin'] | undefined): void {
    this.#rejects = rejects;
    this.adjRibIn.reimport(accept(rejects));
  }

  expectCounts(): void {
    const told = [...this.#told.values()];
    const { size, staleSize, acceptedSize } = this.adjRibIn;
    expect([size, staleSize]).toEqual([
      told.filter((one) => !one.isOld).length,
      told.filter((one) => one.isOld).length,
    ]);
    expect(acceptedSize).toBe(told.filter((one) => one.attributes.origin !== this.#rejects).length);
  }
}

type Act = typeof acts extends fc.Arbitrary<readonly (infer A)[]> ? A : never;
interface Around {
  readonly settle: () => void;
  /** A next hop is reached that was not, or the other way round. */
  readonly reach: (nextHop: number) => void;
}
type Row = {
  readonly [K in Act['kind']]: (act: Extract<Act, { readonly kind: K }>, at: Both, around: Around) => void;
};
const rows: Row = {
  announce: ({ prefix: at, pathId, attributes }, one) => one.announce(at, pathId, attributes),
  withdraw: ({ prefix: at, pathId }, one) => one.withdraw(at, pathId),
  grow: (act, one) => one.grow(act.family),
  void: (act, one) => one.void(act.family),
  reimport: ({ rejects }, one) => one.reimport(origins[rejects]),
  work: (act, one) => void one.adjRibIn.work(act.rows),
  settle: (_act, _one, { settle }) => settle(),
  reach: ({ nextHop }, _one, { reach }) => reach(nextHop),
};
const perform = <A extends Act>(act: A, at: Both, around: Around): void =>
  (rows[act.kind] as (act: A, at: Both, around: Around) => void)(act, at, around);

const alike = ({ source: from, attributes }: Path): unknown => [from.key, attributes];

function follow(rib: LocRib, heard: Map<Prefix, Choice>, most?: number): void {
  rib.settle((net, before, after) => {
    const at = rib.routes.nets.prefix(net);
    expect(before).toEqual(heard.get(at) ?? []);
    if (after.length === 0) heard.delete(at);
    else heard.set(at, after);
  }, most);
}

function expectSame(rib: LocRib, ends: readonly Both[], heard: ReadonlyMap<Prefix, Choice>): void {
  for (const at of prefixes) {
    const expected = choose(
      ends.flatMap((end) => end.accepted(at)),
      rib.criteria,
    ).map(alike);
    expect(rib.choice(at).map(alike)).toEqual(expected);
    expect((heard.get(at) ?? []).map(alike)).toEqual(expected);
  }
  for (const end of ends) end.expectCounts();
}

test('after any history the Loc-RIB is what is left of it would give alone, and its changes tell it all', () => {
  fc.assert(
    fc.property(acts, (history) => {
      const rib = new LocRib();
      const unreached = new Set<Address>();
      rib.criteria = criteriaOf({}, (nextHop) => (unreached.has(nextHop) ? undefined : 0));
      const ends = sources.map((one) => new Both(rib, one));
      const heard = new Map<Prefix, Choice>();
      const around: Around = {
        settle: () => follow(rib, heard, 2),
        reach: (index) => {
          const nextHop = address(`192.0.2.${index + 1}`);
          if (!unreached.delete(nextHop)) unreached.add(nextHop);
          rib.reconsider(leadsBy(new Set([nextHop])));
        },
      };
      for (const act of history) {
        const end = ends['source' in act ? act.source : 0];
        if (end !== undefined) perform(act, end, around);
      }
      for (const { adjRibIn } of ends) adjRibIn.work(Number.POSITIVE_INFINITY);
      follow(rib, heard);

      expectSame(rib, ends, heard);

      for (const { adjRibIn } of ends) {
        adjRibIn.close();
        adjRibIn.work(Number.POSITIVE_INFINITY);
      }
      follow(rib, heard);
      expect([rib.size, rib.routes.size, rib.routes.nets.size, rib.routes.paths.size]).toEqual([0, 0, 0, 0]);
    }),
    { numRuns: 1000 },
  );
});
