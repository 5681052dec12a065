import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ExportRule } from '../../../bgp/policy/export.ts';
import { AdjRibIn } from '../../../bgp/rib/adj-rib-in.ts';
import { AdjRibOut } from '../../../bgp/rib/adj-rib-out.ts';
import { LocRib } from '../../../bgp/rib/loc-rib.ts';
import { familyOf, type Path } from '../../../bgp/rib/path.ts';
import { Sets } from '../../../bgp/rib/sets.ts';
import { type Member, type Says, UpdateGroups } from '../../../bgp/rib/update-group.ts';
import type { Family, PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4, type Prefix, prefix4 } from '../../../src/lib/net.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { attributesOf, sequence, sourceOf } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const prefixes = ['10.0.0.0/24', '10.0.0.0/23', '10.0.2.0/24', '10.0.3.0/24', 'fd00::/64', 'fd00:1::/80'].map(
  prefix,
);
const keys = ['first', 'second'];
const ownAddress = address('192.0.2.100');
/** What members differ in: a source of routes, an AS of paths, a next hop of paths, and nothing. */
const members: readonly Omit<Member, 'group'>[] = [
  { key: 'first', asn: asn(90), address: address('192.0.2.90') },
  { key: 'other', asn: asn(65_001), address: address('192.0.2.91') },
  { key: 'third', asn: asn(92), address: address('192.0.2.2') },
  { key: 'fourth', asn: asn(93), address: address('192.0.2.93') },
  { key: 'fifth', asn: asn(94), address: address('192.0.2.94') },
];

const setOf = (at: Prefix, index: number): PathAttributes =>
  attributesOf({
    med: index % 2,
    asPath: sequence(65_000 + (index >> 1)),
    nextHop: address(typeof at === 'number' ? (index > 2 ? '192.0.2.2' : '192.0.2.1') : '2001:db8::1'),
  });

/** As export policy: nothing back to whom it is from, no loops, and nobody is its own next hop. */
function ruleOf(member: Member, rejected: number): ExportRule {
  const rule = (_: Prefix, { source, attributes }: Path) => {
    if (source.key === member.key || attributes.med === rejected) return err('not for them');
    if (attributes.asPath.some(({ asns }) => member.asn !== undefined && asns.includes(member.asn)))
      return err('a loop');
    return ok(attributes.nextHop === member.address ? { ...attributes, nextHop: ownAddress } : attributes);
  };
  return Object.assign(rule, { member });
}

const textOf = (at: Prefix, { med, asPath, nextHop }: PathAttributes): string =>
  `${at} ${med} ${asPath[0]?.asns} ${nextHop}`;

/** One neighbour and what it believes. */
class Pair {
  readonly heard = new Map<Prefix, string>();
  readonly ends: Family[] = [];
  isRefreshed = false;
  readonly who: Omit<Member, 'group'>;
  rule: ExportRule;
  out: AdjRibOut;

  constructor(world: World, who: Omit<Member, 'group'>) {
    this.who = who;
    this.rule = world.ruleOf(who);
    this.out = world.open(this.rule);
  }

  drain(most: number): readonly Says[] {
    const says = this.out.drain(most);
    for (const one of says) {
      if (one.kind !== 'update') {
        expect(this.isRefreshed, 'a refresh is told to who asked').toBe(true);
        continue;
      }
      if (one.endOfRib !== undefined) this.ends.push(one.endOfRib);
      for (const at of one.withdrawn) expect(this.heard.delete(at), 'what is taken back was told').toBe(true);
      for (const { attributes, prefixes: told } of one.announced)
        for (const at of told) this.heard.set(at, textOf(at, attributes));
    }
    return says;
  }

  catchUp(most: number): void {
    while (this.out.isDue) this.drain(most);
  }
}

class World {
  readonly rib = new LocRib();
  readonly told = new Sets();
  readonly groups = new UpdateGroups();
  readonly ins = keys.map((key, index) => {
    const adjRibIn = new AdjRibIn(this.rib);
    adjRibIn.open(
      sourceOf({ key, bgpId: v4(`192.0.2.${index + 1}`), address: address(`192.0.2.${index + 1}`) }),
    );
    return adjRibIn;
  });
  rejected = 9;
  readonly pairs: Pair[];

  constructor(who: readonly Omit<Member, 'group'>[] = members) {
    this.pairs = who.map((one) => new Pair(this, one));
  }

  ruleOf(who: Omit<Member, 'group'>): ExportRule {
    const name = `all but ${this.rejected}`;
    return ruleOf({ ...who, group: () => name }, this.rejected);
  }

  open(rule: ExportRule): AdjRibOut {
    return new AdjRibOut(this.rib, this.told, {
      families,
      rule,
      groups: this.groups,
      isRefreshMarked: true,
    });
  }

  announce(from: number, at: Prefix, set: number): void {
    const adjRibIn = this.ins[from] as AdjRibIn;
    adjRibIn.announce(
      familyOf(at),
      [at],
      undefined,
      adjRibIn.path(setOf(at, set)),
      (_, one) => ok(one),
      Number.POSITIVE_INFINITY,
    );
    this.rib.settle(() => undefined);
  }

  withdraw(from: number, at: Prefix): void {
    this.ins[from]?.withdraw(at, 0);
    this.rib.settle(() => undefined);
  }

  renew(rejected: number): void {
    this.rejected = rejected;
    for (const pair of this.pairs) {
      pair.rule = this.ruleOf(pair.who);
      pair.out.renew(pair.rule, new Map(), new Map());
    }
  }

  end(out: AdjRibOut): void {
    out.close();
    while (out.isBusy) out.work(2);
  }

  expectRight(): void {
    for (const { rule, heard, ends, out } of this.pairs) {
      const wanted = prefixes.flatMap((at) => {
        const [best] = this.rib.choice(at);
        const exported = best && rule(at, best);
        return exported?.ok === true ? [textOf(at, exported.value)] : [];
      });
      expect([...heard.values()].sort()).toEqual(wanted.sort());
      expect([...out.told()].map(([at, attributes]) => textOf(at, attributes)).sort()).toEqual(wanted);
      expect(out.size).toBe(wanted.length);
      expect(ends).toEqual(families);
    }
  }

  expectClean(): void {
    for (const { out } of this.pairs) this.end(out);
    for (const adjRibIn of this.ins) {
      adjRibIn.close();
      adjRibIn.work(Number.POSITIVE_INFINITY);
    }
    this.rib.settle(() => undefined);
    const { size, routes } = this.rib;
    expect([
      this.told.size,
      this.groups.size,
      size,
      routes.size,
      routes.nets.size,
      routes.paths.size,
    ]).toEqual([0, 0, 0, 0, 0, 0]);
  }
}

const nobody = members.length;
const act = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('announce'),
      from: fc.nat(1),
      at: fc.constantFrom(...prefixes),
      set: fc.nat(3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('withdraw'),
      from: fc.nat(1),
      at: fc.constantFrom(...prefixes),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('drain'),
      who: fc.nat(nobody - 1),
      most: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('all'), most: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('resend'),
      who: fc.nat(nobody - 1),
      family: fc.constantFrom(...families),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew'), rejected: fc.constantFrom(0, 1, 9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart'), who: fc.nat(nobody - 1) }) },
);

type Act = typeof act extends fc.Arbitrary<infer A> ? A : never;

function perform(world: World, one: Act): void {
  if (one.kind === 'announce') world.announce(one.from, one.at, one.set);
  else if (one.kind === 'withdraw') world.withdraw(one.from, one.at);
  else if (one.kind === 'drain') world.pairs[one.who]?.drain(one.most);
  else if (one.kind === 'all') for (const pair of world.pairs) pair.drain(one.most);
  else if (one.kind === 'resend') {
    const pair = world.pairs[one.who] as Pair;
    pair.isRefreshed = true;
    pair.out.resend(one.family);
  } else if (one.kind === 'renew') world.renew(one.rejected);
  else {
    const pair = world.pairs[one.who] as Pair;
    world.end(pair.out);
    pair.heard.clear();
    pair.ends.length = 0;
    pair.isRefreshed = false;
    pair.out = world.open(pair.rule);
  }
}

test('after any history each neighbour of a group has exactly what its own policy says, whoever was asked for it', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (history, most) => {
      const world = new World();
      for (const one of history) perform(world, one);
      for (const pair of world.pairs) pair.catchUp(most);
      world.expectRight();
      world.expectClean();
    }),
    { numRuns: 2000 },
  );
});

/** Both at rest with nothing to tell, and how often each was asked for its policy since. */
function pairAtRest(): { readonly world: World; readonly asked: () => readonly number[] } {
  const world = new World(members.slice(3));
  const counts = world.pairs.map(() => 0);
  world.pairs.forEach((pair, index) => {
    const { rule } = pair;
    const counting: ExportRule = Object.assign(
      (at: Prefix, path: Path) => {
        counts[index] = (counts[index] ?? 0) + 1;
        return rule(at, path);
      },
      { member: rule.member },
    );
    pair.out.renew(counting, new Map(), new Map());
    pair.catchUp(10);
  });
  counts.fill(0);
  return { world, asked: () => counts };
}

test('what one neighbour of a group was told another is told without being asked for its policy, in the same messages', () => {
  const { world, asked } = pairAtRest();
  const [first, second] = world.pairs as [Pair, Pair];
  for (const at of prefixes) world.announce(0, at, 0);
  const said = first.drain(10);
  expect(said.length).toBeGreaterThan(0);
  expect(second.drain(10)).toBe(said);
  for (const at of prefixes.slice(0, 3)) world.withdraw(0, at);
  const taken = second.drain(10);
  expect(taken).toHaveLength(1);
  expect(first.drain(10)).toBe(taken);
  expect(asked()).toEqual([prefixes.length, 0]);
  world.expectRight();
  world.expectClean();
});

test('a neighbour whose AS a path holds works it out by itself, and what it is told nobody else is', () => {
  const world = new World(members.slice(1, 4));
  const [looped, third, fourth] = world.pairs as [Pair, Pair, Pair];
  for (const pair of world.pairs) pair.catchUp(10);
  world.announce(0, prefix('10.0.2.0/24'), 2);
  expect(looped.drain(10)).toEqual([]);
  const said = third.drain(10);
  expect(said).toHaveLength(1);
  expect(fourth.drain(10)).toBe(said);
  world.expectRight();
  world.expectClean();
});

test('who was behind while the number of a net was given to another is told of the net it is now', () => {
  const { world } = pairAtRest();
  const [first, second] = world.pairs as [Pair, Pair];
  const [stays, before, after] = ['10.0.0.0/24', '10.0.2.0/24', '10.0.3.0/24'].map(prefix) as [
    Prefix,
    Prefix,
    Prefix,
  ];
  for (const at of [stays, before]) world.announce(0, at, 0);
  const number = world.rib.routes.nets.find(before);
  first.drain(10);
  world.withdraw(0, before);
  first.drain(10);
  world.announce(0, after, 0);
  expect(world.rib.routes.nets.find(after)).toBe(number);
  expect(first.drain(10)).toHaveLength(1);
  second.catchUp(10);
  world.expectRight();
  world.expectClean();
});

test('what is kept for those that are behind is given back when the last but one of a group goes', () => {
  const { world } = pairAtRest();
  const [first, second] = world.pairs as [Pair, Pair];
  world.announce(0, prefix('10.0.2.0/24'), 0);
  first.drain(10);
  world.withdraw(0, prefix('10.0.2.0/24'));
  world.end(first.out);
  expect(world.told.size).toBe(0);
  world.end(second.out);
  expect(world.groups.size).toBe(0);
});

test('what a neighbour worked out by itself is not kept for it', () => {
  const { world } = pairAtRest();
  const [first, second] = world.pairs as [Pair, Pair];
  for (const at of prefixes) world.announce(0, at, 0);
  first.catchUp(1);
  second.isRefreshed = true;
  second.out.resend('ipv4-unicast');
  second.catchUp(10);
  for (const at of prefixes) world.withdraw(0, at);
  for (const pair of world.pairs) pair.catchUp(10);
  expect(world.told.size).toBe(0);
});

test('those that are behind by more than is kept work out what is missing, and what one of them did the others say too', () => {
  const world = new World([...members.slice(2), { key: 'sixth', address: address('192.0.2.96') }]);
  const [first, second, third, stopped] = world.pairs as [Pair, Pair, Pair, Pair];
  for (const pair of world.pairs) pair.catchUp(10);
  const many = 100_000;
  for (let index = 0; index < many; index += 1)
    world.announce(0, prefix4(ipv4(0x14_00_00_00 + index * 256), 24), 0);
  const best = world.rib.best.bind(world.rib);
  let asked = 0;
  world.rib.best = (net) => {
    asked += 1;
    return best(net);
  };
  first.catchUp(4000);
  expect(asked).toBeGreaterThanOrEqual(many);
  asked = 0;
  while (second.out.isDue || third.out.isDue) for (const pair of [second, third]) pair.drain(4000);
  // What did not fit when the first came by, and once for both.
  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThan(many / 2);
  stopped.catchUp(4000);
  for (const { heard } of world.pairs) expect(heard.size).toBe(many);
});
