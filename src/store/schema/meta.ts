/** ObjectMeta: the parts we read. Its other fields (managedFields, generation, ownerReferences, …) are let pass. */
import { z } from 'zod';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Kind, Labels, Meta } from '../../model/resource.ts';
import { isObject } from '../json.ts';
import { kinds } from '../kinds.ts';
import { isSubdomain } from '../names.ts';
import { maybe, text } from './fields.ts';
import { describe, type Flaw, mustBe, wrong } from './flaw.ts';
import { interned } from './intern.ts';
import { labels } from './labels.ts';
import { field, read } from './read.ts';

const nameFix =
  'Use at most 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends.';

const name = field((json) => {
  if (typeof json !== 'string')
    return mustBe('a text', json, 'Give the object a name, in quotes if it is a number.');
  return isSubdomain(json) ? ok(json) : wrong(`cannot be a name: ${describe(json)}.`, nameFix);
});

const namespace = field((json) => {
  if (typeof json !== 'string') return mustBe('a text', json, 'Give the name of a namespace.');
  if (json === '') return ok(undefined);
  return isSubdomain(json) && json.length <= 63 && !json.includes('.')
    ? ok(json)
    : wrong(
        `cannot be a namespace: ${describe(json)}.`,
        'Use at most 63 lower-case letters, digits and "-".',
      );
});

const noNamespace = field((json) =>
  json === ''
    ? ok(undefined)
    : wrong(
        'is given for a kind that is not in any namespace.',
        'Remove it: there is one such object per cluster.',
      ),
);

const shape = {
  name,
  labels: maybe(labels),
  annotations: maybe(z.record(z.string(), text)),
  uid: maybe(text),
};

const metaOf = (space: z.ZodType<string | undefined>) =>
  z.object({ metadata: z.object({ ...shape, namespace: maybe(space) }) });
const namespacedMeta = metaOf(namespace);
const clusterMeta = metaOf(noNamespace);

/** What is asked of the network by annotations; a pod has many more, of others, which nobody here reads. */
const networkAnnotation = /(^|\.)projectcalico\.org\/|^kubernetes\.io\/|^node\.tortie\.io\//;

const annotationsOf = (kind: Kind, all: Labels): Labels =>
  kind === 'Pod'
    ? interned(Object.fromEntries(Object.entries(all).filter(([key]) => networkAnnotation.test(key))))
    : all;

/** @param json  the whole object; flaws have their path from its root */
export function readMeta(kind: Kind, json: unknown): Result<Meta, readonly Flaw[]> {
  const { namespaced } = kinds[kind];
  const parsed = read(namespaced ? namespacedMeta : clusterMeta, json);
  if (!parsed.ok) return parsed;
  const { metadata } = parsed.value;
  return ok({
    name: metadata.name,
    ...(namespaced ? { namespace: metadata.namespace ?? 'default' } : {}),
    labels: interned(metadata.labels ?? {}),
    annotations: annotationsOf(kind, metadata.annotations ?? {}),
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
  });
}

/** Deletion was asked for, and waits for a finalizer or a grace period. Not by zod: to say no is dear there, and nearly all say no. */
export function isDeleting(json: unknown): boolean {
  const metadata = isObject(json) ? json['metadata'] : undefined;
  return isObject(metadata) && typeof metadata['deletionTimestamp'] === 'string';
}

const born = z.object({ metadata: z.object({ creationTimestamp: text }) });

/** When the API server took it; undefined of what it has not taken yet. */
export const createdAt = (json: unknown): string | undefined =>
  born.safeParse(json).data?.metadata.creationTimestamp;

/** `default`, or `node.NAME`: the configuration of one node. @returns NAME, or undefined for `default` */
export function defaultOrNode(name: string): Result<string | undefined, readonly Flaw[]> {
  if (name === 'default') return ok(undefined);
  if (name.startsWith('node.') && name.length > 'node.'.length) return ok(name.slice('node.'.length));
  return err([
    {
      path: ['metadata', 'name'],
      what: 'is no name with a meaning for this kind.',
      fix: 'Name it default, which holds for every node, or node.NAME, which holds for the node NAME.',
    },
  ]);
}

/** Of some kinds only the object `default` has a meaning; another name would be ignored, so it is refused. */
export function onlyDefault(name: string): Result<undefined, readonly Flaw[]> {
  if (name === 'default') return ok(undefined);
  const what = 'is no name with a meaning for this kind.';
  return err([{ path: ['metadata', 'name'], what, fix: 'Name it default: it then holds for every node.' }]);
}
