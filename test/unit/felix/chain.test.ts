/** The agent among other plugins and networks: policy only, capabilities, GC, wishes of pods, records that are lost. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NftBatch } from '../../../src/kernel/netlink/nft/batch.ts';
import { changeElements } from '../../../src/kernel/netlink/nft/object.ts';
import { millis } from '../../../src/lib/net.ts';
import { home, ipsOf, live, networkOf, ready } from '../../support/agent.ts';
import { podObject } from '../../support/felix.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'tortie-chain-'));
});
afterEach(() => rm(stateDir, { recursive: true, maxRetries: 10 }));

type Life = Awaited<ReturnType<typeof ready>>;

/** What ptp with host-local answers to ADD. */
const previous = (sandbox: string, hostInterface = 'veth1234') => ({
  cniVersion: '1.1.0',
  interfaces: [
    { name: hostInterface, mac: '02:00:00:00:00:aa' },
    { name: 'eth0', mac: '02:00:00:00:00:bb', sandbox },
  ],
  ips: [{ address: '10.9.0.5/24', gateway: '10.9.0.1', interface: 1 }],
  routes: [{ dst: '0.0.0.0/0' }],
  dns: { nameservers: ['10.96.0.10'] },
});

async function withVeth(life: Life, name = 'veth1234'): Promise<Life> {
  await life.kernel.addVeth({ name, peer: { name: 'eth0', netns: '/run/netns/a' } });
  return life;
}

const settle = ({ drive, clock }: Life): Promise<void> =>
  drive(new Promise<void>((resolve) => clock.after(millis(500), resolve)));

describe('after a plugin that made the interface', () => {
  test('ADD enforces the policy of its veth and hands its result through unchanged', async () => {
    const life = await withVeth(await ready({ stateDir }));
    const prevResult = previous('/run/netns/a');
    const said = await life.drive(life.cni('ADD', 'c1', 'a', {}, { prevResult }));
    expect(said.body).toEqual(prevResult);
    expect((await life.status()).endpoints).toEqual([
      { namespace: 'x', pod: 'a', interface: 'veth1234', addresses: ['10.9.0.5'], ready: true },
    ]);
    const written = life.kernel.transactions.join('');
    expect(written).toContain('foreign-endpoints { "veth1234" }');
    expect(written).toContain('from-endpoint { "veth1234" : jump from-veth1234 }');
    expect((await life.kernel.links()).map(({ name }) => name)).toEqual(['lo', 'veth1234']);
    expect(await life.kernel.routes({ version: 4, protocol: 81 })).toEqual([]);
  });

  test('DEL takes the policy away and leaves the interface to whose it is; another life remembers', async () => {
    const first = await withVeth(await ready({ stateDir }));
    const chained = { prevResult: previous('/run/netns/a'), policyOnly: true };
    await first.drive(first.cni('ADD', 'c1', 'a', {}, chained));
    first.agent.stop();
    const second = await ready({ stateDir }, first.network);
    expect((await second.status()).endpoints.map(({ interface: name }) => name)).toEqual(['veth1234']);
    expect((await second.drive(second.cni('DEL', 'c1', 'a', {}, chained))).status).toBe(204);
    await settle(second);
    await second.drive(second.cni('ADD', 'c1', 'a', {}, chained));
    await second.drive(second.cni('DEL', 'c1', 'a', {}, chained));
    await settle(second);
    expect((await second.status()).endpoints).toEqual([]);
    expect(second.kernel.transactions.at(-1)).toContain(
      'delete element inet tortie foreign-endpoints { "veth1234" }',
    );
    expect((await second.kernel.links()).map(({ name }) => name)).toEqual(['lo', 'veth1234']);
  });

  test('an interface whose record is lost stays closed in the next life, and ADD opens it as before', async () => {
    const first = await withVeth(await ready({ stateDir }));
    const chained = { prevResult: previous('/run/netns/a'), policyOnly: true };
    await first.drive(first.cni('ADD', 'c1', 'a', {}, chained));
    first.agent.stop();
    await writeFile(join(stateDir, 'cni', 'veth1234.json'), 'half a rec');
    // Of an interface that is there no more, a life before the last left this.
    const left = new NftBatch();
    const gone = new TextEncoder().encode('vethgone'.padEnd(16, '\0'));
    changeElements(left, 'add', 'tortie', 'foreign-endpoints', [{ key: gone }]);
    await first.network.kernel(home).nftWrite(left);
    const second = await ready({ stateDir }, first.network);
    await settle(second);
    const written = second.kernel.transactions.at(-1) ?? '';
    expect(written).toContain('delete element inet tortie foreign-endpoints { "vethgone" }');
    expect(written).not.toContain('foreign-endpoints { "veth1234" }'); // it stays
    expect(written).toMatch(
      /flush chain inet tortie from-veth1234\n(add rule .* comment ".*is not known yet"\n)add rule inet tortie from-veth1234 drop comment/,
    );
    expect((await second.status()).endpoints).toEqual([]);
    expect((await second.drive(second.cni('ADD', 'c1', 'a', {}, chained))).status).toBe(200);
    expect((await second.status()).endpoints.map(({ pod, ready: is }) => [pod, is])).toEqual([['a', true]]);
    second.kernel.foreignDeleteLink('veth1234');
    await settle(second);
    expect(second.kernel.transactions.at(-1)).toContain(
      'delete element inet tortie foreign-endpoints { "veth1234" }',
    );
  });

  test('CHECK wants the route of the address to lead over the interface', async () => {
    const life = await withVeth(await ready({ stateDir }));
    const chained = { prevResult: previous('/run/netns/a') };
    await life.drive(life.cni('ADD', 'c1', 'a', {}, chained));
    const said = await life.drive(life.cni('CHECK', 'c1', 'a', {}, chained));
    expect([said.code, said.msg]).toEqual([
      103,
      'The network of pod x/a is not as ADD made it: the node has no route to 10.9.0.5 by veth1234. Delete the pod to have it made anew.',
    ]);
  });

  test.each([
    [
      'a bridge',
      {
        ...previous('/run/netns/a'),
        interfaces: [{ name: 'cni0' }, { name: 'veth1234' }, { name: 'eth0', sandbox: '/run/netns/a' }],
        ips: [{ address: '10.9.0.5/24', interface: 2 }],
      },
      'The prevResult has cni0, veth1234 on the node’s side'.replace('’', "'"),
    ],
    [
      'no interface on the node',
      { ...previous('/run/netns/a'), interfaces: [], ips: [{ address: '10.9.0.5/24' }] },
      'The prevResult has no interface of the node',
    ],
    [
      'no address',
      { ...previous('/run/netns/a'), ips: [] },
      'The prevResult gives eth0 no address, so there is nothing to enforce policy on.',
    ],
  ])('ADD refuses %s', async (_, prevResult, words) => {
    const life = await withVeth(await ready({ stateDir }));
    const said = await life.drive(life.cni('ADD', 'c1', 'a', {}, { prevResult }));
    expect([said.code, said.msg]).toEqual([7, expect.stringContaining(words)]);
    expect((await life.status()).endpoints).toEqual([]);
  });

  test('STATUS minds no pod CIDRs, for the addresses are others’', async () => {
    const life = await ready({ stateDir });
    life.tell([{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' }, spec: {} }]);
    await settle(life);
    expect((await life.cni('STATUS', '', '', {}, { policyOnly: true })).status).toBe(204);
    expect((await life.cni('STATUS', '', '')).code).toBe(50);
  });
});

describe('a configuration', () => {
  test('for another kind of IPAM, or another node, is refused by STATUS and ADD', async () => {
    const life = await ready({ stateDir });
    await settle(life);
    const blocks = { ipam: { type: 'calico-ipam' } };
    const words =
      'The network configuration has ipam.type "calico-ipam", which is blocks of the IPPools, and tortie felix was started with --ipam pod-cidrs. Start felix and bgp with --ipam blocks, or take ipam out of the configuration.';
    const status = await life.cni('STATUS', '', '', {}, blocks);
    expect([status.code, status.msg]).toEqual([50, words]);
    const added = await life.drive(life.cni('ADD', 'c1', 'a', {}, blocks));
    expect([added.code, added.msg]).toEqual([7, words]);
    expect((await life.cni('STATUS', '', '', {}, { nodename: 'node2' })).code).toBe(50);
  });

  test('with host-local of one family gives that family', async () => {
    const life = await ready({ stateDir });
    life.tell([
      {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: 'node1' },
        spec: { podCIDRs: ['10.1.0.0/24', 'fd00::/64'] },
      },
    ]);
    const ipam = { type: 'host-local', subnet: 'usePodCidr' };
    const one = await life.drive(life.cni('ADD', 'c1', 'a', {}, { ipam }));
    expect(ipsOf(one)).toEqual(['10.1.0.1/32']);
  });

  test('of the runtime gives the MAC, and a pod’s annotation beats it', async () => {
    const life = await ready({ stateDir });
    const annotations = { 'cni.projectcalico.org/hwAddr': '02:00:00:00:00:0A' };
    const pod = podObject('x/b', 'node1') as { readonly metadata: object };
    life.tell([{ ...pod, metadata: { ...pod.metadata, annotations } }]);
    const runtimeConfig = { mac: '02:00:00:00:00:0b' };
    const macOf = async (container: string, name: string): Promise<unknown> => {
      const said = await life.drive(life.cni('ADD', container, name, {}, { runtimeConfig }));
      return (said.body as { readonly interfaces: readonly { readonly mac: string }[] }).interfaces[1]?.mac;
    };
    expect([await macOf('c1', 'a'), await macOf('c2', 'b')]).toEqual([
      '02:00:00:00:00:0b',
      '02:00:00:00:00:0a',
    ]);
  });
});

describe('a wish that cannot be granted is said, and nothing is made', () => {
  test.each([
    [
      { ipAddrs: '["10.1.0.2"]' },
      101,
      'The pod asks for certain addresses, and this node gives what comes next in its pod CIDRs. Start felix and bgp with --ipam blocks, or take the wish away.',
    ],
    [
      { ipv4pools: '["mine"]' },
      101,
      'The pod asks for addresses of certain pools, and this node gives what comes next in its pod CIDRs. Start felix and bgp with --ipam blocks, or take the wish away.',
    ],
    [
      { ipv4pools: 'mine' },
      7,
      'The annotation cni.projectcalico.org/ipv4pools is "mine"; write a JSON list, e.g. ["one"].',
    ],
    [
      { ipAddrsNoIpam: '["10.1.0.2"]' },
      7,
      'The annotation cni.projectcalico.org/ipAddrsNoIpam of the pod cannot be honoured: Tortie gives no address past its IPAM; use ipAddrs.',
    ],
    [
      { hwAddr: 'ff:ff:ff:ff:ff:ff' },
      7,
      'The annotation cni.projectcalico.org/hwAddr is "ff:ff:ff:ff:ff:ff"; write a unicast MAC address.',
    ],
    [
      { ipFamilies: '["IPv5"]' },
      7,
      'The annotation cni.projectcalico.org/ipFamilies is "[\\"IPv5\\"]"; write a JSON list of "IPv4" and "IPv6".',
    ],
  ])('%j', async (wishes, code, msg) => {
    const life = await ready({ stateDir });
    const annotations = Object.fromEntries(
      Object.entries(wishes).map(([key, value]) => [`cni.projectcalico.org/${key}`, value]),
    );
    const pod = podObject('x/a', 'node1') as { readonly metadata: object };
    life.tell([{ ...pod, metadata: { ...pod.metadata, annotations } }]);
    const said = await life.drive(life.cni('ADD', 'c1', 'a'));
    expect([said.code, said.msg]).toEqual([code, msg]);
    expect((await life.kernel.links()).map(({ name }) => name)).toEqual(['lo']);
  });
});

test('ADD waits for the pod of its uid, not for an older one of the same name', async () => {
  const life = await ready({ stateDir });
  const of = (uid: string): object => {
    const pod = podObject('x/a', 'node1') as { readonly metadata: object };
    return { ...pod, metadata: { ...pod.metadata, uid } };
  };
  life.tell([of('older')]);
  const args = { 'cni-args': 'K8S_POD_NAMESPACE=x;K8S_POD_NAME=a;K8S_POD_UID=newer' };
  const adding = life.cni('ADD', 'c1', 'a', args);
  life.clock.after(millis(3000), () => life.tell([of('newer')]));
  expect((await life.drive(adding)).status).toBe(200);
  expect(life.clock.now()).toBeGreaterThanOrEqual(3000);
  const never = { 'cni-args': 'K8S_POD_NAMESPACE=x;K8S_POD_NAME=a;K8S_POD_UID=newest' };
  const said = await life.drive(life.cni('ADD', 'c2', 'a', never));
  expect([said.code, said.msg]).toEqual([11, expect.stringContaining('an older pod x/a (uid newer)')]);
});

test('GC removes what its own network does not list, and nothing of another', async () => {
  const life = await ready({ stateDir });
  await life.drive(life.cni('ADD', 'c1', 'a'));
  await life.drive(life.cni('ADD', 'c2', 'b', {}, { name: 'others' }));
  const podsOf = async () => (await life.status()).endpoints.map(({ pod }) => pod);
  const gc = (name: string, ...ids: readonly string[]) => {
    const valid = ids.map((containerID) => ({ containerID, ifname: 'eth0' }));
    return life.drive(life.cni('GC', '', '', {}, { name, 'cni.dev/valid-attachments': valid }));
  };
  await gc('pods', 'c1');
  expect(await podsOf()).toEqual(['a', 'b']);
  await gc('pods');
  expect(await podsOf()).toEqual(['b']);
  await gc('others');
  expect(await podsOf()).toEqual([]);
});

test('GC waits for the call about the pod that is under way, and then leaves what that made', async () => {
  const life = await ready({ stateDir });
  await life.drive(life.cni('ADD', 'c1', 'a'));
  const valid = { 'cni.dev/valid-attachments': [{ containerID: 'c2', ifname: 'eth0' }] };
  const both = Promise.all([life.cni('ADD', 'c2', 'a'), life.cni('GC', '', '', {}, valid)]);
  life.network.kernel('/run/netns/a').deleteLink('eth0');
  const [added, collected] = await life.drive(both);
  expect([added.status, collected.status]).toEqual([200, 204]);
  expect((await life.status()).endpoints.map(({ pod, ready: is }) => [pod, is])).toEqual([['a', true]]);
});

test('an interface whose record and pod are both unknown opens when the pod comes, without a restart', async () => {
  const first = await ready({ stateDir });
  await first.drive(first.cni('ADD', 'c-a', 'a'));
  first.agent.stop();
  await rm(join(stateDir, 'cni'), { recursive: true });
  const second = live(first.network, { stateDir });
  await second.drive(second.agent.run());
  second.tell([]);
  await second.drive(new Promise<void>((resolve) => second.clock.after(millis(500), resolve)));
  expect((await second.status()).endpoints).toEqual([]);
  second.tell([podObject('x/a', 'node1')]);
  await second.drive(new Promise<void>((resolve) => second.clock.after(millis(500), resolve)));
  expect((await second.status()).endpoints.map(({ pod, ready: is }) => [pod, is])).toEqual([['a', true]]);
  expect(second.fatal).toEqual([]);
});

test('DEL removes an interface whose record is lost and whose pod the datastore never shows', async () => {
  const first = await ready({ stateDir });
  await first.drive(first.cni('ADD', 'c-a', 'a'));
  first.agent.stop();
  await rm(join(stateDir, 'cni'), { recursive: true });
  const second = live(first.network, { stateDir });
  await second.drive(second.agent.run());
  second.tell([]);
  await second.drive(new Promise<void>((resolve) => second.clock.after(millis(500), resolve)));
  expect((await second.drive(second.cni('DEL', 'c-a', 'a'))).status).toBe(204);
  expect((await first.network.kernel(home).links()).map(({ name }) => name)).toEqual(['lo']);
});

test('the report says how the daemon is, and whoever writes the configuration is told once', async () => {
  const life = live(networkOf('a'), { stateDir });
  await life.drive(life.agent.run());
  life.tell([], false);
  expect(life.reports.at(-1)).toMatchObject({ inSync: false, dataplane: 'waiting' });
  expect(life.served()).toBe(0);
  life.tell([
    podObject('x/a', 'node1'),
    { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' }, spec: { podCIDRs: ['10.1.0.0/30'] } },
  ]);
  await life.drive(life.cni('ADD', 'c1', 'a'));
  expect(life.reports.at(-1)).toEqual({
    version: '0',
    inSync: true,
    dataplane: 'in-sync',
    endpoints: { ready: 1, total: 1 },
    problems: [],
  });
  expect(life.served()).toBe(1);
});

test('/livez fails when a change of the ruleset is under way for longer than any takes', async () => {
  const life = await ready({ stateDir });
  await settle(life);
  expect(life.agent.health.live()).toBeUndefined();
  life.kernel.nftWrite = () => new Promise(() => {});
  life.tell([podObject('x/new', 'node1', { labels: { a: 'b' }, ips: ['10.1.0.9'] })]);
  void life.cni('ADD', 'c1', 'a');
  await life.drive(new Promise<void>((resolve) => life.clock.after(millis(1000), resolve)));
  expect(life.agent.health.live()).toBeUndefined();
  life.clock.advance(100_000);
  expect(life.agent.health.live()).toMatch(
    /^A change of the ruleset has been under way for \d+ s; the kernel does not answer\.$/,
  );
});
