/** When each pool was made, which decides between two that overlap. Typed pools do not say it, and need it nowhere else. */
import { same } from '../lib/same.ts';
import type { Objects } from '../store/objects.ts';
import type { Births } from './decide/pool.ts';
import { fieldOf, metadataOf } from './json.ts';
import { must } from './refused.ts';
import type { World } from './world.ts';

export interface PoolBirths {
  /** Asks the datastore if there are pools it did not know. Throws what hindered it. */
  read(): Promise<Births>;
  /** As read last. */
  known(): Births;
}

export function openBirths(objects: Objects, world: World): PoolBirths {
  let births: Births = new Map();
  let of: readonly string[] = [];
  return {
    known: () => births,
    read: async () => {
      const pools = world.all('IPPool').map(({ meta }) => `${meta.name} ${meta.uid}`);
      if (same(pools, of)) return births;
      const found = must(await objects.list('IPPool'));
      births = new Map(
        found.map(({ manifest }) => [
          String(fieldOf(manifest['metadata'], 'name')),
          metadataOf(manifest).creationTimestamp ?? '',
        ]),
      );
      of = pools;
      return births;
    },
  };
}
