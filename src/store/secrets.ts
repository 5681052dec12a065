/**
 * Secrets, read one by one and by name, in one namespace. They never come by a watch, so nothing of them is remembered on disk.
 */
import { err, ok, type Result } from '../lib/result.ts';
import { isObject } from './json.ts';
import type { Objects } from './objects.ts';

/** The values of a Secret by key, as octets. */
export type SecretData = ReadonlyMap<string, Uint8Array>;

export interface Secrets {
  /** Said with what is missing: "Secret kube-system/bgp-passwords", or a directory's. @param name  of the Secret */
  readonly place: (name: string) => string;
  /** Between two readings of one; a changed password is in force so much later at most. */
  readonly everyMs: number;
  /** Undefined if there is none of this name. Fails: with a sentence, if it cannot be known now. */
  read(name: string): Promise<Result<SecretData | undefined>>;
}

/** Of the API server, which must allow `get` of these names. */
export const namedSecrets = (objects: Objects, namespace: string): Secrets => ({
  place: (name) => `Secret ${namespace}/${name}`,
  everyMs: 15_000,
  read: async (name) => {
    const found = await objects.get({ kind: 'Secret', namespace, name });
    if (!found.ok) return err(found.error.what);
    return ok(found.value === undefined ? undefined : secretData(found.value.manifest));
  },
});

/** `data` in base64 and, in a file, `stringData`, which wins as in the API. What is not text is left out. */
export function secretData(manifest: unknown): SecretData {
  const data = new Map<string, Uint8Array>();
  if (!isObject(manifest)) return data;
  for (const [field, encoding] of [
    ['data', 'base64'],
    ['stringData', 'utf8'],
  ] as const) {
    const values = manifest[field];
    if (!isObject(values)) continue;
    for (const [key, value] of Object.entries(values))
      if (typeof value === 'string') data.set(key, new Uint8Array(Buffer.from(value, encoding)));
  }
  return data;
}
