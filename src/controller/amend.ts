/** Changing one object: read, change, write if nobody was quicker; else the same again. */
import { ok, type Result } from '../lib/result.ts';
import type { Manifest, ObjectRef, Objects, Refusal } from '../store/objects.ts';

/** A node's kubelet writes to it too, and often. */
const tries = 5;

/**
 * @param write  'update' for all but the status, 'updateStatus' for the status only
 * @param change  the object as it should be, or undefined if it may stay as it is
 * @returns what the object was before it was changed; undefined if nothing was changed, or it is not there
 */
export async function amend(
  objects: Objects,
  ref: ObjectRef,
  write: 'update' | 'updateStatus',
  change: (manifest: Manifest) => Manifest | undefined,
): Promise<Result<Manifest | undefined, Refusal>> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await objects.get(ref);
    if (!found.ok) return found;
    const before = found.value?.manifest;
    const after = before && change(before);
    if (found.value === undefined || after === undefined) return ok(undefined);
    const written = await objects[write](after, found.value.version);
    if (written.ok) return ok(before);
    if (written.error.kind === 'gone') return ok(undefined);
    if (written.error.kind !== 'conflict' || attempt >= tries) return written;
  }
}
