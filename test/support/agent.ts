/** The whole agent on a kernel in memory: a harness that plays datastore, container runtime and clock. */
import type { AgentOptions } from '../../felix/agent/options.ts';
import { type Agent, createAgent } from '../../felix/agent.ts';
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import type { FelixReport } from '../../src/model/node-report.ts';
import type { FelixStatus } from '../../src/model/status.ts';
import { readManifest } from '../../src/store/schema/manifest.ts';
import type { Batch, Change, Store } from '../../src/store/store.ts';
import { virtualClock } from './clock.ts';
import { diskIdle } from './disk.ts';
import { createFakeNetwork } from './fake-kernel.ts';
import { namespaceObject, nodeObject, podObject } from './felix.ts';

export const home = '/run/netns/node1';
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const put = (json: object): Change => {
  const read = readManifest(json);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return { kind: 'put', resource: read.value };
};
export const cluster: readonly object[] = [
  nodeObject('node1', '10.1.0.0/30'),
  namespaceObject('x'),
  podObject('x/a', 'node1'),
  podObject('x/b', 'node1'),
];

interface Said {
  readonly status: number;
  readonly code?: number;
  readonly msg?: string;
  readonly body: unknown;
}

export type Network = ReturnType<typeof createFakeNetwork>;

export interface LifeOptions {
  readonly stateDir: string;
  readonly openLedger?: (clock: Clock) => NonNullable<AgentOptions['openLedger']>;
}

/** One life of the agent on `network`; its store says what `tell` is given. */
export function live(network: Network, { stateDir, openLedger }: LifeOptions) {
  const clock = virtualClock();
  const reports: Omit<FelixReport, 'at'>[] = [];
  let served = 0;
  const fatal: unknown[] = [];
  let onBatch: (batch: Batch) => void = () => {};
  const store: Store = {
    watch: (_, listener) => {
      onBatch = listener;
      return () => {};
    },
    putStatus: async () => {},
  };
  const agent: Agent = createAgent({
    node: 'node1',
    version: '0',
    stateDir,
    store,
    kernel: network.kernel(home),
    inNetns: network.inNetns,
    clock,
    random: () => 0,
    log: silent,
    chainsFreedLate: false,
    reporter: { say: (report) => void reports.push(report), stop: () => {} },
    onReady: () => {
      served += 1;
    },
    ...(openLedger === undefined ? {} : { openLedger: openLedger(clock) }),
    registerMetrics: () => ({ written: () => {}, refused: () => {}, foreign: () => {} }),
    onFatal: (error) => fatal.push(error),
  });
  const ask = async (
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body = '',
  ): Promise<Said> => {
    const endpoint = agent.endpoints[path];
    if (endpoint === undefined) throw new Error(path);
    const answer = await endpoint({ query: new URLSearchParams(), headers, body });
    if ('chunks' in answer) throw new Error(`${path} is streamed`);
    return { status: answer.status, ...(answer.body as object), body: answer.body };
  };
  return {
    agent,
    clock,
    fatal,
    reports,
    /** How often it said that pods can be served. */
    served: () => served,
    tell: (objects: readonly object[], inSync = true): void =>
      onBatch({ changes: objects.map(put), inSync, problems: [] }),
    /** Lets time run, quickly, until the promise settles; the disk is real, and time waits for it. */
    drive: async <T>(promise: Promise<T>): Promise<T> => {
      let isOver = false;
      const settled = promise.finally(() => {
        isOver = true;
      });
      while (!isOver) {
        clock.advance(50);
        await diskIdle();
      }
      return settled;
    },
    cni: (
      command: string,
      container: string,
      pod: string,
      more: Readonly<Record<string, string>> = {},
      config: object = {},
    ) => {
      const headers = {
        'cni-command': command,
        'cni-containerid': container,
        'cni-netns': `/run/netns/${pod}`,
        'cni-ifname': 'eth0',
        'cni-args': `K8S_POD_NAMESPACE=x;K8S_POD_NAME=${pod}`,
        ...more,
      };
      return ask('POST /cni', headers, JSON.stringify({ cniVersion: '1.1.0', name: 'pods', ...config }));
    },
    status: async () => (await ask('GET /status')).body as FelixStatus,
  };
}

export async function ready(options: LifeOptions, network: Network = networkOf('a', 'b')) {
  const life = live(network, options);
  await life.drive(life.agent.run());
  life.tell(cluster);
  return { ...life, network, kernel: network.kernel(home) };
}

export function networkOf(...pods: readonly string[]): Network {
  const network = createFakeNetwork();
  network.kernel(home);
  for (const pod of pods) network.kernel(`/run/netns/${pod}`);
  return network;
}

export const ipsOf = (said: Said): readonly string[] =>
  (said.body as { readonly ips: readonly { readonly address: string }[] }).ips.map(({ address }) => address);
