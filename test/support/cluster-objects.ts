/** Objects of a real API server, put and removed as `kubectl apply` and `kubectl delete --now` would. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { allKinds, isKind, kinds } from '../../src/store/kinds.ts';
import { isObject } from '../../src/store/schema/manifest.ts';
import type { Json } from '../../src/store/store.ts';
import type { ApiServer } from './api-server.ts';
import type { Manifest } from './manifests.ts';

const otherPlurals: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'customresourcedefinitions',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
};

interface Identity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface ObjectRef {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

const versionsOf: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'apiextensions.k8s.io/v1',
  ClusterRole: 'rbac.authorization.k8s.io/v1',
  ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
};

function pathOf({ kind, name, namespace = 'default' }: ObjectRef): string {
  const ours = isKind(kind) ? kinds[kind] : undefined;
  const apiVersion = ours?.apiVersion ?? versionsOf[kind] ?? '';
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${group}${ours?.namespaced === true ? `/namespaces/${namespace}` : ''}/${ours?.plural ?? otherPlurals[kind]}/${name}`;
}

export interface ClusterObjects {
  /** Makes or changes it, its status too. */
  put(...manifests: readonly Manifest[]): Promise<void>;
  remove(ref: ObjectRef): Promise<void>;
  /** RFC 7386 merge patch. */
  patch(ref: ObjectRef, patch: Json): Promise<void>;
  get(ref: ObjectRef): Promise<Json>;
  /** Everything of our kinds but namespaces goes. */
  clear(): Promise<void>;
  /** Our CustomResourceDefinitions, of deploy/crds; resolves when they are served. */
  installCrds(): Promise<void>;
  /** deploy/cluster-role.yaml for the user tortie, and for the service account of that name in kube-system. */
  grant(): Promise<void>;
}

/** The API server keeps podIP and the first of podIPs the same, and in doubt believes podIP. */
function withPodIp(status: Json): Json {
  const [first] = isObject(status) && Array.isArray(status['podIPs']) ? status['podIPs'] : [];
  return isObject(status) && isObject(first) ? { ...(status as object), podIP: first['ip'] as Json } : status;
}

export function clusterObjects({ request }: Pick<ApiServer, 'request'>): ClusterObjects {
  const must = async (...asked: Parameters<ApiServer['request']>): Promise<Json> => {
    const { status, body } = await request(...asked);
    if (status >= 300) throw new Error(`${asked[0]} ${asked[1]}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  const apply = (path: string, manifest: Json): Promise<Json> =>
    must('PATCH', `${path}?fieldManager=test&force=true`, manifest, 'application/apply-patch+yaml');

  async function put(manifest: Manifest): Promise<void> {
    const { status, ...rest } = manifest;
    const { kind, metadata } = manifest as unknown as Identity;
    const path = pathOf({ kind, ...metadata });
    await apply(path, rest);
    // Not by apply: that takes no second address of one type, which a Node of two families has.
    const patch = { status: withPodIp(status ?? {}) };
    if (status !== undefined) await must('PATCH', `${path}/status`, patch, 'application/merge-patch+json');
  }

  async function remove(ref: ObjectRef): Promise<void> {
    await must('DELETE', `${pathOf(ref)}?gracePeriodSeconds=0`);
  }

  async function namesOf(kind: string): Promise<readonly ObjectRef[]> {
    const kindInfo = isKind(kind) ? kinds[kind] : undefined;
    const group = kindInfo?.apiVersion.includes('/') ? 'apis' : 'api';
    const { status, body } = await request('GET', `/${group}/${kindInfo?.apiVersion}/${kindInfo?.plural}`);
    if (status === 404) return [];
    const items = isObject(body) && Array.isArray(body['items']) ? body['items'] : [];
    return (items as readonly Identity[]).map(({ metadata: { name, namespace } }) => ({
      kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    }));
  }

  async function installCrds(): Promise<void> {
    const folder = new URL('../../deploy/crds/', import.meta.url);
    const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    for (const file of files) await put(parse(readFileSync(new URL(file, folder), 'utf8')) as Manifest);
    for (const kind of allKinds.filter((one) => kinds[one].custom)) {
      const path = `/apis/${kinds[kind].apiVersion}/${kinds[kind].plural}`;
      for (;;) {
        const { status } = await request('GET', path);
        if (status === 200) break;
      }
    }
  }

  return {
    put: async (...manifests) => {
      for (const manifest of manifests) await put(manifest);
    },
    remove,
    patch: async (ref, patch) =>
      void (await must('PATCH', pathOf(ref), patch, 'application/merge-patch+json')),
    get: (ref) => must('GET', pathOf(ref)),
    clear: async () => {
      for (const kind of allKinds.filter((one) => one !== 'Namespace'))
        for (const ref of await namesOf(kind)) await remove(ref);
    },
    installCrds,
    grant: async () => {
      await put(
        parse(readFileSync(new URL('../../deploy/cluster-role.yaml', import.meta.url), 'utf8')) as Manifest,
      );
      await put({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: 'tortie' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'tortie' },
        subjects: [
          { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'tortie' },
          { kind: 'ServiceAccount', namespace: 'kube-system', name: 'tortie' },
        ],
      });
    },
  };
}
