/**
 * Who listens on a TCP port of this network: /proc/net/tcp and tcp6 name the socket's inode, /proc/PID/fd the process.
 * Processes of other users, or outside this PID namespace, are not seen.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/** Inodes of sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listenersOn(port: number, text: string): readonly string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === LISTEN && local.endsWith(`:${hex}`) && inode !== undefined ? [inode] : [];
  });
}

/** "bird (pid 812)"; undefined: it cannot be seen. */
export function portOwner(port: number, proc = '/proc'): string | undefined {
  const inodes = new Set(
    ['tcp', 'tcp6'].flatMap((file) => listenersOn(port, textOf(`${proc}/net/${file}`) ?? '')),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of listOf(proc).filter((name) => /^\d+$/.test(name) && name !== String(process.pid)))
    if (listOf(`${proc}/${pid}/fd`).some((fd) => isOneOf(inodes, `${proc}/${pid}/fd/${fd}`)))
      return `${textOf(`${proc}/${pid}/comm`)?.trim() ?? 'a process'} (pid ${pid})`;
  return undefined;
}

function isOneOf(inodes: ReadonlySet<string>, path: string): boolean {
  try {
    return inodes.has(/^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1] ?? '');
  } catch {
    return false;
  }
}

function listOf(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
