/** Small readings and writings of whole objects as JSON. */

import { isObject } from '../store/json.ts';
import type { Manifest } from '../store/objects.ts';

/** RFC 3339 without fractions, as the API server writes its times. */
export const seconds = (date: Date): string => date.toISOString().replace(/\.\d{3}Z$/, 'Z');

/** A plain value as the manifest it is: what is in it comes from our own types, which hold nothing that is not JSON. */
export const manifestFrom = (value: object): Manifest => JSON.parse(JSON.stringify(value)) as Manifest;

export interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
}

export function metadataOf(manifest: Manifest): Metadata {
  const metadata = isObject(manifest['metadata']) ? manifest['metadata'] : {};
  const { name, namespace, uid, generation, creationTimestamp } = metadata;
  return {
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof namespace === 'string' ? { namespace } : {}),
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof generation === 'number' ? { generation } : {}),
    ...(typeof creationTimestamp === 'string' ? { creationTimestamp } : {}),
  };
}

/** One field of an object; undefined if either is missing. */
export const fieldOf = (json: unknown, name: string): unknown => (isObject(json) ? json[name] : undefined);
