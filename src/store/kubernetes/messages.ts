/** What the API server sends, as the reflector takes it: list pages, watch lines, single objects. */
import { err, ok, type Result } from '../../lib/result.ts';
import { type Kind, keyOf, type ResourceRef } from '../../model/resource.ts';
import { isObject } from '../json.ts';
import { apiKindOf, kinds } from '../kinds.ts';
import type { Failure, Item, ReflectorEvent, WatchMessage } from '../reflector.ts';
import { formatPath } from '../schema/flaw.ts';
import { readManifest } from '../schema/manifest.ts';
import { parseJson } from './api.ts';

/** Undefined for what has no name, which no API server sends. */
function toItem(kind: Kind, json: unknown): Item | undefined {
  const ref = refFrom(kind, json);
  if (ref === undefined || !isObject(json)) return undefined;
  // Items of a list do not repeat their kind.
  const read = readManifest({ ...json, apiVersion: kinds[kind].apiVersion, kind: apiKindOf(kind) });
  if (read.ok) return { ref, read };
  const problems = read.error.map(({ path, what, fix }) => ({
    where: `${keyOf(ref)} ${formatPath(path)}`.trim(),
    what,
    fix,
    ref,
  }));
  return { ref, read: err(problems) };
}

function refFrom(kind: Kind, json: unknown): ResourceRef | undefined {
  const metadata = isObject(json) ? json['metadata'] : undefined;
  if (!isObject(metadata) || typeof metadata['name'] !== 'string') return undefined;
  const { name, namespace } = metadata;
  if (!kinds[kind].namespaced) return { kind, name };
  return typeof namespace === 'string' ? { kind, namespace, name } : undefined;
}

const versionOf = (json: unknown): string | undefined => {
  const metadata = isObject(json) ? json['metadata'] : undefined;
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined;
  return typeof version === 'string' && version !== '' ? version : undefined;
};

export function toPage(kind: Kind, json: unknown): Extract<ReflectorEvent, { kind: 'page' | 'list failed' }> {
  const version = versionOf(json);
  if (!isObject(json) || version === undefined)
    return {
      kind: 'list failed',
      failure: { message: 'the API server answered with something that is no list' },
    };
  const { items, metadata } = json;
  const next = isObject(metadata) ? metadata['continue'] : undefined;
  return {
    kind: 'page',
    items: (Array.isArray(items) ? items : []).flatMap((item: unknown) => toItem(kind, item) ?? []),
    version,
    ...(typeof next === 'string' && next !== '' ? { next } : {}),
  };
}

function toMessage(kind: Kind, line: string): Result<WatchMessage, Failure> {
  const json = parseJson(line);
  if (!isObject(json)) return err({ message: 'the API server sent a line that is not JSON' });
  const { type, object } = json;
  if (type === 'ERROR') return ok({ kind: 'error', failure: failureFrom(object) });
  const version = versionOf(object);
  if (version === undefined) return err({ message: 'the API server sent an event without a version' });
  if (type === 'BOOKMARK') return ok({ kind: 'bookmark', version });
  const item = toItem(kind, object);
  if (item === undefined) return err({ message: 'the API server sent an event without an object' });
  if (type === 'DELETED') return ok({ kind: 'delete', ref: item.ref, version });
  return type === 'ADDED' || type === 'MODIFIED'
    ? ok({ kind: 'put', item, version })
    : err({ message: `the API server sent an event of an unknown type, ${JSON.stringify(type)}` });
}

/** A `Status` object. */
function failureFrom(status: unknown): Failure {
  const { code, message } = isObject(status) ? status : {};
  return {
    ...(typeof code === 'number' ? { status: code } : {}),
    message: `the API server ended the watch: ${typeof message === 'string' ? message : 'it did not say why'}`,
  };
}

/** A line that is no watch event becomes an error: nothing after it on that connection can be trusted. */
export const toMessages = (kind: Kind, lines: readonly string[]): readonly WatchMessage[] =>
  lines.map((line): WatchMessage => {
    const message = toMessage(kind, line);
    return message.ok ? message.value : { kind: 'error', failure: message.error };
  });
