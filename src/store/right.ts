/** Whether a manifest is right by its schema, for the stores that have no API server to say so. It imports zod. */
import type { Result } from '../lib/result.ts';
import { isKind } from './kinds.ts';
import type { Manifest, ObjectRef, Refusal } from './objects.ts';
import { formatPath } from './schema/flaw.ts';
import { readManifest } from './schema/manifest.ts';
import { identityOf, keyOfObject, refuse } from './written.ts';

export function rightIdentityOf(manifest: Manifest): Result<ObjectRef, Refusal> {
  const ref = identityOf(manifest);
  if (!ref.ok || !isKind(ref.value.kind)) return ref;
  const read = readManifest(manifest);
  if (read.ok) return ref;
  const flaws = read.error.map(({ path, what, fix }) => `${formatPath(path)} ${what} ${fix}`);
  return refuse('invalid', `${keyOfObject(ref.value)}: ${flaws.join(' ')}`);
}
