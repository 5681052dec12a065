/** JSON as it comes, before anybody knows what it means. */

export interface JsonObject {
  readonly [key: string]: unknown;
}

export const isObject = (json: unknown): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);
