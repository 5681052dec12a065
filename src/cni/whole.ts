/** Files that are whole whatever moment the power fails at: written beside, synced, renamed. */
import { renameSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

let writes = 0;

export interface WholeOptions {
  /** Default true. False: whole after a crash, but perhaps the old one. */
  readonly isSynced?: boolean;
  /** Default 0600. */
  readonly mode?: number;
}

/** The temporary name ends in ".tmp": what a crash leaves is recognised by it. */
export async function writeWhole(
  path: string,
  contents: string | Uint8Array,
  { isSynced = true, mode = 0o600 }: WholeOptions = {},
): Promise<void> {
  writes += 1;
  const temporary = `${path}.${process.pid}.${writes}.tmp`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(contents);
    await file.chmod(mode); // whatever the umask
    if (isSynced) await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  if (isSynced) await syncDirectory(dirname(path));
}

/**
 * The same without syncing, and at once: some 50 µs of page cache, where handing it to a thread and back five times is many
 * times that on a busy node, and a pod waits for it.
 */
export function writeWholeNow(path: string, contents: string, mode = 0o600): void {
  writes += 1;
  const temporary = `${path}.${process.pid}.${writes}.tmp`;
  writeFileSync(temporary, contents, { mode });
  renameSync(temporary, path);
}

/** A rename or a removal is on disk only after this. */
export async function syncDirectory(directory: string): Promise<void> {
  const parent = await open(directory, 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}
