/** Which of two ToRs' routes is used: by AS path, by how their next hops are reached, and what a blackhole does. Two BIRDs. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bgpConfiguration, bgpPeer, createRack, ipPool, isUp, type Manifest } from '../support/rack.ts';
import { startRouter } from '../support/routers.ts';

const rack = createRack('bch', 1);
const node = rack.node(1);
const patience = { within: 30_000 };
const own = ['unreachable 10.244.1.0/24', 'unreachable fd00:244:1::/64'];
const both = [...own, '10.244.9.0/24 via 172.30.0.1 and 172.30.0.2'];
const first = [...own, '10.244.9.0/24 via 172.30.0.1'];
const second = [...own, '10.244.9.0/24 via 172.30.0.2'];

const reasonOf = async (from: string): Promise<string | undefined> =>
  (await node.routes()).find(({ prefix, nextHop }) => prefix === '10.244.9.0/24' && nextHop === from)?.reason;

beforeAll(async () => {
  rack.host('tor2', 2);
  rack.put(
    bgpPeer('tor', '172.30.0.1', 65000),
    bgpPeer('tor2', '172.30.0.2', 65001),
    ipPool('pool4', '10.244.0.0/16'),
  );
  const more = `protocol static marked4 { ipv4; route 10.244.66.6/32 blackhole { bgp_community.add((65535,666)); }; }`;
  await Promise.all([
    startRouter(rack, 'bird', { asn: 65000, host: 'tor', number: 1, announces: ['10.244.9.0/24'], more }),
    startRouter(rack, 'bird', { asn: 65001, host: 'tor2', number: 2, announces: ['10.244.9.0/24'] }),
  ]);
  await node.start();
  for (const address of ['172.30.0.1', '172.30.0.2']) await node.peer(address, isUp);
});
afterAll(() => rack.close());

test('equally long paths by two ASes are used beside each other, and are not with relaxASPath: false', async () => {
  await node.forwards(both);
  rack.put(bgpConfiguration({ multipath: { relaxASPath: false } }));
  await node.forwards(first);
  expect(await reasonOf('172.30.0.2')).toMatch(
    /^as good as the best, but not used beside it, as its AS path/,
  );
  rack.put(bgpConfiguration({ multipath: { relaxASPath: true } }));
  await node.forwards(both);
  rack.put(bgpConfiguration({ multipath: { relaxASPath: true, ebgp: 1 } }));
  await node.forwards(first);
  rack.put(bgpConfiguration({ multipath: { relaxASPath: true } }));
  await node.forwards(both);
});

test('RFC 4271 §9.1.2.1: a next hop that cannot be reached any more takes its routes along within a second, though its session stands', async () => {
  const begin = performance.now();
  await node.ip('route add unreachable 172.30.0.1/32 proto static');
  await node.forwards(second);
  console.log(`a lost next hop is followed in ${Math.round(performance.now() - begin)} ms`);
  expect(await reasonOf('172.30.0.1')).toBe(
    'not eligible: no route of this node leads to its next hop 172.30.0.1',
  );
  await node.ip('route del unreachable 172.30.0.1/32 proto static');
  await node.forwards(both);
  await node.peer('172.30.0.1', isUp);
});

test('RFC 4271 §9.1.2.2 e: the ToR with the nearer next hop is used alone', async () => {
  await node.ip('route add 172.30.0.1/32 dev eth0 proto static metric 50');
  await node.forwards(second);
  expect(await reasonOf('172.30.0.1')).toBe('its next hop costs more than that of the best');
  await node.ip('route del 172.30.0.1/32 proto static');
  await node.forwards(both);
});

test('RFC 7999 §3.3: a blackhole is installed by agreement only', async () => {
  const received = async (): Promise<string | undefined> =>
    (await node.routes('?received=172.30.0.1')).find(({ prefix }) => prefix === '10.244.66.6/32')?.reason;
  await eventually(
    async () =>
      expect(await received()).toBe(
        'not accepted: carries the community BLACKHOLE, and no rule that accepts it names that community',
      ),
    patience,
  );
  const agreed: object = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPFilter',
    metadata: { name: 'rtbh' },
    spec: {
      importV4: [
        {
          action: 'Accept',
          cidr: '10.244.0.0/16',
          matchOperator: 'In',
          communities: { values: ['65535:666'] },
        },
      ],
    },
  };
  rack.put(agreed as Manifest, bgpPeer('tor', '172.30.0.1', 65000, { filters: ['rtbh'] }));
  await node.forwards([...both, 'blackhole 10.244.66.6']);
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
  await node.forwards(both);
});
