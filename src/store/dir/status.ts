/** Status documents: `.status/<Kind>/<namespace or _>/<name>.yaml`, one for each object, replaced by rename. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { ResourceRef } from '../../model/resource.ts';
import { apiKindOf, kinds } from '../kinds.ts';
import { mergePatch } from '../merge-patch.ts';
import { isGone, statusDirectory } from './scan.ts';

const statusPath = ({ kind, namespace, name }: ResourceRef): string =>
  join(statusDirectory, kind, namespace ?? '_', `${name}.yaml`);

let written = 0;

/** Merges `status` into the object's status document. Throws what the file system says. */
export async function writeStatus(root: string, ref: ResourceRef, status: unknown): Promise<void> {
  const path = join(root, statusPath(ref));
  await mkdir(dirname(path), { recursive: true });
  const document = {
    apiVersion: kinds[ref.kind].apiVersion,
    kind: apiKindOf(ref.kind),
    metadata: { name: ref.name, ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }) },
    status: mergePatch(await statusIn(path), status),
  };
  // A leading dot hides the file from every reader until it is whole.
  written += 1;
  const draft = join(dirname(path), `.${ref.name}.${process.pid}.${written}.tmp`);
  try {
    await writeFile(draft, stringify(document));
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The status written last; a document that is not YAML is started anew. */
async function statusIn(path: string): Promise<unknown> {
  try {
    const document: unknown = parse(await readFile(path, 'utf8'));
    return typeof document === 'object' && document !== null && 'status' in document
      ? document.status
      : undefined;
  } catch (error) {
    if (isGone(error) || (error instanceof Error && error.name === 'YAMLParseError')) return undefined;
    throw error;
  }
}
