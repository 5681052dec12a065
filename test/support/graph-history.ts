/** What a graph is told, one after the other: pieces of two arbitrary clusters come, change and go. */
import fc from 'fast-check';
import {
  change,
  createGraph,
  type Graph,
  type HostInterface,
  noteHostInterfaces,
  noteSettings,
  putEndpoint,
  removeEndpoint,
  tick,
} from '../../felix/calc/graph.ts';
import type { RulesetChange } from '../../felix/rules/model.ts';
import { defaultRulesSettings, type RulesSettings } from '../../felix/rules/settings.ts';
import type { LocalEndpoint } from '../../src/model/endpoint.ts';
import { keyOf, type Resource, refOf } from '../../src/model/resource.ts';
import { resourcesOf, type World, world } from './arbitrary-policy.ts';
import { address, restlessPod } from './clusters.ts';

export const node = 'here';

const interfaceSets: readonly (readonly HostInterface[])[] = [
  [],
  [{ name: 'eth0', addresses: ['172.16.0.1', 'fd01::1'].map(address) }],
  [
    { name: 'eth1', addresses: [address('172.16.0.1')] },
    { name: 'eth2', addresses: [address('fd01::1')] },
  ],
];

const settingsSets: readonly RulesSettings[] = [
  defaultRulesSettings,
  { ...defaultRulesSettings, deny: 'Reject', reversePath: false },
  { ...defaultRulesSettings, endpointToHost: 'Drop', speakerPort: 179 },
  { ...defaultRulesSettings, workloadPrefixes: ['tap', 'cali'], endpointToHost: 'Drop' },
];

export type Act =
  | { readonly do: 'put'; readonly resource: Resource }
  | { readonly do: 'endpoint'; readonly endpoint: LocalEndpoint }
  | { readonly do: 'interfaces'; readonly interfaces: readonly HostInterface[] }
  | { readonly do: 'settings'; readonly settings: RulesSettings }
  | { readonly do: 'forget' | 'unplug'; readonly nth: number }
  | { readonly do: 'tick' };

const put = (resource: Resource): Act => ({ do: 'put', resource });

export const actsOf = (all: World): readonly Act[] => [
  ...resourcesOf(all).map(put),
  ...all.placed.flatMap(({ endpoint }): readonly Act[] =>
    endpoint === undefined ? [] : [{ do: 'endpoint', endpoint }],
  ),
];

const orders = [1, 5, 1000, 2000] as const;

/** The same object with one thing else about it: labels, a policy's order or tier, by what a host asks for its interface. */
const twisted = (resource: Resource, twist: number): Resource => {
  if (twist % 3 === 0) return resource;
  const one = twist % 2 === 0;
  if ('tier' in resource && resource.kind !== 'ClusterNetworkPolicy') {
    return one ? { ...resource, order: orders[twist % 4] ?? 0 } : { ...resource, tier: 'second' };
  }
  if (resource.kind === 'HostEndpoint') {
    const { interfaceName: _, ...rest } = resource;
    return { ...rest, meta: { ...rest.meta, name: one ? 'another' : rest.meta.name } };
  }
  return { ...resource, meta: { ...resource.meta, labels: { app: one ? 'a' : 'b' } } };
};

/** Begins with a world, so that what follows meets something; then pieces of another one come, and pieces of both go. */
export const history = (maxLength: number): fc.Arbitrary<readonly Act[]> =>
  fc.tuple(world({ hosts: true }), world({ hosts: true })).chain(([first, second]) => {
    const later = [...actsOf(first), ...actsOf(second)];
    const one: fc.Arbitrary<Act> = fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .tuple(fc.constantFrom(...later), fc.nat(11))
          .map(([each, twist]) => (each.do === 'put' ? put(twisted(each.resource, twist)) : each)),
      },
      {
        weight: 1,
        arbitrary: restlessPod.map(
          ({ endpoint }): Act => (endpoint === undefined ? { do: 'tick' } : { do: 'endpoint', endpoint }),
        ),
      },
      { weight: 4, arbitrary: fc.nat(40).map((nth): Act => ({ do: 'forget', nth })) },
      { weight: 1, arbitrary: fc.nat(3).map((nth): Act => ({ do: 'unplug', nth })) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom(...interfaceSets)
          .map((interfaces): Act => ({ do: 'interfaces', interfaces })),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(...settingsSets).map((settings): Act => ({ do: 'settings', settings })),
      },
      { weight: 4, arbitrary: fc.constant<Act>({ do: 'tick' }) },
    );
    return fc.array(one, { maxLength }).map((rest) => [...actsOf(first), { do: 'tick' as const }, ...rest]);
  });

/** A graph, and beside it what it was told in the end. */
export interface Told {
  readonly graph: Graph;
  readonly resources: Map<string, Resource>;
  readonly endpoints: Map<string, LocalEndpoint>;
  interfaces: readonly HostInterface[];
  settings: RulesSettings;
}

/** Taken in a few at a time, as a large cluster is. */
const mostWaiting = 3;

export const begin = (): Told => ({
  graph: createGraph({ node, mostWaiting }),
  resources: new Map(),
  endpoints: new Map(),
  interfaces: [],
  settings: defaultRulesSettings,
});

export function run(told: Told, each: Act): RulesetChange | undefined {
  const { graph, resources, endpoints } = told;
  switch (each.do) {
    case 'put':
      resources.set(keyOf(refOf(each.resource)), each.resource);
      change(graph, { kind: 'put', resource: each.resource });
      return undefined;
    case 'endpoint':
      endpoints.set(each.endpoint.id, each.endpoint);
      putEndpoint(graph, each.endpoint);
      return undefined;
    case 'interfaces':
      told.interfaces = each.interfaces;
      noteHostInterfaces(graph, each.interfaces);
      return undefined;
    case 'settings':
      told.settings = each.settings;
      noteSettings(graph, each.settings);
      return undefined;
    case 'forget': {
      const gone = [...resources][each.nth];
      if (gone === undefined) return undefined;
      resources.delete(gone[0]);
      change(graph, { kind: 'delete', ref: refOf(gone[1]) });
      return undefined;
    }
    case 'unplug': {
      const id = [...endpoints.keys()][each.nth] ?? 'never was';
      endpoints.delete(id);
      removeEndpoint(graph, id);
      return undefined;
    }
    case 'tick':
      return tick(graph);
  }
}
