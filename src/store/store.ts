/**
 * The store port: the cluster's resources as batches of typed changes, whatever keeps them.
 *
 * Contract, held by one suite against every implementation (`test/contract/store.ts`):
 *  - the first batches deliver everything there is; the first batch with `inSync` true ends that;
 *  - `inSync` is never true before everything of every watched kind was delivered, and never turns false again:
 *    a store that is away simply sends nothing until it is back, then sends the difference;
 *  - within a batch, and across batches, the changes of one key keep their order; a put replaces the object whole;
 *  - `problems` is the full present list of what could not be read; an object that turned unreadable stays as last delivered.
 */

import type { Json } from '../lib/json.ts';
import type { Problem } from '../model/problem.ts';
import type { Kind, Resource, ResourceRef } from '../model/resource.ts';

export type Change =
  | { readonly kind: 'put'; readonly resource: Resource }
  | { readonly kind: 'delete'; readonly ref: ResourceRef };

export interface Batch {
  readonly changes: readonly Change[];
  readonly inSync: boolean;
  readonly problems: readonly Problem[];
}

export type { Json };

/** A kind, whole or only the objects whose fields say so, e.g. { kind: 'BlockAffinity', fields: { 'spec.node': 'node1' } }. */
export type Watched = Kind | { readonly kind: Kind; readonly fields: Readonly<Record<string, string>> };

export interface Store {
  /** Starts delivering; `onBatch` is never called before this returns. Call the result to stop. Each kind is watched once at most. */
  watch(kinds: readonly Watched[], onBatch: (batch: Batch) => void): () => void;
  /** Merges `status` into the object's status subresource. Fails with a sentence; retrying is the caller's. */
  putStatus(ref: ResourceRef, status: { readonly [key: string]: Json }): Promise<void>;
}
