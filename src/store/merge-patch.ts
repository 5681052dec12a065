/** RFC 7386 JSON Merge Patch: what a status subresource takes, and what a status document is to its object. */

/** Fields of `patch` replace, null removes, objects merge; anything but an object replaces the whole. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  const merged = new Map(isPlainObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

const isPlainObject = (json: unknown): json is object =>
  typeof json === 'object' && json !== null && !Array.isArray(json);
