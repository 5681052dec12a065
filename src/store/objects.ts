/**
 * The port for what we write ourselves: whole objects, each change a compare-and-swap.
 *
 * Contract, held by one suite against every implementation (`test/contract/objects.ts`):
 *  - of any number of writers who saw the same version, exactly one succeeds; the others are told `conflict`;
 *  - a create of what is there fails with `exists`; an update or delete of what is not there with `gone`;
 *  - what was written is what `get` then answers, and what watchers of the same store are told;
 *  - nothing is retried here, and an answer that never came is `unknown`: the change may have happened.
 */
import type { Result } from '../lib/result.ts';
import type { Kind, ResourceRef } from '../model/resource.ts';
import type { Json } from './store.ts';

export type Manifest = { readonly [key: string]: Json };

export interface Stored {
  /** Whole, as the store has it: apiVersion, kind, metadata, spec, status. */
  readonly manifest: Manifest;
  /** What `update` and `delete` compare: metadata.resourceVersion, or the like. */
  readonly version: string;
}

export interface Refusal {
  readonly kind: 'conflict' | 'exists' | 'gone' | 'forbidden' | 'invalid' | 'away' | 'unknown';
  /** A sentence for people. */
  readonly what: string;
}

export interface ListScope {
  readonly namespace?: string;
  /** Field selectors that the kind allows, e.g. { 'spec.node': 'node1' }. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Kinds besides that are never read as resources. A Secret is only ever read, by its name (`secrets.ts`). */
export type WrittenKind = Kind | 'Event' | 'Lease' | 'Secret';
export interface ObjectRef extends Omit<ResourceRef, 'kind'> {
  readonly kind: WrittenKind;
}

export interface Objects {
  /** Undefined if it is not there. */
  get(ref: ObjectRef): Promise<Result<Stored | undefined, Refusal>>;
  /** Everything there is, whatever number of pages that takes. */
  list(kind: WrittenKind, scope?: ListScope): Promise<Result<readonly Stored[], Refusal>>;
  create(manifest: Manifest): Promise<Result<Stored, Refusal>>;
  /** Replaces all but the status. @param version  of what the change is based on */
  update(manifest: Manifest, version: string): Promise<Result<Stored, Refusal>>;
  /** Replaces the status subresource only. */
  updateStatus(manifest: Manifest, version: string): Promise<Result<Stored, Refusal>>;
  /** @param version  only if it is still this one; absent: whatever it is */
  delete(ref: ObjectRef, version?: string): Promise<Result<undefined, Refusal>>;
}
