/**
 * Runs a list of CNI plugins as a container runtime does (CNI specification 1.1.0, section 3): each gets the list's name and
 * version, the result of the one before, and of the runtime's settings those it has declared. DEL goes backwards.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where Debian puts the CNI project's plugins, and where test/bench/setup.sh unpacks them. */
const places = [
  '/usr/lib/cni',
  new URL('../../node_modules/.cache/tortie-bench/usr/lib/cni', import.meta.url).pathname,
];
const ours = new URL('../../src/cni/tortie', import.meta.url).pathname;

function pluginDir(): string {
  const place = places.find((path) => existsSync(join(path, 'ptp')));
  if (place === undefined)
    throw new Error('containernetworking-plugins is missing: run sh test/bench/setup.sh');
  return place;
}

interface PluginConf {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
}

export interface PluginList {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly PluginConf[];
}

export interface Container {
  readonly id: string;
  /** Path of its network namespace. */
  readonly netns: string;
  /** "namespace/name". */
  readonly pod: string;
  readonly uid?: string;
  /** portMappings, bandwidth, … */
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
}

export interface Result {
  readonly cniVersion: string;
  readonly interfaces: readonly { readonly name: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly interface?: number }[];
}

/** Runs a plugin of that type on the node and returns what it printed; rejects with the plugin's own words. */
export type RunPlugin = (
  type: string,
  env: Readonly<Record<string, string>>,
  input: string,
) => Promise<string>;

/** Plugins of this checkout and of Debian. @param nodeNetns  where they run. @param socket  of the node agent */
export const pluginsHere =
  (nodeNetns: string, socket: string): RunPlugin =>
  (type, env, input) => {
    const dir = pluginDir();
    const path = type === 'tortie' ? ours : join(dir, type);
    const full = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, CNI_PATH: dir, TORTIE_CNI_SOCKET: socket };
    return runPlugin(['nsenter', `--net=${nodeNetns}`, path], { ...full, ...env }, input);
  };

/** Standard output; rejects with all that was said. */
export const runPlugin = (
  [program = '', ...argv]: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(program, argv, { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${argv.at(-1)} ${env['CNI_COMMAND']}: ${stdout}${stderr}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });

export interface RuntimeOptions {
  readonly list: PluginList;
  readonly run: RunPlugin;
}

export interface Runtime {
  /** The result of the last plugin. Rejects with the plugin's own words. */
  add(container: Container): Promise<Result>;
  /** @param only  types of plugins; absent: all of the list */
  check(container: Container, only?: readonly string[]): Promise<void>;
  /** With the result of ADD, as the runtime has cached it. */
  del(container: Container): Promise<void>;
  /** Everything but these attachments is to go. */
  gc(valid: readonly Container[]): Promise<void>;
}

export function createRuntime({ list, run }: RuntimeOptions): Runtime {
  const cached = new Map<string, Result>();
  const { cniVersion, name, plugins } = list;

  const confOf = (plugin: PluginConf, container: Container | undefined, more: object): object => {
    const declared = Object.entries(plugin.capabilities ?? {}).filter(([, is]) => is);
    const settings = declared.flatMap(([key]) => {
      const value = container?.runtimeConfig?.[key];
      return value === undefined ? [] : [[key, value] as const];
    });
    const runtimeConfig = settings.length === 0 ? {} : { runtimeConfig: Object.fromEntries(settings) };
    return { ...plugin, cniVersion, name, ...runtimeConfig, ...more };
  };

  function call(command: string, plugin: PluginConf, container: Container | undefined, more: object) {
    const [namespace, pod] = container?.pod.split('/') ?? [];
    const uid = container?.uid === undefined ? '' : `;K8S_POD_UID=${container.uid}`;
    const env = {
      CNI_COMMAND: command,
      ...(container === undefined
        ? {}
        : {
            CNI_CONTAINERID: container.id,
            CNI_NETNS: container.netns,
            CNI_IFNAME: 'eth0',
            CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod}${uid}`,
          }),
    };
    return run(plugin.type, env, JSON.stringify(confOf(plugin, container, more)));
  }

  const last = (container: Container): object => {
    const prevResult = cached.get(container.id);
    return prevResult === undefined ? {} : { prevResult };
  };

  return {
    add: async (container) => {
      let more: object = {};
      let result: Result | undefined;
      for (const plugin of plugins) {
        result = JSON.parse(await call('ADD', plugin, container, more)) as Result;
        more = { prevResult: result };
      }
      if (result === undefined) throw new Error('the list has no plugins');
      cached.set(container.id, result);
      return result;
    },
    check: async (container, only) => {
      const asked = plugins.filter(({ type }) => only?.includes(type) ?? true);
      for (const plugin of asked) await call('CHECK', plugin, container, last(container));
    },
    del: async (container) => {
      for (const plugin of [...plugins].reverse()) await call('DEL', plugin, container, last(container));
      cached.delete(container.id);
    },
    gc: async (valid) => {
      const attachments = valid.map(({ id }) => ({ containerID: id, ifname: 'eth0' }));
      // Plugins that speak no 1.1.0 yet would refuse it: what is asked of ours here is what counts.
      for (const plugin of plugins.filter(({ type }) => type === 'tortie'))
        await call('GC', plugin, undefined, {
          cniVersion: '1.1.0',
          'cni.dev/valid-attachments': attachments,
        });
    },
  };
}
