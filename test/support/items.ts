/** Objects as a reflector takes them, without an API server. */
import { ok } from '../../src/lib/result.ts';
import type { Resource } from '../../src/model/resource.ts';
import type { Item } from '../../src/store/reflector.ts';

export const namespaceAt = (name: string, version: string): Resource => ({
  kind: 'Namespace',
  meta: { name, labels: {}, annotations: { version } },
});

export const item = (name: string, version: string): Item => ({
  ref: { kind: 'Namespace', name },
  read: ok(namespaceAt(name, version)),
});
