/** The whole agent on a kernel in memory: what the CNI server answers when the world does not play along. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { millis } from '../../../src/lib/net.ts';
import { interfaceName } from '../../../src/model/endpoint.ts';
import { cluster, home, ipsOf, live, networkOf, ready } from '../../support/agent.ts';
import { podObject } from '../../support/felix.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tortie-agent-'));
});
afterEach(() => rm(stateDir, { recursive: true, maxRetries: 10 }));

describe('ADD', () => {
  test('answers once route and policy are in the kernel, and everything of it is there', async () => {
    const { drive, cni, kernel, status } = await ready({ stateDir });
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect(ipsOf(said)).toEqual(['10.1.0.1/32']);
    expect(kernel.transactions.at(-1)).toContain(interfaceName('x', 'a'));
    expect((await kernel.routes({ version: 4, protocol: 81 })).length).toBe(1);
    expect((await status()).endpoints).toEqual([
      { namespace: 'x', pod: 'a', interface: interfaceName('x', 'a'), addresses: ['10.1.0.1'], ready: true },
    ]);
  });

  test('before in-sync waits, then says so, and touches nothing', async () => {
    const network = networkOf('a');
    const life = live(network, { stateDir });
    await life.drive(life.agent.run());
    life.tell(cluster, false);
    const said = await life.drive(life.cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([
      11,
      'tortie felix has not read the whole cluster yet; see that it can reach the datastore. It is tried again.',
    ]);
    expect(life.clock.now()).toBeGreaterThanOrEqual(4000);
    expect((await network.kernel(home).links()).map(({ name }) => name)).toEqual(['lo']);
    expect(network.kernel(home).transactions).toEqual([]);
  });

  test('of a pod the datastore does not show waits for it', async () => {
    const { drive, cni, tell, clock, network } = await ready({ stateDir });
    network.kernel('/run/netns/new');
    const adding = cni('ADD', 'c1', 'new');
    clock.after(millis(3000), () => tell([podObject('x/new', 'node1')]));
    expect((await drive(adding)).status).toBe(200);
  });

  test('of a pod that never comes fails, and gives back the address and the interface', async () => {
    const { drive, cni, kernel, network, status } = await ready({ stateDir });
    network.kernel('/run/netns/ghost');
    const said = await drive(cni('ADD', 'c1', 'ghost'));
    expect([said.code, said.msg]).toEqual([
      11,
      'The datastore does not show pod x/ghost on node node1 after 20 s; see that felix can reach it and that the pod exists.',
    ]);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo']);
    expect((await status()).endpoints).toEqual([]);
  });

  test('says how full the pod CIDR is when it is, and works again after a DEL and the cool-down', async () => {
    const { drive, cni, tell, clock, network } = await ready({ stateDir });
    network.kernel('/run/netns/third');
    tell([podObject('x/third', 'node1')]);
    for (const pod of ['a', 'b']) await drive(cni('ADD', `c-${pod}`, pod));
    const full = await drive(cni('ADD', 'c3', 'third'));
    expect([full.code, full.msg]).toEqual([
      101,
      'No IPv4 address is free in 10.1.0.0/30: 2 of 2 are in use. Give Node node1 a larger spec.podCIDRs, or run fewer pods there.',
    ]);
    await drive(cni('DEL', 'c-a', 'a'));
    expect((await drive(cni('ADD', 'c3', 'third'))).code).toBe(11);
    clock.advance(30_000);
    expect(ipsOf(await drive(cni('ADD', 'c3', 'third')))).toEqual(['10.1.0.1/32']);
  });

  test('on a node without pod CIDRs says how to get some', async () => {
    const { drive, cni, tell } = await ready({ stateDir });
    tell([{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' }, spec: {} }]);
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([
      11,
      'Node node1 has no spec.podCIDRs in the datastore, so pods can get no address. Set them, or let kube-controller-manager do it (--allocate-node-cidrs).',
    ]);
  });

  test('whose ruleset the kernel refuses fails with its words and leaves nothing', async () => {
    const { drive, cni, kernel } = await ready({ stateDir });
    await drive(cni('STATUS', 'c', 'a').then(() => cni('ADD', 'c0', 'b')));
    kernel.refuseNft('line 7: No space left on device');
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect(said.code).toBe(11);
    expect(said.msg).toContain('line 7: No space left on device');
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo', interfaceName('x', 'b')]);
  });

  test('whose route the kernel refuses fails with its words and leaves nothing', async () => {
    const { drive, cni, kernel } = await ready({ stateDir });
    kernel.refuseRoutes((op) => (op.route.protocol === 81 ? 'ENOMEM' : undefined));
    const said = await drive(cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([102, expect.stringContaining('ENOMEM')]);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('into a namespace that has the interface already, or is none, changes nothing', async () => {
    const { drive, cni, kernel, network } = await ready({ stateDir });
    network.kernel('/run/netns/a').addLink({ name: 'eth0' });
    const taken = await drive(cni('ADD', 'c1', 'a'));
    expect([taken.code, taken.msg]).toEqual([
      102,
      '/run/netns/a has an interface eth0 already; CNI_IFNAME must be free.',
    ]);
    expect((await drive(cni('ADD', 'c1', 'b', { 'cni-netns': '/run/netns/none' }))).code).toBe(3);
    expect((await kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('twice at the same time gives one interface and one address', async () => {
    const { drive, cni } = await ready({ stateDir });
    const [first, second] = await drive(Promise.all([cni('ADD', 'c1', 'a'), cni('ADD', 'c1', 'a')]));
    expect([ipsOf(first), ipsOf(second)]).toEqual([['10.1.0.1/32'], ['10.1.0.1/32']]);
  });
});

describe('another life', () => {
  test('keeps what is there, drops what is gone, and DEL works before the datastore does', async () => {
    const first = await ready({ stateDir });
    for (const pod of ['a', 'b']) await first.drive(first.cni('ADD', `c-${pod}`, pod));
    first.agent.stop();
    first.kernel.foreignDeleteLink(interfaceName('x', 'b'));
    const second = live(first.network, { stateDir });
    await second.drive(second.agent.run());
    expect((await second.status()).endpoints.map(({ pod, addresses }) => [pod, addresses])).toEqual([
      ['a', ['10.1.0.1']],
    ]);
    expect((await second.drive(second.cni('DEL', 'c-a', 'a'))).status).toBe(204);
    expect((await first.kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });

  test('recognises an interface whose record is lost, and only its own sandbox can DEL it', async () => {
    const first = await ready({ stateDir });
    await first.drive(first.cni('ADD', 'c-a', 'a'));
    first.agent.stop();
    await rm(join(stateDir, 'cni'), { recursive: true });
    const second = await ready({ stateDir }, first.network);
    await second.drive(second.cni('ADD', 'c-b', 'b'));
    expect(
      (await second.status()).endpoints.map(({ pod, addresses, ready: is }) => [pod, addresses, is]),
    ).toEqual([
      ['a', ['10.1.0.1'], true],
      ['b', ['10.1.0.2'], true],
    ]);
    first.network.kernel('/run/netns/older');
    await second.drive(second.cni('DEL', 'older', 'a', { 'cni-netns': '/run/netns/older' }));
    for (const netns of ['', '/run/netns/long-gone']) {
      expect((await second.drive(second.cni('DEL', 'older', 'a', { 'cni-netns': netns }))).status).toBe(204);
    }
    expect((await second.status()).endpoints.map(({ pod }) => pod)).toEqual(['a', 'b']);
    await second.drive(second.cni('DEL', 'c-a', 'a'));
    expect((await second.status()).endpoints.map(({ pod }) => pod)).toEqual(['b']);
  });
});

test('an interface whose record is lost goes with its sandbox, and a DEL that comes while it goes gives the address back', async () => {
  const first = await ready({ stateDir });
  await first.drive(first.cni('ADD', 'c-a', 'a'));
  first.agent.stop();
  await rm(join(stateDir, 'cni'), { recursive: true });
  const second = await ready({ stateDir }, first.network);
  await second.drive(new Promise<void>((resolve) => second.clock.after(millis(500), resolve)));
  second.clock.after(millis(300), () => void first.kernel.foreignDeleteLink(interfaceName('x', 'a')));
  await second.drive(second.cni('DEL', 'c-a', 'a', { 'cni-netns': '/run/netns/long-gone' }));
  expect((await second.status()).endpoints).toEqual([]);
});

test('an interface that goes away without DEL takes its policy and route along; DEL then gives the address back', async () => {
  const { drive, cni, kernel, status, clock } = await ready({ stateDir });
  await drive(cni('ADD', 'c-a', 'a'));
  kernel.foreignDeleteLink(interfaceName('x', 'a'));
  await drive(new Promise<void>((resolve) => clock.after(millis(500), resolve)));
  expect(kernel.transactions.at(-1)).toContain(
    `delete element inet tortie from-endpoint { "${interfaceName('x', 'a')}"`,
  );
  expect((await status()).endpoints[0]?.ready).toBe(false);
  expect((await drive(cni('DEL', 'c-a', 'a'))).status).toBe(204);
  expect((await status()).endpoints).toEqual([]);
});

test('/readyz says what is missing until the ruleset is in the kernel', async () => {
  const life = live(networkOf(), { stateDir });
  await life.drive(life.agent.run());
  expect(life.agent.health.ready()).toBe('The datastore has not been read whole yet.');
  life.tell(cluster);
  expect(life.agent.health.ready()).toBe('The ruleset is not in the kernel yet.');
  await life.drive(new Promise<void>((resolve) => life.clock.after(millis(100), resolve)));
  expect(life.agent.health.ready()).toBeUndefined();
  expect(life.fatal).toEqual([]);
});
