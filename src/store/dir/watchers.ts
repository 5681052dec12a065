/** File-system events of a changing set of directories: one watcher each, since recursive watching misses links and loses races. */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import type { SeenDirectory } from './scan.ts';

interface Watched {
  readonly identity: string;
  readonly watcher: FSWatcher;
}

export class DirectoryWatchers {
  readonly #root: string;
  readonly #onEvent: () => void;
  readonly #onRefused: (path: string, error: unknown) => void;
  readonly #watched = new Map<string, Watched>();

  /** @param onRefused  the system gives no events for a directory; it is asked again at the next `follow` */
  constructor(root: string, onEvent: () => void, onRefused: (path: string, error: unknown) => void) {
    this.#root = root;
    this.#onEvent = onEvent;
    this.#onRefused = onRefused;
  }

  /** Follows exactly `directories`. True if one is new: what happened in it before is known only by looking again. */
  follow(directories: readonly SeenDirectory[]): boolean {
    const wanted = new Map(directories.map(({ path, identity }) => [path, identity]));
    for (const [path, { identity }] of this.#watched) if (wanted.get(path) !== identity) this.#drop(path);
    const added = directories.filter(({ path }) => !this.#watched.has(path));
    return added.map((directory) => this.#add(directory)).some(Boolean);
  }

  close(): void {
    for (const path of [...this.#watched.keys()]) this.#drop(path);
  }

  #add({ path, identity }: SeenDirectory): boolean {
    try {
      const watcher = watch(join(this.#root, path), this.#onEvent);
      watcher.on('error', () => this.#drop(path));
      this.#watched.set(path, { identity, watcher });
      return true;
    } catch (error) {
      this.#onRefused(join(this.#root, path), error);
      return false;
    }
  }

  #drop(path: string): void {
    this.#watched.get(path)?.watcher.close();
    this.#watched.delete(path);
  }
}
