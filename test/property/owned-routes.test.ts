import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { Route } from '../../src/kernel/kernel.ts';
import { OwnedRoutes } from '../../src/kernel/owned-routes.ts';
import { type Address, type Prefix, parseAddress, parsePrefix } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { type VirtualClock, virtualClock } from '../support/clock.ts';
import { createFakeKernel, type FakeKernel } from '../support/fake-kernel.ts';

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;
const address = (text: string): Address => parseAddress(text) as Address;
const prefixes = ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24', 'fd00:1::/64', 'fd00:2::/64'].map(prefix);
const gateways4 = ['172.30.0.11', '172.30.0.12'].map(address);
const gateways6 = ['fd00:30::11', 'fd00:30::12'].map(address);

const routeOf = (dst: Prefix, hops: readonly number[], protocol = 80): Route => ({
  dst,
  table: 254,
  protocol,
  metric: 1024,
  type: hops.length === 0 ? 'unreachable' : 'unicast',
  nextHops: hops.map((hop) => ({ via: (typeof dst === 'number' ? gateways4 : gateways6)[hop] as Address })),
});

const where = { protocol: 80, table: 254, metric: () => 1024 };

let kernel: FakeKernel;
let clock: VirtualClock;
let routes: OwnedRoutes;

beforeEach(async () => {
  await begin();
});

async function begin(): Promise<void> {
  kernel = createFakeKernel();
  clock = virtualClock();
  kernel.addLink({ name: 'eth0' });
  await kernel.setLink('eth0', { up: true });
  await kernel.addAddress('eth0', { address: address('172.30.0.1'), length: 24 });
  await kernel.addAddress('eth0', { address: address('fd00:30::1'), length: 64 });
  routes = new OwnedRoutes({ ...where, kernel: withSlowDumps(kernel), clock, random: seededRandom(1) });
}

/** What is listed is some steps old when it arrives: much can happen in between. */
const withSlowDumps = (port: FakeKernel): FakeKernel => ({
  ...port,
  routes: async (filter) => {
    const listed = await port.routes(filter);
    for (let tick = 0; tick < 3; tick += 1) await Promise.resolve();
    return listed;
  },
});

/** Runs timers and what they awaited until nothing is due within a minute. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) {
    clock.advance(1000);
    for (let tick = 0; tick < 8; tick += 1) await Promise.resolve();
  }
}

/** A round gets under way, and no further than some steps of its own: what comes next meets it in the middle. */
async function breath(ticks: number): Promise<void> {
  clock.advance(50);
  for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
}

const inKernel = async (protocol: number): Promise<readonly Route[]> => [
  ...(await kernel.routes({ version: 4, protocol })),
  ...(await kernel.routes({ version: 6, protocol })),
];

const shape = (list: readonly Route[]): readonly string[] =>
  list.map((route) => `${route.dst} ${route.type} ${route.nextHops.map((hop) => hop.via).sort()}`).sort();

type Act = (wanted: Map<Prefix, Route>) => void | Promise<void>;

const dst = fc.constantFrom(...prefixes);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(dst, fc.subarray([0, 1])).map(
    ([to, hops]): Act =>
      (wanted) => {
        wanted.set(to, routeOf(to, hops));
        routes.want(routeOf(to, hops));
      },
  ),
  dst.map(
    (to): Act =>
      (wanted) => {
        wanted.delete(to);
        routes.unwant(to);
      },
  ),
  dst.map(
    (to): Act =>
      () =>
        void kernel.foreignDeleteRoute(routeOf(to, [])),
  ),
  dst.map(
    (to): Act =>
      () =>
        kernel.foreignSetRoute(routeOf(to, [1], 4)),
  ),
  fc.integer({ min: 1, max: 6 }).map(
    (ticks): Act =>
      () =>
        breath(ticks),
  ),
  fc.constantFrom<Act[]>(
    () => kernel.overrun(),
    () => kernel.refuseRoutes(() => 'ENOMEM'),
    () => kernel.refuseRoutes(() => undefined),
    quiet,
  ),
);

test('after any history of wishes, thefts, intruders, refusals and lost events the kernel has just what is wanted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (history) => {
      await begin();
      const wanted = new Map<Prefix, Route>();
      routes.start({ keepStale: false });
      for (const one of history) await one(wanted);
      for (const foreign of await inKernel(4)) kernel.foreignDeleteRoute(foreign);
      kernel.refuseRoutes(() => undefined);
      await quiet();
      expect(shape(await inKernel(80))).toEqual(shape([...wanted.values()]));
      expect(routes.status()).toMatchObject({ pending: 0, stale: 0, problems: [], installed: wanted.size });
      routes.stop();
    }),
    { numRuns: 500 },
  );
});

test("a stranger's route in our place is left alone, reported, and replaced by ours once it is gone", async () => {
  const foreign = routeOf(prefix('10.1.0.0/24'), [1], 4);
  kernel.foreignSetRoute(foreign);
  routes.want(routeOf(prefix('10.1.0.0/24'), [0]));
  routes.want(routeOf(prefix('10.2.0.0/24'), [0]));
  routes.start({ keepStale: false });
  await quiet();
  expect(shape(await inKernel(4))).toEqual(shape([foreign]));
  expect(shape(await inKernel(80))).toEqual(shape([routeOf(prefix('10.2.0.0/24'), [0])]));
  expect(routes.status().problems).toEqual([
    {
      where: 'route 10.1.0.0/24',
      what: 'somebody else has a route in its place (EEXIST), which is left alone.',
      fix: 'It is tried again by itself; see "ip route show table all" for what is there.',
    },
  ]);
  kernel.foreignDeleteRoute(foreign);
  await quiet();
  expect(await inKernel(80)).toHaveLength(2);
  expect(routes.status().problems).toEqual([]);
});

test('nothing is written before start, and a first start sweeps what an earlier life left', async () => {
  kernel.foreignSetRoute(routeOf(prefix('10.3.0.0/24'), [0]));
  routes.want(routeOf(prefix('10.1.0.0/24'), [0]));
  await quiet();
  expect(shape(await inKernel(80))).toEqual(shape([routeOf(prefix('10.3.0.0/24'), [0])]));
  routes.start({ keepStale: false });
  await quiet();
  expect(shape(await inKernel(80))).toEqual(shape([routeOf(prefix('10.1.0.0/24'), [0])]));
});

test('routes of an earlier life forward until the sweep, unless they are wished for or withdrawn before', async () => {
  for (const text of ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'])
    kernel.foreignSetRoute(routeOf(prefix(text), [0]));
  routes.start({ keepStale: true });
  await quiet();
  expect(routes.status()).toMatchObject({ installed: 3, stale: 3, pending: 0 });
  routes.want(routeOf(prefix('10.1.0.0/24'), [0]));
  routes.want(routeOf(prefix('10.2.0.0/24'), [1]));
  await quiet();
  routes.unwant(prefix('10.2.0.0/24'));
  await quiet();
  const left = [routeOf(prefix('10.1.0.0/24'), [0]), routeOf(prefix('10.3.0.0/24'), [0])];
  expect(shape(await inKernel(80))).toEqual(shape(left));
  kernel.overrun();
  await quiet();
  expect(routes.status()).toMatchObject({ installed: 2, stale: 1 });
  routes.sweep();
  await quiet();
  expect(shape(await inKernel(80))).toEqual(shape([routeOf(prefix('10.1.0.0/24'), [0])]));
});

test('a route that already stands as wanted is not written again', async () => {
  kernel.foreignSetRoute(routeOf(prefix('10.1.0.0/24'), [0, 1]));
  let writes = 0;
  kernel.refuseRoutes(() => {
    writes += 1;
    return undefined;
  });
  routes.want(routeOf(prefix('10.1.0.0/24'), [1, 0]));
  routes.start({ keepStale: false });
  await quiet();
  expect(writes).toBe(0);
  expect(routes.status()).toMatchObject({ installed: 1, pending: 0 });
});

test('a route deleted by somebody before our own write was acknowledged comes back', async () => {
  let acknowledge = (): void => undefined;
  const slow = {
    ...kernel,
    applyRoutes: async (ops: Parameters<FakeKernel['applyRoutes']>[0]) => {
      const failures = await kernel.applyRoutes(ops);
      await new Promise<void>((resolve) => {
        acknowledge = resolve;
      });
      return failures;
    },
  };
  const late = new OwnedRoutes({ ...where, kernel: slow, clock, random: seededRandom(1) });
  late.want(routeOf(prefix('10.1.0.0/24'), [0]));
  late.start({ keepStale: false });
  await quiet();
  expect(kernel.foreignDeleteRoute(routeOf(prefix('10.1.0.0/24'), []))).toBe(true);
  await quiet();
  acknowledge();
  await quiet();
  acknowledge();
  await quiet();
  expect(await inKernel(80)).toHaveLength(1);
  expect(late.status()).toMatchObject({ pending: 0, installed: 1 });
});
