/** The text of one manifest file to its documents: JSON, identity, and the line of each field for complaints. */
import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Problem } from '../../model/problem.ts';
import type { ResourceRef } from '../../model/resource.ts';
import { isObject } from '../json.ts';
import { kinds } from '../kinds.ts';
import type { Flaw } from '../schema/flaw.ts';
import { formatPath } from '../schema/flaw.ts';
import { expandList, readKind, readManifest } from '../schema/manifest.ts';
import { checkNesting, deepest } from './nesting.ts';
import { isSecret } from './secrets.ts';

export interface ManifestDocument {
  /** "rack1/node1.yaml:12" or "rack1/node1.yaml:12 (document 2)": where it begins. */
  readonly at: string;
  readonly json: unknown;
  /** Absent if not even its kind and name can be read. */
  readonly ref?: ResourceRef;
  /** A flaw of it with file and line. */
  readonly problemOf: (flaw: Flaw) => Problem;
}

export interface FileContent {
  /** Relative to the datastore's directory. */
  readonly path: string;
  readonly documents: readonly ManifestDocument[];
  /** Why part of the file could not be read at all; what it held before stays. Empty if all of it was read. */
  readonly broken: readonly Problem[];
}

/**
 * Fails never: what is wrong is in `broken`.
 * @param placesAll  sound documents tell the lines of their fields too, which costs memory
 */
export function readDocuments(path: string, text: string, placesAll = false): FileContent {
  const nesting = checkNesting(text);
  if (!nesting.ok) return { path, documents: [], broken: [tooDeep(`${path}:${nesting.error}`)] };
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const all: readonly Document.Parsed[] = Array.isArray(parsed) ? parsed : [];
  const documents: ManifestDocument[] = [];
  const broken: Problem[] = [];
  all.forEach((document, index) => {
    const label = all.length > 1 ? ` (document ${index + 1})` : '';
    const place = (offset: number): string => `${path}:${lines.linePos(offset).line || 1}${label}`;
    const json = jsonOf(document);
    if (typeof json === 'string') broken.push(notYaml(place(document.errors[0]?.pos[0] ?? 0), json));
    else if (json.value !== null) documents.push(...objectsOf(document, json.value, place, placesAll));
  });
  return { path, documents, broken };
}

const tooDeep = (where: string): Problem => ({
  where,
  what: `has more than ${deepest} lists and objects in one another, and is not read. What this file held before stays.`,
  fix: 'Close the brackets that are open there, or take out what is not a manifest.',
});

const notYaml = (where: string, why: string): Problem => ({
  where,
  what: `is not YAML: ${why}. What this file held before stays.`,
  fix: 'Correct the text.',
});

/** A sentence if the document is not YAML. */
function jsonOf(document: Document.Parsed): { readonly value: unknown } | string {
  const [error] = document.errors;
  if (error !== undefined) return error.message.split('\n')[0]?.replace(/\.$/, '') ?? 'it cannot be parsed';
  try {
    return { value: document.toJS({ maxAliasCount: 1000 }) };
  } catch (error) {
    return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
  }
}

function objectsOf(
  document: Document.Parsed,
  json: unknown,
  place: (offset: number) => string,
  placesAll: boolean,
): readonly ManifestDocument[] {
  const items = expandList(json).filter((item) => !isSecret(item.json));
  return items.map((item): ManifestDocument => {
    const ref = identify(item.json);
    const at = place(offsetOf(document, item.path));
    // The syntax tree is some fifty times the text, so only a document that has flaws holds on to it.
    const tree = !placesAll && readManifest(item.json).ok ? undefined : document;
    return {
      at,
      json: item.json,
      ...(ref === undefined ? {} : { ref }),
      problemOf: ({ path, what, fix }) => {
        const where = tree === undefined ? at : place(offsetOf(tree, [...item.path, ...path]));
        const subject = [ref && `${ref.kind}/${ref.name}`, formatPath(path)].filter(Boolean).join(' ');
        return {
          where: subject === '' ? where : `${where} ${subject}`,
          what,
          fix,
          ...(ref === undefined ? {} : { ref }),
        };
      },
    };
  });
}

/** Kind and name, even of an object that is wrong elsewhere. */
export function identify(json: unknown): ResourceRef | undefined {
  const kind = readKind(json);
  if (!kind.ok || !isObject(json) || !isObject(json['metadata'])) return undefined;
  const { name, namespace } = json['metadata'];
  if (typeof name !== 'string') return undefined;
  if (!kinds[kind.value].namespaced) return { kind: kind.value, name };
  return {
    kind: kind.value,
    name,
    namespace: typeof namespace === 'string' && namespace ? namespace : 'default',
  };
}

/** Where the field at `path` stands, or the nearest field around it that exists. */
function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const step of path) {
    const next = childOf(node, step);
    if (next === undefined) break;
    offset = next.offset ?? offset;
    node = next.node;
  }
  return offset;
}

function childOf(node: unknown, step: string | number) {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { node: item, offset: startOf(item) };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
  return pair === undefined ? undefined : { node: pair.value, offset: startOf(pair.key) };
}

const startOf = (node: unknown): number | undefined =>
  (isMap(node) || isSeq(node) || isScalar(node)) && !isPair(node) ? node.range?.[0] : undefined;
