/**
 * What of the running program stands in memory. A page of its file that was needed once, at the start say, counts as this process's
 * for as long as it runs, though it lies in the page cache and comes back from there when it is touched again.
 */
import { readFile } from 'node:fs/promises';
import { nativeIfBuilt } from './native.ts';

/** madvise(2). */
const dontNeed = 4;

interface Mapping {
  readonly start: number;
  readonly length: number;
  readonly file: string;
  readonly isWritable: boolean;
  /** In KB: what differs from the file (addresses that the loader wrote), and would be lost. */
  readonly own: number;
}

/**
 * To be called once a start is over: what it alone needed leaves the memory of this process, of the program's file as of what malloc
 * holds free. Of Node that is some 30 MB, for the start and what compiles are half of it. The caller's thread is held up for a few ms.
 * @returns  whether the program's file was found, and the kernel did as it was asked
 */
export async function giveBack(): Promise<boolean> {
  const smaps = await readFile('/proc/self/smaps', 'utf8').catch(() => '');
  const addon = nativeIfBuilt();
  if (addon === undefined) return false;
  addon.trim();
  const asked = mappingsOf(smaps).filter(
    ({ file, isWritable, own }) => file === process.execPath && !isWritable && own === 0,
  );
  return asked.length > 0 && asked.every(({ start, length }) => addon.madvise(start, length, dontNeed) === 0);
}

const heading = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$/;

/** @param smaps  as of proc_pid_smaps(5) */
export function mappingsOf(smaps: string): readonly Mapping[] {
  const mappings: Mapping[] = [];
  let begun: Omit<Mapping, 'own'> | undefined;
  for (const line of smaps.split('\n')) {
    const [, from, to, rights, file] = heading.exec(line) ?? [];
    if (from !== undefined && to !== undefined && rights !== undefined && file !== undefined) {
      const start = Number.parseInt(from, 16);
      begun = { start, length: Number.parseInt(to, 16) - start, file, isWritable: rights.includes('w') };
    } else if (begun !== undefined && line.startsWith('Anonymous:'))
      mappings.push({ ...begun, own: Number.parseInt(line.slice('Anonymous:'.length), 10) });
  }
  return mappings;
}
