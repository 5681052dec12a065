import { expect, test } from 'vitest';
import { felixProtocol, PodRoutes, podRoute } from '../../../felix/dataplane/routes.ts';
import { type Address, formatPrefix, millis, parseAddress } from '../../../src/lib/net.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { createFakeKernel, type FakeKernel } from '../../support/fake-kernel.ts';

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const [four, six, other] = [address('10.1.0.5'), address('fd00::5'), address('10.1.0.6')];

async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let step = 0; step < 6; step += 1) {
    clock.advance(step === 0 ? ms : 0);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function installedIn(kernel: FakeKernel): Promise<readonly string[]> {
  const all = [...(await kernel.routes({ version: 4 })), ...(await kernel.routes({ version: 6 }))];
  return all.map((route) => `${formatPrefix(route.dst)} ${route.protocol}`).sort();
}

async function bench() {
  const kernel = createFakeKernel();
  const clock = virtualClock();
  const { ifindex } = kernel.addLink({ name: 'cali1' });
  await kernel.setLink('cali1', { up: true });
  return { kernel, clock, ifindex, routes: new PodRoutes(kernel, clock, () => 0) };
}

test('nothing is written before the start; then the pods are there and what an earlier life left is not', async () => {
  const { kernel, clock, ifindex, routes } = await bench();
  kernel.foreignSetRoute(podRoute(other, ifindex));
  routes.put('cali1', ifindex, [four, six]);
  await pass(clock, 60_000);
  expect(await installedIn(kernel)).toEqual([`10.1.0.6/32 ${felixProtocol}`]);
  routes.start();
  await pass(clock, 0);
  expect(await installedIn(kernel)).toEqual(['10.1.0.5/32 81', 'fd00::5/128 81']);
});

test("another owner's routes are left alone", async () => {
  const { kernel, clock, ifindex, routes } = await bench();
  kernel.foreignSetRoute({ ...podRoute(other, ifindex), protocol: 80 });
  routes.start();
  await pass(clock, 0);
  expect(await installedIn(kernel)).toEqual(['10.1.0.6/32 80']);
});

test('what somebody deletes comes back, and what is removed stays away', async () => {
  const { kernel, clock, ifindex, routes } = await bench();
  routes.start();
  routes.put('cali1', ifindex, [four]);
  await pass(clock, 0);
  kernel.foreignDeleteRoute(podRoute(four, ifindex));
  await pass(clock, 0);
  await pass(clock, 1000);
  expect(await installedIn(kernel)).toEqual(['10.1.0.5/32 81']);
  routes.remove('cali1');
  routes.remove('cali1');
  await pass(clock, 1000);
  expect(await installedIn(kernel)).toEqual([]);
});

test('who waits is told when the route is there, and not before the start', async () => {
  const { kernel, clock, ifindex, routes } = await bench();
  expect(await routes.installed([], millis(1000))).toBe(false);
  routes.start();
  routes.put('cali1', ifindex, [four]);
  const told = routes.installed([four], millis(1000));
  expect(await installedIn(kernel)).toEqual([]);
  await pass(clock, 0);
  expect(await told).toBe(true);
  expect(await installedIn(kernel)).toEqual(['10.1.0.5/32 81']);
});

test('a route the kernel refuses is told to who waits for it and is no obstacle to the next pod', async () => {
  const { kernel, clock, ifindex, routes } = await bench();
  routes.start();
  kernel.refuseRoutes((op) => (formatPrefix(op.route.dst) === '10.1.0.5/32' ? 'EINVAL' : undefined));
  routes.put('cali1', ifindex, [four]);
  const told = routes.installed([four], millis(1000));
  await pass(clock, 0);
  expect(await told).toBe(false);
  expect(routes.status().problems[0]?.where).toBe('route 10.1.0.5/32');
  for (let seconds = 0; seconds < 300; seconds += 1) await pass(clock, 1000); // by now it is tried every 30 s
  routes.put('cali2', ifindex, [other]);
  const next = routes.installed([other], millis(1000));
  await pass(clock, 300);
  expect(await next).toBe(true);
});

test('metric and source are those of FelixConfiguration, as it is at the start', async () => {
  const { kernel, clock, ifindex } = await bench();
  let settings = {};
  const routes = new PodRoutes(
    kernel,
    clock,
    () => 0,
    () => settings,
  );
  routes.put('cali1', ifindex, [four, six]);
  settings = { ipv4NormalRoutePriority: 512, ipv6NormalRoutePriority: 77, deviceRouteSourceAddress: other };
  routes.start();
  await pass(clock, 100);
  expect(await kernel.routes({ version: 4 })).toMatchObject([{ metric: 512, prefSrc: other }]);
  expect(await kernel.routes({ version: 6 })).toMatchObject([{ metric: 77 }]);
});

test('with routeSyncDisabled nothing is written, and nobody waits for it', async () => {
  const { kernel, clock, ifindex } = await bench();
  const routes = new PodRoutes(
    kernel,
    clock,
    () => 0,
    () => ({ routeSyncDisabled: true }),
  );
  routes.put('cali1', ifindex, [four]);
  routes.start();
  await pass(clock, 100);
  expect(await installedIn(kernel)).toEqual([]);
  expect(await routes.installed([four], millis(1000))).toBe(true);
});

test('floating addresses come beside the pod’s own and go with it', async () => {
  const { kernel, clock, ifindex, routes } = await bench();
  routes.start();
  routes.put('cali1', ifindex, [four]);
  routes.also('cali1', [other]);
  await pass(clock, 100);
  expect(await installedIn(kernel)).toEqual(['10.1.0.5/32 81', '10.1.0.6/32 81']);
  routes.also('cali1', []);
  await pass(clock, 100);
  expect(await installedIn(kernel)).toEqual(['10.1.0.5/32 81']);
  routes.also('cali1', [other]);
  routes.remove('cali1');
  await pass(clock, 100);
  expect(await installedIn(kernel)).toEqual([]);
});
