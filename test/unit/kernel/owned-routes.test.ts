/** Moments in which keeping routes could go wrong, one by one; test/property/owned-routes.test.ts walks through the rest. */
import { beforeEach, expect, test } from 'vitest';
import type { Kernel, Route } from '../../../src/kernel/kernel.ts';
import { OwnedRoutes } from '../../../src/kernel/owned-routes.ts';
import { type Address, millis, type Prefix, parseAddress, parsePrefix } from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { createFakeKernel, type FakeKernel } from '../../support/fake-kernel.ts';

const address = (text: string): Address => parseAddress(text) as Address;
const route = (dst: string, last = 11, protocol = 80): Route => ({
  dst: parsePrefix(dst) as Prefix,
  table: 254,
  protocol,
  metric: 1024,
  type: 'unicast',
  nextHops: [{ via: address(`172.30.0.${last}`) }],
});
const a = route('10.1.0.0/24');
const b = route('10.2.0.0/24');

const where = { protocol: 80, table: 254, metric: () => 1024 };

let kernel: FakeKernel;
let clock: VirtualClock;

beforeEach(async () => {
  kernel = createFakeKernel();
  clock = virtualClock();
  kernel.addLink({ name: 'eth0' });
  await kernel.setLink('eth0', { up: true });
  await kernel.addAddress('eth0', { address: address('172.30.0.1'), length: 24 });
});

const ticks = async (): Promise<void> => {
  for (let tick = 0; tick < 20; tick += 1) await Promise.resolve();
};
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 10) {
    clock.advance(10);
    await ticks();
  }
}
const start = async (port: Kernel = kernel): Promise<OwnedRoutes> => {
  const routes = new OwnedRoutes({ ...where, kernel: port, clock, random: seededRandom(1) });
  routes.start({ keepStale: false });
  await pass(100);
  return routes;
};
const has = async (wanted: Route): Promise<boolean> =>
  (await kernel.routes({ version: 4, protocol: 80 })).some(({ dst }) => dst === wanted.dst);

test('a route that is refused again and again holds up no other, however long ago it was last tried', async () => {
  kernel.refuseRoutes(({ route: { dst } }) => (dst === a.dst ? 'ENOMEM' : undefined));
  const routes = await start();
  routes.want(a);
  await pass(60_000);
  routes.want(b);
  await pass(10);
  expect(await has(b)).toBe(true);
  expect(routes.status()).toMatchObject({ pending: 1, problems: [{ where: 'route 10.1.0.0/24' }] });
});

test('what is refused is tried ever more rarely, and at once when something else is wished for in its place', async () => {
  let tries = 0;
  kernel.refuseRoutes(() => {
    tries += 1;
    return 'ENOMEM';
  });
  const routes = await start();
  routes.want(a);
  await pass(60_000);
  expect(tries).toBeGreaterThan(5);
  expect(tries).toBeLessThan(13);
  const before = tries;
  routes.want(a);
  await pass(10);
  expect(tries).toBe(before);
  kernel.refuseRoutes(() => undefined);
  routes.want(route('10.1.0.0/24', 12));
  await pass(10);
  expect(await has(a)).toBe(true);
  expect(routes.status()).toMatchObject({ pending: 0, problems: [] });
});

test("a stranger's route that replaced ours is reported, and ours comes back when it goes", async () => {
  const routes = await start();
  routes.want(a);
  await pass(10);
  kernel.foreignSetRoute(route('10.1.0.0/24', 12, 4));
  await pass(100);
  expect(await has(a)).toBe(false);
  expect(routes.status().problems).toEqual([expect.objectContaining({ where: 'route 10.1.0.0/24' })]);
  kernel.foreignDeleteRoute(a);
  await pass(30);
  expect(await has(a)).toBe(true);
  expect(routes.status()).toMatchObject({ installed: 1, pending: 0, problems: [] });
});

test('a route that somebody deletes while it is being listed comes back', async () => {
  let isListed = false;
  const slow: Kernel = {
    ...kernel,
    routes: async (filter) => {
      const listed = await kernel.routes(filter);
      if (filter.version === 4 && !isListed) {
        isListed = true;
        kernel.foreignDeleteRoute(a);
        await ticks();
      }
      return listed;
    },
  };
  kernel.foreignSetRoute(a);
  const routes = new OwnedRoutes({ ...where, kernel: slow, clock, random: seededRandom(1) });
  routes.want(a);
  routes.start({ keepStale: false });
  await pass(100);
  expect(isListed).toBe(true);
  expect(await has(a)).toBe(true);
});

test('a stream of link events does not put off a route that is due', async () => {
  const routes = await start();
  routes.want(a);
  await pass(10);
  kernel.foreignDeleteRoute(a);
  for (let at = 0; at < 200; at += 10) {
    kernel.overrun();
    await pass(10);
  }
  expect(await has(a)).toBe(true);
});

test('while links come and go without end, listing the routes takes a fifth of the time at most', async () => {
  let listing = 0;
  const slow: Kernel = {
    ...kernel,
    routes: async (filter) => {
      const begin = clock.now();
      await new Promise<void>((resolve) => {
        clock.after(millis(50), resolve);
      });
      listing += clock.now() - begin;
      return kernel.routes(filter);
    },
  };
  const routes = await start(slow);
  await pass(1000);
  listing = 0;
  for (let at = 0; at < 10_000; at += 10) {
    kernel.overrun();
    await pass(10);
  }
  expect(listing).toBeGreaterThan(1000);
  expect(listing).toBeLessThan(2200);
  kernel.foreignDeleteRoute(a);
  routes.want(a);
  await pass(1000);
  expect(await has(a)).toBe(true);
});

test('when the kernel cannot be asked at all it is said, asked ever more rarely, and no longer said once it answers', async () => {
  let asked = 0;
  let isDeaf = true;
  const deaf: Kernel = {
    ...kernel,
    routes: async (filter) => {
      asked += 1;
      if (isDeaf) throw new Error('list routes: EPERM');
      return kernel.routes(filter);
    },
  };
  const routes = await start(deaf);
  for (let turn = 0; turn < 600; turn += 1) {
    routes.want(route('10.1.0.0/24', 11 + (turn % 2)));
    await pass(100);
  }
  expect(asked).toBeLessThan(13);
  expect(routes.status().problems).toEqual([
    expect.objectContaining({ where: 'routes of protocol 80', what: 'Error: list routes: EPERM.' }),
  ]);
  isDeaf = false;
  await pass(30_000);
  expect(await has(a)).toBe(true);
  expect(routes.status()).toMatchObject({ pending: 0, problems: [] });
});

test('nothing is written and no timer is left after stop', async () => {
  const routes = await start();
  routes.want(a);
  routes.stop();
  routes.want(b);
  kernel.overrun();
  await pass(1000);
  expect([await has(a), await has(b)]).toEqual([false, false]);
  expect(clock.pending).toBe(0);
});

test('answers that the kernel could not queue (ENOBUFS) are made up for by a listing: nothing is missing, nothing twice', async () => {
  let isFull = true;
  const full: Kernel = {
    ...kernel,
    applyRoutes: async (ops) => {
      const failures = await kernel.applyRoutes(ops.slice(0, isFull ? 700 : ops.length));
      if (isFull) throw new Error('change routes: ENOBUFS');
      return failures;
    },
  };
  const routes = await start(full);
  const all = Array.from({ length: 1200 }, (_, index) =>
    route(`10.${Math.floor(index / 250)}.${index % 250}.0/24`),
  );
  for (const one of all) routes.want(one);
  await pass(100);
  expect(routes.status().problems).toEqual([
    expect.objectContaining({ what: 'Error: change routes: ENOBUFS.' }),
  ]);
  isFull = false;
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await pass(1000);
  }
  expect(routes.status()).toMatchObject({ installed: 1200, pending: 0, problems: [] });
  expect(await kernel.routes({ version: 4, protocol: 80 })).toHaveLength(1200);
});
