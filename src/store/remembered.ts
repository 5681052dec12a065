/**
 * A store with a memory: what was delivered last lies in a file, and stands in while the datastore cannot be read.
 *
 * For a daemon that starts while the API server is away: without a memory it would know nothing of what it was told an
 * hour ago. What is remembered is only used when the datastore has not been read within some seconds of the start, only
 * by the same version watching the same (an older one's values lack fields), and only in the life of the machine it was written in: after a
 * reboot the pods it speaks of are gone. Once the datastore is read, its word replaces the remembered one, difference by
 * difference. It is said as a problem for as long as it lasts. No kind that is watched holds a secret.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../host/clock.ts';
import type { Logger } from '../host/log.ts';
import { millis } from '../lib/net.ts';
import type { Labels } from '../model/meta.ts';
import type { Problem } from '../model/problem.ts';
import { keyOf, type Resource, refOf } from '../model/resource.ts';
import { Delivery } from './delivery.ts';
import { interned } from './schema/intern.ts';
import { kindOf } from './selectable.ts';
import type { Batch, Store, Watched } from './store.ts';

export interface MemoryOptions {
  /** The file for a watch, by the first kind of it in lower case: "…/bgp-node.json". */
  readonly file: (firstKind: string) => string;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
  /** What must be the same for a memory to count: version, machine, boot, datastore. */
  readonly identity: string;
  readonly today?: () => Date;
}

/** The datastore has so long to be read after a start. */
const patienceMs = 10_000;
/** The file is written soon after the first reading, and at most so often from then on. */
const firstMs = 5000;
const gapMs = 60_000;

interface Snapshot {
  readonly identity: string;
  /** ISO 8601: when it was written. */
  readonly at: string;
  readonly resources: readonly Resource[];
}

export function remembered(store: Store, options: MemoryOptions): Store {
  return {
    putStatus: (ref, status) => store.putStatus(ref, status),
    watch: (kinds, onBatch) => {
      const [first] = kinds;
      if (first === undefined) return store.watch(kinds, onBatch);
      // What was not watched then would count as deleted now.
      const identity = `${options.identity} ${JSON.stringify(kinds)}`;
      const path = options.file(kindOf(first).toLowerCase());
      const watch = new RememberedWatch(kinds, onBatch, { ...options, identity }, path);
      const stop = store.watch(kinds, (batch) => watch.take(batch));
      return () => {
        watch.stop();
        stop();
      };
    },
  };
}

class RememberedWatch {
  readonly #options: MemoryOptions;
  readonly #path: string;
  readonly #delivery: Delivery;
  /** As the datastore itself has told. */
  readonly #present = new Map<string, Resource>();
  #problems: readonly Problem[] = [];
  /** Said while the memory stands in. */
  #memory: Problem | undefined;
  #isRead = false;
  #cancel: (() => void) | undefined;
  #isStopped = false;
  #hasWritten = false;

  constructor(
    kinds: readonly Watched[],
    onBatch: (batch: Batch) => void,
    options: MemoryOptions,
    path: string,
  ) {
    this.#options = options;
    this.#path = path;
    this.#delivery = new Delivery(kinds, onBatch);
    this.#cancel = options.clock.after(millis(patienceMs), () => void this.#recall());
  }

  take(batch: Batch): void {
    for (const change of batch.changes) {
      if (change.kind === 'put') this.#present.set(keyOf(refOf(change.resource)), change.resource);
      else this.#present.delete(keyOf(change.ref));
    }
    this.#problems = batch.problems;
    if (this.#isRead) {
      this.#delivery.tell(batch.changes, true, batch.problems);
      this.#save();
    } else if (batch.inSync) {
      this.#isRead = true;
      this.#memory = undefined;
      this.#cancel?.();
      this.#cancel = undefined;
      this.#delivery.replace(this.#present.values(), batch.problems);
      this.#save();
    } else this.#complain();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  /** Nothing of the datastore's is delivered before it is in sync: half of it beside the memory would be neither. */
  #complain(): void {
    this.#delivery.tell([], false, [
      ...(this.#memory === undefined ? [] : [this.#memory]),
      ...this.#problems,
    ]);
  }

  async #recall(): Promise<void> {
    this.#cancel = undefined;
    const snapshot = await readSnapshot(this.#path);
    if (snapshot?.identity !== this.#options.identity || this.#isRead || this.#isStopped) return;
    this.#memory = {
      where: 'datastore',
      what: `It has not been read since the start, so what it said last, written down at ${snapshot.at}, is used.`,
      fix: 'Nothing need be done once it answers; see the other problems for why it does not.',
    };
    this.#options.log.warn(`${this.#memory.what} ${this.#path}`);
    this.#delivery.replace(snapshot.resources, [this.#memory, ...this.#problems]);
  }

  /** Soon, and what is written is what is known then. */
  #save(): void {
    this.#cancel ??= this.#options.clock.after(millis(this.#hasWritten ? gapMs : firstMs), () => {
      this.#cancel = undefined;
      this.#hasWritten = true;
      const { identity, today = () => new Date() } = this.#options;
      const snapshot = { identity, at: today().toISOString(), resources: [...this.#present.values()] };
      writeSnapshot(this.#path, snapshot).catch((error: unknown) =>
        this.#options.log.warn(`what the datastore says was not remembered: ${String(error)}`),
      );
    });
  }
}

/** IPv6 addresses and prefixes are bigints, for which JSON has no form. */
const big = '$bigint';

const toJson = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? { [big]: String(value) } : value;

function fromJson(key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (big in value) return BigInt(String(value[big]));
  return key === 'labels' ? interned(value as Labels) : value;
}

/** Undefined if there is none that can be read. It was written by ourselves, so only its identity is checked. */
async function readSnapshot(path: string): Promise<Snapshot | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'), fromJson) as Snapshot;
  } catch {
    return undefined;
  }
}

async function writeSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.tmp`, JSON.stringify(snapshot, toJson), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}
