/**
 * Kernel parameters under /proc/sys. What lies under net/ is that of the network namespace of the thread that opens the
 * file, so the file is opened and used within the namespace window.
 * A container has its own /proc/sys read-only; the DaemonSet gives it the host's beside it, which shows the same namespaces.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { kernelError } from './kernel-error.ts';
import { inNamespace } from './netns.ts';

const root = existsSync('/host/proc/sys/net') ? '/host/proc/sys' : '/proc/sys';

const fileOf = (path: string, asked: string): string => {
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw kernelError(asked, 'EINVAL', 'the path must be relative to /proc/sys, without ".."');
  return `${root}/${path}`;
};

function failed(error: unknown, asked: string): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO';
  return kernelError(asked, code, code === 'ENOENT' ? 'there is no such parameter' : '');
}

/** Throws a KernelError. @param path  relative to /proc/sys, e.g. "net/ipv4/conf/eth0/proxy_arp" */
export function writeSysctl(netns: string | undefined, path: string, value: string): void {
  const asked = `set ${path} to ${value}`;
  const file = fileOf(path, asked);
  inNamespace(netns, () => {
    try {
      writeFileSync(file, value);
    } catch (error) {
      throw failed(error, asked);
    }
  });
}

/** Without the newline at the end. Throws a KernelError. */
export function readSysctl(netns: string | undefined, path: string): string {
  const asked = `read ${path}`;
  const file = fileOf(path, asked);
  return inNamespace(netns, () => {
    try {
      return readFileSync(file, 'utf8').trimEnd();
    } catch (error) {
      throw failed(error, asked);
    }
  });
}
