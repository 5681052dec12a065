/** One writer of rules after the other, and rules taken away by hand, while pods talk: what may not pass never does, and all is put back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createFelixNode, namespaceObject, nodeObject, podObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';
import { type Counted, startTraffic, type Traffic, wrongIn } from '../support/traffic.ts';

const node = createFelixNode('rd', 'node1');
const pods = ['shop/web', 'shop/friend', 'shop/stranger'];
const addresses = new Map<string, readonly string[]>();
const soon = { within: 60_000, every: 50 };
let felix: Running;
let traffic: Traffic;

const onlyFriend = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'only-friend', namespace: 'shop' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }] }],
  },
};

const sh = (command: string): Promise<string> => node.ground.exec('node1', command);
const store = (): void =>
  node.store([
    nodeObject('node1', '10.244.1.0/24', 'fd00:1::/64'),
    namespaceObject('shop'),
    ...pods.map((pod) =>
      podObject(pod, 'node1', { labels: { app: pod.slice(5) }, ips: addresses.get(pod) ?? [] }),
    ),
    onlyFriend,
  ]);

/** Where rules of ours are. The older iptables is asked only where it has tables. */
async function writers(): Promise<readonly string[]> {
  const found = await sh(
    `nft list tables | grep -q 'inet tortie' && echo nftables
     iptables-nft-save 2>/dev/null | grep -q tortie && echo nft
     grep -q . /proc/net/ip_tables_names 2>/dev/null && iptables-legacy-save | grep -q tortie && echo legacy
     ipset save | grep -q tortie && echo sets; true`,
  );
  return found.split('\n').filter((line) => line !== '');
}

const end = (pod: string) => ({ netns: node.netns(pod), addresses: addresses.get(pod) ?? [] });

beforeAll(async () => {
  store();
  felix = await node.start();
  for (const pod of pods) addresses.set(pod, await node.add({ container: `c-${pod.slice(5)}`, pod }));
  store();
  await node.settled(({ endpoints }) => endpoints.every(({ ready }) => ready));
  traffic = await startTraffic([
    { name: 'friend', from: end('shop/friend'), to: end('shop/web'), passes: true },
    { name: 'stranger', from: end('shop/stranger'), to: end('shop/web'), passes: false },
  ]);
});
afterAll(async () => {
  traffic.close();
  await node.close();
});

test.each([
  ['nftables', 'iptables over nf_tables', ['nftablesMode=Disabled', 'iptablesBackend=NFT'], ['nft', 'sets']],
  ['that', 'the older iptables', ['nftablesMode=Disabled', 'iptablesBackend=Legacy'], ['legacy', 'sets']],
  ['that', 'nftables again', ['nftablesMode=Enabled'], ['nftables']],
])(
  'from %s to %s: traffic is judged at all times, and nothing of the other is left',
  async (_, __, set, wanted) => {
    traffic.reset();
    await felix.end();
    felix = await node.start(set.flatMap((field) => ['--set', field]));
    await eventually(async () => expect(await writers()).toEqual(wanted), soon);
    expect(wrongIn(await traffic.count())).toEqual([]);
  },
  120_000,
);

const ofFriend = (counted: readonly Counted[]): readonly Counted[] => counted.filter(({ passes }) => passes);

async function isPutBack(table: string): Promise<void> {
  await eventually(async () => expect(await sh(table)).toContain('only-friend'), soon);
  await node.settled(({ dataplane }) => dataplane === 'in-sync');
  expect(wrongIn(ofFriend(await traffic.count()))).toEqual([]);
  traffic.reset();
  expect(wrongIn(await traffic.count())).toEqual([]);
}

test('a table that is flushed by hand is put back, and what may pass lost nothing meanwhile', async () => {
  traffic.reset();
  await sh('nft flush table inet tortie');
  await isPutBack('nft list table inet tortie');
}, 120_000);

test.each([
  ['NFT', 'nft', '-F'],
  ['Legacy', 'legacy', '-F'],
])(
  'with iptables (%s), so are its rules: iptables-%s %s',
  async (backend, program, flush) => {
    await felix.end();
    felix = await node.start(
      // No timer is to find it.
      [
        ...['nftablesMode=Disabled', `iptablesBackend=${backend}`],
        ...['iptablesRefreshInterval=0s', 'ipsetsRefreshInterval=0s'],
      ].flatMap((field) => ['--set', field]),
    );
    await node.settled(({ dataplane }) => dataplane === 'in-sync');
    traffic.reset();
    await sh(`iptables-${program} ${flush}; ip6tables-${program} -t mangle -F`);
    await isPutBack(`iptables-${program}-save`);
    await eventually(
      async () => expect(await sh(`iptables-${program} -S FORWARD`)).toContain('tortie-to-pods'),
      soon,
    );
    const said = 'somebody else changed our rules in the tables of iptables';
    await eventually(async () => expect(felix.output()).toContain(said), soon);
  },
  120_000,
);
