/** One look at everything that can be right or wrong: conditions, and Events where there are none. */

import { keyOf, type ResourceRef } from '../model/resource.ts';
import type { Objects } from '../store/objects.ts';
import type { PoolBirths } from './births.ts';
import type { Notice } from './decide/notice.ts';
import { exhausted } from './decide/pool.ts';
import { metadataOf } from './json.ts';
import { judge, wrongElsewhere } from './judge.ts';
import type { Placard } from './placard.ts';
import { forEach, must } from './refused.ts';
import { reservedBy, type World } from './world.ts';

export interface InspectorOptions {
  readonly objects: Objects;
  readonly world: World;
  readonly births: PoolBirths;
  readonly today: () => Date;
  readonly say: (notice: Notice) => void;
  readonly show: Placard['show'];
}

/** Call the result for one look. It throws what hindered it. */
export function openInspector({
  objects,
  world,
  births,
  today,
  say,
  show,
}: InspectorOptions): () => Promise<undefined> {
  const told = new Map<string, string>();
  let full = new Set<string>();

  function tellOfFull(): void {
    const pools = exhausted(world.all('IPPool'), world.all('IPAMBlock'), reservedBy(world));
    for (const { meta } of pools.filter((pool) => !full.has(pool.meta.name))) {
      const uid = meta.uid === undefined ? {} : { uid: meta.uid };
      const message =
        'Every address of it is given. Add a pool, or take back what is not used: tortiectl ipam check.';
      say({
        about: { kind: 'IPPool', name: meta.name, ...uid },
        type: 'Warning',
        reason: 'PoolExhausted',
        message,
      });
    }
    full = new Set(pools.map(({ meta }) => meta.name));
  }

  async function tellOfWrong(): Promise<void> {
    const wrong = wrongElsewhere(world);
    const present = new Set(wrong.map(({ ref }) => keyOf(ref)));
    for (const key of told.keys()) if (!present.has(key)) told.delete(key);
    const news = wrong.filter(({ ref, message }) => told.get(keyOf(ref)) !== message);
    await forEach(news, ({ ref, message }) => tellOf(ref, message));
  }

  async function tellOf(ref: ResourceRef, message: string): Promise<void> {
    const found = must(await objects.get(ref));
    if (found === undefined) return;
    const { uid } = metadataOf(found.manifest);
    const about = { ...ref, ...(uid === undefined ? {} : { uid }) };
    say({ about, type: 'Warning', reason: `Invalid${ref.kind}`, message });
    told.set(keyOf(ref), message);
  }

  return async () => {
    show(judge(world, await births.read(), today().getTime()));
    tellOfFull();
    await tellOfWrong();
    return undefined;
  };
}
