/**
 * The tiers of a cluster: the three that are always there stand there as objects too, and none of the others goes while there are
 * policies in it, for they would then be asked last and deny what they do not decide. A finalizer holds it until they are gone.
 *
 * The three mean the same whether or not they are objects, so nothing holds them: whoever takes the definitions off a cluster
 * takes them along, though nobody is there any more to let go of them.
 */
import type { Logger } from '../host/log.ts';
import { standardTiers } from '../model/policy.ts';
import { kinds } from '../store/kinds.ts';
import type { Objects } from '../store/objects.ts';
import { amend } from './amend.ts';
import { fieldOf, manifestFrom } from './json.ts';
import { forEach, must } from './refused.ts';
import { policiesByTier, type World } from './world.ts';

/** Calico's name for it, so that either lets go of what the other has held. */
const finalizer = 'projectcalico.org/tier-controller';

export interface TierKeeperOptions {
  readonly objects: Objects;
  readonly world: World;
  readonly log: Logger;
}

/** Call the result for one look. It throws what hindered it. */
export function openTierKeeper({ objects, world, log }: TierKeeperOptions): () => Promise<undefined> {
  /** By name, what was last found or made so: whose finalizer, there or not. */
  const settled = new Map<string, string>();

  async function make(name: string, spec: object): Promise<void> {
    const made = await objects.create(
      manifestFrom({ apiVersion: kinds.Tier.apiVersion, kind: 'Tier', metadata: { name }, spec }),
    );
    if (!made.ok && made.error.kind !== 'exists') must(made);
    if (made.ok) log.info(`made the tier ${name}, which every cluster has`);
  }

  /** @param wanted  whether the finalizer is to be there */
  async function hold(name: string, wanted: boolean): Promise<void> {
    must(
      await amend(objects, { kind: 'Tier', name }, 'update', (manifest) => {
        const { metadata } = manifest;
        const finalizers = fieldOf(metadata, 'finalizers');
        const others = (Array.isArray(finalizers) ? finalizers : []).filter((one) => one !== finalizer);
        const has = Array.isArray(finalizers) && finalizers.includes(finalizer);
        // Nothing may be added to what is being deleted.
        if (has === wanted || (wanted && fieldOf(metadata, 'deletionTimestamp') !== undefined))
          return undefined;
        return manifestFrom({
          ...manifest,
          metadata: { ...(metadata as object), finalizers: wanted ? [...others, finalizer] : others },
        });
      }),
    );
  }

  return async () => {
    const tiers = world.all('Tier');
    const names = new Set(tiers.map(({ meta }) => meta.name));
    for (const name of settled.keys()) if (!names.has(name)) settled.delete(name);
    const lacking = Object.entries(standardTiers).filter(([name]) => !names.has(name));
    await forEach(lacking, ([name, spec]) => make(name, spec));
    const members = policiesByTier(world);
    await forEach(tiers, async ({ meta: { name, uid }, deleting = false }) => {
      const isWanted = !Object.hasOwn(standardTiers, name) && (members.get(name)?.length ?? 0) > 0;
      const now = `${uid} ${isWanted} ${deleting}`;
      if (settled.get(name) === now) return;
      await hold(name, isWanted);
      settled.set(name, now);
    });
    return undefined;
  };
}
