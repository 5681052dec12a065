/**
 * Reads the files that changed, once they have come to rest.
 *
 * A file is read when two looks in a row see the same version of it, so that one which is being written is left alone;
 * a file that vanished counts as gone only at the second look, since editors save by removing and creating, and not before
 * the new files seen meanwhile are read, since one of them may be where its objects have moved to. Nothing waits for ever:
 * a file that is written again and again is read as it stands after `longestWait` looks. The first
 * look reads everything at once. Status documents arrive by rename, whole, and are read at once always.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '../../model/problem.ts';
import { isKind } from '../kinds.ts';
import { type FileContent, readDocuments } from './documents.ts';
import { isGone, type SeenDirectory, type SeenFile, scan } from './scan.ts';
import { directoriesOf, highestIn, kindsIn, latest } from './versions.ts';

export interface Look {
  readonly manifests: readonly FileContent[];
  readonly statuses: readonly FileContent[];
  /** The newest version of every object that programs wrote. */
  readonly objects: readonly FileContent[];
  readonly directories: readonly SeenDirectory[];
  /** Something is still moving, or was unreadable only now: look again soon. */
  readonly again: boolean;
}

interface Entry {
  readonly signature: string;
  readonly content: FileContent;
  /** How often in a row this version could not be read. */
  readonly failures: number;
}

/** After so many failures a version is only tried again at the periodic look. */
const patience = 3;
/** So many looks at the most does a changing file wait to come to rest, and a vanished file wait for others to do so. */
const longestWait = 20;

export class DirReader {
  readonly #root: string;
  readonly #entries = new Map<string, Entry>();
  /** Of each file that differs from what was read: the version seen last, and how many looks it has not been at rest. */
  readonly #moving = new Map<string, { readonly signature: string; readonly looks: number }>();
  /** How many looks in a row did not see a file whose content is still given out. */
  readonly #missing = new Map<string, number>();
  readonly #versions = new Map<string, { readonly number: number; readonly content: FileContent }>();
  #first = true;

  constructor(root: string) {
    this.#root = root;
  }

  /** Undefined if the directory is not there; what was read is kept. Throws what the system says if it may not be read. */
  async look(): Promise<Look | undefined> {
    const seen = await scan(this.#root);
    if (seen === undefined) return undefined;
    const manifests = await this.#refresh(seen.manifests, this.#first);
    const statuses = await this.#refresh(seen.statuses, true);
    const objects = await this.#readObjects();
    const lingering = this.#dropGone([...seen.manifests, ...seen.statuses]);
    this.#first = false;
    const contents = [...manifests, ...lingering].sort((a, b) => (a.path < b.path ? -1 : 1));
    return { manifests: contents, statuses, objects, directories: seen.directories, again: this.#again() };
  }

  async #readObjects(): Promise<readonly FileContent[]> {
    const kinds = (await kindsIn(this.#root)).filter(isKind);
    const directories = await Promise.all(kinds.map((kind) => directoriesOf(this.#root, kind)));
    const contents = await Promise.all(directories.flat().map((directory) => this.#readObject(directory)));
    return contents.flatMap((content) => content ?? []);
  }

  /** A version never changes, so its number tells whether it is known. */
  async #readObject(directory: string): Promise<FileContent | undefined> {
    const known = this.#versions.get(directory);
    if (known?.number === (await highestIn(join(this.#root, directory)))) return known.content;
    const version = await latest(join(this.#root, directory));
    if (version.text === undefined) return undefined;
    const content = readDocuments(join(directory, `${version.number}.json`), version.text);
    this.#versions.set(directory, { number: version.number, content });
    return content;
  }

  #again(): boolean {
    const failing = [...this.#entries.values()].some(({ failures }) => failures > 0 && failures < patience);
    return this.#moving.size > 0 || this.#missing.size > 0 || failing;
  }

  async #refresh(files: readonly SeenFile[], atOnce: boolean): Promise<readonly FileContent[]> {
    const entries = await Promise.all(files.map((file) => this.#entryOf(file, atOnce)));
    return entries.flatMap((entry) => (entry === undefined ? [] : [entry.content]));
  }

  async #entryOf({ path, signature }: SeenFile, atOnce: boolean): Promise<Entry | undefined> {
    const known = this.#entries.get(path);
    if (known?.signature === signature && known.failures === 0) {
      this.#moving.delete(path);
      return known;
    }
    const moving = this.#moving.get(path);
    const looks = moving?.looks ?? 0;
    const atRest = known?.signature === signature || moving?.signature === signature || looks >= longestWait;
    if (!atOnce && !atRest) {
      this.#moving.set(path, { signature, looks: looks + 1 });
      return known;
    }
    const content = await this.#read(path);
    if (content === undefined) return known;
    this.#moving.delete(path);
    const failed = content.broken.length > 0;
    const failures = failed ? (known?.signature === signature ? known.failures : 0) + 1 : 0;
    const entry = { signature, content, failures };
    this.#entries.set(path, entry);
    return entry;
  }

  /** Undefined if it vanished meanwhile. */
  async #read(path: string): Promise<FileContent | undefined> {
    try {
      return readDocuments(path, await readFile(join(this.#root, path), 'utf8'));
    } catch (error) {
      if (isGone(error)) return undefined;
      const why = error instanceof Error ? error.message : String(error);
      return { path, documents: [], broken: [unreadable(path, why)] };
    }
  }

  /** Forgets files that two looks in a row did not see; those not yet forgotten are still given out. */
  #dropGone(files: readonly SeenFile[]): readonly FileContent[] {
    const present = new Set(files.map(({ path }) => path));
    for (const path of this.#moving.keys()) if (!present.has(path)) this.#moving.delete(path);
    for (const path of this.#missing.keys()) if (present.has(path)) this.#missing.delete(path);
    const patient = this.#moving.size > 0 ? longestWait : 1;
    const lingering: FileContent[] = [];
    for (const [path, { content }] of this.#entries) {
      if (present.has(path)) continue;
      const looks = this.#missing.get(path) ?? 0;
      if (looks >= patient || path.startsWith('.')) {
        this.#entries.delete(path);
        this.#missing.delete(path);
      } else {
        this.#missing.set(path, looks + 1);
        lingering.push(content);
      }
    }
    return lingering;
  }
}

const unreadable = (path: string, why: string): Problem => ({
  where: path,
  what: `cannot be read: ${why}. What this file held before stays.`,
  fix: 'Let this process read it, or remove it.',
});
