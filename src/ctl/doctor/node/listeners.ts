/** Who listens on a TCP port, out of /proc: the socket from net/tcp, its owner from the open files of every process. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Listener {
  /** The owner's command line, if this user may see it. */
  readonly command?: string;
  readonly pid?: number;
  readonly uid: number;
}

/** State 0A is LISTEN, proc(5). */
const listening = '0A';

export function listenersOn(port: number): readonly Listener[] {
  const found = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => socketsIn(file, port));
  const owners =
    found.length === 0 ? new Map<string, number>() : ownersOf(new Set(found.map(({ inode }) => inode)));
  const seen = new Set<string>();
  return found.flatMap(({ inode, uid }): readonly Listener[] => {
    const pid = owners.get(inode);
    // One process on both families is one listener.
    const key = pid === undefined ? inode : String(pid);
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ uid, ...(pid === undefined ? {} : { pid, command: commandOf(pid) }) }];
  });
}

function socketsIn(file: string, port: number): readonly { readonly inode: string; readonly uid: number }[] {
  const text = attempt(() => readFileSync(file, 'utf8')) ?? '';
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , uid, , inode = ''] = line.trim().split(/\s+/);
    const isIt = state === listening && Number.parseInt(local.split(':')[1] ?? '', 16) === port;
    return isIt ? [{ inode, uid: Number(uid) }] : [];
  });
}

function ownersOf(inodes: ReadonlySet<string>): Map<string, number> {
  const owners = new Map<string, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const files = attempt(() => readdirSync(`/proc/${name}/fd`)) ?? [];
    for (const file of files) {
      const link = attempt(() => readlinkSync(`/proc/${name}/fd/${file}`)) ?? '';
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode !== undefined && inodes.has(inode)) owners.set(inode, Number(name));
    }
  }
  return owners;
}

const commandOf = (pid: number): string =>
  (attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').replaceAll('\0', ' ').trim();

/** Processes end while they are looked at, and those of others may not be looked at. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
