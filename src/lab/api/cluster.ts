/**
 * What the API server is told before a lab's daemons start: our CustomResourceDefinitions, what the daemons may do, and the
 * cluster's manifests, completed to what an API server admits where a directory is content with less.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import type { Json } from '../../store/store.ts';
import { at, isRecord } from '../tor/tor.ts';
import { type ApiObjects, nameOf } from './objects.ts';

const deployDir = new URL('../../../deploy/', import.meta.url).pathname;

/** Of one file; what is no mapping is left out. */
export const manifestsIn = (text: string): readonly Json[] =>
  parseAllDocuments(text)
    .map((document) => document.toJS() as Json)
    .filter(isRecord) as readonly Json[];

const read = (path: string): readonly Json[] =>
  existsSync(path) ? manifestsIn(readFileSync(path, 'utf8')) : [];

export const definitions = (): readonly Json[] =>
  readdirSync(`${deployDir}crds`)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => read(`${deployDir}crds/${name}`));

/** A role that is no daemon's own, and the daemon that has it beside its own. */
const shared: Readonly<Record<string, string>> = { 'tortie-passwords': 'tortie-bgp' };

/** The roles that are installed with the product, each bound to the daemon it is for, which is the user of its name. */
export function grants(): readonly Json[] {
  const isRole = (manifest: Json): boolean => /^(Cluster)?Role$/.test(String(at(manifest, 'kind')));
  return read(`${deployDir}manifest/tortie.yaml`)
    .filter(isRole)
    .flatMap((role) => [role, bindingOf(nameOf(role))]);
}

const rbac = 'rbac.authorization.k8s.io';

const bindingOf = ({ kind, name, namespace }: ReturnType<typeof nameOf>): Json => ({
  apiVersion: `${rbac}/v1`,
  kind: `${kind}Binding`,
  metadata: { name: `lab-${name}`, ...(namespace === undefined ? {} : { namespace }) },
  roleRef: { apiGroup: rbac, kind, name },
  subjects: [{ kind: 'User', apiGroup: rbac, name: shared[name] ?? name }],
});

/** Puts all of `manifests`, namespaces first, and those that nobody wrote down too. Rejects with the server's own sentence. */
export async function putAll(objects: ApiObjects, manifests: readonly Json[]): Promise<void> {
  const complete = manifests.map(admissible);
  const isNamespace = (manifest: Json): boolean => at(manifest, 'kind') === 'Namespace';
  const named = new Set(complete.filter(isNamespace).map((manifest) => nameOf(manifest).name));
  const wanted = complete.flatMap((manifest) => nameOf(manifest).namespace ?? []);
  const missing = [...new Set(wanted)].filter((name) => !named.has(name));
  const spaces = missing.map((name): Json => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
  for (const space of spaces) await objects.make(space);
  for (const manifest of complete.filter(isNamespace)) await objects.put(manifest);
  for (const manifest of complete.filter((one) => !isNamespace(one))) await objects.put(manifest);
}

/** An API server wants an image in every container, and a kubelet's word that a Node is ready. */
export function admissible(manifest: Json): Json {
  if (!isRecord(manifest)) return manifest;
  const complete = completions[String(at(manifest, 'kind'))];
  return complete === undefined ? (manifest as Json) : complete(manifest as JsonObject);
}

type JsonObject = Readonly<Record<string, Json>>;
const fieldsOf = (json: Json | undefined): JsonObject => (isRecord(json) ? (json as JsonObject) : {});

/** Nothing is pulled: the lab runs no containers, only their network. */
const image = 'tortie.lab/none';

const completions: Readonly<Record<string, (manifest: JsonObject) => Json>> = {
  Pod: (pod) => {
    const spec = fieldsOf(pod['spec']);
    const containers = Array.isArray(spec['containers']) ? (spec['containers'] as readonly Json[]) : [];
    const some = containers.length > 0 ? containers : [{ name: 'main' }];
    return { ...pod, spec: { ...spec, containers: some.map((one) => ({ image, ...fieldsOf(one) })) } };
  },
  Node: (node) => ({ ...node, status: { conditions: [ready()], ...fieldsOf(node['status']) } }),
};

const ready = (): Json => ({
  type: 'Ready',
  status: 'True',
  reason: 'LabKubelet',
  message: "the lab's kubelet runs",
  lastHeartbeatTime: new Date().toISOString(),
  lastTransitionTime: new Date().toISOString(),
});
