/**
 * One life of `tortie felix`'s agent, whole: a store that tells a cluster of `big-cluster.ts` as the API server's store would
 * (Delivery), records of its pods on disk, and the kernel of the namespace this process was started in. A process of its own,
 * so that its memory is nobody else's. The one argument is a LifePlan as JSON; it prints a LifeFigures as JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAgent } from '../../../felix/agent.ts';
import type { PolicySyncObserver } from '../../../felix/dataplane/apply.ts';
import { openRecords } from '../../../src/cni/records.ts';
import { realClock } from '../../../src/host/clock.ts';
import { openConntrack } from '../../../src/kernel/conntrack.ts';
import { inNetns, openKernel } from '../../../src/kernel/linux.ts';
import { openShaping } from '../../../src/kernel/shaping.ts';
import { openXtables, xtBackendInUse } from '../../../src/kernel/xtables.ts';
import { refOf } from '../../../src/model/resource.ts';
import { Delivery } from '../../../src/store/delivery.ts';
import type { Change, Store } from '../../../src/store/store.ts';
import {
  bigCluster,
  bigEndpoints,
  bigPod,
  bigPolicy,
  type ClusterShape,
  thisNode,
} from '../../support/big-cluster.ts';
import { churn } from './churn.ts';
import type { Churned, LifeFigures, LifePlan } from './plan.ts';

/** As many objects as an API server tells at once. */
const page = 500;

const plan = JSON.parse(process.argv[2] ?? '') as LifePlan;
const { shape } = plan;
const directory = mkdtempSync(join(tmpdir(), 'tortie-bench-'));
const rss = (): number => process.memoryUsage().rss / 1e6;

type Written = Pick<Parameters<PolicySyncObserver['written']>[0], 'transactions' | 'tookMs'>;

/** Whoever waits for the next write of anything. */
const listeners = new Set<(written: Written) => void>();
const written = (): Promise<Written> =>
  new Promise((resolve) => {
    const listener = (one: Written): void => {
      listeners.delete(listener);
      resolve(one);
    };
    listeners.add(listener);
  });

const watched = Promise.withResolvers<Delivery>();
const store: Store = {
  watch: (kinds, onBatch) => {
    watched.resolve(new Delivery(kinds, onBatch));
    return () => undefined;
  },
  putStatus: () => Promise.resolve(),
};

/** What a CNI plugin left: an interface and a record of each local pod. */
async function layOut(): Promise<void> {
  const records = openRecords(directory);
  await records.load();
  const batch: string[] = [];
  for (const { namespace, pod, interface: name, addresses } of bigEndpoints(shape)) {
    const other = `peer${batch.length}`;
    batch.push(`link add ${name} type veth peer name ${other}\nlink set ${name} up\nlink set ${other} up`);
    await records.put({
      ...{ containerId: pod, ifname: 'eth0', netns: `/run/netns/${pod}`, namespace, pod, interface: name },
      ...{ addresses, mac: '02:00:00:00:00:01', mtu: 1500, network: 'pods', isForeign: false },
    });
  }
  execFileSync('ip', ['-batch', '-'], { input: batch.join('\n') });
}

const put = (resource: Extract<Change, { kind: 'put' }>['resource']): Change => ({ kind: 'put', resource });

/** @returns  ms from the first object until the kernel has it all */
async function firstSync(
  delivery: Delivery,
): Promise<Pick<LifeFigures, 'sync' | 'told' | 'calculated' | 'cpu'>> {
  // Made ahead where the cluster is in the store already; else as they come in.
  const resources = plan.lazy ? bigCluster(shape) : [...bigCluster(shape)];
  const begun = performance.now();
  const cpu = process.cpuUsage();
  let changes: Change[] = [];
  for (const resource of resources) {
    changes.push(put(resource));
    if (changes.length < page) continue;
    delivery.tell(changes, false, []);
    changes = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  const first = written();
  delivery.tell(changes, true, []);
  const told = performance.now() - begun;
  const { transactions, tookMs } = await first;
  if (transactions === 0) throw new Error('bench felix: the first write wrote nothing');
  const { user, system } = process.cpuUsage(cpu);
  return { sync: performance.now() - begun, told, calculated: tookMs, cpu: (user + system) / 1000 };
}

/** @returns  ms from the store's word to the kernel's, of those that changed anything there */
async function changesOf(
  delivery: Delivery,
  make: (index: number) => readonly Change[],
): Promise<readonly number[]> {
  const took: number[] = [];
  for (let index = -plan.warm; index < plan.edits; index += 1) {
    const changes = make(index + plan.warm);
    const done = written();
    const begun = performance.now();
    delivery.tell(changes, true, []);
    const { transactions } = await done;
    if (index >= 0 && transactions > 0) took.push(performance.now() - begun);
    await sleep(2);
  }
  return took;
}

/** Of the same cluster: each odd one takes back what the one before it did. */
const edits = ({
  pods,
  localPods,
}: ClusterShape): Readonly<Record<string, (index: number) => readonly Change[]>> => {
  const far = (index: number): number => localPods + ((Math.floor(index / 2) * 7) % (pods - localPods));
  return {
    'pod relabelled': (index) => [
      put(
        bigPod(far(index), shape, {
          round: `${index}`,
          ...(index % 2 === 0 && { app: 'app-1', role: 'cache' }),
        }),
      ),
    ],
    'local pod relabelled': (index) => [
      put(
        bigPod(Math.floor(index / 2) % localPods, shape, {
          round: `${index}`,
          ...(index % 2 === 0 && { app: 'app-1' }),
        }),
      ),
    ],
    'policy edited': (index) => [put(bigPolicy((index * 7) % shape.policies, shape, 100 + index))],
    'pod added': (index) => [put(bigPod(pods + index, shape))],
  };
};

/** Relabelled pods, now and then a pod that goes and comes, and a policy. */
function mixed(index: number): readonly Change[] {
  const { pods, localPods, policies } = shape;
  const one = localPods + ((Math.floor(index / 2) * 7) % (pods - localPods));
  if (index % 100 === 99)
    return [put(bigPolicy(Math.floor(index / 100) % policies, shape, 1000 + (index % 997)))];
  if (index % 20 === 18) {
    const pod = bigPod(one, shape);
    return [{ kind: 'delete', ref: refOf(pod) }, put(pod)];
  }
  return [put(bigPod(one, shape, index % 2 === 0 ? { app: 'app-1', role: 'cache' } : {}))];
}

/** What the same write costs whoever has it ready as text: the program for it, in a namespace of its own. */
function peer(): number {
  const file = join(directory, 'ruleset');
  const shell = (line: string): void =>
    void execFileSync('sh', ['-c', line], { env: { ...process.env, file } });
  const [save, restore] =
    plan.renderer === 'nftables'
      ? ['nft list table inet tortie > $file', 'nft -f $file']
      : [
          'ipset save > $file.sets; iptables-save > $file.4; ip6tables-save > $file.6',
          'ipset restore < $file.sets; iptables-restore < $file.4; ip6tables-restore < $file.6',
        ];
  shell(save);
  const begun = performance.now();
  shell(`unshare --net sh -c '${restore}'`);
  return performance.now() - begun;
}

async function live(): Promise<LifeFigures> {
  await layOut();
  const opened = openKernel();
  let kernelMs = 0;
  const kernel: typeof opened = {
    ...opened,
    nftWrite: async (...batch) => {
      const begun = performance.now();
      try {
        return await opened.nftWrite(...batch);
      } finally {
        kernelMs += performance.now() - begun;
      }
    },
  };
  const conntrack = openConntrack();
  const agent = createAgent({
    ...{ node: thisNode, version: '0', stateDir: directory, store, kernel, inNetns, conntrack },
    ...{ clock: realClock, random: Math.random, shaping: openShaping() },
    overrides: [
      { from: 'bench', given: { nftablesMode: plan.renderer === 'nftables' ? 'Enabled' : 'Disabled' } },
    ],
    xtables: { open: (backend) => openXtables(backend), inUse: xtBackendInUse },
    log: {
      ...{ debug: () => undefined, info: () => undefined },
      warn: (what, fields) => console.error(what, fields),
      error: (what, fields) => console.error(what, fields),
    },
    chainsFreedLate: /^([0-5]\.|6\.[01]\.)/.test(release()),
    reporter: { say: () => undefined, stop: () => undefined },
    registerMetrics: () => ({
      written: (what) => {
        for (const listener of [...listeners]) listener(what);
      },
      refused: (why) => console.error(`refused: ${why}`),
      foreign: () => undefined,
    }),
    onFatal: (error) => {
      console.error(error);
      process.exit(1);
    },
  });
  const before = rss();
  await agent.run();
  const delivery = await watched.promise;
  const first = await firstSync(delivery);
  const after = { inKernel: kernelMs, before, rss: rss(), peak: process.resourceUsage().maxRSS / 1000 };
  await sleep(3000); // what comes after the first write: the settings of each interface, routes
  const settled = rss();
  const changed: Record<string, readonly number[]> = {};
  for (const [name, make] of Object.entries(edits(shape)))
    if (plan.edits > 0) changed[name] = await changesOf(delivery, make);
  let churned: Churned | undefined;
  if (plan.churnSeconds > 0) {
    churned = await churn({
      seconds: plan.churnSeconds,
      tell: (indexes) => delivery.tell(indexes.flatMap(mixed), true, []),
      listeners,
    });
  }
  const besides = plan.peer ? peer() : undefined;
  agent.stop();
  conntrack.close();
  kernel.close();
  return {
    ...first,
    ...after,
    settled,
    changed,
    ...(churned === undefined ? {} : { churned }),
    ...(besides === undefined ? {} : { peer: besides }),
  };
}

try {
  const figures = await live();
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
} finally {
  rmSync(directory, { recursive: true });
}
