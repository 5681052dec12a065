/** Real routers that restart gracefully (RFC 4724) beside `tortie bgp`: packets go on by their routes, and what they no longer announce goes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp, monitored, type Rack } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';
import { startTraffic, type Traffic, wrongIn } from '../support/traffic.ts';

const within = 30_000;
const stays = ['10.244.9.0/24', 'fd00:244:9::/64'];
const goes = ['10.244.8.0/24', 'fd00:244:8::/64'];

describe.each(['bird', 'frr'] as const)('while %s restarts', (kind) => {
  let rack: Rack;
  let router: Router;

  const via = (prefixes: readonly string[]): readonly string[] =>
    prefixes.map((prefix) => `${prefix} via ${prefix.includes(':') ? 'fd00:30::1' : '172.30.0.1'}`);

  /** All routes of node1: what the router announces, and of the nodes. */
  const forwards = (prefixes: readonly string[]): Promise<void> => {
    const [node, other] = [rack.node(1), rack.node(2)];
    const own = node.cidrs.map((cidr) => `unreachable ${cidr}`);
    const theirs = [`${other.cidrs[0]} via ${other.address.v4}`, `${other.cidrs[1]} via ${other.address.v6}`];
    return node.forwards([...own, ...theirs, ...via(prefixes)], within);
  };

  beforeAll(async () => {
    rack = createRack(`gh${kind}`, 2);
    rack.put(
      bgpPeer('tor', '172.30.0.1', 65000),
      ipPool('pool4', '10.244.0.0/16'),
      ipPool('pool6', 'fd00:244::/32'),
    );
    await rack.ground.exec('tor', 'ip address add 10.244.9.1/32 dev lo');
    await rack.ground.exec('tor', 'ip address add fd00:244:9::1/128 dev lo nodad');
    const options = { asn: 65000, host: 'tor', number: 1, restartTime: 100 };
    router = await startRouter(rack, kind, { ...options, announces: [...stays, ...goes] });
    await Promise.all(rack.nodes.map((node) => node.start()));
    await Promise.all(rack.nodes.map((node) => node.peer('172.30.0.1', isUp, within)));
    await forwards([...stays, ...goes]);
  });
  afterAll(() => rack.close());

  /** Datagrams from node1 to what the router announces, all the time. */
  function traffic(): Promise<Traffic> {
    const end = (name: string, addresses: readonly string[]) => ({
      netns: `/run/netns/${rack.ground.netns(name)}`,
      addresses,
    });
    const to = end('tor', ['10.244.9.1', 'fd00:244:9::1']);
    return startTraffic([{ name: 'to the router', from: end('node1', []), to, passes: true }]);
  }

  test('RFC 4724 §4.2: no packet is lost, its routes stay, and those it no longer announces go with its End-of-RIB', async () => {
    const node = rack.node(1);
    const flows = await traffic();
    const seen = await node.monitor();
    await router.die();
    await node.peer(
      '172.30.0.1',
      ({ state, keptRoutes }) => state !== 'Established' && keptRoutes !== undefined,
      within,
    );
    router.revive(stays);
    await node.peer('172.30.0.1', (peer) => isUp(peer) && peer.keptRoutes === undefined, within);
    await forwards(stays);
    expect(wrongIn(await flows.count())).toEqual([]);
    flows.close();
    const changes = monitored(seen);
    expect(changes.filter((line) => !line.startsWith('Deleted'))).toEqual([]);
    expect(changes.filter((line) => stays.some((prefix) => line.includes(prefix)))).toEqual([]);
    await seen.end();
    await eventually(
      async () =>
        expect((await router.routes()).map(({ prefix }) => prefix)).toEqual(
          expect.arrayContaining([...node.cidrs]),
        ),
      { within },
    );
  });

  test('one that is no longer configured while its routes are kept loses them at once', async () => {
    await router.die();
    const node = rack.node(1);
    await node.peer(
      '172.30.0.1',
      ({ state, keptRoutes }) => state !== 'Established' && keptRoutes !== undefined,
      within,
    );
    await forwards(stays);
    rack.drop('BGPPeer', 'tor');
    await forwards([]);
  });
});
