/**
 * A container without a container engine: the root filesystem of deploy/rootfs.sh, read-only, with the mounts, the environment,
 * the user, the capabilities and no_new_privs that the chart gives; what is missing of a real one is the seccomp filter and the cgroup.
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

export interface Mount {
  /** On this machine, and there already. */
  readonly from: string;
  /** In the container; the root filesystem has it. */
  readonly to: string;
  readonly readOnly?: boolean;
  /** What is mounted at `from` later is seen too: mountPropagation HostToContainer. */
  readonly follows?: boolean;
}

export interface Box {
  readonly argv: readonly [program: string, ...rest: string[]];
  /** "NAME=value", all that it has beside PATH. */
  readonly env: readonly string[];
  readonly mounts: readonly Mount[];
  /** Added after all were dropped, e.g. "NET_ADMIN". */
  readonly capabilities: readonly string[];
  readonly user: number;
  readonly group: number;
  /** Lines of shell before the root becomes read-only; $r is the root. */
  readonly before?: readonly string[];
}

const mountLines = ({ from, to, readOnly = false, follows = false }: Mount): readonly string[] => [
  follows ? `mount --rbind --make-rslave ${from} $r${to}` : `mount --bind ${from} $r${to}`,
  ...(readOnly ? [`mount -o remount,bind,ro $r${to}`] : []),
];

/** Starts it in that namespace of the playground. */
export function startBox(ground: Playground, netns: string, box: Box): Running {
  const [program, ...args] = box.argv;
  const script = [
    `set -eu; r=${rootfs}`,
    'mount --bind $r $r',
    'mount -t proc proc $r/proc; mount --bind $r/proc/sys $r/proc/sys; mount -o remount,bind,ro $r/proc/sys',
    'mount --rbind /dev $r/dev',
    ...box.mounts.flatMap(mountLines),
    ...(box.before ?? []),
    'mount -o remount,bind,ro $r',
    // env: what a container has, and nothing of the machine's.
    'exec env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin "$@"',
  ].join('\n');
  return ground.start(netns, [
    ...['unshare', '--mount', '--propagation=slave', 'sh', '-c', script, 'contain', ...box.env],
    ...['capsh', `--chroot=${rootfs}`, `--drop=${dropAllBut(box.capabilities)}`, '--no-new-privs'],
    ...[`--groups=${box.group}`, `--gid=${box.group}`, `--uid=${box.user}`],
    ...[`--shell=${program}`, '--', ...args],
  ]);
}

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
  const mounts = volumeMounts.map(({ name, mountPath }) => {
    const from = name === 'sysctl' ? '/proc/sys' : name === 'netns' ? '/run/netns' : join(directory, name);
    if (from.startsWith(directory)) mkdirSync(from, { recursive: true });
    return { from, to: mountPath, follows: name === 'netns' };
  });
  return startBox(ground, node, {
    argv: ['/usr/local/bin/tortie', ...args],
    ...{ env: [], mounts, capabilities: securityContext.capabilities.add ?? [], user: 0, group: 0 },
    before: [`mount -t tmpfs tmpfs $r/tmp; mkdir $r/tmp/store; mount --bind ${store} $r/tmp/store`],
  });
}
