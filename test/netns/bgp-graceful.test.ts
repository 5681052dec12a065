/** Graceful restart (RFC 4724) beside real routers: while `tortie bgp` is killed, upgraded or away, no route is withdrawn. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { bgpPeer, createRack, ipPool, isUp, monitored, type Rack } from '../support/rack.ts';
import { type Router, startRouter } from '../support/routers.ts';

const within = 20_000;
const own = ['10.244.1.0/24', 'fd00:244:1::/64'];

describe.each(['bird', 'frr'] as const)('beside %s', (kind) => {
  let rack: Rack;
  let router: Router;

  beforeAll(async () => {
    rack = createRack(`gr${kind}`, 2);
    rack.put(
      bgpPeer('tor', '172.30.0.1', 65000),
      ipPool('pool4', '10.244.0.0/16'),
      ipPool('pool6', 'fd00:244::/32'),
    );
    router = await startRouter(rack, kind, {
      asn: 65000,
      host: 'tor',
      number: 1,
      announces: ['10.244.9.0/24', 'fd00:244:9::/64'],
    });
    // The second life of each: only one that found its routes in the kernel says that packets go on.
    await Promise.all(rack.nodes.map((node) => node.start('--restarting')));
    await settled();
  });
  afterAll(() => rack.close());

  const told = async (): Promise<readonly string[]> =>
    (await router.routes()).map(({ prefix }) => prefix).filter((prefix) => own.includes(prefix));

  /** Every session is up, every route is there, and the start is over. */
  async function settled(): Promise<void> {
    await Promise.all(rack.nodes.map((node) => node.peer('172.30.0.1', isUp, within)));
    await eventually(async () => expect([...(await told())].sort()).toEqual(own), { within });
    for (const node of rack.nodes)
      await eventually(async () => expect(await node.probe('/readyz')).toContain(' 200 OK'), {
        within: 40_000,
      });
  }

  /** Asks the router again and again which of node1's routes it has; resolves with each answer that lacked one. */
  async function lacking(run: () => Promise<void>): Promise<readonly string[]> {
    const gaps: string[] = [];
    let isOver = false;
    let asked = 0;
    const watching = (async () => {
      while (!isOver) {
        const now = await told();
        asked += 1;
        if (now.length < own.length) gaps.push(JSON.stringify(now));
      }
    })();
    try {
      await run();
    } finally {
      isOver = true;
      await watching;
    }
    expect(asked).toBeGreaterThan(5);
    return gaps;
  }

  test.each(['SIGKILL', 'SIGTERM', 'SIGUSR2'] as const)(
    'after %s and a new start the router and the other node never lacked a route',
    async (signal) => {
      const [node, other] = [rack.node(1), rack.node(2)];
      const theirs = await other.monitor();
      const gaps = await lacking(async () => {
        await node.stop(signal);
        await other.peer('172.30.0.11', ({ state }) => state !== 'Established', within);
        await node.start('--restarting');
        await settled();
      });
      expect(gaps).toEqual([]);
      expect(monitored(theirs)).toEqual([]);
      await theirs.end();
    },
  );

  test('what it no longer originates is gone once it has told all again', async () => {
    const node = rack.node(1);
    const { manifest } = node;
    await node.stop('SIGUSR2');
    rack.put({ ...manifest, spec: { podCIDRs: ['10.244.1.0/24'] } } as typeof manifest);
    await node.start('--restarting');
    await eventually(async () => expect(await told()).toEqual(['10.244.1.0/24']), { within });
    rack.put(manifest);
    await settled();
  });

  test('SIGINT says goodbye, and its routes go at once', async () => {
    const node = rack.node(1);
    await node.stop('SIGINT');
    await eventually(async () => expect(await told()).toEqual([]), { within });
    await node.start('--restarting');
    await settled();
  });
});
