/** A directory of manifests as a source: read anew each time it is asked. */
import { err, ok, type Result } from '../../lib/result.ts';
import { matchesLabels } from '../../model/labels.ts';
import { keyOf } from '../../model/resource.ts';
import { DirReader } from '../../store/dir/reader.ts';
import { isObject } from '../../store/json.ts';
import { mergePatch } from '../../store/merge-patch.ts';
import type { Manifest } from '../../store/objects.ts';
import type { Json } from '../../store/store.ts';
import { at, mapAt, nameOf, namespaceOf } from './json.ts';
import { parseLabelQuery } from './labels.ts';
import type { Place, Scope, Source, Trouble } from './source.ts';

/** How often a followed directory is looked at. */
const lookMs = 1000;

const missing = (path: string): Trouble => ({
  kind: 'away',
  sentence: `${path} is not a directory that exists. Name another in --datastore dir:PATH.`,
});

async function everything(path: string): Promise<Result<readonly Manifest[], Trouble>> {
  const look = await new DirReader(path).look().catch(() => undefined);
  if (look === undefined) return err(missing(path));
  const statuses = new Map<string, Json>();
  for (const { ref, json } of look.statuses.flatMap(({ documents }) => documents))
    if (ref !== undefined) statuses.set(keyOf(ref), at(json, 'status') ?? {});
  const seen = new Map<string, Manifest>();
  for (const { ref, json } of [...look.manifests, ...look.objects].flatMap(({ documents }) => documents)) {
    if (!isObject(json) || nameOf(json) === '') continue;
    const key = ref === undefined ? strangerKey(json as Manifest) : keyOf(ref);
    if (!seen.has(key)) seen.set(key, whole(json as Manifest, ref?.namespace, statuses.get(key)));
  }
  return ok([...seen.values()]);
}

/** As an API server would answer it: with its namespace, and the status from where it is kept. */
function whole(manifest: Manifest, namespace: string | undefined, status: Json | undefined): Manifest {
  const metadata = { ...mapAt(manifest, 'metadata'), ...(namespace === undefined ? {} : { namespace }) };
  const merged = status === undefined ? {} : { status: mergePatch(manifest['status'], status) as Json };
  return { ...manifest, metadata, ...merged };
}

/** Of a kind we do not read. */
const strangerKey = (manifest: Manifest): string =>
  JSON.stringify([manifest['apiVersion'], manifest['kind'], namespaceOf(manifest), nameOf(manifest)]);

/** "spec.node=a": every pair must hold. */
const hasFields = (item: Manifest, fields: string): boolean =>
  fields.split(',').every((pair) => {
    const [path = '', value = ''] = pair.split('=');
    return String(at(item, ...path.split('.')) ?? '') === value;
  });

async function list(path: string, place: Place, scope: Scope): Promise<Result<readonly Manifest[], Trouble>> {
  const query = parseLabelQuery(scope.labels ?? '');
  if (!query.ok) return err({ kind: 'asked', sentence: query.error });
  const all = await everything(path);
  if (!all.ok) return all;
  return ok(
    all.value.filter(
      (item) =>
        item['kind'] === place.kind &&
        item['apiVersion'] === place.apiVersion &&
        (scope.namespace === undefined || !place.namespaced || namespaceOf(item) === scope.namespace) &&
        matchesLabels(query.value, mapAt(item, 'metadata', 'labels') as Readonly<Record<string, string>>) &&
        (scope.fields === undefined || hasFields(item, scope.fields)),
    ),
  );
}

export const dirSource = (path: string): Source => ({
  where: `dir:${path}`,
  list: (place, scope = {}) => list(path, place, scope),
  get: async (place, name, namespace) => {
    const all = await list(path, place, namespace === undefined ? {} : { namespace });
    return all.ok ? ok(all.value.find((item) => nameOf(item) === name)) : all;
  },
  follow: (place, scope, onItems, onTrouble) => {
    let last: string | undefined;
    const look = async (): Promise<void> => {
      const all = await list(path, place, scope);
      if (!all.ok) return onTrouble(all.error);
      const text = JSON.stringify(all.value);
      if (text !== last) onItems(all.value);
      last = text;
    };
    void look();
    const timer = setInterval(() => void look(), lookMs);
    return () => clearInterval(timer);
  },
});
