/** What policy looks at, read of the cluster with the rights of the one who asks, and of files. */
import { err, ok, type Result } from '../lib/result.ts';
import type { Kind, Resource } from '../model/resource.ts';
import type { ManifestDocument } from '../store/dir/documents.ts';
import { apiKindOf, kinds } from '../store/kinds.ts';
import type { Manifest } from '../store/objects.ts';
import { readManifest } from '../store/schema/manifest.ts';
import { nameOf, namespaceOf } from './cluster/json.ts';
import { openSource } from './cluster/open.ts';
import type { Source } from './cluster/source.ts';
import type { Global } from './command.ts';
import { readFiles } from './objects/files.ts';

/** Without one of these a verdict would be a guess. */
const needed = [
  'Pod',
  'Namespace',
  'NetworkPolicy',
  'CalicoNetworkPolicy',
  'GlobalNetworkPolicy',
  'ClusterNetworkPolicy',
  'Tier',
] as const satisfies readonly Kind[];

/** What these would say is left out of the answer, with a word of it. */
const useful = [
  'Node',
  'ServiceAccount',
  'NetworkSet',
  'GlobalNetworkSet',
  'HostEndpoint',
  'Profile',
  'EndpointSlice',
  'Service',
  'IPPool',
  'FelixConfiguration',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
] as const satisfies readonly Kind[];

export interface PolicyWorld {
  readonly resources: readonly Resource[];
  /** What was left out and why, a sentence each. */
  readonly notes: readonly string[];
}

/** Fails: a sentence. */
export async function readWorld(options: Global): Promise<Result<PolicyWorld>> {
  const source = await openSource(options);
  return source.ok ? worldOf(source.value) : source;
}

async function worldOf(source: Source): Promise<Result<PolicyWorld>> {
  const notes: string[] = [];
  const resources: Resource[] = [];
  const all: readonly Kind[] = [...needed, ...useful];
  const lists = await Promise.all(
    all.map(async (kind) => ({ kind, listed: await source.list({ ...kinds[kind], kind: apiKindOf(kind) }) })),
  );
  for (const { kind, listed } of lists) {
    if (listed.ok) {
      const read = listed.value.map((item) => readOne(kind, item));
      resources.push(...read.flatMap((one) => (one.ok ? [one.value] : [])));
      notes.push(...read.flatMap((one) => (one.ok ? [] : [one.error])));
      continue;
    }
    // A kind that is not served has no objects.
    if (listed.error.kind === 'absent') continue;
    const isNeeded = needed.some((each) => each === kind);
    if (isNeeded || listed.error.kind === 'away') return err(listed.error.sentence);
    notes.push(`${listed.error.sentence} The answer is without ${kinds[kind].plural}.`);
  }
  return ok({ resources, notes });
}

function readOne(kind: Kind, item: Manifest): Result<Resource> {
  const read = readManifest(item);
  if (read.ok) return read;
  const name = [namespaceOf(item), nameOf(item)]
    .filter((part) => part !== undefined && part !== '')
    .join('/');
  const [flaw] = read.error;
  return err(
    `${apiKindOf(kind)} ${name} cannot be understood and is left out: ${flaw === undefined ? '' : `${flaw.path.join('.')} ${flaw.what}`}`,
  );
}

/** One object of a file. */
export interface FileObject {
  readonly resource: Resource;
  readonly document: ManifestDocument;
}

/** Fails: sentences, one for each flaw of the files. */
export async function readObjects(
  paths: readonly string[],
  recursive: boolean,
): Promise<Result<readonly FileObject[], readonly string[]>> {
  const contents = await readFiles(paths, recursive, true);
  if (!contents.ok) return err([contents.error]);
  const flaws: string[] = [];
  const objects: FileObject[] = [];
  for (const { documents, broken } of contents.value) {
    flaws.push(...broken.map(({ where, what }) => `${where} ${what.replace(/ What this file held.*$/, '')}`));
    for (const document of documents) {
      const read = readManifest(document.json);
      if (read.ok) objects.push({ resource: read.value, document });
      else
        flaws.push(
          ...read.error.map((flaw) => {
            const { where, what, fix } = document.problemOf(flaw);
            return `${where}: ${what} ${fix}`;
          }),
        );
    }
  }
  return flaws.length > 0 ? err(flaws) : ok(objects);
}

export const tell = (notes: readonly string[]): void => {
  for (const note of notes) process.stderr.write(`tortiectl: ${note}\n`);
};
