/** What a manifest becomes when it is written, for the stores that are no API server: the same as there. */
import { isDeepStrictEqual } from 'node:util';
import { err, ok, type Result } from '../lib/result.ts';
import { isObject } from './json.ts';
import { infoOf, writtenKindOf } from './kinds.ts';
import { isSubdomain } from './names.ts';
import type { ListScope, Manifest, ObjectRef, Refusal, Stored } from './objects.ts';
import type { Json } from './store.ts';

export const refuse = (kind: Refusal['kind'], what: string): Result<never, Refusal> => err({ kind, what });

export const keyOfObject = ({ kind, namespace, name }: ObjectRef): string =>
  namespace === undefined ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;

const isName = (text: unknown): text is string => typeof text === 'string' && isSubdomain(text);

export function identityOf(manifest: Manifest): Result<ObjectRef, Refusal> {
  const { apiVersion, kind: apiKind, metadata } = manifest;
  const { name, namespace = 'default' } = (isObject(metadata) ? metadata : {}) as Partial<ObjectRef>;
  const kind = writtenKindOf(apiVersion, apiKind);
  if (kind === undefined)
    return refuse('invalid', `${String(apiKind)} of ${String(apiVersion)} is not a kind that is written.`);
  if (!isName(name) || !isName(namespace))
    return refuse('invalid', `A ${kind} must have a name, and ${JSON.stringify(name)} is none.`);
  return ok(infoOf(kind).namespaced ? { kind, namespace, name } : { kind, name });
}

const metadataOf = (manifest: Manifest): Manifest => {
  const { metadata } = manifest;
  return isObject(metadata) ? (metadata as Manifest) : {};
};

/** What the server keeps, whatever the writer says of it. */
function stamped(manifest: Manifest, ref: ObjectRef, own: Manifest, version: string): Stored {
  const { namespace } = ref;
  const metadata = { ...metadataOf(manifest), ...(namespace === undefined ? {} : { namespace }), ...own };
  return { manifest: { ...manifest, metadata: { ...metadata, resourceVersion: version } }, version };
}

/** Kinds that have a status subresource; to the others `status` is a field like any. */
const withoutStatus = ({ status: _, ...rest }: Manifest): Manifest => rest;

/** @param uid  a new one */
export const created = (
  manifest: Manifest,
  ref: ObjectRef,
  version: string,
  uid: string,
  now: Date,
): Stored =>
  stamped(
    withoutStatus(manifest),
    ref,
    { uid, creationTimestamp: now.toISOString().replace(/\.\d+Z$/, 'Z'), generation: 1 },
    version,
  );

/** All but the status is new; the generation grows with everything but metadata. */
export function replaced(before: Manifest, manifest: Manifest, ref: ObjectRef, version: string): Stored {
  const { status } = before;
  const { uid = null, creationTimestamp = null, generation } = metadataOf(before);
  const bodyOf = ({ metadata: _, ...body }: Manifest): Manifest => withoutStatus(body);
  const isSame = isDeepStrictEqual(bodyOf(before), bodyOf(manifest));
  const count = typeof generation === 'number' ? generation + (isSame ? 0 : 1) : 1;
  const whole = { ...withoutStatus(manifest), ...(status === undefined ? {} : { status }) };
  return stamped(whole, ref, { uid, creationTimestamp, generation: count }, version);
}

export const withStatus = (
  before: Manifest,
  status: Json | undefined,
  ref: ObjectRef,
  version: string,
): Stored =>
  stamped({ ...withoutStatus(before), ...(status === undefined ? {} : { status }) }, ref, {}, version);

/** @param fields  dotted paths; what is not there is "" as for the API server */
function hasFields(json: unknown, fields: Readonly<Record<string, string>>): boolean {
  return Object.entries(fields).every(([path, wanted]) => {
    let value = json;
    for (const step of path.split('.')) value = isObject(value) ? value[step] : undefined;
    return String(value ?? '') === wanted;
  });
}

export function isInScope(manifest: Manifest, { namespace, fields = {}, labels = {} }: ListScope): boolean {
  const metadata = metadataOf(manifest);
  const own = isObject(metadata['labels']) ? metadata['labels'] : {};
  return (
    (namespace === undefined || metadata['namespace'] === namespace) &&
    hasFields(manifest, fields) &&
    Object.entries(labels).every(([name, value]) => own[name] === value)
  );
}

export const conflict = (ref: ObjectRef): Result<never, Refusal> =>
  refuse('conflict', `${keyOfObject(ref)} was changed by somebody else meanwhile.`);
export const exists = (ref: ObjectRef): Result<never, Refusal> =>
  refuse('exists', `${keyOfObject(ref)} is there already.`);
export const gone = (ref: ObjectRef): Result<never, Refusal> =>
  refuse('gone', `${keyOfObject(ref)} is not there.`);
