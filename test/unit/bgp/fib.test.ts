/** What was chosen, as kernel routes: over next hops that come, go and move. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Resolver } from '../../../bgp/fib/resolve.ts';
import { createFib, type Fib } from '../../../bgp/fib.ts';
import type { Answer } from '../../../bgp/speaker/reach.ts';
import type { Kernel, Route, RouteOp } from '../../../src/kernel/kernel.ts';
import {
  type Address,
  formatAddress,
  formatPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { createFakeKernel, type FakeKernel } from '../../support/fake-kernel.ts';

const address = (text: string): Address => parseAddress(text) as Address;
const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;
const [near, other] = [address('172.30.0.11'), address('172.30.0.12')];
const far = address('198.51.100.1');

let kernel: FakeKernel;
let clock: VirtualClock;
let written: RouteOp[];

const settle = async (): Promise<void> => {
  for (let tick = 0; tick < 30; tick += 1) await Promise.resolve();
};
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 10) {
    clock.advance(10);
    await settle();
  }
}
const lines = async (protocol = 80): Promise<readonly string[]> =>
  [...(await kernel.routes({ version: 4, protocol })), ...(await kernel.routes({ version: 6, protocol }))]
    .map(
      ({ dst, type, nextHops }) =>
        `${formatPrefix(dst)} ${[type, ...nextHops.map(({ via, ifindex }) => `${formatAddress(via as Address)}%${ifindex}`)].join(' ')}`,
    )
    .sort();
const ours = (dst: string, ...hops: readonly Address[]): Route => ({
  dst: prefix(dst),
  table: 254,
  protocol: 80,
  metric: 1024,
  type: 'unicast',
  nextHops: hops.map((via) => ({ via, ifindex: 2 })),
});

beforeEach(async () => {
  kernel = createFakeKernel();
  clock = virtualClock();
  written = [];
  kernel.refuseRoutes((op) => {
    written.push(op);
    return undefined;
  });
  kernel.addLink({ name: 'eth0' });
  await kernel.setLink('eth0', { up: true });
  await kernel.addAddress('eth0', { address: address('172.30.0.1'), length: 24 });
  await kernel.addAddress('eth0', { address: address('fd00:30::1'), length: 64 });
});

const fibOver = (port: Kernel = kernel): Fib => createFib({ kernel: port, clock, random: seededRandom(1) });

describe('routes', () => {
  test('equal paths make a multipath route, one gateway is one next hop, and our own prefixes are unreachable', async () => {
    await kernel.applyRoutes([
      { kind: 'set', route: { ...ours('198.51.100.0/24', near), protocol: 4, metric: 0 } },
    ]);
    const fib = fibOver();
    fib.origins([prefix('10.1.0.0/24'), prefix('fd00:1::/64')]);
    fib.learned(prefix('10.2.0.0/24'), [near, other]);
    fib.learned(prefix('10.3.0.0/24'), [near, far]);
    fib.learned(prefix('fd00:2::/64'), [address('fd00:30::11')]);
    fib.start();
    await pass(100);
    expect(await lines()).toEqual([
      '10.1.0.0/24 unreachable',
      '10.2.0.0/24 unicast 172.30.0.11%2 172.30.0.12%2',
      '10.3.0.0/24 unicast 172.30.0.11%2',
      'fd00:1::/64 unreachable',
      'fd00:2::/64 unicast fd00:30::11%2',
    ]);
    expect(fib.status()).toEqual({ installed: 5, pending: 0, stale: 0, overturned: 0, problems: [] });
  });

  test('a prefix without a reachable next hop is not installed until there is one, and leaves with it', async () => {
    const fib = fibOver();
    fib.learned(prefix('10.2.0.0/24'), [far]);
    fib.start();
    await pass(100);
    expect(await lines()).toEqual([]);
    const way = { ...ours('198.51.100.0/24', other), protocol: 4, metric: 0 };
    kernel.foreignSetRoute(way);
    await pass(200);
    expect(await lines()).toEqual(['10.2.0.0/24 unicast 172.30.0.12%2']);
    kernel.foreignSetRoute({ ...way, nextHops: [{ via: near, ifindex: 2 }] });
    await pass(200);
    expect(await lines()).toEqual(['10.2.0.0/24 unicast 172.30.0.11%2']);
    kernel.foreignDeleteRoute(way);
    await pass(200);
    expect(await lines()).toEqual([]);
  });

  test('a prefix that becomes our own is unreachable, and is routed again when it is no longer', async () => {
    const fib = fibOver();
    fib.learned(prefix('10.2.0.0/24'), [near]);
    fib.start();
    await pass(100);
    fib.origins([prefix('10.2.0.0/24')]);
    await pass(100);
    expect(await lines()).toEqual(['10.2.0.0/24 unreachable']);
    fib.origins([]);
    await pass(100);
    expect(await lines()).toEqual(['10.2.0.0/24 unicast 172.30.0.11%2']);
    fib.learned(prefix('10.2.0.0/24'), undefined);
    await pass(100);
    expect(await lines()).toEqual([]);
  });
});

describe('a second life', () => {
  test('routes that are learned again are neither deleted nor written, even if the sweep follows at once', async () => {
    kernel.foreignSetRoute(ours('10.2.0.0/24', near));
    kernel.foreignSetRoute(ours('10.3.0.0/24', near, other));
    kernel.foreignSetRoute(ours('10.4.0.0/24', near));
    const fib = fibOver();
    fib.start();
    await pass(1000);
    expect(fib.status()).toMatchObject({ installed: 3, stale: 3, pending: 0 });
    fib.learned(prefix('10.2.0.0/24'), [near]);
    fib.learned(prefix('10.3.0.0/24'), [near, other]);
    fib.sweep();
    await pass(1000);
    expect(written.map(({ kind, route }) => `${kind} ${formatPrefix(route.dst)}`)).toEqual([
      'delete 10.4.0.0/24',
    ]);
    expect(fib.status()).toEqual({ installed: 2, pending: 0, stale: 0, overturned: 0, problems: [] });
  });

  test('after stop nothing is written, asked or left to run', async () => {
    const fib = fibOver();
    fib.learned(prefix('10.2.0.0/24'), [near]);
    fib.start();
    await pass(100);
    fib.stop();
    kernel.foreignDeleteRoute(ours('10.2.0.0/24'));
    await kernel.setLink('eth0', { up: false });
    await pass(1000);
    expect(await lines()).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('next hops', () => {
  test('a question the kernel fails to answer changes nothing and is asked again', async () => {
    let isDeaf = false;
    let asked = 0;
    const port: Kernel = {
      ...kernel,
      match: async (to) => {
        asked += 1;
        if (isDeaf) throw new Error('ENOBUFS');
        return kernel.match(to);
      },
    };
    const fib = fibOver(port);
    fib.learned(prefix('10.2.0.0/24'), [near]);
    fib.start();
    await pass(100);
    isDeaf = true;
    kernel.overrun();
    await pass(10_000);
    expect(await lines()).toEqual(['10.2.0.0/24 unicast 172.30.0.11%2']);
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(15);
    isDeaf = false;
    await kernel.setLink('eth0', { up: false });
    await pass(2000);
    expect(await lines()).toEqual([]);
  });

  test('a next hop is asked for once, however many prefixes use it, and no more when none does', async () => {
    let asked = 0;
    const port: Kernel = {
      ...kernel,
      match: (to) => {
        asked += 1;
        return kernel.match(to);
      },
    };
    const fib = fibOver(port);
    for (let n = 0; n < 100; n += 1) fib.learned(prefix(`10.2.${n}.0/24`), [near]);
    fib.start();
    await pass(1000);
    expect(asked).toBe(1);
    kernel.overrun();
    await pass(1000);
    expect(asked).toBe(2);
    for (let n = 0; n < 100; n += 1) fib.learned(prefix(`10.2.${n}.0/24`), undefined);
    kernel.overrun();
    await pass(1000);
    expect(asked).toBe(2);
  });

  test('routes of our own do not make next hops be asked for again', async () => {
    let changes = 0;
    let asked = 0;
    const port: Kernel = {
      ...kernel,
      match: (to) => {
        asked += 1;
        return kernel.match(to);
      },
    };
    const resolver = new Resolver({
      kernel: port,
      clock,
      protocol: 80,
      onChange: () => {
        changes += 1;
      },
    });
    resolver.resolve(near);
    await pass(100);
    kernel.foreignSetRoute(ours('10.2.0.0/24', near));
    await pass(1000);
    expect([asked, changes]).toEqual([1, 1]);
    expect(resolver.resolve(near)).toMatchObject({ metric: 0, hops: [{ via: near, ifindex: 2 }] });
    resolver.stop();
  });

  test('only those are asked for again that lie in a network whose route has changed', async () => {
    const asked: string[] = [];
    const port: Kernel = {
      ...kernel,
      match: (nextHop) => {
        asked.push(formatAddress(nextHop));
        return kernel.match(nextHop);
      },
    };
    const fib = fibOver(port);
    fib.track([near, far, address('fd00:30::11')]);
    await pass(100);
    expect(asked.splice(0)).toHaveLength(3);
    kernel.foreignSetRoute({ ...ours('10.77.0.0/24', near), protocol: 81 });
    await pass(200);
    expect(asked).toEqual([]);
    kernel.foreignSetRoute({ ...ours('198.51.100.0/24', near), protocol: 4 });
    await pass(200);
    expect(asked.splice(0)).toEqual([formatAddress(far)]);
    kernel.foreignSetRoute({ ...ours('0.0.0.0/0', near), protocol: 4 });
    await pass(200);
    expect(asked.splice(0).sort()).toEqual([far, near].map(formatAddress).sort());
    kernel.addLink({ name: 'eth7' });
    await pass(200);
    expect(asked).toHaveLength(3);
    fib.stop();
  });

  test('a change while the routes of others are listed is not lost', async () => {
    const way = { ...ours('198.51.100.0/24', near), protocol: 4 };
    kernel.foreignSetRoute(way);
    const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let listings = 0;
    const port: Kernel = {
      ...kernel,
      match: async () => ours('198.51.100.1/32', near),
      routes: async (filter) => {
        const found = await kernel.routes(filter);
        if (filter.table === undefined) return found;
        listings += 1;
        begun.resolve();
        await end.promise;
        return found;
      },
    };
    const told: Answer[] = [];
    const options = { kernel: port, clock, random: seededRandom(1) };
    const fib = createFib({ ...options, onNextHops: (changes) => told.push(...changes) });
    fib.track([far]);
    await pass(10);
    await begun.promise;
    kernel.foreignDeleteRoute(way);
    end.resolve();
    await pass(300);
    expect(listings).toBe(2);
    expect(told.at(-1)).toEqual([far, undefined]);
    fib.stop();
  });

  test.each(['blackhole', 'unreachable'] as const)(
    'RFC 7999: a %s route of ours that holds its own next hop does not end itself, over and over',
    async (type) => {
      kernel.foreignSetRoute({ ...ours('198.51.100.0/24', near), protocol: 4, metric: 9 });
      const told: Answer[] = [];
      const options = { kernel, clock, random: seededRandom(1) };
      const fib = createFib({ ...options, onNextHops: (changes) => told.push(...changes) });
      fib.track([far]);
      fib.start();
      await pass(100);
      if (type === 'blackhole') fib.learned(prefix('198.51.100.1/32'), 'blackhole');
      else fib.origins([prefix('198.51.100.0/26')]);
      await pass(100);
      expect(await kernel.match(far)).toBe('refused');
      kernel.addLink({ name: 'eth7' });
      await pass(500);
      expect(told).toEqual([[far, 9, ['eth0']]]);
      kernel.foreignDeleteRoute({ ...ours('198.51.100.0/24', near), metric: 9 });
      await pass(500);
      expect(told.at(-1)).toEqual([far, undefined]);
      fib.stop();
    },
  );

  test('who waits for all next hops to be known goes on when the last of them is known or given up', async () => {
    const resolver = new Resolver({ kernel, clock, protocol: 80, onChange: () => undefined });
    let told = 0;
    const tell = (): void => {
      told += 1;
    };
    resolver.whenKnown(tell);
    expect(told).toBe(1);
    resolver.resolve(near);
    resolver.whenKnown(tell);
    expect(told).toBe(1);
    await pass(100);
    expect(told).toBe(2);
    resolver.resolve(far);
    resolver.whenKnown(tell);
    resolver.forget(far);
    expect(told).toBe(3);
    resolver.stop();
  });
});

describe('what the configuration asks for', () => {
  const at = prefix('10.2.0.0/24');
  const metrics = async (): Promise<readonly number[]> =>
    (await kernel.routes({ version: 4, protocol: 80 })).map(({ metric }) => metric);

  test('another priority moves all routes without a gap, and none stays where it was', async () => {
    const fib = fibOver();
    fib.origins([prefix('10.1.0.0/24')]);
    fib.learned(at, [near]);
    fib.start();
    fib.sweep();
    await pass(100);
    expect(await metrics()).toEqual([1024, 1024]);
    written = [];
    fib.configure({ routePriority: { ipv4: 500 } });
    await pass(200);
    expect(await metrics()).toEqual([500, 500]);
    expect(written.map(({ kind, route: { metric } }) => `${kind} ${metric}`)).toEqual([
      'add 500',
      'add 500',
      'delete 1024',
      'delete 1024',
    ]);
    expect(await lines()).toEqual(['10.1.0.0/24 unreachable', '10.2.0.0/24 unicast 172.30.0.11%2']);
    fib.configure({});
    await pass(200);
    expect(await metrics()).toEqual([1024, 1024]);
  });

  test('what is not to be written leaves the kernel, but for what ends here, and comes back when it may', async () => {
    const fib = fibOver();
    fib.origins([prefix('10.1.0.0/24')]);
    fib.learned(at, [near]);
    fib.start();
    await pass(100);
    fib.configure({ unprogrammed: [prefix('0.0.0.0/0')] });
    await pass(100);
    expect(await lines()).toEqual(['10.1.0.0/24 unreachable']);
    fib.configure({ unprogrammed: [prefix('10.3.0.0/16')] });
    await pass(100);
    expect(await lines()).toEqual(['10.1.0.0/24 unreachable', '10.2.0.0/24 unicast 172.30.0.11%2']);
  });
});

describe('a prefix that becomes', () => {
  const at = prefix('10.2.0.7/32');
  test.each([
    ['blackhole', 'blackhole', '10.2.0.7/32 blackhole'],
    ['another next hop', [other], '10.2.0.7/32 unicast 172.30.0.12%2'],
    ['multipath', [near, other], '10.2.0.7/32 unicast 172.30.0.11%2 172.30.0.12%2'],
  ] as const)('%s is replaced in one step, never away', async (_what, next, line) => {
    const fib = fibOver();
    fib.learned(at, [near]);
    fib.start();
    await pass(100);
    written = [];
    fib.learned(at, next);
    await pass(100);
    expect(await lines()).toEqual([line]);
    expect(written.map(({ kind }) => kind)).toEqual(['set']);
  });
});

test('RFC 4271 §9.1.2.1: where the speaker tracks next hops, a lost one costs no gap: its route stands until the speaker has chosen', async () => {
  const told: Answer[] = [];
  const fib = createFib({
    kernel,
    clock,
    random: seededRandom(1),
    onNextHops: (changes) => told.push(...changes),
  });
  const way = { ...ours('198.51.100.0/24', other), protocol: 4, metric: 7 };
  kernel.foreignSetRoute(way);
  fib.track([far, near]);
  fib.start();
  await pass(100);
  expect(new Map(told.map(([nextHop, metric]) => [nextHop, metric]))).toEqual(
    new Map([
      [far, 7],
      [near, 0],
    ]),
  );
  fib.learned(prefix('10.2.0.0/24'), [far]);
  await pass(100);
  written = [];
  kernel.foreignDeleteRoute(way);
  await pass(200);
  expect(told.at(-1)).toEqual([far, undefined]);
  expect(await lines()).toEqual(['10.2.0.0/24 unicast 172.30.0.12%2']);
  fib.learned(prefix('10.2.0.0/24'), [near]);
  await pass(100);
  expect(written.map(({ kind }) => kind)).toEqual(['set']);
  fib.untrack([far]);
  fib.learned(prefix('10.2.0.0/24'), undefined);
  await pass(100);
  expect(await lines()).toEqual([]);
});
