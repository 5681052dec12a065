import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ExportRule } from '../../../bgp/policy/export.ts';
import { AdjRibIn } from '../../../bgp/rib/adj-rib-in.ts';
import { AdjRibOut, type OutOptions } from '../../../bgp/rib/adj-rib-out.ts';
import { ranked } from '../../../bgp/rib/decide.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import { familyOf } from '../../../bgp/rib/path.ts';
import { Sets } from '../../../bgp/rib/sets.ts';
import type { Family, PathAttributes } from '../../../bgp/wire/message.ts';
import { comparePrefixes, type Prefix } from '../../../src/lib/net.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { attributesOf, sourceOf } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const prefixes = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', 'fd00::/64', 'fd00:0:0:1::/64'].map(prefix);
const sources = ['192.0.2.1', '192.0.2.2'].map((text) =>
  sourceOf({ key: text, address: address(text), bgpId: v4(text) }),
);
const sets = {
  4: [1, 2, 3].map((med) => attributesOf({ med, nextHop: address('192.0.2.1') })),
  6: [1, 2, 3].map((med) => attributesOf({ med, nextHop: address('2001:db8::1') })),
};
const setOf = (at: Prefix, index: number): PathAttributes =>
  sets[typeof at === 'number' ? 4 : 6][index] ?? attributesOf();

/** As `rejected`: all there is, and it says so beforehand. */
const everything = 4;

const act = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('announce'),
      source: fc.nat(1),
      at: fc.constantFrom(...prefixes),
      pathId: fc.nat(1),
      set: fc.nat(2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('withdraw'),
      source: fc.nat(1),
      at: fc.constantFrom(...prefixes),
      pathId: fc.nat(1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drain'), limit: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resend'), family: fc.constantFrom(...families) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew'), rejected: fc.nat(everything) }) },
);
const acts = fc.array(act, { maxLength: 60 });

/** Rejects what carries this MED; 0: nothing. */
function ruleOf(rejected: number): ExportRule {
  if (rejected === everything)
    return Object.assign(() => err('nothing is for them'), { mute: new Set(families) });
  return (_prefix, path) => (path.attributes.med === rejected ? err('not for them') : ok(path.attributes));
}

type Says = ReturnType<AdjRibOut['drain']>[number];

/** A neighbour that believes what it is told, in order. */
class ModelNeighbour {
  readonly table = new Map<string, readonly [Prefix, PathAttributes]>();
  readonly ends: Family[] = [];
  readonly heard = new Set<Prefix>();
  readonly marks: string[] = [];

  hear(messages: readonly Says[]): void {
    for (const message of messages) {
      if (message.kind === 'routeRefresh') {
        this.marks.push(`${message.subtype} ${message.family}`);
        continue;
      }
      message.withdrawn.forEach((at, index) => {
        expect(this.table.delete(`${at} ${message.withdrawnIds?.[index] ?? 0}`)).toBe(true);
      });
      for (const { family, attributes, prefixes: announced, pathIds } of message.announced) {
        announced.forEach((at, index) => {
          expect(familyOf(at)).toBe(family);
          this.table.set(`${at} ${pathIds?.[index] ?? 0}`, [at, attributes]);
          this.heard.add(at);
        });
      }
      if (message.endOfRib !== undefined) this.ends.push(message.endOfRib);
    }
  }

  /** Prefix by prefix what it knows, in an order of its own. */
  known(): readonly string[] {
    return [...this.table.values()].map(([at, { med }]) => `${at} med ${med}`).sort();
  }
}

class Bench {
  readonly rib = new LocRib();
  readonly told = new Sets();
  readonly ins = sources.map((one) => {
    const adjRibIn = new AdjRibIn(this.rib);
    adjRibIn.open(one);
    return adjRibIn;
  });
  readonly neighbour = new ModelNeighbour();
  readonly out: AdjRibOut;
  rule = ruleOf(0);

  constructor(options: Partial<OutOptions> = {}) {
    this.out = new AdjRibOut(this.rib, this.told, { families, rule: this.rule, ...options });
  }

  announce(at: Prefix, set: number, from = 0, pathId = 0): void {
    const adjRibIn = this.ins[from] as AdjRibIn;
    // The attributes are interned by each source of its own; by one table they are one.
    const path = { ...adjRibIn.path(setOf(at, set)), attributes: setOf(at, set) };
    adjRibIn.announce(familyOf(at), [at], [pathId], path, (_, one) => ok(one), 100);
    this.settle();
  }

  settle(): void {
    this.rib.settle(() => undefined);
  }

  drain(limit = 2): void {
    this.neighbour.hear(this.out.drain(limit));
  }

  catchUp(limit = 2): void {
    while (this.out.isDue) this.drain(limit);
  }
}

function play(
  bench: Bench,
  history: readonly (typeof act extends fc.Arbitrary<infer A> ? A : never)[],
): void {
  for (const one of history) {
    if (one.kind === 'announce') bench.announce(one.at, one.set, one.source, one.pathId);
    else if (one.kind === 'withdraw') {
      bench.ins[one.source]?.withdraw(one.at, one.pathId);
      bench.settle();
    } else if (one.kind === 'drain') bench.drain(one.limit);
    else if (one.kind === 'resend') bench.out.resend(one.family);
    else {
      bench.rule = ruleOf(one.rejected);
      bench.out.renew(bench.rule, new Map(), new Map());
    }
    expect(bench.out.size).toBe(bench.neighbour.table.size);
  }
}

/** Ends everything; nothing may be left in any table. */
function expectClean({ out, ins, rib, told }: Bench): void {
  out.close();
  while (out.isBusy) out.work(2);
  for (const adjRibIn of ins) {
    adjRibIn.close();
    adjRibIn.work(Number.POSITIVE_INFINITY);
  }
  rib.settle(() => undefined);
  const left = [told.size, rib.size, rib.routes.size, rib.routes.nets.size, rib.routes.paths.size];
  expect(left).toEqual([0, 0, 0, 0, 0]);
}

test('after any history the neighbour has exactly what it should, each prefix by the right path', () => {
  fc.assert(
    fc.property(acts, (history) => {
      const bench = new Bench();
      play(bench, history);
      bench.catchUp();
      const wanted = prefixes.flatMap((at) => {
        const [best] = bench.rib.choice(at);
        const exported = best && bench.rule(at, best);
        return exported?.ok === true ? [`${at} med ${exported.value.med}`] : [];
      });
      expect(bench.neighbour.known()).toEqual(wanted.sort());
      expect([...bench.out.told()].map(([at, { med }]) => `${at} med ${med}`).sort()).toEqual(wanted);
      expect(bench.neighbour.ends).toEqual(families);
      expectClean(bench);
    }),
    { numRuns: 1000 },
  );
});

test('RFC 7911 §5: a neighbour that takes several paths has the best of them, each under an identifier of its own', () => {
  const withoutPolicyChange = acts.map((history) => history.filter(({ kind }) => kind !== 'renew'));
  fc.assert(
    fc.property(withoutPolicyChange, fc.constantFrom(1, 2, Number.POSITIVE_INFINITY), (history, most) => {
      const several = new Map<Family, number>([['ipv4-unicast', most]]);
      const bench = new Bench({ several });
      play(bench, history);
      bench.catchUp();
      const wanted = prefixes.flatMap((at) => {
        const paths = ranked(bench.rib.paths(at), undefined, familyOf(at) === 'ipv4-unicast' ? most : 1);
        return paths.map(({ attributes }) => `${at} med ${attributes.med}`);
      });
      expect(bench.neighbour.known()).toEqual(wanted.sort());
      expectClean(bench);
    }),
    { numRuns: 1000 },
  );
});

test('RFC 7911 §5: a path keeps its identifier while it is told, however its attributes and its rank change', () => {
  const bench = new Bench({ several: new Map([['ipv4-unicast', Number.POSITIVE_INFINITY]]) });
  const at = prefix('10.0.0.0/24');
  bench.announce(at, 0, 0);
  bench.announce(at, 1, 1);
  bench.catchUp();
  const before = [...bench.neighbour.table.keys()];
  bench.announce(at, 2, 0);
  bench.catchUp();
  expect([...bench.neighbour.table.keys()]).toEqual(before);
  expect(before).toHaveLength(2);
});

test('a neighbour with a limit is told the lowest prefixes only, and never one more at any moment', () => {
  fc.assert(
    fc.property(acts, fc.integer({ min: 0, max: 2 }), (history, most) => {
      const bench = new Bench({ limits: new Map<Family, number>([['ipv4-unicast', most]]) });
      const hear = bench.neighbour.hear.bind(bench.neighbour);
      bench.neighbour.hear = (messages) => {
        for (const message of messages) {
          hear([message]);
          const count = [...bench.neighbour.table.values()].filter(([at]) => typeof at === 'number').length;
          expect(count).toBeLessThanOrEqual(most);
        }
      };
      play(
        bench,
        history.filter(({ kind }) => kind !== 'renew'),
      );
      bench.catchUp();
      const known = prefixes.filter((at) => bench.rib.choice(at).length > 0).sort(comparePrefixes);
      const lowest = known.filter((at) => typeof at === 'number').slice(0, most);
      const wanted = [...lowest, ...known.filter((at) => typeof at !== 'number')];
      expect([...bench.neighbour.table.values()].map(([at]) => at).sort(comparePrefixes)).toEqual(wanted);
      expect(bench.out.withheldOf('ipv4-unicast')).toBe(
        Math.max(0, known.filter((at) => typeof at === 'number').length - most),
      );
      expectClean(bench);
    }),
    { numRuns: 500 },
  );
});

test('RFC 2918 §4: a Route Refresh has every prefix of the family said once more, and no other', () => {
  fc.assert(
    fc.property(acts, fc.constantFrom(...families), (history, family) => {
      const bench = new Bench();
      play(bench, history);
      bench.catchUp();
      bench.neighbour.heard.clear();
      bench.out.resend(family);
      bench.catchUp();
      const known = [...bench.neighbour.table.values()].map(([at]) => at);
      expect(bench.neighbour.heard).toEqual(new Set(known.filter((at) => familyOf(at) === family)));
    }),
  );
});

test('RFC 7313 §4: a refresh is told between its begin and its end, and not before the End-of-RIB', () => {
  const bench = new Bench({ isRefreshMarked: true, isEndHeld: true });
  bench.announce(prefix('10.0.0.0/24'), 1);
  bench.out.resend('ipv4-unicast');
  bench.catchUp();
  expect([bench.neighbour.marks, bench.neighbour.ends]).toEqual([[], []]);
  bench.out.release();
  bench.neighbour.heard.clear();
  bench.catchUp();
  expect(bench.neighbour.ends).toEqual(families);
  expect(bench.neighbour.marks).toEqual(['begin ipv4-unicast', 'end ipv4-unicast']);
  expect([...bench.neighbour.heard]).toEqual([prefix('10.0.0.0/24')]);
});

test('a prefix that changes a thousand times while the neighbour is slow is told once, in its newest form', () => {
  const bench = new Bench();
  const at = prefix('10.0.0.0/24');
  for (let turn = 0; turn < 1000; turn += 1) bench.announce(at, turn % 3);
  const announced = bench.out
    .drain(100)
    .flatMap((message) => (message.kind === 'update' ? message.announced : []));
  expect(announced).toEqual([{ family: 'ipv4-unicast', attributes: setOf(at, 0), prefixes: [at] }]);
});

test('prefixes that share their attributes share one announcement', () => {
  const bench = new Bench();
  for (const at of prefixes.slice(0, 3)) bench.announce(at, 1);
  const [update, end, ...more] = bench.out.drain(100).filter((message) => message.kind === 'update');
  expect(update?.announced.map((announcement) => announcement.prefixes)).toEqual([prefixes.slice(0, 3)]);
  expect([end?.endOfRib, more.map((message) => message.endOfRib)]).toEqual([
    'ipv4-unicast',
    ['ipv6-unicast'],
  ]);
});

test('RFC 4724 §2: End-of-RIB follows the last of the initial dump, however many drains that takes', () => {
  const bench = new Bench({ families: ['ipv4-unicast'] });
  for (const at of prefixes.slice(0, 3)) bench.announce(at, 1);
  const order: string[] = [];
  while (bench.out.isDue)
    for (const message of bench.out.drain(1))
      if (message.kind === 'update') order.push(message.endOfRib === undefined ? 'routes' : 'end');
  expect(order).toEqual(['routes', 'routes', 'routes', 'end']);
});

test('a neighbour that is told two prefixes of a hundred thousand costs two pages', () => {
  const bench = new Bench({
    rule: (at, path) => (lucky.has(at) ? ok(path.attributes) : err('not for them')),
  });
  const adjRibIn = bench.ins[0] as AdjRibIn;
  const many = Array.from({ length: 100_000 }, (_, index) => ((0x0b00_0000 + index) * 64 + 32) as Prefix);
  const lucky = new Set([many[5], many[99_000]]);
  adjRibIn.announce('ipv4-unicast', many, undefined, adjRibIn.path(attributesOf()), (_, one) => ok(one), 1e9);
  bench.settle();
  bench.catchUp(4000);
  expect([...bench.out.told()].map(([at]) => at)).toEqual([...lucky]);
  expect(bench.out.pages).toBe(2);
});
