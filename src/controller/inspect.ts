/** One look at everything that can be right or wrong: conditions, and Events where there are none. */

import { closedBecause } from '../ipam/pools.ts';
import { type IpPool, keyOf, type ResourceRef } from '../model/resource.ts';
import type { Objects } from '../store/objects.ts';
import type { Notice } from './decide/notice.ts';
import { exhausted, mismatchOf } from './decide/pool.ts';
import { metadataOf } from './json.ts';
import { judge, wrongElsewhere } from './judge.ts';
import type { Placard } from './placard.ts';
import { forEach, must } from './refused.ts';
import { reservedBy, type World } from './world.ts';

export interface InspectorOptions {
  readonly objects: Objects;
  readonly world: World;
  readonly today: () => Date;
  readonly say: (notice: Notice) => void;
  readonly show: Placard['show'];
}

/** Call the result for one look. It throws what hindered it. */
export function openInspector({
  objects,
  world,
  today,
  say,
  show,
}: InspectorOptions): () => Promise<undefined> {
  const told = new Map<string, string>();
  let ill = new Set<string>();

  /** Each is told once, and again when it was well meanwhile. */
  function tellOfPools(): void {
    const now = illsOf(world);
    for (const { pool, reason, message } of now.filter((one) => !ill.has(illKey(one)))) {
      const { name, uid } = pool.meta;
      say({
        about: { kind: 'IPPool', name, ...(uid === undefined ? {} : { uid }) },
        type: 'Warning',
        reason,
        message,
      });
    }
    ill = new Set(now.map(illKey));
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
    show(judge(world, today().getTime()));
    tellOfPools();
    await tellOfWrong();
    return undefined;
  };
}

interface Ill {
  readonly pool: IpPool;
  readonly reason: string;
  readonly message: string;
}

const illKey = ({ pool, reason }: Ill): string => `${pool.meta.name} ${reason}`;

/** What is wrong with pools as they are used: full, or with blocks of another size in them. */
function illsOf(world: World): readonly Ill[] {
  const [pools, blocks] = [world.all('IPPool'), world.all('IPAMBlock')];
  const full = exhausted(pools, blocks, reservedBy(world)).map((pool) => ({
    ...{ pool, reason: 'PoolExhausted' },
    message: 'Every address of it is given. Add a pool, or take back what is not used: tortiectl ipam check.',
  }));
  const mixed = pools
    .filter((pool) => closedBecause(pool, pools) === undefined)
    .flatMap((pool) => {
      const mismatch = mismatchOf(pool, blocks);
      return mismatch === undefined ? [] : [{ pool, ...mismatch }];
    });
  return [...full, ...mixed];
}
