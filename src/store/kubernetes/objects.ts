/** `Objects` on the API server: its own compare-and-swap by resourceVersion. */
import { ok, type Result } from '../../lib/result.ts';
import { isObject } from '../json.ts';
import { apiKindOf, infoOf } from '../kinds.ts';
import type { ListScope, Manifest, ObjectRef, Objects, Refusal, Stored, WrittenKind } from '../objects.ts';
import type { Failure } from '../reflector.ts';
import { identityOf, keyOfObject, refuse } from '../written.ts';
import type { Api } from './api.ts';
import { collectionPath, objectPath, selectorText, statusPath } from './paths.ts';

const pageSize = '500';
/** So often a list is begun anew because its pages were too slow for the server's history. */
const listAttempts = 5;

/** Status.reason first: 409 means two things. */
const byReason: Readonly<Record<string, Refusal['kind']>> = {
  AlreadyExists: 'exists',
  Conflict: 'conflict',
  NotFound: 'gone',
  Forbidden: 'forbidden',
  Unauthorized: 'forbidden',
  Invalid: 'invalid',
  BadRequest: 'invalid',
};
const byStatus: Readonly<Record<number, Refusal['kind']>> = {
  401: 'forbidden',
  403: 'forbidden',
  409: 'conflict',
  400: 'invalid',
  405: 'invalid',
  413: 'invalid',
  415: 'invalid',
  422: 'invalid',
};

/**
 * @param doing  "created", "read", …
 * @param isWrite  then an answer that never came, or came in trouble, leaves it open whether it was done
 */
function refusalOf(
  subject: string,
  doing: string,
  isWrite: boolean,
  failure: Failure,
): Result<never, Refusal> {
  const { status, reason = '', message, sent = false } = failure;
  if (status === 404 && reason === '')
    return refuse(
      'away',
      `${subject} was not ${doing}: the API server does not know this kind. Install Tortie's CustomResourceDefinitions: kubectl apply -f deploy/crds.`,
    );
  const doubtful = isWrite && (status === undefined ? sent : status >= 500);
  const kind = byReason[reason] ?? byStatus[status ?? 0] ?? (doubtful ? 'unknown' : 'away');
  return refuse(
    kind,
    kind === 'unknown'
      ? `It is not known whether ${subject} was ${doing}: ${message}.`
      : `${subject} was not ${doing}: ${message}.`,
  );
}

/** Items of a list do not say their kind. */
function storedOf(kind: WrittenKind, json: unknown): Stored | undefined {
  const metadata = isObject(json) ? json['metadata'] : undefined;
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined;
  if (typeof version !== 'string') return undefined;
  return {
    manifest: { ...(json as Manifest), apiVersion: infoOf(kind).apiVersion, kind: apiKindOf(kind) },
    version,
  };
}

/** @param version  absent: none is given, which a create must not */
function withVersion(manifest: Manifest, version?: string): Manifest {
  const { resourceVersion: _, ...metadata } = (
    isObject(manifest['metadata']) ? manifest['metadata'] : {}
  ) as Manifest;
  return {
    ...manifest,
    metadata: { ...metadata, ...(version === undefined ? {} : { resourceVersion: version }) },
  };
}

type Page = { readonly items: readonly Stored[]; readonly next: string };

function pageOf(kind: WrittenKind, json: unknown): Page {
  const { items, metadata } = isObject(json) ? json : {};
  const next = isObject(metadata) ? metadata['continue'] : undefined;
  return {
    items: (Array.isArray(items) ? items : []).flatMap((item: unknown) => storedOf(kind, item) ?? []),
    next: typeof next === 'string' ? next : '',
  };
}

async function listOnce(
  api: Api,
  kind: WrittenKind,
  scope: ListScope,
): Promise<Result<readonly Stored[], Failure>> {
  const found: Stored[] = [];
  const { namespace, fields, labels } = scope;
  const query = {
    limit: pageSize,
    ...(fields && { fieldSelector: selectorText(fields) }),
    ...(labels && { labelSelector: selectorText(labels) }),
  };
  for (let next: string | undefined; next !== ''; ) {
    const answer = await api.get(collectionPath(kind, namespace), {
      ...query,
      ...(next && { continue: next }),
    });
    if (!answer.ok) return answer;
    const page = pageOf(kind, answer.value);
    found.push(...page.items);
    next = page.next;
  }
  return ok(found);
}

export function kubernetesObjects(connect: () => Promise<Result<Api>>): Objects {
  const withApi = async <T>(run: (api: Api) => Promise<Result<T, Refusal>>): Promise<Result<T, Refusal>> => {
    const api = await connect();
    return api.ok ? run(api.value) : refuse('away', `The API server cannot be asked: ${api.error}.`);
  };

  const write = (
    method: 'POST' | 'PUT',
    doing: string,
    manifest: Manifest,
    pathOf: (ref: ObjectRef) => string,
  ): Promise<Result<Stored, Refusal>> =>
    withApi(async (api) => {
      const ref = identityOf(manifest);
      if (!ref.ok) return ref;
      const answer = await api.write(method, pathOf(ref.value), manifest);
      if (!answer.ok) return refusalOf(keyOfObject(ref.value), doing, true, answer.error);
      const stored = storedOf(ref.value.kind, answer.value);
      return stored === undefined
        ? refuse('unknown', `The API server answered with something that is no ${ref.value.kind}.`)
        : ok(stored);
    });

  return {
    get: (ref) =>
      withApi(async (api) => {
        const answer = await api.get(objectPath(ref), {});
        if (answer.ok) return ok(storedOf(ref.kind, answer.value));
        if (answer.error.reason === 'NotFound') return ok(undefined);
        return refusalOf(keyOfObject(ref), 'read', false, answer.error);
      }),
    list: (kind, scope = {}) =>
      withApi(async (api) => {
        for (let attempt = 1; ; attempt++) {
          const answer = await listOnce(api, kind, scope);
          if (answer.ok) return answer;
          if (answer.error.status !== 410 || attempt === listAttempts)
            return refusalOf(`The list of kind ${kind}`, 'read', false, answer.error);
        }
      }),
    create: (manifest) =>
      write('POST', 'created', withVersion(manifest), ({ kind, namespace }) =>
        collectionPath(kind, namespace),
      ),
    update: (manifest, version) => write('PUT', 'changed', withVersion(manifest, version), objectPath),
    updateStatus: (manifest, version) =>
      write('PUT', 'changed in its status', withVersion(manifest, version), statusPath),
    delete: (ref, version) =>
      withApi(async (api) => {
        const options = {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          ...(version === undefined ? {} : { preconditions: { resourceVersion: version } }),
        };
        const answer = await api.write('DELETE', objectPath(ref), options);
        return answer.ok ? ok(undefined) : refusalOf(keyOfObject(ref), 'deleted', true, answer.error);
      }),
  };
}
