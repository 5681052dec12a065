/**
 * A container without a container engine: the root filesystem of deploy/rootfs.sh, read-only, with the mounts, the capabilities
 * and no_new_privs that the chart gives; what is missing of a real one is the seccomp filter and the cgroup.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Playground, Running } from '../support/namespaces.ts';
import { type Container, root } from './tools.ts';

export const rootfs = `${root}node_modules/.cache/tortie-deploy/rootfs`;

const capabilities: readonly string[] = execFileSync('setpriv', ['--list-caps'], { encoding: 'utf8' })
  .trim()
  .split('\n');

/** What capsh is to take away so that only these are left, e.g. ["NET_ADMIN"]. */
const dropAllBut = (kept: readonly string[]): string =>
  capabilities
    .filter((name) => /^[a-z_]+$/.test(name) && !kept.includes(name.toUpperCase()))
    .map((name) => `cap_${name}`)
    .join();

export interface Place {
  readonly ground: Playground;
  /** Namespace of the node in the playground. */
  readonly node: string;
  /** Stands for the node's own directories: each mount of a volume NAME is DIRECTORY/NAME. */
  readonly directory: string;
  /** Seen as /tmp/store. */
  readonly store: string;
}

export type Spec = Pick<Container, 'args' | 'volumeMounts' | 'securityContext'>;

/** Starts `tortie ARGS` as that container on that node. */
export function contain({ ground, node, directory, store }: Place, spec: Spec): Running {
  const { args, volumeMounts = [], securityContext } = spec;
  const binds = volumeMounts.map(({ name, mountPath }) => {
    const from = name === 'sysctl' ? '/proc/sys' : name === 'netns' ? '/run/netns' : join(directory, name);
    if (from.startsWith(directory)) mkdirSync(from, { recursive: true });
    const flags = name === 'netns' ? '--rbind --make-rslave' : '--bind';
    return `mount ${flags} ${from} $r${mountPath}`;
  });
  const script = [
    `set -eu; r=${rootfs}`,
    'mount --bind $r $r',
    'mount -t proc proc $r/proc; mount --bind $r/proc/sys $r/proc/sys; mount -o remount,bind,ro $r/proc/sys',
    'mount --rbind /dev $r/dev',
    ...binds,
    `mount -t tmpfs tmpfs $r/tmp; mkdir $r/tmp/store; mount --bind ${store} $r/tmp/store`,
    'mount -o remount,bind,ro $r',
    // env: what a container has, and nothing of the machine's.
    `exec env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin capsh --chroot=$r --drop=${dropAllBut(
      securityContext.capabilities.add ?? [],
    )} --no-new-privs --shell=/usr/local/bin/tortie -- "$@"`,
  ].join('\n');
  return ground.start(node, [
    'unshare',
    '--mount',
    '--propagation=slave',
    'sh',
    '-c',
    script,
    'contain',
    ...args,
  ]);
}
