/**
 * From a pod's change to the kernel: `tortie felix` follows a directory of 100 policies and 1,000 pods; a file of one pod
 * changes, and `nft monitor` tells when the set element is there. The peer is what a controller without increments does:
 * `nft -f` of the whole ruleset, the same one. Then the calculation alone, to show that its cost does not grow (law 7).
 */
import { execFileSync } from 'node:child_process';
import { change, createGraph, type Graph, putEndpoint, tick } from '../../felix/calc/graph.ts';
import { renderChange } from '../../felix/rules/text.ts';
import { ipv4 } from '../../src/lib/net.ts';
import { interfaceName } from '../../src/model/endpoint.ts';
import type { Resource } from '../../src/model/resource.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';
import { eventually } from '../support/eventually.ts';
import { namespaceObject } from '../support/felix.ts';
import type { Running } from '../support/namespaces.ts';
import { appOf, cluster, localPod, localPodName, localPods, remotePod, remotePodName } from './cluster.ts';
import { inTurns } from './interleave.ts';
import { type BenchNode, createBenchNode } from './node.ts';
import { percentile, type Row } from './table.ts';

const policies = 100;
const pods = 1000;
const rounds = 15;
const ticks = 300;

export async function run(): Promise<readonly Row[]> {
  return [...(await inKernel()), ...[100, 1000, 10_000].flatMap(pure)];
}

async function inKernel(): Promise<readonly Row[]> {
  const node = createBenchNode('bp');
  try {
    node.put(cluster(pods, policies));
    node.put([namespaceObject(`ns${pods / 100}`)]); // of the pods that are added
    node.put(Array.from({ length: localPods }, (_, index) => localPod(index)));
    await node.start();
    for (let index = 0; index < localPods; index += 1) await node.add(localPodName(index));
    return await measure(node);
  } finally {
    await node.close();
  }
}

interface Pair {
  readonly ours: number[];
  readonly peer: number[];
}

async function measure(node: BenchNode): Promise<readonly Row[]> {
  const monitor = node.ground.start('node', ['nft', 'monitor']);
  const full = await node.ground.exec('node', 'nft list table inet tortie');
  const relabelled: Pair = { ours: [], peer: [] };
  const added: Pair = { ours: [], peer: [] };
  for (const [figures, first] of [
    [relabelled, 0],
    [added, pods],
  ] as const) {
    await inTurns(
      rounds,
      async (round) => {
        const index = first + round;
        figures.ours.push(
          await heard(monitor, addressOf(index), () => {
            node.put([remotePod(index, { app: appOf(index), role: `role${round}` })]);
          }),
        );
      },
      async () => {
        figures.peer.push(reload(node, full));
      },
    );
  }
  await monitor.end();
  const peerName = 'nft -f of the whole ruleset';
  return [
    { name: 'policy: pod relabelled → element in the kernel', unit: 'ms', ...relabelled, peerName },
    { name: 'policy: pod added → element in the kernel', unit: 'ms', ...added, peerName },
    { name: 'policy: of that, nft for one element', unit: 'ms', ours: oneElement(node, full) },
    {
      name: 'policy: the same, slowest of the rounds',
      unit: 'ms',
      ours: [percentile([...relabelled.ours, ...added.ours], 1)],
      peer: [percentile([...relabelled.peer, ...added.peer], 1)],
      peerName,
    },
  ];
}

const addressOf = (index: number): string => `10.245.${index >> 8}.${index & 255}`;

/** Milliseconds from `act` until nft monitor has told of an element with this address. */
async function heard(monitor: Running, address: string, act: () => void): Promise<number> {
  const from = monitor.output().length;
  const told = new RegExp(`add element inet tortie .*[ {]${address.replaceAll('.', '\\.')}[ ,}]`);
  const began = performance.now();
  act();
  await eventually(
    () => {
      if (!told.test(monitor.output().slice(from))) throw new Error(`policy: ${address} did not come`);
    },
    { within: 10_000, every: 1 },
  );
  return performance.now() - began;
}

/** In a namespace of its own, over the same table: what a full replacement costs there. */
function reload(node: BenchNode, listing: string): number {
  const netns = node.ground.netns('reload');
  const script = `table inet tortie\ndelete table inet tortie\n${listing}`;
  const began = performance.now();
  execFileSync('ip', ['netns', 'exec', netns, 'nft', '-f', '-'], { input: script });
  return performance.now() - began;
}

/** What the nft command itself takes for the least of changes to that table: the part of ours that is not ours. */
function oneElement(node: BenchNode, listing: string): readonly number[] {
  const set = /set (\S+) \{\s+type ipv4_addr\s/.exec(listing)?.[1];
  if (set === undefined) throw new Error('policy: the ruleset has no set of IPv4 addresses');
  const netns = node.ground.netns('reload');
  return Array.from({ length: rounds }, (_, round) => {
    const input = `add element inet tortie ${set} { 10.250.0.${round} }\n`;
    const began = performance.now();
    execFileSync('ip', ['netns', 'exec', netns, 'nft', '-f', '-'], { input });
    return performance.now() - began;
  });
}

function resource(manifest: object): Resource {
  const read = readManifest(manifest);
  if (!read.ok) throw new Error(`policy: ${JSON.stringify(read.error)}`);
  return read.value;
}

function graphOf(size: number): Graph {
  const graph = createGraph();
  const put = (object: object): void => change(graph, { kind: 'put', resource: resource(object) });
  for (const object of cluster(size, policies)) put(object);
  for (let index = 0; index < localPods; index += 1) {
    put(localPod(index, [`10.244.1.${index + 2}`]));
    const [namespace = '', pod = ''] = localPodName(index).split('/');
    putEndpoint(graph, {
      id: localPodName(index),
      namespace,
      pod,
      interface: interfaceName(namespace, pod),
      addresses: [ipv4(0x0af40102 + index)],
    });
  }
  tick(graph);
  return graph;
}

/** A pod gets and loses a label that a policy asks for: calculation, and the text for nft. */
function pure(size: number): readonly Row[] {
  const graph = graphOf(size);
  const index = Math.min(size - 1, 50);
  const states = [{ app: appOf(index), role: 'role7' }, { app: appOf(index) }].map((labels) =>
    resource(remotePod(index, labels)),
  );
  const ours: number[] = [];
  for (let round = -100; round < ticks; round += 1) {
    const state = states[Math.abs(round) % 2];
    if (state === undefined) continue;
    const began = performance.now();
    change(graph, { kind: 'put', resource: state });
    const scripts = renderChange(tick(graph), { chainsFreedLate: false });
    const took = (performance.now() - began) * 1000;
    if (scripts.length !== 1) throw new Error(`policy: ${remotePodName(index)} changed nothing`);
    if (round >= 0) ours.push(took);
  }
  return [{ name: `policy: one tick, one pod of ${size.toLocaleString('en')} changed`, unit: 'µs', ours }];
}
