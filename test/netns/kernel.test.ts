/** The kernel port against Linux where size, time and other people matter; test/contract/kernel.ts has the rest. */
import { readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KernelEvent, Route, RouteOp } from '../../src/kernel/kernel.ts';
import type { NetnsKernel } from '../../src/kernel/links.ts';
import { inNetns, openKernel } from '../../src/kernel/linux.ts';
import { NETLINK } from '../../src/kernel/netlink/constants.ts';
import { Requests } from '../../src/kernel/netlink/requests.ts';
import { portIdOf } from '../../src/kernel/netlink/socket.ts';
import { inNamespace } from '../../src/kernel/netns.ts';
import { applyRoutes } from '../../src/kernel/routes.ts';
import { watchKernel } from '../../src/kernel/watch.ts';
import {
  type Address,
  formatPrefix,
  ipv4,
  ipv6,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefix4,
  prefix6,
} from '../../src/lib/net.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground } from '../support/namespaces.ts';

const playground = createPlayground('kernel');
const path = `/run/netns/${playground.netns('node')}`;
const peer = `/run/netns/${playground.netns('peer')}`;
const soon = { within: 15_000 };
/** rtm_protocol RTPROT_KERNEL (rtnetlink(7)). */
const kernelProtocol = 2;

const nsOf = (): string => readlinkSync('/proc/thread-self/ns/net');

let kernel: NetnsKernel;
let ifindex = 0;

const address = (text: string): Address => parseAddress(text) ?? ipv4(0);
const prefix = (text: string): Prefix => parsePrefix(text) ?? prefix4(ipv4(0), 0);
const ip = (command: string): Promise<string> => playground.exec('node', `ip ${command}`);

const route = (dst: Prefix, ...vias: readonly string[]): Route => ({
  dst,
  table: 254,
  protocol: 80,
  metric: 1024,
  type: 'unicast',
  nextHops: vias.map((via) => ({ via: address(via), ifindex })),
});

beforeAll(async () => {
  kernel = openKernel(path);
  await kernel.addVeth({ name: 'eth0', peer: { name: 'eth0', netns: peer } });
  await kernel.setLink('eth0', { up: true });
  await inNetns(peer, (other) => other.setLink('eth0', { up: true }));
  await kernel.addAddress('eth0', { address: address('10.0.0.1'), length: 24 });
  await kernel.addAddress('eth0', { address: address('fd00::1'), length: 64, nodad: true });
  ifindex = (await kernel.link('eth0'))?.ifindex ?? 0;
});
afterAll(async () => {
  kernel.close();
  await playground.close();
});

const manyPrefixes = {
  4: (index: number): Prefix => prefix4(ipv4(0x0b000000 + index * 256), 24),
  6: (index: number): Prefix => prefix6(ipv6((0xfd11n << 112n) + (BigInt(index) << 64n)), 64),
};

describe.each([
  [4, '10.0.0.2'],
  [6, 'fd00::2'],
] as const)('10,000 IPv%i routes', (version, via) => {
  test('go in, are dumped as they went in, and go out again', async () => {
    const routes = Array.from({ length: 10_000 }, (_, index) => route(manyPrefixes[version](index), via));
    expect(await kernel.applyRoutes(routes.map((one) => ({ kind: 'add', route: one })))).toEqual([]);
    expect(await kernel.routes({ version, protocol: 80 })).toEqual(routes);
    const again = await kernel.applyRoutes(routes.map((one) => ({ kind: 'add', route: one })));
    expect(again.map(({ index }) => index)).toEqual(routes.map((_, index) => index));
    expect(new Set(again.map(({ errno }) => errno))).toEqual(new Set(['EEXIST']));
    expect(await kernel.applyRoutes(routes.map((one) => ({ kind: 'delete', route: one })))).toEqual([]);
    expect(await kernel.routes({ version, protocol: 80 })).toEqual([]);
  });
});

test('iproute2 sees what we installed: multipath of both families, unreachable, on the link', async () => {
  const ops: RouteOp[] = [
    { kind: 'set', route: route(prefix('10.50.0.0/16'), '10.0.0.2', '10.0.0.3') },
    { kind: 'set', route: route(prefix('fd50::/48'), 'fd00::2', 'fd00::3') },
    { kind: 'set', route: { ...route(prefix('10.51.0.0/16')), type: 'unreachable' } },
    { kind: 'set', route: { ...route(prefix('fd51::/48')), type: 'unreachable' } },
    { kind: 'set', route: { ...route(prefix('10.52.0.1/32')), nextHops: [{ ifindex }] } },
  ];
  expect(await kernel.applyRoutes(ops)).toEqual([]);
  const v4 = await ip('route show proto 80');
  const v6 = await ip('-6 route show proto 80');
  expect(v4).toMatch(
    /10\.50\.0\.0\/16 metric 1024 \n\tnexthop via 10\.0\.0\.2 dev eth0 weight 1 \n\tnexthop via 10\.0\.0\.3 dev eth0/,
  );
  expect(v4).toContain('unreachable 10.51.0.0/16 metric 1024');
  expect(v4).toContain('10.52.0.1 dev eth0 scope link metric 1024');
  expect(v6).toMatch(
    /fd50::\/48 metric 1024 pref medium\n\tnexthop via fd00::2 dev eth0 weight 1 \n\tnexthop via fd00::3 dev eth0/,
  );
  expect(v6).toContain('unreachable fd51::/48 dev lo metric 1024');
});

test('a foreign route is neither listed as ours nor touched when ours of the same prefix go', async () => {
  await ip('route add 10.60.0.0/16 via 10.0.0.9 dev eth0 proto static metric 5');
  const ours = route(prefix('10.60.0.0/16'), '10.0.0.2');
  await kernel.applyRoutes([{ kind: 'add', route: ours }]);
  expect((await kernel.routes({ version: 4, protocol: 80 })).filter(({ dst }) => dst === ours.dst)).toEqual([
    ours,
  ]);
  await kernel.applyRoutes([{ kind: 'delete', route: ours }]);
  expect(await ip('route show 10.60.0.0/16')).toContain('via 10.0.0.9 dev eth0 proto static metric 5');
});

test('an IPv4 route by an IPv6 gateway (RFC 5549) does not break a dump, nor does one with metrics we do not know', async () => {
  await ip('route add 10.61.0.0/16 via inet6 fd00::9 dev eth0 proto 77');
  await ip('route add 10.62.0.0/16 via 10.0.0.9 dev eth0 proto 77 mtu 1400 advmss 1300 congctl reno');
  expect(await kernel.routes({ version: 4, protocol: 77 })).toMatchObject([
    { dst: prefix('10.61.0.0/16'), nextHops: [{ via: address('fd00::9'), ifindex }] },
    { dst: prefix('10.62.0.0/16'), nextHops: [{ via: address('10.0.0.9'), ifindex }] },
  ]);
});

test('a nexthop object of the kernel is resolved in a dump', async () => {
  await ip('nexthop add id 7 via 10.0.0.7 dev eth0');
  await ip('route add 10.63.0.0/16 nhid 7 proto 78');
  expect(await kernel.routes({ version: 4, protocol: 78 })).toMatchObject([
    { dst: prefix('10.63.0.0/16'), nextHops: [{ via: address('10.0.0.7'), ifindex }] },
  ]);
});

test('when somebody takes one next hop of an IPv6 route, what is left is told after the loss', async () => {
  const ours = route(prefix('fd70::/48'), 'fd00::2', 'fd00::3');
  const seen: KernelEvent[] = [];
  const stop = kernel.watch((event) => seen.push(event));
  await kernel.applyRoutes([{ kind: 'set', route: ours }]);
  await ip('-6 route delete fd70::/48 via fd00::3 dev eth0 metric 1024');
  const left = { ...ours, nextHops: [{ via: address('fd00::2'), ifindex }] };
  await eventually(
    () =>
      expect(seen).toEqual([
        {
          kind: 'route',
          change: 'delete',
          route: { ...ours, nextHops: [{ via: address('fd00::3'), ifindex }] },
        },
        { kind: 'route', change: 'set', route: left },
      ]),
    soon,
  );
  stop();
});

test('when events are lost the watcher is told, and hears what comes afterwards', async () => {
  const seen: KernelEvent[] = [];
  const stop = watchKernel(
    { netns: path, ownPortId: 0, receiveBuffer: 4096, routes6: async () => [] },
    (event) => seen.push(event),
  );
  const storm = Array.from({ length: 2_000 }, (_, index) => route(manyPrefixes[4](index), '10.0.0.2'));
  // The kernel takes them in on another thread, and this one stands still: it does not listen meanwhile.
  const writing = kernel.applyRoutes(storm.map((one) => ({ kind: 'set', route: one })));
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  await writing;
  await eventually(() => expect(seen.some(({ kind }) => kind === 'overrun')).toBe(true), soon);
  await kernel.applyRoutes(storm.map((one) => ({ kind: 'delete', route: one })));
  // A probe may still fall into the storm and be lost; the same route set twice would tell nothing the second time.
  let probes = 0;
  await eventually(async () => {
    const probe = route(prefix(`10.71.${probes++}.0/24`), '10.0.0.2');
    await kernel.applyRoutes([{ kind: 'set', route: probe }]);
    const told = { kind: 'route', change: 'set', route: probe };
    await eventually(() => expect(seen).toContainEqual(told), { within: 100 });
  }, soon);
  stop();
});

test('what we write ourselves takes no room of what others do', async () => {
  const seen: KernelEvent[] = [];
  const writer = new Requests({ protocol: NETLINK.ROUTE, netns: path, receiveBuffer: 1 << 20 });
  const stop = watchKernel(
    { netns: path, ownPortId: portIdOf(writer.fd), receiveBuffer: 4096, routes6: async () => [] },
    (event) => {
      // The kernel's own come when a link-local address is found to be nobody else's.
      const isOfKernel = event.kind === 'route' && event.route.protocol === kernelProtocol;
      if ((event.kind === 'route' && !isOfKernel) || event.kind === 'overrun') seen.push(event);
    },
  );
  const storm = Array.from({ length: 2_000 }, (_, index) => route(manyPrefixes[4](index), '10.0.0.2'));
  await applyRoutes(
    writer,
    storm.map((one) => ({ kind: 'set', route: one })),
  );
  await applyRoutes(
    writer,
    storm.map((one) => ({ kind: 'delete', route: one })),
  );
  const foreign = route(prefix('10.72.0.0/24'), '10.0.0.2');
  await kernel.applyRoutes([{ kind: 'set', route: foreign }]);
  await eventually(() => expect(seen).toEqual([{ kind: 'route', change: 'set', route: foreign }]), soon);
  await kernel.applyRoutes([{ kind: 'delete', route: foreign }]);
  stop();
  writer.close();
});

test('while the kernel takes in a batch this thread goes on, and may even close the port', async () => {
  const writer = openKernel(path);
  const storm = Array.from({ length: 10_000 }, (_, index) => route(manyPrefixes[4](index), '10.0.0.2'));
  const writing = writer.applyRoutes(storm.map((one) => ({ kind: 'set', route: one })));
  for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
  writer.close();
  await expect(writing).rejects.toThrow('the kernel port is closed');
  const again = openKernel(path);
  const dsts = storm.map(({ dst }) => dst);
  const left = async (): Promise<ReadonlySet<Prefix>> =>
    new Set((await again.routes({ version: 4, protocol: 80 })).map(({ dst }) => dst));
  // The batch under way was taken in whole, and no other was begun.
  const there = await left();
  const taken = dsts.findIndex((dst) => !there.has(dst));
  expect(taken).toBeGreaterThan(1000);
  expect(dsts.slice(taken).filter((dst) => there.has(dst))).toEqual([]);
  await again.applyRoutes(storm.map((one) => ({ kind: 'delete', route: one })));
  const after = await left();
  expect(dsts.filter((dst) => after.has(dst))).toEqual([]);
  again.close();
});

test('our own nft transactions, even a large one, are not reported as foreign; a flush by somebody is', async () => {
  let foreign = 0;
  const stop = kernel.watchNft('tortie', () => {
    foreign += 1;
  });
  const rules = Array.from(
    { length: 400 }, // in a user namespace nft cannot send much more at once
    (_, index) => `add rule inet tortie c tcp dport ${index + 1} accept`,
  );
  await kernel.nft(['add table inet tortie', 'add chain inet tortie c', ...rules, ''].join('\n'));
  await kernel.nft('flush chain inet tortie c\n');
  await playground.exec('node', 'nft add table inet other');
  await playground.exec('node', 'nft add table ip tortie');
  expect(foreign).toBe(0);
  await playground.exec('node', 'nft flush ruleset');
  await eventually(() => expect(foreign).toBe(1), soon);
  stop();
});

test('without nft the error says what to install', async () => {
  const before = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    await expect(kernel.nft('add table inet x\n')).rejects.toThrow(/install the package "nftables"/);
  } finally {
    process.env['PATH'] = before;
  }
});

test('a namespace window returns home, also after an exception, and other namespaces are named in errors', () => {
  const home = (): string => inNamespace(undefined, () => nsOf());
  const before = home();
  expect(inNamespace(path, nsOf)).not.toBe(before);
  expect(() =>
    inNamespace(path, () => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
  expect(home()).toBe(before);
  expect(() => inNamespace('/run/netns/missing', nsOf)).toThrow(/\/run\/netns\/missing.*ENOENT/);
  expect(() => inNamespace('/etc/hostname', nsOf)).toThrow(
    /\/etc\/hostname: EINVAL.*not a network namespace/,
  );
});

test('a closed kernel refuses with a sentence instead of hanging', async () => {
  const closed = openKernel(path);
  closed.close();
  await expect(closed.links()).rejects.toThrow(/the kernel port is closed/);
});

test('a prefix is written as iproute2 reads it', async () => {
  const odd = route(prefix('10.80.4.0/22'), '10.0.0.2');
  await kernel.applyRoutes([{ kind: 'set', route: odd }]);
  expect(await ip(`route show ${formatPrefix(odd.dst)}`)).toContain('10.80.4.0/22 via 10.0.0.2');
});

test('of many interfaces that go at once none keeps the process from its other work for longer than the kernel takes for one', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `gone${index}`);
  for (const name of names) await kernel.addVeth({ name, peer: { name: `${name}p`, netns: peer } });
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  let last = performance.now();
  const ends: { readonly turn: number; readonly tookMs: number }[] = [];
  await Promise.all(
    names.map(async (name) => {
      await kernel.deleteLink(name);
      ends.push({ turn, tookMs: performance.now() - last });
      last = performance.now();
    }),
  );
  isOver = true;
  expect(ends).toHaveLength(names.length);
  const slowIn = new Map<number, number>();
  for (const { turn: at, tookMs } of ends) if (tookMs > 8) slowIn.set(at, (slowIn.get(at) ?? 0) + 1);
  // All twelve, if nobody yields; a busy machine may make one or two look slow that were not.
  expect(Math.max(0, ...slowIn.values())).toBeLessThanOrEqual(3);
});
