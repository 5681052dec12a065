/** BGPFilter and communities beside BIRD: what it hears of us and what the kernel has of it, while the session stays. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  bgpConfiguration,
  bgpPeer,
  createRack,
  ipPool,
  isUp,
  type Manifest,
  type Rack,
  type RackNode,
} from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const patience = { within: 30_000 };
const filter = (name: string, spec: object): Manifest =>
  ({ apiVersion: 'projectcalico.org/v3', kind: 'BGPFilter', metadata: { name }, spec }) as Manifest;
const edge = (...importV4: readonly object[]): Manifest =>
  filter('edge', {
    importV4,
    exportV4: [
      {
        action: 'Accept',
        cidr: '10.244.1.0/24',
        matchOperator: 'Equal',
        operations: [{ addCommunity: { value: '64512:7' } }, { prependASPath: { prefix: [65099] } }],
      },
    ],
  });
const letIn = { action: 'Accept', cidr: '203.0.113.0/24', matchOperator: 'In' };
const keepOut = { action: 'Reject', cidr: '10.244.9.0/24', matchOperator: 'In' };

let rack: Rack;
let router: Router;
let node: RackNode;
const own = ['unreachable 10.244.1.0/24', 'unreachable fd00:244:1::/64'];
const fromTor = ['10.244.9.0/24 via 172.30.0.1', 'fd00:244:9::/64 via fd00:30::1'];

beforeAll(async () => {
  rack = createRack('bfi', 1);
  node = rack.node(1);
  rack.put(
    bgpPeer('tor', '172.30.0.1', 65000),
    ipPool('pool4', '10.244.0.0/16'),
    ipPool('pool6', 'fd00:244::/32'),
  );
  router = await startRouter(rack, 'bird', {
    asn: 65000,
    host: 'tor',
    number: 1,
    announces: ['10.244.9.0/24', 'fd00:244:9::/64', '203.0.113.0/24', '0.0.0.0/0'],
  });
  await node.start();
  await node.peer('172.30.0.1', isUp);
  await node.forwards([...fromTor, ...own], 30_000);
});
afterAll(() => rack.close());

/** What BIRD prints of one prefix, attributes included. */
const heard = (prefix: string): Promise<string> => router.ask(`show route all for ${prefix}`);

test('filters change what is taken and told at once, and the session stays', async () => {
  const { since } = await node.peer('172.30.0.1', isUp);
  rack.put(edge(letIn, keepOut), bgpPeer('tor', '172.30.0.1', 65000, { filters: ['edge'] }));
  await node.forwards(['203.0.113.0/24 via 172.30.0.1', 'fd00:244:9::/64 via fd00:30::1', ...own], 30_000);
  await eventually(async () => {
    const text = await heard('10.244.1.0/24');
    expect(text).toMatch(/BGP.as_path: 64512 65099\s/i);
    expect(text).toMatch(/BGP.community: \(64512,\s*7\)/i);
  }, patience);

  const received = await node.routes('?received=172.30.0.1');
  const reasons = Object.fromEntries(received.map(({ prefix, reason }) => [prefix, reason]));
  expect(reasons['10.244.9.0/24']).toBe('not accepted: rejected by BGPFilter/edge importV4[1]');
  expect(reasons['0.0.0.0/0']).toContain('a default route is never accepted');

  rack.put(edge(letIn));
  await node.forwards([...fromTor, '203.0.113.0/24 via 172.30.0.1', ...own].sort(), 30_000);
  expect((await node.peer('172.30.0.1', isUp)).since).toBe(since);
});

test('a filter that is taken away is said, and nothing passes until it is back', async () => {
  rack.drop('BGPFilter', 'edge');
  await node.forwards(own, 30_000);
  expect((await node.status()).problems).toContainEqual(
    expect.objectContaining({
      where: 'BGPPeer/tor spec.filters',
      what: expect.stringContaining('There is no BGPFilter/edge'),
    }),
  );
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
  await node.forwards([...fromTor, ...own], 30_000);
});

test('a rule for an interface is asked of the link by which the next hop is reached; what is ours has none', async () => {
  const { since } = await node.peer('172.30.0.1', isUp);
  const both = (action: string, link: string) => {
    const rules = [{ action, interface: link }];
    return filter('links', { importV4: rules, exportV4: rules });
  };
  rack.put(both('Reject', 'eth*'), bgpPeer('tor', '172.30.0.1', 65000, { filters: ['links'] }));
  await node.forwards(['fd00:244:9::/64 via fd00:30::1', ...own], 30_000);
  const received = await node.routes('?received=172.30.0.1');
  expect(received.find(({ prefix }) => prefix === '10.244.9.0/24')?.reason).toBe(
    'not accepted: rejected by BGPFilter/links importV4[0]',
  );
  expect(await heard('10.244.1.0/24')).toContain('64512');
  rack.put(both('Reject', '*.calico'));
  await node.forwards([...fromTor, ...own], 30_000);
  rack.put(bgpPeer('tor', '172.30.0.1', 65000));
  rack.drop('BGPFilter', 'links');
  expect((await node.peer('172.30.0.1', isUp)).since).toBe(since);
});

test('prefixAdvertisements: BIRD hears the communities, standard and large, that a prefix is to carry', async () => {
  rack.put(
    bgpConfiguration({
      communities: [{ name: 'pods', value: '64512:300' }],
      prefixAdvertisements: [{ cidr: '10.244.0.0/16', communities: ['pods', '64512:1:2'] }],
    }),
  );
  await eventually(async () => {
    const text = await heard('10.244.1.0/24');
    expect(text).toMatch(/BGP.community: \(64512,\s*300\)/i);
    expect(text).toMatch(/BGP.large_community: \(64512,\s*1,\s*2\)/i);
  }, patience);
});
