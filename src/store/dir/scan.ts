/** Which manifest files a directory holds, and what tells one version of a file from the next. Symbolic links are followed. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export const statusDirectory = '.status';
/** Of what programs write (`versions.ts`); followed, but not walked. */
export const objectsDirectory = '.objects';

export interface SeenFile {
  /** Relative to the datastore's directory, with "/". */
  readonly path: string;
  /** Changes with the file: device, inode, size, and modification time in ns. */
  readonly signature: string;
}

export interface SeenDirectory {
  readonly path: string;
  readonly identity: string;
}

export interface Scan {
  /** Sorted by path, by code unit, so that every machine agrees which comes first. */
  readonly manifests: readonly SeenFile[];
  readonly statuses: readonly SeenFile[];
  readonly directories: readonly SeenDirectory[];
}

const isManifest = (name: string): boolean => /\.(ya?ml|json)$/.test(name);

interface Found {
  readonly files: SeenFile[];
  readonly directories: SeenDirectory[];
}

/** Undefined if the root is not there, or not a directory. Throws what the system says of a root it may not read. */
export async function scan(root: string): Promise<Scan | undefined> {
  const found: Found = { files: [], directories: [] };
  const identity = await identityOf(root);
  if (identity === undefined) return undefined;
  await walk(root, '', identity, new Set(), found);
  const written = await identityOf(join(root, objectsDirectory));
  if (written !== undefined) found.directories.push({ path: objectsDirectory, identity: written });
  const inStatus = ({ path }: SeenFile): boolean => path.startsWith(`${statusDirectory}/`);
  found.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    manifests: found.files.filter((file) => !inStatus(file)),
    statuses: found.files.filter(inStatus),
    directories: found.directories,
  };
}

async function identityOf(path: string): Promise<string | undefined> {
  const info = await statOf(path);
  return info?.isDirectory() ? `${info.dev}:${info.ino}` : undefined;
}

/** Undefined for what vanished meanwhile, or a link to nowhere. */
async function statOf(path: string) {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** The file is simply not there (any more). */
export const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(String(error.code));

/** @param above  the directories on the way here, so that a link to one of them does not lead round in circles */
async function walk(
  root: string,
  path: string,
  identity: string,
  above: ReadonlySet<string>,
  found: Found,
): Promise<void> {
  if (above.has(identity)) return;
  found.directories.push({ path, identity });
  const names = await namesIn(join(root, path));
  await Promise.all(
    names.map(async (name) => {
      const inner = path === '' ? name : `${path}/${name}`;
      if (name.startsWith('.') && inner !== statusDirectory) return;
      const info = await statOf(join(root, inner));
      if (info?.isDirectory())
        await walk(root, inner, `${info.dev}:${info.ino}`, new Set([...above, identity]), found);
      else if (info?.isFile() && isManifest(name))
        found.files.push({ path: inner, signature: `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}` });
    }),
  );
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
