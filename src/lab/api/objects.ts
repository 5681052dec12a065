/**
 * Objects of a real API server, put and removed as `kubectl apply` and `kubectl delete --now` would: of any kind the server
 * serves, for it says itself which there are. All rejections are sentences with the server's own reason.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Json } from '../../store/store.ts';
import { at, isRecord } from '../tor/tor.ts';
import type { Ask } from './client.ts';

export interface Named {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Ignored for kinds without namespaces; absent: "default". */
  readonly namespace?: string;
}

export interface ApiObjects {
  /** Makes or changes it by server-side apply, and its status if it has one. */
  put(manifest: Json): Promise<void>;
  /** Makes it if there is none of its name. */
  make(manifest: Json): Promise<void>;
  /** Harmless if it is not there. @param uid  only the object of this one */
  remove(ref: Named, uid?: string): Promise<void>;
  /** "/api/v1/namespaces/shop/pods/web" */
  pathOf(ref: Named): Promise<string>;
}

/** A CustomResourceDefinition is served a moment after it was applied. */
const servedWithinMs = 20_000;

interface Served {
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export function apiObjects(ask: Ask): ApiObjects {
  const known = new Map<string, readonly Served[]>();

  async function servedAs({ apiVersion, kind }: Named): Promise<Served> {
    const end = performance.now() + servedWithinMs;
    for (;;) {
      const found = known.get(apiVersion)?.find((one) => one.kind === kind);
      if (found !== undefined) return found;
      const { status, body } = await ask('GET', groupPath(apiVersion));
      if (status === 200) known.set(apiVersion, servedIn(body));
      if (known.get(apiVersion)?.some((one) => one.kind === kind)) continue;
      if (performance.now() > end)
        throw new Error(`The API server serves no ${kind} of ${apiVersion}: is its definition applied?`);
      await pause(100);
    }
  }

  async function pathOf(ref: Named): Promise<string> {
    const { plural, namespaced } = await servedAs(ref);
    const space = namespaced ? `/namespaces/${ref.namespace ?? 'default'}` : '';
    return `${groupPath(ref.apiVersion)}${space}/${plural}/${ref.name}`;
  }

  async function must(...asked: Parameters<Ask>): Promise<void> {
    const { status, body } = await ask(...asked);
    if (status < 300) return;
    throw new Error(`${asked[0]} ${asked[1]}: ${status} ${String(at(body, 'message') ?? body)}`);
  }

  async function put(manifest: Json): Promise<void> {
    const { status, ...rest } = isRecord(manifest) ? (manifest as Readonly<Record<string, Json>>) : {};
    const path = await pathOf(nameOf(manifest));
    await must('PATCH', `${path}?fieldManager=lab&force=true`, rest, 'application/apply-patch+yaml');
    // Not by apply: that takes no second address of one type, which a Node of two families has.
    if (status !== undefined)
      await must('PATCH', `${path}/status`, { status: withPodIp(status) }, 'application/merge-patch+json');
  }

  return {
    put,
    pathOf,
    make: async (manifest) => {
      const path = await pathOf(nameOf(manifest));
      const { status } = await ask('GET', path);
      if (status === 404) await must('POST', path.slice(0, path.lastIndexOf('/')), manifest);
    },
    remove: async (ref, uid) => {
      const options = { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }) };
      const { status, body } = await ask('DELETE', await pathOf(ref), options);
      // 409: another one of that name by now.
      if (status >= 300 && status !== 404 && status !== 409)
        throw new Error(`${ref.kind}/${ref.name} is not deleted: ${status} ${String(at(body, 'message'))}`);
    },
  };
}

export function nameOf(manifest: Json): Named {
  const namespace = at(manifest, 'metadata', 'namespace');
  return {
    apiVersion: String(at(manifest, 'apiVersion')),
    kind: String(at(manifest, 'kind')),
    name: String(at(manifest, 'metadata', 'name')),
    ...(namespace === undefined ? {} : { namespace: String(namespace) }),
  };
}

/** The core group lives under /api, all others under /apis. */
const groupPath = (apiVersion: string): string =>
  apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;

/** APIResourceList; subresources have a slash in their names. */
function servedIn(body: Json): readonly Served[] {
  const resources = at(body, 'resources');
  return (Array.isArray(resources) ? resources : [])
    .map((one: unknown) => ({
      kind: String(at(one, 'kind')),
      plural: String(at(one, 'name')),
      namespaced: at(one, 'namespaced') === true,
    }))
    .filter(({ plural }) => !plural.includes('/'));
}

/** The API server keeps podIP and the first of podIPs the same, and in doubt believes podIP. */
function withPodIp(status: Json): Json {
  const podIPs = at(status, 'podIPs');
  const first = Array.isArray(podIPs) ? at(podIPs[0], 'ip') : undefined;
  return isRecord(status) && typeof first === 'string' ? ({ ...status, podIP: first } as Json) : status;
}
