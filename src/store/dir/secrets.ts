/** Secrets of the embedded datastore: manifests of kind Secret in its files, read anew each time and kept nowhere. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { err, ok, type Result } from '../../lib/result.ts';
import { isObject } from '../json.ts';
import { type SecretData, secretData } from '../secrets.ts';
import { checkNesting, deepest } from './nesting.ts';
import { isGone, scan } from './scan.ts';

export const isSecret = (json: unknown): boolean =>
  isObject(json) && json['apiVersion'] === 'v1' && json['kind'] === 'Secret';

/**
 * Undefined if no file has it. Fails: with a sentence, if the directory cannot be read now.
 * @param namespace  only Secrets of it, or of none, count; absent: of any
 */
export async function readDirSecret(
  root: string,
  name: string,
  namespace: string | undefined,
): Promise<Result<SecretData | undefined>> {
  try {
    const seen = await scan(root);
    if (seen === undefined) return err(`${root} is not there.`);
    for (const { path } of seen.manifests) {
      const found = await secretIn(join(root, path), name, namespace);
      if (!found.ok || found.value !== undefined) return found;
    }
    return ok(undefined);
  } catch (error) {
    return err(`${root} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** Fails if the file looks as if it held Secrets and is not YAML: somebody is writing it. */
async function secretIn(
  path: string,
  name: string,
  namespace: string | undefined,
): Promise<Result<SecretData | undefined>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isGone(error)) return '';
    throw error;
  });
  if (!text.includes('Secret')) return ok(undefined);
  if (!checkNesting(text).ok)
    return err(`${path} has more than ${deepest} lists and objects in one another.`);
  const parsed = parseAllDocuments(text, { merge: true });
  for (const document of Array.isArray(parsed) ? parsed : []) {
    if (document.errors.length > 0) return err(`${path} is not YAML.`);
    const json: unknown = document.toJS({ maxAliasCount: 1000 });
    if (isSecret(json) && isNamed(json, name, namespace)) return ok(secretData(json));
  }
  return ok(undefined);
}

function isNamed(json: unknown, name: string, namespace: string | undefined): boolean {
  const metadata = isObject(json) ? json['metadata'] : undefined;
  if (!isObject(metadata) || metadata['name'] !== name) return false;
  return namespace === undefined || (metadata['namespace'] ?? namespace) === namespace;
}
