import { expect, test } from 'vitest';
import { createFib } from '../../../bgp/fib.ts';
import { formatPrefix } from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { virtualClock } from '../../support/clock.ts';
import { createFakeKernel } from '../../support/fake-kernel.ts';
import { address, prefix } from '../../support/wire.ts';

async function bench() {
  const kernel = createFakeKernel();
  const clock = virtualClock();
  kernel.addLink({ name: 'eth0' });
  await kernel.setLink('eth0', { up: true });
  await kernel.addAddress('eth0', { address: address('172.30.0.1'), length: 24 });
  const fib = createFib({ kernel, clock, random: seededRandom(1) });
  const routes = async (): Promise<readonly string[]> => {
    for (let at = 0; at < 2000; at += 10) {
      clock.advance(10);
      for (let tick = 0; tick < 30; tick += 1) await Promise.resolve();
    }
    const all = [
      ...(await kernel.routes({ version: 4, protocol: 80 })),
      ...(await kernel.routes({ version: 6, protocol: 80 })),
    ];
    return all.map(({ dst, type, metric }) => `${formatPrefix(dst)} ${type} metric ${metric}`).sort();
  };
  fib.origins([prefix('10.1.0.0/24'), prefix('fd00:1::/64')]);
  fib.learned(prefix('10.2.0.0/24'), [address('172.30.0.11')]);
  fib.learned(prefix('192.0.2.7/32'), [address('172.30.0.12')]);
  fib.start();
  fib.sweep();
  return { fib, routes };
}

const usual = [
  '10.1.0.0/24 unreachable metric 1024',
  '10.2.0.0/24 unicast metric 1024',
  '192.0.2.7/32 unicast metric 1024',
  'fd00:1::/64 unreachable metric 1024',
];

test('the metric of routes is 1024, or what is asked for by IP version; a change moves them, and none is left behind', async () => {
  const { fib, routes } = await bench();
  expect(await routes()).toEqual(usual);
  fib.configure({ routePriority: { ipv4: 20 } });
  expect(await routes()).toEqual(
    usual.map((line) => (line.includes(':') ? line : line.replace('1024', '20'))),
  );
  fib.configure({});
  expect(await routes()).toEqual(usual);
});

test('what is learned inside prefixes that are not to be written is not, and our own prefixes still are', async () => {
  const { fib, routes } = await bench();
  fib.configure({ unprogrammed: [prefix('192.0.2.0/24')] });
  expect(await routes()).toEqual(usual.filter((line) => !line.startsWith('192')));
  fib.learned(prefix('192.0.2.8/32'), [address('172.30.0.12')]);
  expect(await routes()).toEqual(usual.filter((line) => !line.startsWith('192')));
  fib.configure({ unprogrammed: [prefix('0.0.0.0/0'), prefix('::/0')] });
  expect(await routes()).toEqual(usual.filter((line) => line.includes('unreachable')));
  fib.configure({});
  expect(await routes()).toHaveLength(5);
});
