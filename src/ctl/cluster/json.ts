/** Looking into objects whose shape is another's: what is not there, or is of another shape, is undefined. */
import type { Json } from '../../store/store.ts';

export type Value = Json | undefined;

/** @param path  field names, and numbers for items of lists */
export function at(json: unknown, ...path: readonly (string | number)[]): Value {
  let value: unknown = json;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value as Value;
}

export const textAt = (json: unknown, ...path: readonly (string | number)[]): string => {
  const value = at(json, ...path);
  return value === undefined || value === null
    ? ''
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
};

export const listAt = (json: unknown, ...path: readonly (string | number)[]): readonly Json[] => {
  const value = at(json, ...path);
  return Array.isArray(value) ? value : [];
};

export const mapAt = (
  json: unknown,
  ...path: readonly (string | number)[]
): Readonly<Record<string, Json>> => {
  const value = at(json, ...path);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Json>>)
    : {};
};

export const nameOf = (json: unknown): string => textAt(json, 'metadata', 'name');
export const namespaceOf = (json: unknown): string => textAt(json, 'metadata', 'namespace');
