/**
 * Both daemons restarted one by one on every node under traffic, as a rolling upgrade and a roll-back do: SIGTERM, a new process.
 * A node agent's restart costs no packet. A speaker's restart costs those between nodes until its sessions are back, for it has
 * no graceful restart yet: its neighbours withdraw what they had from it. Within a node nothing is lost, and nothing is ever open.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { guardedFlows, guardedNames, guardedPods } from '../support/guarded.ts';
import { type LabCluster, startCluster } from '../support/lab-cluster.ts';
import { type Counted, startTraffic, type Traffic, wrongIn } from '../support/traffic.ts';

/** Two to four seconds on an idle machine: a new process, its sessions, its routes. */
const longestGapMs = 20_000;

let cluster: LabCluster;
let traffic: Traffic;

beforeAll(async () => {
  cluster = await startCluster('upg', { nodes: 2, manifests: guardedPods });
  await cluster.running(...guardedNames);
  await cluster.settled();
  traffic = await startTraffic(guardedFlows(cluster));
  await eventually(
    async () => {
      traffic.reset();
      expect(wrongIn(await traffic.count())).toEqual([]);
    },
    { within: 30_000 },
  );
}, 180_000);
afterAll(async () => {
  traffic?.close();
  await cluster?.close();
}, 60_000);
afterEach(() => traffic.reset());

async function restart(role: 'felix' | 'bgp'): Promise<readonly Counted[]> {
  traffic.reset();
  for (const node of cluster.nodes) {
    await cluster.kill(node, role, 'SIGTERM');
    await cluster.heal();
    await cluster.settled();
  }
  return traffic.count();
}

test.each(['an upgrade', 'a roll-back'])(
  'the node agents, one after the other, in %s: nothing is lost, nothing is open',
  {
    timeout: 180_000,
  },
  async () => {
    expect(wrongIn(await restart('felix'))).toEqual([]);
  },
);

test.each(['an upgrade', 'a roll-back'])(
  'the speakers, one after the other, in %s: nothing is open, nothing lost within a node, between nodes for a moment',
  {
    timeout: 180_000,
  },
  async () => {
    const counted = await restart('bgp');
    const isLocal = ({ name }: Counted): boolean => name.startsWith('a > c');
    expect(wrongIn(counted.filter((one) => isLocal(one) || !one.passes))).toEqual([]);
    expect(counted.filter(({ gapMs }) => gapMs > longestGapMs)).toEqual([]);
  },
);
