/**
 * Both daemons restarted one by one on every node under traffic, as a rolling upgrade and a roll-back do: SIGTERM, a new process.
 * No packet is lost and nothing is ever open. The speakers are ended by SIGUSR2, as a container with --restarting is by SIGTERM:
 * their neighbours keep their routes until they are back (RFC 4724).
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { guardedFlows, guardedNames, guardedPods } from '../support/guarded.ts';
import { type LabCluster, startCluster } from '../support/lab-cluster.ts';
import { type Counted, startTraffic, type Traffic, wrongIn } from '../support/traffic.ts';

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
    { within: 60_000 },
  );
}, 300_000);
afterAll(async () => {
  traffic?.close();
  await cluster?.close();
}, 300_000);
afterEach(() => traffic.reset());

const endings = { felix: 'SIGTERM', bgp: 'SIGUSR2' } as const;

async function restart(role: 'felix' | 'bgp'): Promise<readonly Counted[]> {
  traffic.reset();
  for (const node of cluster.nodes) {
    await cluster.kill(node, role, endings[role]);
    await cluster.heal();
    await cluster.settled();
  }
  return traffic.count();
}

test.each(['an upgrade', 'a roll-back'])(
  'the node agents, one after the other, in %s: nothing is lost, nothing is open',
  {
    timeout: 300_000,
  },
  async () => {
    expect(wrongIn(await restart('felix'))).toEqual([]);
  },
);

test.each(['an upgrade', 'a roll-back'])(
  'the speakers, one after the other, in %s: nothing is lost, nothing is open',
  {
    timeout: 300_000,
  },
  async () => {
    expect(wrongIn(await restart('bgp'))).toEqual([]);
  },
);
