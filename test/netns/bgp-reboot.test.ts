/** A node that is away for less than the hold time: its neighbours hear of it by its new connection, not by the silence. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRack, isUp, type Rack } from '../support/rack.ts';

const within = 25_000;

/** What of the old connections' end reaches the neighbour: a kernel that no longer knows them answers with a reset, or a firewall eats it. */
describe.each([
  ['is answered with a reset', 'fin'],
  ['is not answered at all', 'fin|rst'],
])('a node that reboots, where the old connection %s', (_, eaten) => {
  let rack: Rack;
  beforeAll(async () => {
    rack = createRack(eaten === 'fin' ? 'rebr' : 'rebn', 2);
    await Promise.all(rack.nodes.map((node) => node.start('--restarting')));
    await Promise.all(rack.nodes.map((node) => node.peer(other(node.name), isUp, within)));
  });
  afterAll(() => rack.close());

  const other = (name: string): string => (name === 'node1' ? '172.30.0.12' : '172.30.0.11');

  // Both, since either of them may have dialled the session.
  test.each([1, 2])('RFC 4724 §4.2: node%i is back before the hold time ends', async (number) => {
    const [node, neighbour] = [rack.node(number), rack.node(3 - number)];
    const old = await neighbour.peer(node.address.v4, isUp, within);
    const seen = neighbour.log().length;
    const nft = (rule: string) => rack.ground.exec(node.name, `nft ${rule}`);
    await nft('add table ip eat');
    await nft("add chain ip eat out '{ type filter hook output priority 0; }'");
    await nft(`add rule ip eat out tcp flags '&' '(${eaten})' != 0 drop`);
    await node.stop('SIGKILL');
    await node.ip('route flush proto 80');
    await node.start('--restarting');
    const back = await neighbour.peer(
      node.address.v4,
      (peer) => isUp(peer) && peer.since !== old.since,
      within,
    );
    expect(Date.parse(back.since)).toBeGreaterThan(Date.parse(old.since));
    expect(neighbour.log().slice(seen)).not.toContain('nothing came from the neighbour');
    await nft('delete table ip eat');
    await node.peer(neighbour.address.v4, isUp, within);
    await neighbour.forwards(
      [
        `unreachable ${neighbour.cidrs[0]}`,
        `unreachable ${neighbour.cidrs[1]}`,
        ...node.cidrs.map((cidr, index) => `${cidr} via ${index === 0 ? node.address.v4 : node.address.v6}`),
      ],
      within,
    );
  });
});
