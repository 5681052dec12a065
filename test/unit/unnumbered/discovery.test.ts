import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDiscovery, type Discovery } from '../../../bgp/unnumbered/discovery.ts';
import { hear, silentAfterMs } from '../../../bgp/unnumbered/heard.ts';
import type { RouterHears } from '../../../src/kernel/advertise.ts';
import { kernelError } from '../../../src/kernel/kernel-error.ts';
import { type Ipv6, ipv6, millis, scoped, unscoped } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { createFakeKernel } from '../../support/fake-kernel.ts';

const router = (last: number, ifindex: number): Ipv6 =>
  scoped(ipv6((0xfe80n << 112n) | BigInt(last)), ifindex);

interface Bench {
  readonly discovery: Discovery;
  readonly clock: ReturnType<typeof virtualClock>;
  readonly kernel: ReturnType<typeof createFakeKernel>;
  readonly ifindex: number;
  /** "advertise 2", "solicit 2", "join 2" and "close", as they were asked for. */
  readonly asked: string[];
  readonly hears: () => RouterHears;
  readonly changes: () => number;
}

async function bench({ refuses = false, isGone = false } = {}): Promise<Bench> {
  const clock = virtualClock();
  const kernel = createFakeKernel();
  const { ifindex } = kernel.addLink({ name: 'eth1' });
  await kernel.setLink('eth1', { up: true });
  await kernel.addAddress('eth1', { address: unscoped(router(1, ifindex)), length: 64, scope: 'link' });
  const asked: string[] = [];
  let hears: RouterHears | undefined;
  let changes = 0;
  const note =
    (what: string) =>
    (link: { readonly ifindex: number }): boolean =>
      asked.push(`${what} ${link.ifindex}`) > 0;
  const discovery = createDiscovery({
    kernel,
    clock,
    log: { info: () => undefined },
    onChange: () => {
      changes += 1;
    },
    open: (given) => {
      if (refuses) throw kernelError('open a raw socket', 'EPERM');
      hears = given;
      return {
        join: (index) => {
          asked.push(`join ${index}`);
          if (isGone) throw kernelError('join the routers of a link', 'ENODEV');
        },
        advertise: note('advertise'),
        solicit: note('solicit'),
        close: () => asked.push('close'),
      };
    },
  });
  discovery.want(new Set(['eth1']));
  const opened = (): RouterHears => {
    if (hears === undefined) throw new Error('no socket yet');
    return hears;
  };
  await eventually(() => (refuses ? expect(discovery.problems).toHaveLength(1) : opened()), {
    within: 15_000,
  });
  return { discovery, clock, kernel, ifindex, asked, hears: opened, changes: () => changes };
}

test('RFC 4861 §6.2: a link that is wanted is joined, asked and told at once, and told again every ten seconds', async () => {
  const { asked, clock, ifindex } = await bench();
  expect(asked).toEqual([`join ${ifindex}`, `solicit ${ifindex}`, `advertise ${ifindex}`]);
  clock.advance(60_000);
  const advertised = asked.filter((one) => one.startsWith('advertise')).length;
  expect(advertised).toBeGreaterThanOrEqual(14);
  expect(advertised).toBeLessThan(18);
});

test('the router that is heard on a link is its neighbour, and is told of us at once', async () => {
  const { discovery, asked, hears, ifindex, changes } = await bench();
  asked.length = 0;
  hears().onAdvertisement(router(7, ifindex), ifindex);
  expect([...discovery.neighbours]).toEqual([
    ['eth1', { ifindex, address: router(7, ifindex), own: router(1, ifindex) }],
  ]);
  expect(asked).toEqual([`advertise ${ifindex}`]);
  hears().onAdvertisement(router(7, ifindex), ifindex);
  expect(changes()).toBe(1);
});

test('RFC 4861 §6.2.6: a solicitation is answered', async () => {
  const { asked, hears, ifindex } = await bench();
  asked.length = 0;
  hears().onSolicitation(ifindex);
  hears().onSolicitation(ifindex + 1);
  expect(asked).toEqual([`advertise ${ifindex}`]);
});

test('RFC 4861 §6.2.6: a flood of solicitations is answered once a second', async () => {
  const { asked, clock, hears, ifindex } = await bench();
  clock.advance(120_000);
  asked.length = 0;
  for (let times = 0; times < 3000; times += 1) {
    hears().onSolicitation(ifindex);
    clock.advance(1);
  }
  expect(asked.length).toBeGreaterThanOrEqual(3);
  expect(asked.length).toBeLessThanOrEqual(5);
  clock.advance(30_000);
  expect(asked.length).toBeLessThanOrEqual(9);
});

test('a link that goes while it is looked at ends nothing: the others are told of us', async () => {
  const { asked, clock, ifindex } = await bench({ isGone: true });
  expect(asked).toEqual([`join ${ifindex}`, `solicit ${ifindex}`, `advertise ${ifindex}`]);
  clock.advance(10_000);
  expect(asked.filter((one) => one.startsWith('advertise')).length).toBeGreaterThan(1);
});

test('a burst of links that come and go is one look at a time', async () => {
  const { kernel, discovery, hears, ifindex } = await bench();
  hears().onAdvertisement(router(7, ifindex), ifindex);
  let [looks, most, now] = [0, 0, 0];
  const { links } = kernel;
  kernel.links = async () => {
    looks += 1;
    now += 1;
    most = Math.max(most, now);
    const found = await links();
    await new Promise(setImmediate);
    now -= 1;
    return found;
  };
  for (let id = 0; id < 50; id += 1) kernel.addLink({ name: `cali${id}` });
  await eventually(() => expect(looks).toBeGreaterThan(0), { within: 15_000 });
  await eventually(() => expect(now).toBe(0), { within: 15_000 });
  expect(most).toBe(1);
  expect(looks).toBeLessThan(10);
  expect(discovery.neighbours.size).toBe(1);
});

test('who dials us on the link is its neighbour too; on a link nobody asked for it is nobody', async () => {
  const { discovery, ifindex } = await bench();
  discovery.dialled(router(9, ifindex + 1), ifindex + 1);
  expect(discovery.neighbours.size).toBe(0);
  discovery.dialled(router(9, ifindex), ifindex);
  expect(discovery.neighbours.get('eth1')?.address).toBe(router(9, ifindex));
});

test('a link that goes takes its neighbour with it', async () => {
  const { discovery, kernel, hears, ifindex } = await bench();
  hears().onAdvertisement(router(7, ifindex), ifindex);
  await kernel.setLink('eth1', { up: false });
  await eventually(() => expect(discovery.neighbours.size).toBe(0), { within: 15_000 });
});

test('a link that was down for a moment has a new neighbour at once, not only when the old one has been silent', async () => {
  const { discovery, kernel, hears, ifindex } = await bench();
  hears().onAdvertisement(router(7, ifindex), ifindex);
  await Promise.all([kernel.setLink('eth1', { up: false }), kernel.setLink('eth1', { up: true })]);
  await eventually(
    () => {
      hears().onAdvertisement(router(8, ifindex), ifindex);
      expect(discovery.neighbours.get('eth1')?.address).toBe(router(8, ifindex));
    },
    { within: 15_000 },
  );
});

test('a link is looked at once it has a link-local address of our own, and its neighbours know of another one', async () => {
  const { discovery, kernel, hears, ifindex, changes } = await bench();
  hears().onAdvertisement(router(7, ifindex), ifindex);
  const before = changes();
  await kernel.deleteAddress('eth1', unscoped(router(1, ifindex)), 64);
  await eventually(() => expect(discovery.neighbours.size).toBe(0), { within: 15_000 });
  await kernel.addAddress('eth1', { address: unscoped(router(2, ifindex)), length: 64, scope: 'link' });
  hears().onAdvertisement(router(7, ifindex), ifindex);
  await eventually(
    () => {
      hears().onAdvertisement(router(7, ifindex), ifindex);
      expect(discovery.neighbours.get('eth1')?.own).toBe(router(2, ifindex));
    },
    { within: 15_000 },
  );
  expect(changes()).toBeGreaterThan(before);
});

test('without the right to raw sockets it says so, and finds who dials all the same', async () => {
  const { discovery, ifindex } = await bench({ refuses: true });
  expect(discovery.problems[0]?.fix).toContain('NET_RAW');
  discovery.dialled(router(9, ifindex), ifindex);
  expect(discovery.neighbours.size).toBe(1);
});

test('when nothing is wanted any more the socket is closed and nothing runs', async () => {
  const { discovery, asked, clock } = await bench();
  discovery.want(new Set());
  expect(asked.at(-1)).toBe('close');
  expect(clock.pending).toBe(0);
  expect(discovery.neighbours.size).toBe(0);
});

test('of two routers on a link the one that counts stays as long as it is heard of', () => {
  const steps = fc.array(
    fc.record({ who: fc.constantFrom(1, 2), after: fc.integer({ min: 1, max: 40_000 }) }),
  );
  fc.assert(
    fc.property(steps, (given) => {
      let now = 0;
      let current: ReturnType<typeof hear> | undefined;
      for (const { who, after } of given) {
        now += after;
        const before = current;
        current = hear(before, router(who, 3), millis(now));
        if (before === undefined || before.address === current.address) continue;
        expect(now - before.at).toBeGreaterThanOrEqual(silentAfterMs);
        expect(current).toEqual({ address: router(who, 3), at: now });
      }
    }),
  );
});
