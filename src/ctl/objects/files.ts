/** -f PATH: the documents of files, of directories, of standard input. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { err, ok, type Result } from '../../lib/result.ts';
import { type FileContent, readDocuments } from '../../store/dir/documents.ts';

const isManifest = (name: string): boolean => /\.(ya?ml|json)$/.test(name);

/**
 * In the order of their paths. Fails: a sentence.
 * @param placesAll  sound documents tell the lines of their fields too
 */
export async function readFiles(
  paths: readonly string[],
  recursive: boolean,
  placesAll = false,
): Promise<Result<readonly FileContent[]>> {
  if (paths.length === 0) return err('Name a file, a directory or - with -f.');
  const contents: FileContent[] = [];
  for (const path of paths) {
    try {
      const read =
        path === '-' ? [await standardInput(placesAll)] : await readPath(path, recursive, placesAll);
      if (read.length === 0) return err(nothingIn(path, recursive));
      contents.push(...read);
    } catch (error) {
      return err(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }
  return ok(contents);
}

const nothingIn = (path: string, recursive: boolean): string =>
  `${path} holds no manifest: no file there ends in .yaml, .yml or .json${recursive ? '' : '; -R looks below it too'}.`;

const standardInput = async (placesAll: boolean): Promise<FileContent> =>
  readDocuments('standard input', await textOf(process.stdin), placesAll);

async function readPath(
  path: string,
  recursive: boolean,
  placesAll: boolean,
): Promise<readonly FileContent[]> {
  const contents: FileContent[] = [];
  for (const file of await filesOf(path, recursive))
    contents.push(readDocuments(file, await readFile(file, 'utf8'), placesAll));
  return contents;
}

async function filesOf(path: string, recursive: boolean): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true, recursive });
  return entries
    .filter((entry) => !entry.isDirectory() && isManifest(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
