/** Follows a store as a daemon does and holds what it says to the contract of the port. */
import { expect } from 'vitest';
import type { Problem } from '../../src/model/problem.ts';
import { keyOf, type Resource, refOf } from '../../src/model/resource.ts';
import { kindOf } from '../../src/store/selectable.ts';
import type { Batch, Store, Watched } from '../../src/store/store.ts';

export interface Follower {
  readonly batches: readonly Batch[];
  readonly inSync: boolean;
  readonly problems: readonly Problem[];
  get(key: string): Resource | undefined;
  keys(): readonly string[];
  stop(): void;
}

export function follow(store: Store, kinds: readonly Watched[]): Follower {
  const batches: Batch[] = [];
  const resources = new Map<string, Resource>();
  let returned = false;
  const stop = store.watch(kinds, (batch) => {
    expect(returned, 'no batch before watch() has returned').toBe(true);
    expect(batch.inSync || !batches.at(-1)?.inSync, 'in sync stays in sync').toBe(true);
    for (const change of batch.changes) {
      const ref = change.kind === 'put' ? refOf(change.resource) : change.ref;
      expect(kinds.map(kindOf), 'only the kinds asked for').toContain(ref.kind);
      if (change.kind === 'put') resources.set(keyOf(ref), change.resource);
      else expect(resources.delete(keyOf(ref)), `${keyOf(ref)} is deleted only if it was there`).toBe(true);
    }
    batches.push(batch);
  });
  returned = true;
  return {
    batches,
    get inSync() {
      return batches.at(-1)?.inSync ?? false;
    },
    get problems() {
      return batches.at(-1)?.problems ?? [];
    },
    get: (key) => resources.get(key),
    keys: () => [...resources.keys()].sort(),
    stop,
  };
}
