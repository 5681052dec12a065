/**
 * A cluster's policies compiled for one node from scratch, with every set filled by asking everything of everybody: the slow and
 * obvious way to the ruleset that the calculation keeps.
 */
import { compileEndpoint, dispatchOf, type EndpointPlan, type TierPlan } from '../../felix/rules/endpoint.ts';
import { type HostUse, noHosts, stageDirections } from '../../felix/rules/host.ts';
import {
  type Chain,
  type Element,
  elementKey,
  type NamedSet,
  type Ruleset,
  type SetDecl,
} from '../../felix/rules/model.ts';
import { type CompiledPolicy, compilePolicy, type Direction, directions } from '../../felix/rules/policy.ts';
import type { RulesSettings } from '../../felix/rules/settings.ts';
import { addressOf, merged, spanOf } from '../../felix/rules/span.ts';
import type { SetContent, SetSpec } from '../../felix/rules/spec.ts';
import { type HostStage, takesPart } from '../../felix/rules/stage.ts';
import { staticRuleset } from '../../felix/rules/static.ts';
import type { TagMeaning } from '../../felix/rules/tag.ts';
import { type Address, type IpVersion, lengthOf, networkOf, versionOf, widthOf } from '../../src/lib/net.ts';
import type { HostEndpoint } from '../../src/model/policy.ts';
import type { Pod } from '../../src/model/resource.ts';
import { matchesSelector, type Selector } from '../../src/model/selector.ts';
import type { Cluster } from '../../src/policy/cluster.ts';
import { knownHost, knownPod } from '../../src/policy/known.ts';
import { networkSetLabels } from '../../src/policy/labels.ts';
import { comparePolicies, compareTiers } from '../../src/policy/policy.ts';
import { builtInProfiles, convertProfile } from '../../src/policy/profiles.ts';
import { tierFacts, tierNamed } from '../../src/policy/tiers.ts';

export interface LocalPod {
  readonly pod: Pod;
  readonly interface: string;
}

/** What is on this node. */
export interface OnNode {
  readonly pods: readonly LocalPod[];
  /** Each with the interface it is of; '*' for all others. */
  readonly hosts: readonly { readonly endpoint: HostEndpoint; readonly interface: string }[];
}

export interface Compiled {
  readonly ruleset: Ruleset;
  readonly tags: ReadonlyMap<string, TagMeaning>;
}

const isHere = ({ pods, hosts }: OnNode, who: Pod | HostEndpoint): boolean =>
  pods.some(({ pod }) => pod === who) || hosts.some(({ endpoint }) => endpoint === who);

interface Somebody {
  readonly who: Pod | HostEndpoint;
  readonly addresses: readonly Address[];
  readonly known: ReturnType<typeof knownPod>;
}

const everybody = (cluster: Cluster): readonly Somebody[] => [
  ...cluster.pods
    .filter(({ hostNetwork, finished }) => !hostNetwork && !finished)
    .map((pod) => ({ who: pod, addresses: pod.ips, known: knownPod(cluster, pod) })),
  ...cluster.hostEndpoints.map((endpoint) => ({
    who: endpoint,
    addresses: endpoint.expectedIps,
    known: knownHost(cluster, endpoint),
  })),
];

const setsThat = (cluster: Cluster, selector: Selector): Cluster['networkSets'] =>
  cluster.networkSets.filter((set) =>
    matchesSelector(
      selector,
      networkSetLabels(
        set,
        cluster.namespaces.find(({ meta }) => meta.name === set.meta.namespace),
      ),
    ),
  );

/** What the calculation answers about a set. */
function contentOf(
  cluster: Cluster,
  here: OnNode,
  content: SetContent,
  version: IpVersion,
): readonly Element[] {
  const addresses = (all: readonly Address[]): readonly Element[] =>
    all.filter((each) => versionOf(each) === version).map((address) => ({ kind: 'address', address }));
  switch (content.kind) {
    case 'endpoints':
      return addresses([
        ...everybody(cluster)
          .filter(({ known }) => matchesSelector(content.selector, known.labels))
          .flatMap((each) => each.addresses),
        ...setsThat(cluster, content.selector)
          .flatMap(({ nets }) => nets)
          .filter((net) => lengthOf(net) === widthOf(net))
          .map((net): Address => networkOf(net)),
      ]);
    case 'networks': {
      const wide = setsThat(cluster, content.selector)
        .flatMap(({ nets }) => nets)
        .filter((net) => lengthOf(net) < widthOf(net) && versionOf(net) === version);
      return merged(wide.map(spanOf)).map(({ first, last }) => ({
        kind: 'range',
        first: addressOf(version, first),
        last: addressOf(version, last),
      }));
    }
    case 'namedPort':
      return everybody(cluster)
        .filter(({ who }) => content.local !== true || isHere(here, who))
        .filter(({ known }) => matchesSelector(content.selector, known.labels))
        .flatMap(({ addresses: own, known }) =>
          known.ports
            .filter(({ name }) => name === content.name)
            .filter(({ protocol }) => content.protocol === undefined || protocol === content.protocol)
            .flatMap(({ protocol, port }) =>
              own
                .filter((each) => versionOf(each) === version)
                .map((address): Element => ({ kind: 'port', address, protocol, port })),
            ),
        );
    case 'servicePorts':
      return backends(cluster, content.service, version).flatMap(({ address, protocol, port }) =>
        protocol === undefined || port === undefined ? [] : [{ kind: 'port', address, protocol, port }],
      );
    case 'serviceAddresses':
      return addresses(backends(cluster, content.service, version).map(({ address }) => address));
    case 'nodes':
      return addresses(
        cluster.nodes
          .filter(({ meta }) => matchesSelector(content.selector, meta.labels))
          .flatMap(({ internalIps }) => internalIps),
      );
    case 'fixed':
      return content.elements;
  }
}

const backends = (
  cluster: Cluster,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  version: IpVersion,
): Cluster['backends'] =>
  cluster.backends.filter(
    ({ service, address }) =>
      service.namespace === namespace && service.name === name && versionOf(address) === version,
  );

/** Collects what is compiled. */
class Builder {
  readonly chains = new Map<string, Chain>();
  readonly sets = new Map<string, NamedSet>();
  readonly tags = new Map<string, TagMeaning>();
  readonly #compiled = new Map<string, CompiledPolicy>();
  readonly #cluster: Cluster;
  readonly #here: OnNode;
  readonly settings: RulesSettings;

  constructor(cluster: Cluster, here: OnNode, settings: RulesSettings) {
    this.#cluster = cluster;
    this.#here = here;
    this.settings = settings;
  }

  readonly hasNetworks = (selector: Selector): boolean =>
    setsThat(this.#cluster, selector).some(({ nets }) => nets.some((net) => lengthOf(net) < widthOf(net)));

  policy(policy: Parameters<typeof compilePolicy>[0], direction: Direction): CompiledPolicy {
    const key = `${direction} ${policy.id}`;
    const before = this.#compiled.get(key);
    if (before !== undefined) return before;
    const compiled = compilePolicy(policy, direction, this.hasNetworks, this.settings);
    this.#compiled.set(key, compiled);
    // One that passes is copied into the chain of its tier; a profile has none.
    if (!compiled.passes || policy.tier === '') this.chains.set(compiled.chain.name, compiled.chain);
    for (const tag of compiled.tags) this.tags.set(tag.tag, tag);
    for (const spec of compiled.sets) this.fill(spec);
    return compiled;
  }

  fill({ decl, content }: SetSpec): void {
    const elements = contentOf(this.#cluster, this.#here, content, decl.version ?? 4);
    this.sets.set(decl.name, {
      decl,
      elements: new Map(elements.map((each) => [elementKey(each), each])),
    });
  }

  add(decl: SetDecl, element?: Element): void {
    const elements = new Map(this.sets.get(decl.name)?.elements);
    if (element !== undefined) elements.set(elementKey(element), element);
    this.sets.set(decl.name, { decl, elements });
  }

  endpoint(plan: EndpointPlan): void {
    const { chain, tierChains, tags } = compileEndpoint(plan, this.settings);
    for (const each of [chain, ...tierChains]) this.chains.set(each.name, each);
    for (const tag of tags) this.tags.set(tag.tag, tag);
    const way = dispatchOf(plan);
    if (way !== undefined) this.add(way.map, way.element);
  }
}

function tiersFor(
  builder: Builder,
  cluster: Cluster,
  labels: Readonly<Record<string, string>>,
  direction: Direction,
  stage: HostStage,
): readonly TierPlan[] {
  const selecting = cluster.policies.filter(
    (policy) =>
      takesPart(policy, stage) &&
      policy.types.includes(direction) &&
      matchesSelector(policy.selector, labels),
  );
  return [...new Set(selecting.map(({ tier }) => tier))]
    .map((name) => {
      const written = cluster.tiers.find(({ meta }) => meta.name === name);
      return written === undefined ? tierNamed(name) : tierFacts(written);
    })
    .sort(compareTiers)
    .map(({ name, defaultAction }): TierPlan => {
      const own = selecting.filter(({ tier }) => tier === name).sort(comparePolicies);
      const enforced = own.filter(({ staged }) => staged === undefined);
      return {
        name,
        defaultAction,
        allStaged: enforced.length === 0,
        policies: enforced.map((policy) => ({ policy, compiled: builder.policy(policy, direction) })),
      };
    });
}

const hostStages: readonly HostStage[] = ['untracked', 'preDnat', 'normal', 'forward'];

/** Stages that host endpoints are asked in: those that some policy has, enforced or not. */
const stagesOf = ({ policies }: Cluster): readonly HostStage[] =>
  hostStages.filter(
    (stage) => stage === 'normal' || stage === 'forward' || policies.some((policy) => policy.stage === stage),
  );

/** Of which an endpoint has an address, or a network set a single one. */
function familiesOf(cluster: Cluster): readonly IpVersion[] {
  const addresses = everybody(cluster).flatMap((one) => one.addresses);
  const single = cluster.networkSets.flatMap(({ nets }) =>
    nets.filter((net) => lengthOf(net) === widthOf(net)),
  );
  return ([4, 6] as const).filter((version) =>
    [...addresses, ...single].some((each) => versionOf(each) === version),
  );
}

export function compileCluster(cluster: Cluster, here: OnNode, given: RulesSettings): Compiled {
  const settings: RulesSettings = { ...given, families: familiesOf(cluster) };
  const builder = new Builder(cluster, here, settings);
  const stages = stagesOf(cluster);
  const wildcard = here.hosts.some((host) => host.interface === '*');
  const use: HostUse = here.hosts.length === 0 ? noHosts : { stages, wildcard };
  const fixed = staticRuleset(settings, use);
  for (const chain of fixed.chains) builder.chains.set(chain.name, chain);
  for (const decl of fixed.sets) builder.add(decl);
  for (const pod of here.pods) for (const direction of directions) addPod(builder, cluster, pod, direction);
  for (const host of here.hosts) for (const stage of stages) addHost(builder, cluster, host, stage);
  return { ruleset: { chains: builder.chains, sets: builder.sets }, tags: builder.tags };
}

function addPod(
  builder: Builder,
  cluster: Cluster,
  { pod, interface: name }: LocalPod,
  direction: Direction,
): void {
  builder.endpoint({
    kind: 'workload',
    interface: name,
    direction,
    stage: 'normal',
    label: `${pod.meta.namespace}/${pod.meta.name}`,
    known: true,
    tiers: tiersFor(builder, cluster, knownPod(cluster, pod).labels, direction, 'normal'),
    profiles: [],
  });
}

function addHost(
  builder: Builder,
  cluster: Cluster,
  { endpoint, interface: name }: OnNode['hosts'][number],
  stage: HostStage,
): void {
  for (const direction of stageDirections(stage))
    builder.endpoint({
      kind: 'host',
      interface: name,
      direction,
      stage,
      label: `HostEndpoint ${endpoint.meta.name}`,
      known: true,
      tiers: tiersFor(builder, cluster, knownHost(cluster, endpoint).labels, direction, stage),
      profiles: stage === 'normal' ? profilesOf(builder, cluster, endpoint, direction) : [],
    });
}

const profilesOf = (
  builder: Builder,
  cluster: Cluster,
  { profiles }: HostEndpoint,
  direction: Direction,
): EndpointPlan['profiles'] =>
  profiles.map((name) => {
    const written = cluster.profiles.find(({ meta }) => meta.name === name);
    const rules =
      written === undefined
        ? builtInProfiles.find((profile) => profile.name === name)
        : convertProfile(written);
    if (rules === undefined) return { name };
    const compiled = builder.policy(
      { ...rules, id: `Profile ${name}`, kind: 'Profile', tier: '', stage: 'normal', onForward: false },
      direction,
    );
    return { name, compiled };
  });
