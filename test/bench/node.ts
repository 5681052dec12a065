/**
 * One node with `tortie felix` and the CNI plugin for the benches: its datastore has a file for each object, as big
 * clusters have, so that a change is a change of one small file.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askSocket } from '../../src/host/socket.ts';
import type { FelixStatus } from '../../src/model/status.ts';
import { eventually } from '../support/eventually.ts';
import { createPlayground, type Playground } from '../support/namespaces.ts';
import { nodeName } from './cluster.ts';
import { callPlugin } from './plugin.ts';

const plugin = new URL('../../src/cni/tortie', import.meta.url).pathname;

export interface BenchNode {
  /** Its namespace is "node". */
  readonly ground: Playground;
  readonly directory: string;
  /** Writes each object into its file, by atomic rename. */
  put(objects: readonly object[]): void;
  start(): Promise<void>;
  /** Makes the pod's namespace ahead, outside of what is timed. */
  netns(pod: string): string;
  /** @param pod  "namespace/name". @returns how many ms the plugin took */
  add(pod: string): Promise<number>;
  del(pod: string): Promise<number>;
  close(): Promise<void>;
}

interface Named {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

export function createBenchNode(prefix: string): BenchNode {
  const ground = createPlayground(prefix);
  const directory = mkdtempSync(join(tmpdir(), 'tortie-bench-'));
  const [store, socket] = [join(directory, 'store'), join(directory, 'felix.sock')];
  mkdirSync(store);
  const netns = (pod: string): string => `/run/netns/${ground.netns(pod.replace('/', '-'))}`;

  const call = (command: 'ADD' | 'DEL', pod: string): Promise<number> => {
    const [namespace, name] = pod.split('/');
    return callPlugin({
      command,
      argv: ['nsenter', `--net=${netns('node')}`, plugin],
      container: pod.replace('/', '-'),
      netns: netns(pod),
      env: {
        TORTIE_CNI_SOCKET: socket,
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name}`,
      },
      config: { cniVersion: '1.0.0', name: 'pods', type: 'tortie' },
    });
  };

  return {
    ground,
    directory,
    netns,
    put: (objects) => {
      for (const object of objects) {
        const { kind, metadata } = object as Named;
        const file = `${kind}-${metadata?.namespace ?? ''}-${metadata?.name}.json`;
        writeFileSync(join(directory, file), JSON.stringify(object));
        renameSync(join(directory, file), join(store, file));
      }
    },
    start: async () => {
      const running = ground.tortie('node', [
        ...['felix', '--datastore', `dir:${store}`, '--node', nodeName, '--socket', socket],
        ...['--state-dir', join(directory, 'state'), '--log-level', 'warn'],
      ]);
      await eventually(
        async () => {
          const answer = await askSocket(socket, '/status');
          const status = answer.ok ? (answer.value.body as FelixStatus) : undefined;
          if (status?.dataplane !== 'in-sync') throw new Error(`felix is not in sync: ${running.output()}`);
        },
        { within: 60_000 },
      );
    },
    add: (pod) => call('ADD', pod),
    del: (pod) => call('DEL', pod),
    close: async () => {
      await ground.close();
      rmSync(directory, { recursive: true });
    },
  };
}
