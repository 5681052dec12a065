/** A cluster without IPv4: sessions, identifiers and routes by IPv6 alone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRack, isUp, nodeManifest } from '../support/rack.ts';

const rack = createRack('b6', 2);
const [node, other] = [rack.node(1), rack.node(2)];

beforeAll(async () => {
  for (const { name, address, cidrs } of rack.nodes) {
    rack.put(nodeManifest(name, [address.v6], [cidrs[1]]));
    await rack.ground.exec(name, `ip address del ${address.v4}/24 dev eth0`);
  }
  await Promise.all(rack.nodes.map((each) => each.start()));
});
afterAll(() => rack.close());

test('nodes that have only IPv6 addresses peer over IPv6 with identifiers of their own and route to each other', async () => {
  const peer = await node.peer(other.address.v6, isUp);
  expect(peer.families).toEqual(['ipv6-unicast']);
  expect(peer.peerId).not.toBe((await node.status()).routerId);
  await node.forwards([`unreachable ${node.cidrs[1]}`, `${other.cidrs[1]} via ${other.address.v6}`]);
  await other.forwards([`unreachable ${other.cidrs[1]}`, `${node.cidrs[1]} via ${node.address.v6}`]);
  expect((await node.status()).problems).toEqual([]);
});

test('an IPv6 address that is gone and comes back takes its routes along and brings them again', async () => {
  await node.ip(`-6 address del ${node.address.v6}/64 dev eth0`);
  await node.forwards([`unreachable ${node.cidrs[1]}`]);
  await node.ip(`-6 address add ${node.address.v6}/64 dev eth0 nodad`);
  await node.forwards([`unreachable ${node.cidrs[1]}`, `${other.cidrs[1]} via ${other.address.v6}`]);
});
