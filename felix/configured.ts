/** Which FelixConfiguration holds at this node, as the store tells it, and what of a change needs a new start. */
import type { PodFeatures } from '../src/cni/annotations.ts';
import { same } from '../src/lib/same.ts';
import {
  differences,
  type FelixConfiguration,
  type FelixFieldName,
  type FelixOverride,
  type FelixSettings,
  type ResolvedFelix,
  resolveFelix,
} from '../src/model/felix-configuration.ts';
import { felixFields } from '../src/model/felix-fields.ts';
import type { Problem } from '../src/model/problem.ts';
import type { Labels, Resource } from '../src/model/resource.ts';
import type { Change } from '../src/store/store.ts';
import type { Backend } from './config/rules.ts';

/** So the process ends when a value changed that it can take only at its start, as Calico's does: it is started again. */
export const restartExitCode = 129;

export class Configured {
  readonly #node: string;
  readonly #overrides: readonly FelixOverride[];
  readonly #objects = new Map<string, FelixConfiguration>();
  #labels: Labels = {};
  #resolved: ResolvedFelix | undefined;
  #started: FelixSettings | undefined;

  constructor(node: string, overrides: readonly FelixOverride[] = []) {
    this.#node = node;
    this.#overrides = overrides;
  }

  /** @returns whether it is of any consequence here */
  change(one: Change): boolean {
    if (one.kind === 'delete') {
      if (one.ref.kind !== 'FelixConfiguration' || !this.#objects.delete(one.ref.name)) return false;
    } else if (!this.#put(one.resource)) return false;
    this.#resolved = undefined;
    return true;
  }

  #put(resource: Resource): boolean {
    const { name, labels } = resource.meta;
    if (resource.kind === 'FelixConfiguration') {
      if (same(this.#objects.get(name), resource)) return false;
      this.#objects.set(name, resource);
      return true;
    }
    if (resource.kind !== 'Node' || name !== this.#node || same(labels, this.#labels)) return false;
    this.#labels = labels;
    return true;
  }

  get resolved(): ResolvedFelix {
    this.#resolved ??= resolveFelix(
      this.#objects.values(),
      { name: this.#node, labels: this.#labels },
      this.#overrides,
    );
    return this.#resolved;
  }

  get settings(): FelixSettings {
    return this.resolved.settings;
  }

  /** What pods may ask for by annotations. */
  get features(): PodFeatures {
    const { floatingIPs, workloadSourceSpoofing } = this.settings;
    return {
      floatingIPs: floatingIPs === 'Enabled',
      allowedSourcePrefixes: workloadSourceSpoofing === 'Any',
    };
  }

  /** How often what is in the kernel is read again though nobody touched it; 0: never. */
  refreshMs(backend: Backend): number {
    const { nftablesRefreshInterval, iptablesRefreshInterval, ipsetsRefreshInterval } = this.settings;
    if (backend === 'nftables') return nftablesRefreshInterval;
    // Rules and sets are read together.
    const asked = [iptablesRefreshInterval, ipsetsRefreshInterval].filter((ms) => ms > 0);
    return asked.length === 0 ? 0 : Math.min(...asked);
  }

  /** From here on a value that is taken only at the start needs a new one. */
  start(): void {
    this.#started ??= this.settings;
  }

  /** The fields that changed since the start and are taken only there. */
  outdated(): readonly FelixFieldName[] {
    if (this.#started === undefined) return [];
    return differences(this.#started, this.settings).filter(
      (field) => felixFields[field].effect === 'restart',
    );
  }

  problems(): readonly Problem[] {
    return this.resolved.conflicts.map(({ field, winner, loser }) => ({
      where: `${loser} spec.${field}`,
      what: `says otherwise than ${winner}, whose nodeSelector takes this node too; that one counts, for its name is first.`,
      fix: 'Take the field out of one of them.',
    }));
  }
}
