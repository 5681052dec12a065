/** What a watcher was told, so that it hears of each difference once, whichever datastore finds it. */
import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { digestOf } from '../lib/digest.ts';
import { assert } from '../lib/result.ts';
import type { Problem } from '../model/problem.ts';
import { type Kind, keyOf, type Resource, refOf, refOfKey } from '../model/resource.ts';
import { isWatched, kindOf } from './selectable.ts';
import type { Batch, Change, Watched } from './store.ts';

/** Nobody outside knows it, so nobody can make an object that counts as the one before it. */
const seed = randomInt(2 ** 32);

export class Delivery {
  readonly #watched: ReadonlyMap<Kind, Watched>;
  readonly #onBatch: (batch: Batch) => void;
  /** Key of each object → the digest of what was told of it: a cluster's objects are not kept for the sake of the next comparison. */
  readonly #told = new Map<string, number>();
  #problems: readonly Problem[] = [];
  #inSync = false;

  constructor(kinds: readonly Watched[], onBatch: (batch: Batch) => void) {
    this.#watched = new Map(kinds.map((watched) => [kindOf(watched), watched]));
    assert(this.#watched.size === kinds.length, 'a kind is watched twice');
    this.#onBatch = onBatch;
  }

  /** Tells the difference to `resources`, which is everything there is. From the first such call on it is in sync. */
  replace(resources: Iterable<Resource>, problems: readonly Problem[]): void {
    const present = new Map<string, Resource>();
    for (const resource of resources) {
      const watched = this.#watched.get(resource.kind);
      if (watched !== undefined && isWatched(watched, resource))
        present.set(keyOf(refOf(resource)), resource);
    }
    const changes: Change[] = [];
    for (const key of this.#told.keys())
      if (!present.has(key)) changes.push({ kind: 'delete', ref: refOfKey(key) });
    for (const resource of present.values()) changes.push({ kind: 'put', resource });
    this.tell(changes, true, problems);
  }

  /** Tells `changes`, less those that change nothing; silent if nothing differs. Once in sync it stays so, whatever `inSync` says. */
  tell(changes: readonly Change[], inSync: boolean, problems: readonly Problem[]): void {
    const news = changes.filter((change) => this.#apply(change));
    const known = (this.#inSync || !inSync) && isDeepStrictEqual(problems, this.#problems);
    if (news.length === 0 && known) return;
    this.#inSync ||= inSync;
    this.#problems = problems;
    this.#onBatch({ changes: news, inSync: this.#inSync, problems });
  }

  #apply(change: Change): boolean {
    if (change.kind === 'delete') return this.#told.delete(keyOf(change.ref));
    const key = keyOf(refOf(change.resource));
    const digest = digestOf(change.resource, seed);
    if (this.#told.get(key) === digest) return false;
    this.#told.set(key, digest);
    return true;
  }
}
