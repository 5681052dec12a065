/**
 * Files and status documents to the resources they mean together: a decision without IO.
 *
 * The answer depends only on what the files say, in the order of their paths, except where a file cannot be read:
 * there the resources it gave last stay.
 */
import type { Problem } from '../../model/problem.ts';
import { keyOf, type Resource } from '../../model/resource.ts';
import { isObject } from '../json.ts';
import { mergePatch } from '../merge-patch.ts';
import type { Flaw } from '../schema/flaw.ts';
import { formatPath } from '../schema/flaw.ts';
import { readManifest } from '../schema/manifest.ts';
import type { FileContent, ManifestDocument } from './documents.ts';

interface Held {
  readonly resource: Resource;
  /** The file it came from. */
  readonly file: string;
}

export interface Contents {
  readonly held: ReadonlyMap<string, Held>;
  /** Every object the files name, readable or not. */
  readonly named: ReadonlySet<string>;
  /** By object, what its status document says. */
  readonly statuses: ReadonlyMap<string, StatusDocument>;
  readonly problems: readonly Problem[];
}

export const nothing: Contents = { held: new Map(), named: new Set(), statuses: new Map(), problems: [] };

interface StatusDocument {
  readonly file: string;
  readonly status: unknown;
}

type Read = ReturnType<typeof readManifest>;

/** What each document meant with the status it had, so that a tick reads only what changed. */
const memory = new WeakMap<ManifestDocument, { readonly status: unknown; readonly read: Read }>();

function readWithStatus(document: ManifestDocument, status: unknown): Read {
  const known = memory.get(document);
  if (known !== undefined && known.status === status) return known.read;
  const { json } = document;
  const read = readManifest(
    status === undefined || !isObject(json) ? json : { ...json, status: mergePatch(json['status'], status) },
  );
  memory.set(document, { status, read });
  return read;
}

/** The first by path wins, as for the objects themselves; what a file said that cannot be read now still holds. */
function readStatuses(
  files: readonly FileContent[],
  previous: Contents['statuses'],
): ReadonlyMap<string, StatusDocument> {
  const statuses = new Map<string, StatusDocument>();
  for (const { path, documents } of files)
    for (const { ref, json } of documents)
      if (ref !== undefined && isObject(json) && !statuses.has(keyOf(ref)))
        statuses.set(keyOf(ref), { file: path, status: json['status'] });
  const broken = brokenOf(files);
  for (const [key, before] of previous)
    if (broken.has(before.file) && !statuses.has(key)) statuses.set(key, before);
  return statuses;
}

const brokenOf = (files: readonly FileContent[]): ReadonlySet<string> =>
  new Set(files.filter((file) => file.broken.length > 0).map(({ path }) => path));

/**
 * @param previous  what was held before, for files that cannot be read now
 * @param files  manifests in the order of their paths
 * @param statusFiles  likewise those under .status
 */
export function assemble(
  previous: Contents,
  files: readonly FileContent[],
  statusFiles: readonly FileContent[],
): Contents {
  const statuses = readStatuses(statusFiles, previous.statuses);
  const held = new Map<string, Held>();
  const firstAt = new Map<string, string>();
  const problems: Problem[] = [];

  const take = (file: FileContent, document: ManifestDocument, key: string): void => {
    const earlier = firstAt.get(key);
    if (earlier !== undefined) {
      problems.push(duplicate(document, key, earlier));
      return;
    }
    firstAt.set(key, document.at);
    const status = statuses.get(key);
    const read = readWithStatus(document, status?.status);
    const resource = read.ok ? read.value : previous.held.get(key)?.resource;
    if (!read.ok) problems.push(...read.error.map((flaw) => problemOf(document, status, flaw)));
    if (resource !== undefined) held.set(key, { resource, file: file.path });
  };
  const complain = (document: ManifestDocument): void => {
    const read = readWithStatus(document, undefined);
    if (!read.ok) problems.push(...read.error.map((flaw) => document.problemOf(flaw)));
  };

  for (const file of files) {
    for (const document of file.documents)
      if (document.ref === undefined) complain(document);
      else take(file, document, keyOf(document.ref));
    problems.push(...file.broken);
  }
  const broken = brokenOf(files);
  for (const [key, before] of previous.held)
    if (broken.has(before.file) && !firstAt.has(key)) held.set(key, before);
  problems.push(...statusFiles.flatMap((file) => file.broken));
  return { held, named: new Set(firstAt.keys()), statuses, problems };
}

const duplicate = (document: ManifestDocument, key: string, earlier: string): Problem => ({
  where: `${document.at} ${key}`,
  what: `is also in ${earlier}, which is the one that counts.`,
  fix: 'Remove one of the two.',
});

/** A flaw of the status is the status document's, if there is one. */
function problemOf(document: ManifestDocument, status: StatusDocument | undefined, flaw: Flaw): Problem {
  if (status === undefined || flaw.path[0] !== 'status') return document.problemOf(flaw);
  const object = document.ref === undefined ? '' : `${document.ref.kind}/${document.ref.name} `;
  return { where: `${status.file} ${object}${formatPath(flaw.path)}`, what: flaw.what, fix: flaw.fix };
}
