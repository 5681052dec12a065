/**
 * The plugin and the configuration list on a node: put there last and whole, taken away without a trace.
 *
 * A note in each directory says what was there before the first install, so an install can be repeated, and an uninstall puts
 * everything back byte by byte. Runtimes read neither the note nor what is set aside, for their names.
 */
import { constants } from 'node:fs';
import { access, copyFile, link, lstat, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isRecord } from './config.ts';
import { isConfName } from './conflist.ts';
import { syncDirectory, writeWhole } from './whole.ts';

const noteName = '.tortie-note';
const savedSuffix = '.tortie-saved';
const shimName = 'tortie';
const shimSource = new URL('./tortie', import.meta.url).pathname;

interface Note {
  /** The file of ours that stands in this directory. */
  readonly name: string;
  /** Names of files that were set aside as NAME.tortie-saved. */
  readonly saved: readonly string[];
  /** Configuration files of others that were there at the first install. */
  readonly others: readonly string[];
  /** The directory, and its parents, that we made; outermost first. */
  readonly made: readonly string[];
}

/** Copies the plugin into the directory. @returns  its path. Throws what the file system said. */
export async function installShim(binDir: string, source: string = shimSource): Promise<string> {
  const contents = await readFile(source);
  return place(binDir, shimName, contents, { mode: 0o755, exclusive: false });
}

/** The plugin that `installShim` puts there, as it lies in our own tree. */
export const ownShim = shimSource;

export interface Installed {
  readonly path: string;
  /** Files that a runtime takes before ours, by their names. */
  readonly before: readonly string[];
}

/** Writes the configuration list. With `exclusive` the configuration files of others are set aside first. */
export async function installConflist(
  confDir: string,
  name: string,
  text: string,
  { exclusive }: { readonly exclusive: boolean },
): Promise<Installed> {
  const path = await place(confDir, name, text, { mode: 0o644, exclusive });
  const names = await readdir(confDir);
  return { path, before: names.filter((other) => isConfName(other) && other < name).sort() };
}

interface PlaceOptions {
  readonly mode: number;
  readonly exclusive: boolean;
}

async function place(
  directory: string,
  name: string,
  contents: string | Uint8Array,
  { mode, exclusive }: PlaceOptions,
): Promise<string> {
  const made = await makeDirectory(directory);
  const known = await readNote(directory);
  const isRenamed = known !== undefined && known.name !== name;
  const note = known === undefined ? await firstNote(directory, name, made) : { ...known, name };
  const path = join(directory, name);
  const others = exclusive ? await othersIn(directory, note) : [];
  const taken = known === undefined && (await exists(path)) ? [name] : [];
  const aside = new Set([...taken, ...others, ...(await unsaved(directory, note))]);
  // First the note, then what it speaks of: a crash in between leaves a file that is not missed.
  const saved = [...new Set([...note.saved, ...aside])].sort();
  await writeWhole(join(directory, noteName), `${JSON.stringify({ ...note, saved })}\n`);
  for (const one of aside) await setAside(directory, one, one === name);
  if (!(await holds(path, contents, mode))) await writeWhole(path, contents, { mode });
  if (isRenamed) await rm(join(directory, known.name), { force: true });
  return path;
}

async function makeDirectory(directory: string): Promise<readonly string[]> {
  const first = await mkdir(directory, { recursive: true, mode: 0o755 });
  if (first === undefined) return [];
  const made: string[] = [];
  for (let at = directory; at.length >= first.length; at = dirname(at)) made.unshift(at);
  return made;
}

async function firstNote(directory: string, name: string, made: readonly string[]): Promise<Note> {
  const names = await readdir(directory);
  return { name, saved: [], others: names.filter((other) => isConfName(other) && other !== name), made };
}

const othersIn = async (directory: string, { name }: Note): Promise<readonly string[]> =>
  (await readdir(directory)).filter((other) => isConfName(other) && other !== name).sort();

/** Noted as set aside by an install that was cut off before it did. */
async function unsaved(directory: string, { saved }: Note): Promise<readonly string[]> {
  const names = new Set(await readdir(directory));
  return saved.filter((name) => names.has(name) && !names.has(name + savedSuffix));
}

/** What ours takes the place of stays until the rename replaces it; the others go at once. */
async function setAside(directory: string, name: string, isReplaced: boolean): Promise<void> {
  const [from, to] = [join(directory, name), join(directory, name + savedSuffix)];
  if (!isReplaced) return rename(from, to);
  await rm(to, { force: true });
  await link(from, to).catch(() => copyFile(from, to)); // not every file system has links
}

async function holds(path: string, contents: string | Uint8Array, mode: number): Promise<boolean> {
  try {
    const [found, { mode: is }] = await Promise.all([readFile(path), lstat(path)]);
    return found.equals(Buffer.from(contents)) && (is & 0o777) === mode;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function readNote(directory: string): Promise<Note | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(directory, noteName), 'utf8'));
  } catch {
    return undefined;
  }
  const { name, saved, others, made } = isRecord(value) ? value : {};
  const texts = (list: unknown): readonly string[] =>
    Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
  if (typeof name !== 'string') return undefined;
  return { name, saved: texts(saved), others: texts(others), made: texts(made) };
}

/** Puts the directory back as it was found. @returns  what was done, in words; empty if there was nothing of ours */
export async function uninstall(directory: string): Promise<readonly string[]> {
  const note = await readNote(directory);
  if (note === undefined) return [];
  const done: string[] = [];
  // Those of others first: there is no moment without any. What stood in our file's place is put over it.
  for (const name of note.saved) {
    const saved = join(directory, name + savedSuffix);
    if (!(await exists(saved))) continue;
    await rename(saved, join(directory, name));
    done.push(`restored ${join(directory, name)}`);
  }
  if (!note.saved.includes(note.name)) {
    await rm(join(directory, note.name), { force: true });
    done.push(`removed ${join(directory, note.name)}`);
  }
  for (const name of await readdir(directory)) {
    const isOurs = [note.name, noteName].some((ours) => name.startsWith(`${ours}.`) && name.endsWith('.tmp'));
    if (isOurs) await rm(join(directory, name), { force: true });
  }
  await rm(join(directory, noteName), { force: true });
  await syncDirectory(directory);
  for (const made of [...note.made].reverse()) await rmdir(made).catch(() => undefined); // others may use it by now
  return done;
}

/** Plugins of `names` that can be run in the directory. */
export async function pluginsIn(binDir: string, names: readonly string[]): Promise<readonly string[]> {
  const present = await Promise.all(
    names.map((name) =>
      access(join(binDir, name), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return names.filter((_, index) => present[index]);
}
