/** Manifests edited while the speaker runs: only what they concern is disturbed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bgpConfiguration, bgpPeer, createRack, ipPool, isUp, nodeManifest } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const rack = createRack('bl', 2);
const [node, other] = [rack.node(1), rack.node(2)];
let tor: Router;

beforeAll(async () => {
  rack.put(
    bgpPeer('tor', '172.30.0.1', 65000),
    ipPool('pool4', '10.244.0.0/16'),
    ipPool('pool6', 'fd00:244::/32'),
  );
  tor = await startRouter(rack, 'bird', {
    asn: 65000,
    host: 'tor',
    number: 1,
    announces: ['10.244.9.0/24', '10.99.0.0/24'],
  });
  await Promise.all(rack.nodes.map((each) => each.start()));
  await both();
});
afterAll(() => rack.close());

const both = async (): Promise<void> => {
  await Promise.all(rack.nodes.map((each) => each.peer('172.30.0.1', isUp)));
  await Promise.all([node.peer(other.address.v4, isUp), other.peer(node.address.v4, isUp)]);
};
const sinceOf = async (address: string): Promise<string> => (await node.peer(address, isUp)).since;
const ofNode1 = async (): Promise<readonly string[]> =>
  (await tor.routes())
    .filter(({ nextHop }) => nextHop.endsWith('11'))
    .map(({ prefix }) => prefix)
    .sort();

test("a Node's podCIDRs that change are announced and withdrawn, and the unreachable routes follow, without a reset", async () => {
  const since = [await sinceOf('172.30.0.1'), await sinceOf('172.30.0.12')];
  rack.put(nodeManifest('node1', ['172.30.0.11', 'fd00:30::11'], ['10.244.101.0/24']));
  await eventually(async () => expect(await ofNode1()).toEqual(['10.244.101.0/24']), {
    within: 15_000,
  });
  await node.forwards([
    'unreachable 10.244.101.0/24',
    '10.244.2.0/24 via 172.30.0.12',
    'fd00:244:2::/64 via fd00:30::12',
    '10.244.9.0/24 via 172.30.0.1',
  ]);
  await other.forwards([
    'unreachable 10.244.2.0/24',
    'unreachable fd00:244:2::/64',
    '10.244.101.0/24 via 172.30.0.11',
    '10.244.9.0/24 via 172.30.0.1',
  ]);
  rack.put(node.manifest);
  await eventually(async () => expect(await ofNode1()).toEqual(['10.244.1.0/24', 'fd00:244:1::/64']), {
    within: 15_000,
  });
  expect([await sinceOf('172.30.0.1'), await sinceOf('172.30.0.12')]).toEqual(since);
});

test('an IPPool that is added lets in what was refused, without a reset and without asking the neighbour', async () => {
  const since = await sinceOf('172.30.0.1');
  expect((await node.kernel()).join()).not.toContain('10.99.0.0/24');
  rack.put(ipPool('more', '10.99.0.0/16'));
  await eventually(async () => expect(await node.kernel()).toContain('10.99.0.0/24 via 172.30.0.1'), {
    within: 15_000,
  });
  rack.drop('IPPool', 'more');
  await eventually(async () => expect((await node.kernel()).join()).not.toContain('10.99.0.0/24'), {
    within: 15_000,
  });
  expect(await sinceOf('172.30.0.1')).toBe(since);
});

test('a keepaliveTime that is edited does not reset the session', async () => {
  const since = await sinceOf('172.30.0.1');
  rack.put(bgpPeer('tor', '172.30.0.1', 65000, { keepaliveTime: '2s' }), ipPool('more', '10.99.0.0/16'));
  // What was stored after it has been read, as its route shows.
  await eventually(async () => expect(await node.kernel()).toContain('10.99.0.0/24 via 172.30.0.1'), {
    within: 15_000,
  });
  rack.drop('IPPool', 'more');
  expect(await sinceOf('172.30.0.1')).toBe(since);
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
});

test('a BGPPeer that is deleted is told so by Cease 6/3, its routes leave, and it is taken up again when it returns', async () => {
  const since = await sinceOf('172.30.0.12');
  rack.drop('BGPPeer', 'tor');
  await eventually(
    async () => expect(await tor.ask('show protocols all node1')).toMatch(/Received: (Peer de-configured)/i),
    { within: 15_000 },
  );
  await node.forwards([
    'unreachable 10.244.1.0/24',
    'unreachable fd00:244:1::/64',
    '10.244.2.0/24 via 172.30.0.12',
    'fd00:244:2::/64 via fd00:30::12',
  ]);
  expect((await node.status()).peers.map(({ address }) => address)).toEqual(['172.30.0.12']);
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
  await both();
  await eventually(async () => expect(await node.kernel()).toContain('10.244.9.0/24 via 172.30.0.1'), {
    within: 15_000,
  });
  expect(await sinceOf('172.30.0.12')).toBe(since);
});

test('a new asNumber resets the sessions, and the neighbour that expects the old one says so in the status', async () => {
  const since = await sinceOf('172.30.0.12');
  rack.put(bgpConfiguration({ asNumber: 64999 }));
  const mesh = await node.peer('172.30.0.12', (peer) => isUp(peer) && peer.since !== since);
  expect(mesh).toMatchObject({ localAsn: 64999, peerAsn: 64999 });
  const refused = await node.peer('172.30.0.1', ({ lastError }) => lastError?.includes('(2/2)') === true);
  expect(refused.lastError).toMatch(/bad peer AS \(2\/2\).*it expects another AS number from us/);
  expect((await node.status()).asn).toBe(64999);
  rack.drop('BGPConfiguration', 'default');
  await both();
});

test('a manifest that cannot be read is named in log and status while everything else goes on', async () => {
  const since = await sinceOf('172.30.0.1');
  rack.put(bgpPeer('broken', '172.30.0.77', 65077, { peerIPs: 'what' }));
  await eventually(
    async () => {
      const { problems } = await node.status();
      expect(problems.map(({ where, what }) => `${where} ${what}`).join('\n')).toMatch(
        /BGPPeer-broken\.yaml[\s\S]*peerIPs/,
      );
      expect(node.log()).toContain('BGPPeer-broken.yaml');
    },
    { within: 15_000 },
  );
  rack.drop('BGPPeer', 'broken');
  await eventually(async () => expect((await node.status()).problems).toEqual([]), { within: 15_000 });
  expect(await sinceOf('172.30.0.1')).toBe(since);
});

test('two nodes with one pod CIDR, or one address, are both named in status and log, and other sessions stay', async () => {
  const since = await sinceOf('172.30.0.1');
  rack.put(
    nodeManifest('node3', ['172.30.0.13'], ['10.244.2.0/24']),
    nodeManifest('node4', ['172.30.0.12'], []),
  );
  const words = [
    'Node/node3 spec.podCIDRs: The pod CIDR 10.244.2.0/24 is also that of Node/node2',
    'Node/node4: It has the address 172.30.0.12, and so has Node/node2',
  ];
  await eventually(
    async () => {
      const { problems } = await node.status();
      const told = problems.map(({ where, what }) => `${where}: ${what}`).join('\n');
      for (const word of words) {
        expect(told).toContain(word);
        expect(node.log()).toContain(word);
      }
    },
    { within: 15_000 },
  );
  rack.drop('Node', 'node3');
  rack.drop('Node', 'node4');
  await eventually(async () => expect((await node.status()).problems).toEqual([]), { within: 15_000 });
  expect(await sinceOf('172.30.0.1')).toBe(since);
  await both();
});

test('without its Node the speaker says so, keeps nobody, and is back with it', async () => {
  rack.drop('Node', 'node1');
  await eventually(
    async () => {
      const { peers, problems } = await node.status();
      expect(peers).toEqual([]);
      expect(problems).toContainEqual(expect.objectContaining({ where: 'Node/node1' }));
    },
    { within: 15_000 },
  );
  await node.forwards([]);
  rack.put(node.manifest);
  await both();
  await eventually(async () => expect(await node.kernel()).toContain('10.244.9.0/24 via 172.30.0.1'), {
    within: 15_000,
  });
});
