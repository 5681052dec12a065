import { expect, test } from 'vitest';
import { subnetsOf, watchSubnets } from '../../../bgp/follow/subnets.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { type Address, formatPrefix, parseAddress } from '../../../src/lib/net.ts';
import { virtualClock } from '../../support/clock.ts';
import { createFakeKernel } from '../../support/fake-kernel.ts';

const address = (text: string): Address => parseAddress(text) as Address;

async function bench() {
  const kernel = createFakeKernel();
  const clock = virtualClock();
  kernel.addLink({ name: 'eth0' });
  await kernel.setLink('eth0', { up: true });
  const told: string[] = [];
  const watch = (port: Kernel = kernel): (() => void) =>
    watchSubnets(port, clock, (subnets) =>
      told.push(subnets.map(({ prefix }) => formatPrefix(prefix)).join(' ')),
    );
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 10) {
      clock.advance(10);
      for (let tick = 0; tick < 10; tick += 1) await Promise.resolve();
    }
  };
  const add = (text: string, length: number): Promise<void> =>
    kernel.addAddress('eth0', { address: address(text), length });
  return { kernel, clock, told, watch, pass, add };
}

test('host addresses and those of link or host scope are no subnet, and two addresses in one are one', () => {
  const entry = (text: string, length: number, scope: 'global' | 'link' | 'host' = 'global') => ({
    ifindex: 2,
    address: address(text),
    length,
    scope,
  });
  const subnets = subnetsOf(
    [
      entry('172.30.0.12', 24),
      entry('172.30.0.11', 24),
      entry('10.0.0.1', 32),
      entry('127.0.0.1', 8, 'host'),
      entry('fe80::1', 64, 'link'),
      entry('fd00:30::1', 64),
      entry('fd00:30::1', 128),
    ],
    [{ ifindex: 2, name: 'eth0' }],
  );
  expect(subnets.map(({ prefix, link }) => `${formatPrefix(prefix)} ${link}`)).toEqual([
    '172.30.0.0/24 eth0',
    'fd00:30::/64 eth0',
  ]);
  // The first the kernel lists is the primary one.
  expect(subnets.map((subnet) => subnet.address)).toEqual([address('172.30.0.12'), address('fd00:30::1')]);
});

test('the subnets are told at once and after each change of addresses, a burst of changes once', async () => {
  const { told, watch, pass, add, kernel } = await bench();
  await add('172.30.0.1', 24);
  watch();
  await pass(10);
  expect(told).toEqual(['172.30.0.0/24']);
  await add('172.31.0.1', 24);
  await add('172.32.0.1', 24);
  await pass(100);
  expect(told.slice(1)).toEqual(['172.30.0.0/24 172.31.0.0/24 172.32.0.0/24']);
  kernel.overrun();
  await pass(100);
  expect(told).toHaveLength(3);
});

test('if the kernel fails to list its addresses it is asked again after a second', async () => {
  const { kernel, told, watch, pass } = await bench();
  let asked = 0;
  watch({
    ...kernel,
    addresses: async () => {
      asked += 1;
      if (asked < 3) throw new Error('EBUSY');
      return kernel.addresses();
    },
  });
  await pass(1500);
  expect([asked, told]).toEqual([2, []]);
  await pass(1000);
  expect([asked, told]).toEqual([3, ['']]);
});

test('nothing is told after stop, not even what was asked before, and no timer is left', async () => {
  const { kernel, told, watch, pass, clock } = await bench();
  watch()();
  watch({ ...kernel, addresses: () => Promise.reject(new Error('closed')) })();
  await pass(2000);
  expect([told, clock.pending]).toEqual([[], 0]);
});
