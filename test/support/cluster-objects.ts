/** Objects of a real API server, put and removed as `kubectl apply` and `kubectl delete --now` would. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import { apiObjects, type Named } from '../../src/lab/api/objects.ts';
import { isObject } from '../../src/store/json.ts';
import { allKinds, apiKindOf, isKind, kinds, ownKinds } from '../../src/store/kinds.ts';
import type { Json } from '../../src/store/store.ts';
import type { ApiServer } from './api-server.ts';
import type { Manifest } from './manifests.ts';

export interface ObjectRef {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** Of the kinds that are not ours. */
const versionsOf: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'apiextensions.k8s.io/v1',
  ClusterRole: 'rbac.authorization.k8s.io/v1',
  ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Lease: 'coordination.k8s.io/v1',
};

const named = ({ kind, ...rest }: ObjectRef): Named => ({
  kind: isKind(kind) ? apiKindOf(kind) : kind,
  ...rest,
  apiVersion: isKind(kind) ? kinds[kind].apiVersion : (versionsOf[kind] ?? 'v1'),
});

export interface ClusterObjects {
  /** Makes or changes it, its status too. */
  put(...manifests: readonly Manifest[]): Promise<void>;
  remove(ref: ObjectRef): Promise<void>;
  /** RFC 7386 merge patch. */
  patch(ref: ObjectRef, patch: Json): Promise<void>;
  get(ref: ObjectRef): Promise<Json>;
  /** Everything of our kinds but namespaces goes, and the Service that the server makes of itself. */
  clear(): Promise<void>;
  /** Our CustomResourceDefinitions, of deploy/crds; resolves when they are served. */
  installCrds(): Promise<void>;
  /** What the chart grants to both daemons, for the user tortie, and for the service account of that name in kube-system. */
  grant(): Promise<void>;
}

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

/** The ClusterRoles of both daemons, as the chart has them. */
export const agentRoles = (): readonly Role[] =>
  installedRoles().filter(
    ({ kind, metadata }) => kind === 'ClusterRole' && /-(bgp|felix)$/.test(metadata.name),
  );

/** What the chart grants to the controller, in the cluster and in its own namespace. */
export const controllerRules = (): Role['rules'] =>
  installedRoles()
    .filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name.endsWith('-controller'))
    .flatMap(({ rules }) => rules);

const installedRoles = (): readonly Role[] =>
  parseAllDocuments(readFileSync(new URL('../../deploy/manifest/tortie.yaml', import.meta.url), 'utf8')).map(
    (document) => document.toJS() as Role,
  );

export function clusterObjects({ request }: Pick<ApiServer, 'request'>): ClusterObjects {
  const server = apiObjects(request);
  const pathOf = (ref: ObjectRef): Promise<string> => server.pathOf(named(ref));
  const must = async (...asked: Parameters<ApiServer['request']>): Promise<Json> => {
    const { status, body } = await request(...asked);
    if (status >= 300) throw new Error(`${asked[0]} ${asked[1]}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  const put = (manifest: Manifest): Promise<void> => server.put(manifest as unknown as Json);

  async function remove(ref: ObjectRef): Promise<void> {
    // The controller that would let go of it may be gone.
    if (ref.kind === 'Tier')
      await must(
        'PATCH',
        await pathOf(ref),
        { metadata: { finalizers: null } },
        'application/merge-patch+json',
      );
    await must('DELETE', `${await pathOf(ref)}?gracePeriodSeconds=0`);
  }

  async function namesOf(kind: string): Promise<readonly ObjectRef[]> {
    const kindInfo = isKind(kind) ? kinds[kind] : undefined;
    const group = kindInfo?.apiVersion.includes('/') ? 'apis' : 'api';
    const { status, body } = await request('GET', `/${group}/${kindInfo?.apiVersion}/${kindInfo?.plural}`);
    if (status === 404) return [];
    const items = isObject(body) && Array.isArray(body['items']) ? body['items'] : [];
    return (
      items as readonly { readonly metadata: { readonly name: string; readonly namespace?: string } }[]
    ).map(({ metadata: { name, namespace } }) => ({
      kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    }));
  }

  async function installCrds(): Promise<void> {
    const folder = new URL('../../deploy/crds/', import.meta.url);
    const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    for (const file of files) await put(parse(readFileSync(new URL(file, folder), 'utf8')) as Manifest);
    // Not before it has said once that it serves each of them.
    for (const kind of ownKinds) await pathOf({ kind, name: 'any' });
  }

  return {
    put: async (...manifests) => {
      for (const manifest of manifests) await put(manifest);
    },
    remove,
    patch: async (ref, patch) =>
      void (await must('PATCH', await pathOf(ref), patch, 'application/merge-patch+json')),
    get: async (ref) => must('GET', await pathOf(ref)),
    clear: async () => {
      for (const kind of allKinds.filter((one) => one !== 'Namespace'))
        for (const ref of await namesOf(kind)) if (ref.name !== 'kubernetes') await remove(ref);
    },
    installCrds,
    grant: async () => {
      const rules = agentRoles().flatMap((role) => role.rules);
      await put({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'tortie' },
        rules,
      });
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
