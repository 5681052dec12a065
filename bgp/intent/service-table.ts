/**
 * The Services of the cluster and what is decided of each, kept up with one change at a time: a change of one service or of
 * one of its slices costs one decision, whatever the number of services.
 */
import { comparePrefixes, type Prefix } from '../../src/lib/net.ts';
import type { EndpointSlice, Service } from '../../src/model/service.ts';
import { sameData } from '../speaker/same.ts';
import {
  type AddressDecision,
  compileServices,
  type DecideService,
  decideRanges,
  type RangeDecision,
  type ServiceHost,
  type ServiceSettings,
  serviceOrigins,
} from './services.ts';

/** "namespace/name" */
type ServiceKey = string;

interface Row {
  service: Service | undefined;
  /** By name. */
  readonly slices: Map<string, EndpointSlice>;
}

export interface ServiceDecision {
  readonly service: Service;
  readonly addresses: readonly AddressDecision[];
}

export class ServiceTable {
  readonly #rows = new Map<ServiceKey, Row>();
  /** Which service a slice belongs to, by the slice's "namespace/name": its label may change. */
  readonly #serviceOf = new Map<string, ServiceKey>();
  readonly #decisions = new Map<ServiceKey, ServiceDecision>();
  readonly #dirty = new Set<ServiceKey>();
  /** How many services have an address announced by a route of its own; a prefix stands here while there is one. */
  readonly #advertised = new Map<Prefix, number>();
  /** Undefined: to be made anew. */
  #origins: readonly Prefix[] | undefined;
  #told: readonly Prefix[] = [];
  #decide: DecideService | undefined;
  #ranges: readonly RangeDecision[] = [];

  /** From now on it is decided by these; undefined: nothing is announced. */
  configure(settings: ServiceSettings | undefined, host: ServiceHost | undefined): void {
    const isOn = settings !== undefined && host !== undefined;
    this.#decide = isOn ? compileServices(settings, host) : undefined;
    this.#ranges = isOn ? decideRanges(settings, host) : [];
    this.#forget();
    for (const key of this.#rows.keys()) this.#dirty.add(key);
  }

  put(resource: Service | EndpointSlice): void {
    const name = `${resource.meta.namespace}/${resource.meta.name}`;
    if (resource.kind === 'Service') {
      this.#row(name).service = resource;
      return;
    }
    const key = resource.service === undefined ? undefined : `${resource.meta.namespace}/${resource.service}`;
    if (this.#serviceOf.get(name) !== key) this.#dropSlice(name);
    if (key === undefined) return;
    this.#serviceOf.set(name, key);
    this.#row(key).slices.set(name, resource);
  }

  delete(kind: 'Service' | 'EndpointSlice', namespace: string | undefined, name: string): void {
    const full = `${namespace}/${name}`;
    if (kind === 'EndpointSlice') this.#dropSlice(full);
    else if (this.#rows.has(full)) this.#row(full).service = undefined;
  }

  /** They are no longer followed. */
  clear(): void {
    this.#rows.clear();
    this.#serviceOf.clear();
    this.#forget();
    this.#dirty.clear();
  }

  #forget(): void {
    this.#decisions.clear();
    this.#advertised.clear();
    this.#origins = undefined;
  }

  ranges(): readonly RangeDecision[] {
    return this.#ranges;
  }

  /** By namespace and name. */
  decisions(): readonly ServiceDecision[] {
    this.#settle();
    return [...this.#decisions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, decision]) => decision);
  }

  /** The same list as long as it says the same. */
  origins(): readonly Prefix[] {
    this.#settle();
    if (this.#origins !== undefined) return this.#origins;
    const all = new Set([...serviceOrigins(this.#ranges, []), ...this.#advertised.keys()]);
    const fresh = [...all].sort(comparePrefixes);
    if (!sameData(this.#told, fresh)) this.#told = fresh;
    this.#origins = this.#told;
    return this.#origins;
  }

  /** Takes the place of what was decided of the service before. */
  #set(key: ServiceKey, decision: ServiceDecision | undefined): void {
    const [before, after] = [advertisedOf(this.#decisions.get(key)), advertisedOf(decision)];
    // Endpoints come and go all the time, and mostly the same addresses are announced.
    if (!sameData(before, after)) {
      this.#count(before, -1);
      this.#count(after, 1);
    }
    if (decision === undefined) this.#decisions.delete(key);
    else this.#decisions.set(key, decision);
  }

  #count(prefixes: readonly Prefix[], by: 1 | -1): void {
    for (const prefix of prefixes) {
      const before = this.#advertised.get(prefix) ?? 0;
      if (before + by === 0) this.#advertised.delete(prefix);
      else this.#advertised.set(prefix, before + by);
      if (before === 0 || before + by === 0) this.#origins = undefined;
    }
  }

  #row(key: ServiceKey): Row {
    this.#dirty.add(key);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const fresh: Row = { service: undefined, slices: new Map() };
    this.#rows.set(key, fresh);
    return fresh;
  }

  #dropSlice(name: string): void {
    const key = this.#serviceOf.get(name);
    if (key === undefined) return;
    this.#serviceOf.delete(name);
    this.#row(key).slices.delete(name);
  }

  #settle(): void {
    for (const key of this.#dirty) {
      const row = this.#rows.get(key);
      if (row?.service === undefined || this.#decide === undefined) this.#set(key, undefined);
      else
        this.#set(key, {
          service: row.service,
          addresses: this.#decide(row.service, row.slices.values()),
        });
      if (row !== undefined && row.service === undefined && row.slices.size === 0) this.#rows.delete(key);
    }
    this.#dirty.clear();
  }
}

const advertisedOf = (decision: ServiceDecision | undefined): readonly Prefix[] =>
  serviceOrigins([], decision?.addresses ?? []);
