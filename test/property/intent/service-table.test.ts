/** The table that is kept up one change at a time says what deciding everything anew would. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ServiceTable } from '../../../bgp/intent/service-table.ts';
import {
  compileServices,
  decideRanges,
  hostOf,
  type ServiceHost,
  serviceOrigins,
} from '../../../bgp/intent/services.ts';
import { formatPrefix, type Prefix } from '../../../src/lib/net.ts';
import type { BgpConfiguration } from '../../../src/model/resource.ts';
import type { EndpointSlice, Service } from '../../../src/model/service.ts';
import { bgpConfiguration, node } from '../../support/resources.ts';
import { type EndpointState, endpointSlice, endpointStates, service } from '../../support/services.ts';

const names = fc.constantFrom('a', 'b', 'c');
const cidrs = fc.subarray(['10.96.0.0/16', '10.96.0.1/32', '192.0.2.0/24']);
const services = fc
  .record({
    name: names,
    clusterIp: fc.constantFrom('10.96.0.1', '10.96.0.2', '10.97.0.1'),
    ingressIp: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    policy: fc.constantFrom('Cluster' as const, 'Local' as const),
    type: fc.constantFrom('ClusterIP' as const, 'LoadBalancer' as const, 'ExternalName' as const),
  })
  .map(({ name, clusterIp, ingressIp, ...rest }) =>
    service(name, { clusterIps: [clusterIp], ingressIps: [ingressIp], ...rest }),
  );
const states = fc.constantFrom(...(Object.keys(endpointStates) as EndpointState[]));
const slices = fc
  .record({
    slice: fc.constantFrom('s1', 's2', 's3'),
    of: names,
    endpoints: fc.array(fc.tuple(fc.constantFrom('node1', 'node2'), states), { maxLength: 3 }),
    labelled: fc.boolean(),
  })
  .map(({ slice, of, endpoints, labelled }): EndpointSlice => {
    const { service: _, ...made } = endpointSlice(of, endpoints);
    return { ...made, meta: { ...made.meta, name: slice }, ...(labelled ? { service: of } : {}) };
  });
const configurations = fc
  .record({ clusterIps: cidrs, loadBalancerIps: cidrs, aggregation: fc.boolean(), cordoned: fc.boolean() })
  .map(({ cordoned, ...over }) => ({
    settings: bgpConfiguration(over),
    host: hostOf(node('node1', { unschedulable: cordoned })),
  }));

interface Configuration {
  readonly settings: BgpConfiguration;
  readonly host: ServiceHost;
}

type Step =
  | { readonly kind: 'put'; readonly what: Service | EndpointSlice }
  | { readonly kind: 'delete'; readonly of: 'Service' | 'EndpointSlice'; readonly name: string }
  | { readonly kind: 'configure'; readonly by: Configuration }
  | { readonly kind: 'look' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  services.map((what) => ({ kind: 'put' as const, what })),
  slices.map((what) => ({ kind: 'put' as const, what })),
  fc.record({ kind: fc.constant('delete' as const), of: fc.constant('Service' as const), name: names }),
  fc.record({
    kind: fc.constant('delete' as const),
    of: fc.constant('EndpointSlice' as const),
    name: fc.constantFrom('s1', 's2', 's3'),
  }),
  configurations.map((by) => ({ kind: 'configure' as const, by })),
  fc.constant({ kind: 'look' as const }),
);

/** The table, and beside it what it should say, worked out from all there is. */
class Pair {
  readonly table = new ServiceTable();
  #last: readonly Prefix[] | undefined;
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  #by: Configuration | undefined;

  take(step: Step): void {
    if (step.kind === 'put') this.#put(step.what);
    else if (step.kind === 'delete') {
      this.table.delete(step.of, 'default', step.name);
      (step.of === 'Service' ? this.#services : this.#slices).delete(step.name);
    } else if (step.kind === 'configure') {
      this.#by = step.by;
      this.table.configure(step.by.settings, step.by.host);
    } else this.compare();
  }

  compare(): void {
    const origins = this.table.origins();
    expect(origins.map(formatPrefix)).toEqual(this.#expected());
    // Whoever follows compares lists by identity first: ten thousand services make long ones.
    expect(origins === this.#last).toBe(isDeepStrictEqual(origins, this.#last));
    this.#last = origins;
    const names = this.#by === undefined ? [] : [...this.#services.keys()].sort();
    expect(this.table.decisions().map((one) => one.service.meta.name)).toEqual(names);
  }

  #put(what: Service | EndpointSlice): void {
    this.table.put(what);
    if (what.kind === 'Service') this.#services.set(what.meta.name, what);
    else this.#slices.set(what.meta.name, what);
  }

  #expected(): readonly string[] {
    if (this.#by === undefined) return [];
    const { settings, host } = this.#by;
    const decide = compileServices(settings, host);
    const slicesOf = (one: Service): EndpointSlice[] =>
      [...this.#slices.values()].filter((slice) => slice.service === one.meta.name);
    const decisions = [...this.#services.values()].flatMap((one) => decide(one, slicesOf(one)));
    return serviceOrigins(decideRanges(settings, host), decisions).map(formatPrefix);
  }
}

test('whatever came in whatever order, the prefixes are those of deciding everything anew', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), (history) => {
      const pair = new Pair();
      for (const step of history) pair.take(step);
      pair.compare();
    }),
  );
});

test('once cleared it announces its ranges and no service', () => {
  const table = new ServiceTable();
  table.configure(bgpConfiguration({ externalIps: ['10.96.0.0/16'] }), hostOf(node('node1')));
  table.put(service('web', { externalIps: ['10.96.0.9'], policy: 'Local' }));
  table.put(endpointSlice('web', [['node1', 'ready']]));
  expect(table.origins().map(formatPrefix)).toEqual(['10.96.0.0/16', '10.96.0.9/32']);
  table.clear();
  expect(table.origins().map(formatPrefix)).toEqual(['10.96.0.0/16']);
  table.configure(undefined, undefined);
  expect(table.origins()).toEqual([]);
});
