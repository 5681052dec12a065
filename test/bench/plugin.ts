/** Runs a CNI plugin as a container runtime does, and says how long it took. */
import { execFile } from 'node:child_process';

export interface PluginRun {
  readonly command: 'ADD' | 'DEL';
  /** The plugin, and before it what runs it elsewhere. */
  readonly argv: readonly [string, ...string[]];
  readonly container: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly env: Readonly<Record<string, string>>;
  readonly config: object;
}

/** Milliseconds from start to end of the process. Rejects with what the plugin printed if it failed. */
export function callPlugin({ command, argv, container, netns, env, config }: PluginRun): Promise<number> {
  const environment = {
    PATH: process.env['PATH'],
    CNI_COMMAND: command,
    CNI_CONTAINERID: container,
    CNI_NETNS: netns,
    CNI_IFNAME: 'eth0',
    ...env,
  };
  const [program, ...args] = argv;
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env: environment }, (error, stdout, stderr) => {
      if (error === null) resolve(performance.now() - began);
      else
        reject(new Error(`${argv.join(' ')} ${command} ${container}: ${stdout}${stderr}`, { cause: error }));
    });
    child.stdin?.end(JSON.stringify(config));
  });
}
