/** v1 Namespace: only its labels matter. */
import { ok, type Result } from '../../lib/result.ts';
import type { Meta, Namespace } from '../../model/resource.ts';
import type { Flaw } from './flaw.ts';

/** The API server sets this label and lets nobody change it; manifests in a directory need not have it. */
export const readNamespace = (meta: Meta): Result<Namespace, readonly Flaw[]> =>
  ok({
    kind: 'Namespace',
    meta: { ...meta, labels: { ...meta.labels, 'kubernetes.io/metadata.name': meta.name } },
  });
