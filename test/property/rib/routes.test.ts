import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Path, pathOf } from '../../../bgp/rib/path.ts';
import { Routes, type Standing } from '../../../bgp/rib/routes.ts';
import type { Family } from '../../../bgp/wire/message.ts';
import { attributesOf, sourceOf } from '../../support/routes.ts';
import { prefix } from '../../support/wire.ts';

const prefixes = ['10.0.0.0/24', '10.0.1.0/24', 'fd00::/64'].map(prefix);
/** More than a word has bits. */
const most = 70;
const paths: readonly (Path | undefined)[] = [
  undefined,
  ...[1, 2, 3].map((med) => pathOf(sourceOf(), attributesOf({ med }))),
];

interface At {
  readonly source: number;
  readonly net: number;
  readonly pathId: number;
}

const which: fc.Arbitrary<At> = fc.record({
  source: fc.nat(most - 1),
  net: fc.nat(prefixes.length - 1),
  pathId: fc.nat(1),
});
const kinds = [
  'tell',
  'tell',
  'tell',
  'tell',
  'remove',
  'remove',
  'know',
  'forget',
  'grow',
  'void',
  'replace',
] as const;
const act = fc.tuple(fc.constantFrom(...kinds), which, fc.nat(3), fc.nat(3));
/** Few sources at a time tell much, or nothing would meet. */
const history = fc
  .tuple(fc.array(act, { maxLength: 80 }), fc.constantFrom(2, 3, 35, most))
  .map(([acts, sources]) =>
    acts.map(([kind, at, ...rest]) => [kind, { ...at, source: at.source % sources }, ...rest] as const),
  );

/** One row, in the plainest words. */
interface Row {
  readonly route: number;
  readonly net: number;
  readonly pathId: number;
  /** Undefined: it is gone, and the row only known by its number. */
  source: number | undefined;
  received: number;
  accepted: number;
  age: number;
  known: number;
}

const familyOf = (net: number): Family => (net === 2 ? 'ipv6-unicast' : 'ipv4-unicast');

/** The table beside the plainest model of it: a list, in the order in which the rows came. */
class Both {
  readonly routes = new Routes();
  readonly #nets = prefixes.map((one) => this.routes.nets.add(one));
  /** Numbers of the table. */
  readonly #sources = Array.from({ length: most }, () => this.routes.addSource());
  readonly #now = Array.from({ length: most * 2 }, () => ({ age: 0, span: 0 }));
  readonly #ids = paths.map((path) => (path === undefined ? 0 : this.routes.paths.hold(path)));
  #rows: Row[] = [];

  #row(at: At): Row | undefined {
    return this.#rows.find(
      ({ source, net, pathId }) => source === at.source && net === at.net && pathId === at.pathId,
    );
  }

  #time(source: number, net: number): { age: number; span: number } {
    return this.#now[source * 2 + (familyOf(net) === 'ipv4-unicast' ? 0 : 1)] as {
      age: number;
      span: number;
    };
  }

  readonly acts = {
    tell: (at: At, received: number, accepted: number): void => {
      let row = this.#row(at);
      if (row === undefined) {
        const route = this.routes.add(this.#net(at.net), this.#source(at.source), at.pathId);
        expect(this.#rows.map((one) => one.route)).not.toContain(route);
        row = { ...at, route, received: 0, accepted: 0, age: 0, known: 0 };
        this.#rows.push(row);
      } else this.routes.renew(row.route);
      this.routes.put(row.route, this.#ids[received] ?? 0, this.#ids[accepted] ?? 0);
      Object.assign(row, { received, accepted, age: this.#time(at.source, at.net).age });
    },
    remove: (at: At): void => {
      const row = this.#row(at);
      if (row !== undefined) this.#remove(row);
    },
    know: (at: At): void => {
      const row = this.#row(at);
      if (row === undefined) return;
      row.known += 1;
      this.routes.tell(row.route);
    },
    forget: (): void => {
      const row = this.#rows.find(({ known }) => known > 0);
      if (row === undefined) return;
      row.known -= 1;
      this.routes.untell(row.route);
      this.#tidy();
    },
    grow: ({ source, net }: At): void => {
      const time = this.#time(source, net);
      time.age += 1;
      time.span += 1;
      this.routes.grow(this.#source(source), familyOf(net));
    },
    void: ({ source, net }: At): void => {
      this.#time(source, net).span = 0;
      this.routes.void(this.#source(source), familyOf(net));
    },
    /** Another gets the number of a source that is gone. */
    replace: ({ source }: Pick<At, 'source'>): void => {
      for (const row of [...this.#rows]) if (row.source === source) this.#remove(row);
      this.routes.removeSource(this.#source(source));
      expect(this.routes.addSource()).toBe(this.#source(source));
    },
  };

  #net(index: number): number {
    return this.#nets[index] ?? 0;
  }

  #source(index: number): number {
    return this.#sources[index] ?? 0;
  }

  #remove(row: Row): void {
    this.routes.remove(row.route);
    Object.assign(row, { source: undefined, received: 0, accepted: 0 });
    this.#tidy();
  }

  #tidy(): void {
    this.#rows = this.#rows.filter(({ source, known }) => source !== undefined || known > 0);
  }

  #standing({ source = 0, net, age }: Row): Standing {
    const time = this.#time(source, net);
    if (age === time.age) return 'fresh';
    return time.age - age > time.span ? 'void' : 'stale';
  }

  expectSame(): void {
    for (const index of prefixes.keys()) this.#expectNet(index);
    for (const row of this.#rows) this.#expectRow(row);
    for (const source of this.#sources.keys()) this.#expectSource(source);
    expect(this.routes.size).toBe(this.#rows.length);
  }

  #expectNet(index: number): void {
    const { routes } = this;
    const net = this.#net(index);
    const rows: number[] = [];
    for (let route = routes.head(net); route > 0; route = routes.next(route)) rows.push(route);
    expect(rows).toEqual(this.#rows.filter((row) => row.net === index).map(({ route }) => route));
    for (const [source, number] of this.#sources.entries())
      for (const pathId of [0, 1])
        expect(routes.find(net, number, pathId)).toBe(this.#row({ source, net: index, pathId })?.route ?? 0);
  }

  #expectRow(row: Row): void {
    const { routes } = this;
    const { route, source, received, accepted, net, pathId } = row;
    const isVoid = source === undefined || this.#standing(row) === 'void';
    expect([routes.net(route), routes.pathId(route)]).toEqual([this.#net(net), pathId]);
    expect([routes.received(route), routes.accepted(route), routes.usable(route)]).toEqual([
      this.#ids[received],
      this.#ids[accepted],
      isVoid ? 0 : this.#ids[accepted],
    ]);
    expect(routes.source(route)).toBe(source === undefined ? 0 : this.#source(source));
    if (source !== undefined)
      expect([routes.standing(route), routes.family(route)]).toEqual([this.#standing(row), familyOf(net)]);
  }

  #expectSource(source: number): void {
    const found: number[] = [];
    for (let from = 1; from !== 0; ) {
      const route = this.routes.seek(this.#source(source), from, 7);
      if (route > 0) found.push(route);
      from = route > 0 ? route + 1 : -route;
    }
    const own = this.#rows.filter((row) => row.source === source).map(({ route }) => route);
    expect(found).toEqual(own.toSorted((a, b) => a - b));
  }

  /** Only what the rows refer to is kept. */
  expectGone(): void {
    for (const source of this.#sources.keys()) this.acts.replace({ source });
    while (this.#rows.length > 0) this.acts.forget();
    for (const id of this.#ids) this.routes.paths.drop(id);
    expect([this.routes.size, this.routes.paths.size]).toEqual([0, 0]);
    expect(this.#nets.map((net) => this.routes.head(net))).toEqual([0, 0, 0]);
  }
}

test('the table of routes is what a list of them would be, whoever told them and however many they are', () => {
  fc.assert(
    fc.property(history, (acts) => {
      const both = new Both();
      for (const [kind, at, received, accepted] of acts) both.acts[kind](at, received, accepted);
      both.expectSame();
      both.expectGone();
    }),
    { numRuns: 500 },
  );
});
