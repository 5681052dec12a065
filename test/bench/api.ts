/**
 * How a real API server is loaded by a hundred nodes: `sh test/house/isolate.sh node test/bench/api.ts [NODES]`.
 *
 * Each simulated node has what both daemons have: a store each with their kinds, watched as they watch them, and the reports they
 * write. Requests come from the API server's audit log, bytes from the counters of the link between the nodes and the server.
 * Pods change without a policy that would select them: what is measured is the API server's part, not the ruleset's.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism, release } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { watchedKinds } from '../../bgp/follow/cluster.ts';
import { kindsOf } from '../../felix/agent/follow.ts';
import { realClock } from '../../src/host/clock.ts';
import { openReporter } from '../../src/host/report.ts';
import { openObjects, openStore } from '../../src/store/open.ts';
import { createApiServer, openPath } from '../support/api-server.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { podManifest } from '../support/manifests.ts';
import { createPlayground } from '../support/namespaces.ts';
import { nodeManifest } from '../support/rack.ts';

const nodeCount = Number(process.argv[2] ?? 100);
const restSeconds = Number(process.argv[3] ?? 360);
const churnSeconds = 60;
const changesPerSecond = 10;

const path = { test: '10.97.1.2', server: '10.97.1.1' };
const ground = createPlayground('bs');
const api = createApiServer(ground, 'api', [path.server]);
const objects = clusterObjects(api);
const link = 'bs-path';
openPath(ground.netns('api'), link, path);

interface Bytes {
  readonly received: number;
  readonly sent: number;
}

function bytes(): Bytes {
  const [one] = JSON.parse(
    execFileSync('ip', ['-j', '-s', 'link', 'show', link], { encoding: 'utf8' }),
  ) as readonly {
    readonly stats64: { readonly rx: { readonly bytes: number }; readonly tx: { readonly bytes: number } };
  }[];
  return { received: one?.stats64.rx.bytes ?? 0, sent: one?.stats64.tx.bytes ?? 0 };
}

const stops: (() => void)[] = [];
let inSync = 0;
/** Reports that had to be written again: a hundred nodes that start in one second find the server busy. */
let refused = 0;

/** @param kubeconfig  its user's requests are counted */
function simulate(node: string, kubeconfig: string): void {
  const warn = (): void => {
    refused += 1;
  };
  const log = { info: () => undefined, warn };
  for (const [part, kinds] of [
    ['felix', kindsOf()],
    ['bgp', [...watchedKinds(node, 'pod-cidrs')]],
  ] as const) {
    const options = { clock: realClock, random: Math.random, kubeconfig };
    const store = openStore('kubernetes', options);
    const written = openObjects('kubernetes', options);
    if (!store.ok || !written.ok) throw new Error('kubernetes is a datastore');
    let synced = false;
    stops.push(
      store.value.watch(kinds, (batch) => {
        if (batch.inSync && !synced) inSync += 1;
        synced ||= batch.inSync;
      }),
    );
    const common = {
      store: store.value,
      objects: written.value,
      node,
      clock: realClock,
      random: Math.random,
      log,
    };
    const daemon = { version: '0.1.0', inSync: true, problems: [] };
    if (part === 'felix') {
      const reporter = openReporter({ ...common, part });
      reporter.say({ ...daemon, dataplane: 'in-sync', endpoints: { ready: 30, total: 30 } });
      stops.push(reporter.stop);
    } else {
      const reporter = openReporter({ ...common, part });
      reporter.say({
        ...daemon,
        ...{ asn: 64512, routerId: '10.0.0.1', sessions: { established: nodeCount, total: nodeCount } },
        ...{ peers: [], originated: ['10.0.0.0/24'], kernel: { installed: nodeCount, pending: 0 }, sees: [] },
      });
      stops.push(reporter.stop);
    }
  }
}

interface Measured {
  readonly what: string;
  readonly perNodeAndMinute: string;
  readonly verbs: string;
  readonly toNode: string;
  readonly fromNode: string;
}

const kib = (count: number): string => `${(count / 1024).toFixed(1)} KiB`;

async function measure(what: string, seconds: number, during: () => Promise<void>): Promise<Measured> {
  const [before, asked] = [bytes(), api.audit().length];
  const began = performance.now();
  await during();
  await pause(Math.max(0, seconds * 1000 - (performance.now() - began)));
  const after = bytes();
  const minutes = ((performance.now() - began) / 60_000) * nodeCount;
  const own = api
    .audit()
    .slice(asked)
    .filter(({ user }) => user === 'tortie');
  const verbs = Map.groupBy(own, ({ verb, resource }) => `${verb} ${resource}`);
  const most = [...verbs].sort(([, a], [, b]) => b.length - a.length).slice(0, 4);
  return {
    what,
    perNodeAndMinute: (own.length / minutes).toFixed(2),
    verbs: most.map(([name, entries]) => `${name} ${(entries.length / minutes).toFixed(2)}`).join(', '),
    toNode: kib((after.received - before.received) / minutes),
    fromNode: kib((after.sent - before.sent) / minutes),
  };
}

async function churn(): Promise<void> {
  const end = performance.now() + churnSeconds * 1000;
  for (let change = 0; performance.now() < end; change++) {
    const next = performance.now() + 1000 / changesPerSecond;
    const name = `pod-${change % 50}`;
    await objects.put(podManifest(name, `10.1.${change % 250}.${(change >> 8) % 250}`));
    await pause(Math.max(0, next - performance.now()));
  }
}

await api.start();
await objects.installCrds();
await objects.grant();
for (let index = 0; index < nodeCount; index++)
  await objects.put(nodeManifest(`n${index}`, [`10.200.0.${index}`], [`10.0.${index}.0/24`]) as never);
for (let index = 0; index < 50; index++) await objects.put(podManifest(`pod-${index}`, `10.1.0.${index}`));
const rows: Measured[] = [];
rows.push(
  await measure('start: list, watch, report', 30, async () => {
    const kubeconfig = api.kubeconfig('tortie', path.server);
    for (let index = 0; index < nodeCount; index++) simulate(`n${index}`, kubeconfig);
    await eventually(
      () => {
        if (inSync < 2 * nodeCount) throw new Error(`${inSync} of ${2 * nodeCount} are in sync`);
      },
      { within: 120_000, every: 100 },
    );
  }),
);
rows.push(await measure('at rest', restSeconds, async () => undefined));
rows.push(await measure(`${changesPerSecond} pod changes a second`, churnSeconds, churn));
console.log(
  `${nodeCount} nodes, Node ${process.version}, Linux ${release()}, ${availableParallelism()} cores\n`,
);
console.log(
  '| what | requests per node and minute | most of them | to a node, per minute | from a node, per minute |',
);
console.log('|---|---|---|---|---|');
for (const { what, perNodeAndMinute, verbs, toNode, fromNode } of rows)
  console.log(`| ${what} | ${perNodeAndMinute} | ${verbs} | ${toNode} | ${fromNode} |`);
console.log(`\nReports written again later, all nodes together: ${refused}.`);
for (const stop of stops) stop();
await api.close();
await ground.close();
process.exit(0);
