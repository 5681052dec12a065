/**
 * Addresses to be given back to the cluster, on disk until that is done: one small file for each handle.
 *
 * DEL must succeed with the API server away. So what it owes is written here, and paid when the API is back
 * (felix/releases.ts), in this life or a later one. Until then the address stays allocated, and nobody can get it.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Address, formatAddress, parseAddress } from '../lib/net.ts';
import type { Problem } from '../model/problem.ts';
import { isRecord } from './config.ts';
import { writeWhole } from './whole.ts';

export interface Owed {
  /** Names the owner in the blocks; all that is allocated under it is given back. */
  readonly handle: string;
  /** For messages; empty if not known. */
  readonly addresses: readonly Address[];
}

export interface Journal {
  /** Reads everything. Call once, first. */
  load(): Promise<{ readonly owed: readonly Owed[]; readonly problems: readonly Problem[] }>;
  /** On disk when it resolves. */
  put(owed: Owed): Promise<void>;
  remove(handle: string): Promise<void>;
}

/** @param stateDir  e.g. /var/lib/tortie; files are under its `releases` */
export function openJournal(stateDir: string): Journal {
  const directory = join(stateDir, 'releases');
  const pathOf = (handle: string): string => join(directory, `${encodeURIComponent(handle)}.json`);
  return {
    load: async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const owed: Owed[] = [];
      const problems: Problem[] = [];
      for (const name of (await readdir(directory)).sort()) {
        const path = join(directory, name);
        if (name.endsWith('.tmp')) await rm(path, { force: true });
        if (!name.endsWith('.json')) continue;
        const one = parseOwed(await readFile(path, 'utf8'));
        if (one === undefined) problems.push(await setAside(path));
        else owed.push(one);
      }
      return { owed, problems };
    },
    put: ({ handle, addresses }) => {
      const value = { handle, addresses: addresses.map(formatAddress) };
      return writeWhole(pathOf(handle), `${JSON.stringify(value)}\n`);
    },
    remove: (handle) => rm(pathOf(handle), { force: true }),
  };
}

async function setAside(path: string): Promise<Problem> {
  await rename(path, `${path}.broken`);
  return {
    where: path,
    what: 'The note of an address to be given back cannot be read; it is kept as .broken.',
    fix: 'Nothing to do: the controller finds the address by its missing pod. Check the disk.',
  };
}

function parseOwed(text: string): Owed | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { handle, addresses } = isRecord(value) ? value : {};
  if (typeof handle !== 'string' || handle === '' || !Array.isArray(addresses)) return undefined;
  return {
    handle,
    addresses: addresses.flatMap((one: unknown) =>
      typeof one === 'string' ? (parseAddress(one) ?? []) : [],
    ),
  };
}
