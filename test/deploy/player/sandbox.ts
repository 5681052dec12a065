/** A pod's own network: a namespace, wired by the configuration that a runtime finds on the node, with the plugins found there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Playground } from '../../support/namespaces.ts';
import {
  type Container,
  createRuntime,
  type PluginList,
  type Runtime,
  runPlugin,
} from '../../support/plugins.ts';
import type { PlayedNode } from './node.ts';
import type { Pod } from './shapes.ts';

export interface Sandbox {
  readonly addresses: readonly string[];
  /** Path. */
  readonly netns: string;
  /** CNI DEL, with the configuration it was added by, as containerd keeps it. */
  remove(): Promise<void>;
}

const confDir = '/etc/cni/net.d';
const binDir = '/opt/cni/bin';

/** The first by name that a runtime reads; undefined: the node has no network yet. */
export function configurationOf(node: PlayedNode): PluginList | undefined {
  const directory = node.host(confDir);
  const names = (() => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  })();
  const [first] = names.filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
  if (first === undefined) return undefined;
  const read = JSON.parse(readFileSync(join(directory, first), 'utf8')) as PluginList;
  return 'plugins' in read ? read : undefined;
}

function runtimeOf(node: PlayedNode, list: PluginList): Runtime {
  return createRuntime({
    list,
    // The agent's socket is where the plugin looks for it of its own accord.
    run: (type, env, input) =>
      runPlugin(
        node.within(join(binDir, type)),
        { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', CNI_PATH: binDir, ...env },
        input,
      ),
  });
}

/** Rejects with what the plugin said, or that there is no configuration. */
export async function openSandbox(ground: Playground, node: PlayedNode, pod: Pod): Promise<Sandbox> {
  const list = configurationOf(node);
  if (list === undefined) throw new Error(`${node.name}: no network configuration in ${confDir}`);
  const { name, namespace = '', uid } = pod.metadata;
  const netns = `/run/netns/${ground.netns(`${namespace}-${name}-${uid.slice(0, 4)}`)}`;
  const runtime = runtimeOf(node, list);
  const container: Container = { id: `c${uid.replaceAll('-', '')}`, netns, pod: `${namespace}/${name}`, uid };
  const { ips } = await runtime.add(container);
  return {
    addresses: ips.map(({ address }) => address.replace(/\/.*/, '')),
    netns,
    remove: () => runtime.del(container),
  };
}
