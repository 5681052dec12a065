/**
 * Compare-and-swap by files alone: PATH/.objects/Kind/ns/name/ holds an object's versions as N.json, and the highest number counts.
 *
 * Version N is made by link(2) of a finished draft, which fails if N is there, so it has one writer. The highest is never removed,
 * and no other while it is young: whoever links N soon after it saw that N-1 was the highest knows that there never was another N.
 * Who took longer does not know.
 */
import { link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectRef } from '../objects.ts';
import { isGone, objectsDirectory } from './scan.ts';

export interface Version {
  readonly number: number;
  readonly text: string;
}

export interface Seen extends Partial<Version> {
  /** 0: there never was one. */
  readonly number: number;
  /** performance.now() before the look. */
  readonly at: number;
}

export const directoryOf = (root: string, { kind, namespace, name }: ObjectRef): string =>
  join(root, objectsDirectory, kind, namespace ?? '_', name);

export const kindsIn = (root: string): Promise<readonly string[]> => namesIn(join(root, objectsDirectory));

/** Every object's directory of a kind, relative to `root`. */
export async function directoriesOf(root: string, kind: string): Promise<readonly string[]> {
  const at = join(objectsDirectory, kind);
  const spaces = await namesIn(join(root, at));
  const found = await Promise.all(
    spaces.map(async (space) => (await namesIn(join(root, at, space))).map((name) => join(at, space, name))),
  );
  return found.flat().sort();
}

/** After every write, so that watchers need to watch one directory only. */
export const ring = (root: string, key: string): Promise<void> =>
  writeFile(join(root, objectsDirectory, '.changed'), key);

/** A version stays so long, and so many of them whatever the wall clock does. */
const keptMs = 10_000;
const kept = 16;
/** From a look to the link that stands on it; the rest is for clocks that differ. */
const quickMs = keptMs / 2;
let drafts = 0;

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

const numbersIn = async (directory: string): Promise<readonly number[]> =>
  (await namesIn(directory)).flatMap((name) => (/^\d+\.json$/.test(name) ? [Number.parseInt(name, 10)] : []));

export const highestIn = async (directory: string): Promise<number> =>
  Math.max(0, ...(await numbersIn(directory)));

export async function latest(directory: string): Promise<Seen> {
  for (;;) {
    const at = performance.now();
    const number = await highestIn(directory);
    if (number === 0) return { number, at };
    try {
      return { number, at, text: await readFile(join(directory, `${number}.json`), 'utf8') };
    } catch (error) {
      // A newer one has taken its place meanwhile.
      if (!isGone(error)) throw error;
    }
  }
}

export type Appended = 'done' | 'taken' | 'unknown';

/**
 * Makes the version after `seen`.
 * @returns taken: somebody else has made it · unknown: it took so long that it may have been made and removed before
 */
export async function append(
  directory: string,
  { number: before, at }: Seen,
  text: string,
): Promise<Appended> {
  await mkdir(directory, { recursive: true });
  drafts += 1;
  const number = before + 1;
  const draft = join(directory, `.${process.pid}.${drafts}.draft`);
  try {
    await writeFile(draft, text, { flag: 'wx', flush: true });
    await link(draft, join(directory, `${number}.json`));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return 'taken';
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  if (performance.now() - at > quickMs) return 'unknown';
  await removeOld(directory, number);
  return 'done';
}

async function removeOld(directory: string, number: number): Promise<void> {
  const numbers = await numbersIn(directory);
  for (const old of numbers.filter((one) => one < number - kept)) {
    const path = join(directory, `${old}.json`);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > keptMs) await rm(path, { force: true });
  }
}
