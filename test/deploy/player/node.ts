/**
 * A node's own root directory: the machine's programs seen through, its own /etc/cni, /opt/cni, /run and /var/lib. Commands run in it
 * as on the node: in its network namespace, with its directories at their usual places.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface PlayedNode {
  readonly name: string;
  /** Of the node's namespace: "cl-node1". */
  readonly netns: string;
  readonly addresses: readonly string[];
  /** Where its directories are on this machine. */
  readonly root: string;
  /** Of this machine, for a path on the node that a pod may mount. */
  host(path: string): string;
  /** The arguments that run a program in the node's namespace and root. */
  within(...argv: readonly string[]): readonly string[];
  /** Standard output of a line of shell in the node's namespace and root; rejects with what was said. */
  sh(line: string): Promise<string>;
}

/** Never written to: programs and libraries. */
const shared = ['usr', 'bin', 'sbin', 'lib', 'lib64', 'etc/alternatives', 'etc/ld.so.cache'];
/** The kernel's own, the same for all. */
const kernels = ['proc', 'dev'];

/** @param root  a directory that is not there yet */
export function createNode(
  name: string,
  netns: string,
  addresses: readonly string[],
  root: string,
): PlayedNode {
  for (const path of [...kernels, 'etc', 'run/netns', 'tmp', 'var/lib', 'opt'])
    mkdirSync(join(root, path), { recursive: true });
  const mounts: string[] = [];
  for (const path of shared.filter((one) => existsSync(`/${one}`))) {
    if (lstatSync(`/${path}`).isSymbolicLink()) {
      symlinkSync(readlinkSync(`/${path}`), join(root, path));
    } else {
      execFileSync(lstatSync(`/${path}`).isDirectory() ? 'mkdir' : 'touch', [join(root, path)]);
      mounts.push(`mount --bind /${path} ${root}/${path}; mount -o remount,bind,ro ${root}/${path}`);
    }
  }
  for (const path of [...kernels, 'run/netns']) mounts.push(`mount --rbind /${path} ${root}/${path}`);
  // In a mount namespace that ends with the command: nothing of the machine is ever to be found below the root otherwise.
  const script = ['set -eu', ...mounts, `exec chroot ${root} "$@"`].join('\n');
  const within = (...argv: readonly string[]): readonly string[] => [
    ...['nsenter', `--net=/run/netns/${netns}`, 'unshare', '--mount', 'sh', '-c', script, 'within', ...argv],
  ];
  return {
    ...{ name, netns, addresses, root, within },
    // /proc/sys shows the namespace of who looks; namespaces of pods are this machine's.
    host: (path) => (/^\/(proc|run\/netns)(\/|$)/.test(path) ? path : join(root, path)),
    sh: (line) =>
      new Promise((resolve, reject) => {
        const [program = '', ...argv] = within('/bin/sh', '-c', line);
        execFile(program, argv, { encoding: 'utf8', maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
          error === null ? resolve(stdout) : reject(new Error(`${line}: ${stdout}${stderr}`)),
        );
      }),
  };
}
