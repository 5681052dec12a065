/**
 * What a pod waits for its network: ADD by our plugin, which returns once the pod's policy is in the kernel, beside the
 * ptp and host-local plugins of the CNI project (Debian's containernetworking-plugins), which know no policy. 100 pods
 * each, pod by pod in turn; both plugins run by nsenter in a node namespace of their own, the pods' namespaces ready.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cluster, localPod, localPodName } from './cluster.ts';
import { inTurns } from './interleave.ts';
import { type BenchNode, createBenchNode } from './node.ts';
import { callPlugin } from './plugin.ts';
import { percentile, type Row } from './table.ts';

const rounds = 3;
const policies = 10;
const pods = 100;
/** Pods made and removed in each round. */
const attached = 100;
/** Where Debian puts them, and where setup.sh unpacks them. */
const places = [
  '/usr/lib/cni',
  new URL('../../node_modules/.cache/tortie-bench/usr/lib/cni', import.meta.url).pathname,
];

interface Calls {
  readonly ADD: number[];
  readonly DEL: number[];
}

export async function run(): Promise<readonly Row[]> {
  const place = places.find((path) => existsSync(join(path, 'ptp')));
  if (place === undefined) console.log('cni: containernetworking-plugins is not available: no peer');
  const node = createBenchNode('bc');
  try {
    node.put(cluster(pods, policies));
    node.put(Array.from({ length: attached }, (_, index) => localPod(index)));
    await node.start();
    return await measure(node, place);
  } finally {
    await node.close();
  }
}

async function measure(node: BenchNode, place: string | undefined): Promise<readonly Row[]> {
  const figures: Record<'ours' | 'peer', Record<'ADD' | 'DEL', number[][]>> = {
    ours: { ADD: [], DEL: [] },
    peer: { ADD: [], DEL: [] },
  };
  for (let index = 0; index < attached; index += 1)
    for (const pod of [localPodName(index), peerPod(index)]) node.netns(pod);
  await node.add(localPodName(0)); // the first call of all warms up
  await node.del(localPodName(0));
  for (let round = 0; round < rounds; round += 1) {
    const [ours, peer] = await oneRound(node, place);
    for (const command of ['ADD', 'DEL'] as const) {
      figures.ours[command].push(ours[command]);
      figures.peer[command].push(peer[command]);
    }
  }
  return (['ADD', 'DEL'] as const).flatMap((command) =>
    ([0.5, 0.99] as const).map((share): Row => {
      const shares = (who: 'ours' | 'peer'): number[] =>
        figures[who][command].map((calls) => percentile(calls, share));
      return {
        name: `cni: ${command}, p${share * 100} of ${attached} pods`,
        unit: 'ms',
        ours: shares('ours'),
        ...(place === undefined ? {} : { peer: shares('peer'), peerName: 'ptp + host-local' }),
      };
    }),
  );
}

async function oneRound(node: BenchNode, place: string | undefined): Promise<readonly [Calls, Calls]> {
  const ours: Calls = { ADD: [], DEL: [] };
  const peer: Calls = { ADD: [], DEL: [] };
  for (const command of ['ADD', 'DEL'] as const)
    await inTurns(
      attached,
      async (index) => {
        const pod = localPodName(index);
        ours[command].push(await (command === 'ADD' ? node.add(pod) : node.del(pod)));
      },
      async (index) => {
        if (place !== undefined) peer[command].push(await callPeer(node, place, command, index));
      },
    );
  return [ours, peer];
}

const peerPod = (index: number): string => `peer/pod${index}`;

function callPeer(node: BenchNode, place: string, command: 'ADD' | 'DEL', index: number): Promise<number> {
  return callPlugin({
    command,
    argv: ['nsenter', `--net=${node.netns('peer/node')}`, join(place, 'ptp')],
    container: `peer${index}`,
    netns: node.netns(peerPod(index)),
    env: { CNI_PATH: place },
    config: {
      cniVersion: '1.0.0',
      name: 'peer',
      type: 'ptp',
      ipam: {
        type: 'host-local',
        dataDir: join(node.directory, 'host-local'),
        ranges: [[{ subnet: '10.246.0.0/24' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  });
}
