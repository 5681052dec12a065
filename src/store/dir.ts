/**
 * The embedded datastore: a directory of YAML or JSON manifests, followed as it changes.
 *
 *   PATH/**.yaml, .yml, .json       manifests, any number of documents each; names with a leading dot are passed over
 *   PATH/.status/Kind/ns/name.yaml  what daemons report of an object in a manifest; merged over its `status`
 *   PATH/.objects/Kind/ns/name/     whole objects that programs write (`Objects`), version by version
 *
 * File-system events make it look at once, a slow periodic look finds what events missed (they are best effort: a link's
 * target, a network file system). The files are the state; this process holds only what it read last.
 */
import type { Clock } from '../host/clock.ts';
import type { Problem } from '../model/problem.ts';
import { keyOf, type ResourceRef } from '../model/resource.ts';
import { openAlarm } from './alarm.ts';
import { Delivery } from './delivery.ts';
import type { Contents } from './dir/contents.ts';
import { DirectoryWatchers } from './dir/watchers.ts';
import type { Json, Store } from './store.ts';

export interface DirStoreOptions {
  readonly clock: Clock;
  /** Told of what needs no mending but may explain slowness, e.g. that events are not available. */
  readonly onLog?: (message: string) => void;
}

/** Events within this time are one. */
const coalesceMs = 10;
/** How long a file must stay the same to be at rest. */
const settleMs = 30;
const missingMs = 300;
const rescanMs = 5000;

export function openDirStore(path: string, options: DirStoreOptions): Store {
  const rooms = new Set<{ contents: Contents | undefined }>();
  let writing: Promise<unknown> = Promise.resolve();
  return {
    watch: (kinds, onBatch) => {
      const room: { contents: Contents | undefined } = { contents: undefined };
      rooms.add(room);
      const stop = follow(path, options, new Delivery(kinds, onBatch), (contents) => {
        room.contents = contents;
      });
      return () => {
        rooms.delete(room);
        stop();
      };
    },
    putStatus: (ref, status) => {
      // One after the other, because each merges into what the one before wrote.
      const done = writing.then(() => putStatus(path, rooms, ref, status));
      writing = done.catch(() => undefined);
      return done;
    },
  };
}

async function putStatus(
  path: string,
  rooms: Iterable<{ readonly contents: Contents | undefined }>,
  ref: ResourceRef,
  status: { readonly [key: string]: Json },
): Promise<void> {
  const key = keyOf(ref);
  const { mergeStatus } = await import('./dir/objects.ts');
  if (await mergeStatus(path, ref, status)) return;
  const known = [...rooms].some(({ contents }) => contents?.named.has(key));
  if (!known && !(await exists(path, key)))
    throw new Error(`${key} is in no file of ${path}, so its status was not written. Add the object first.`);
  const { writeStatus } = await import('./dir/status.ts');
  try {
    await writeStatus(path, ref, status);
  } catch (error) {
    throw new Error(`the status of ${key} could not be written below ${path}: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/** zod and yaml take a tenth of a second to load, so they are loaded when first needed. */
async function openReader(path: string) {
  const [{ DirReader }, { assemble, nothing }] = await Promise.all([
    import('./dir/reader.ts'),
    import('./dir/contents.ts'),
  ]);
  return { reader: new DirReader(path), assemble, nothing };
}

async function exists(path: string, key: string): Promise<boolean> {
  const { reader, assemble, nothing } = await openReader(path);
  const look = await reader.look();
  return look !== undefined && assemble(nothing, look.manifests, []).named.has(key);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const missing = (path: string): Problem => ({
  where: path,
  what: 'is not a directory that exists, so there are no resources to read.',
  fix: 'Create it, or name another in --datastore dir:PATH.',
});

const unreadable = (path: string, error: unknown): Problem => ({
  where: path,
  what: `cannot be read: ${messageOf(error)}.`,
  fix: 'Let this process read the directory and all in it.',
});

/** One watcher's run: look, tell, wait for an event or for the time of the next look. */
function follow(
  path: string,
  { clock, onLog }: DirStoreOptions,
  delivery: Delivery,
  onContents: (contents: Contents) => void,
): () => void {
  let contents: Contents | undefined;
  let looks = 0;
  let looking = false;
  const alarm = openAlarm(clock, () => {
    if (looking) return alarm.within(coalesceMs);
    looking = true;
    void look().then((nextMs) => {
      looking = false;
      alarm.within(nextMs);
    });
  });
  const watchers = new DirectoryWatchers(
    path,
    () => alarm.within(coalesceMs),
    (directory, error) =>
      onLog?.(`${directory} gives no events (${messageOf(error)}), so it is looked at every ${rescanMs} ms`),
  );
  const opened = openReader(path);
  let stopped = false;

  /** One look; answers in how many ms the next is due. */
  const look = async (): Promise<number> => {
    const { reader, assemble, nothing } = await opened;
    const seen = await reader.look().catch((error: unknown) => unreadable(path, error));
    if (stopped) return rescanMs;
    if (seen === undefined || 'what' in seen) {
      // Away, not empty: what was told stays, and before the first look it is not in sync.
      delivery.tell([], false, [seen ?? missing(path)]);
      return missingMs;
    }
    looks += 1;
    // A person's file goes first, and so wins over what a program wrote.
    contents = assemble(contents ?? nothing, [...seen.manifests, ...seen.objects], seen.statuses);
    onContents(contents);
    // A file that could not be read at the start may have been caught half-written: it gets a second look first.
    if (looks > 1 || !seen.again) deliver(delivery, contents);
    if (watchers.follow(seen.directories)) return coalesceMs;
    return seen.again ? settleMs : rescanMs;
  };

  alarm.within(0);
  return () => {
    stopped = true;
    alarm.stop();
    watchers.close();
  };
}

const deliver = (delivery: Delivery, { held, problems }: Contents): void =>
  delivery.replace(
    [...held.values()].map(({ resource }) => resource),
    problems,
  );
