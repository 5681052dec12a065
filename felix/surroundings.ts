/**
 * What of the cluster and of this node's pods becomes rules beside policy, and limits of interfaces: pools, ranges of
 * Services, addresses of nodes, annotations. Remembers what the store told; decides nothing of the kernel.
 */
import type { Address, Prefix } from '../src/lib/net.ts';
import { same } from '../src/lib/same.ts';
import type { FelixSettings } from '../src/model/felix-configuration.ts';
import type { Problem } from '../src/model/problem.ts';
import type { BgpConfiguration, Kind, Labels, Resource } from '../src/model/resource.ts';
import type { Change } from '../src/store/store.ts';
import { floatingOf, type PodTraffic, readTraffic } from './config/pod.ts';
import { deniedOf } from './config/rules.ts';
import type { PodBandwidth } from './dataplane/bandwidth.ts';
import { type Addition, together } from './rules/addition.ts';
import { floatingAddresses } from './rules/floating.ts';
import { serviceLoop } from './rules/loop.ts';
import { clampMss } from './rules/mss.ts';
import { type NatPlan, natOutgoing, poolSets } from './rules/nat.ts';
import { type PodLimits, podLimits } from './rules/qos.ts';
import { speakerAddition } from './rules/speaker.ts';
import { allowedSources } from './rules/static.ts';
import { SpeakerNeighbours, speakerKinds } from './speaker.ts';

/** The kinds it hears of, beside Node. */
export const surroundingKinds: readonly Kind[] = ['IPPool', ...speakerKinds];

/** A pod's interface at this node. */
export interface Attached {
  readonly interface: string;
  readonly namespace: string;
  readonly pod: string;
  readonly addresses: readonly Address[];
}

interface Read {
  readonly annotations: Labels;
  readonly traffic: PodTraffic;
  readonly problems: readonly Problem[];
}

export class Surroundings {
  readonly #pools = new Map<string, NatPlan['pools'][number]>();
  readonly #nodes = new Map<string, readonly Address[]>();
  readonly #read = new Map<string, Read>();
  readonly #speaker: SpeakerNeighbours;
  #services: readonly Prefix[] = [];

  constructor(node = '') {
    this.#speaker = new SpeakerNeighbours(node);
  }

  /** @returns whether it is of any consequence here: thousands of Nodes are put again and again, and say what they said */
  change(one: Change): boolean {
    const isOfSpeaker = this.#speaker.change(one);
    return (one.kind === 'delete' ? this.#delete(one.ref) : this.#put(one.resource)) || isOfSpeaker;
  }

  #put(resource: Resource): boolean {
    const { name } = resource.meta;
    if (resource.kind === 'IPPool') {
      const { cidr, natOutgoing = false } = resource;
      return put(this.#pools, name, { cidr, natOutgoing });
    }
    if (resource.kind === 'Node') return put(this.#nodes, name, resource.internalIps);
    if (resource.kind !== 'BGPConfiguration' || name !== 'default') return false;
    const services = rangesOf(resource);
    const isNews = !same(services, this.#services);
    this.#services = services;
    return isNews;
  }

  #delete({ kind, name }: { readonly kind: Kind; readonly name: string }): boolean {
    if (kind === 'IPPool') return this.#pools.delete(name);
    if (kind === 'Node') return this.#nodes.delete(name);
    if (kind !== 'BGPConfiguration' || name !== 'default') return false;
    this.#services = [];
    return true;
  }

  /** What a pod's annotations say, read once as long as they are the same object. */
  traffic({ namespace, pod }: Pick<Attached, 'namespace' | 'pod'>, annotations: Labels): Read {
    const where = `Pod/${namespace}/${pod}`;
    const before = this.#read.get(where);
    if (before?.annotations === annotations) return before;
    const read = { annotations, ...readTraffic(where, annotations) };
    this.#read.set(where, read);
    return read;
  }

  /** Pods that are gone are forgotten. */
  keep(pods: readonly Attached[]): void {
    const there = new Set(pods.map(({ namespace, pod }) => `Pod/${namespace}/${pod}`));
    for (const where of [...this.#read.keys()]) if (!there.has(where)) this.#read.delete(where);
  }

  problems(): readonly Problem[] {
    return [...this.#read.values()].flatMap(({ problems }) => problems);
  }

  /** TCP port of the BGP speaker, where pods of this node are its neighbours. */
  get speakerPort(): number | undefined {
    return this.#speaker.port;
  }

  addition(settings: FelixSettings, pods: readonly Attached[], of: (pod: Attached) => PodTraffic): Addition {
    const plan = this.#natPlan(settings);
    const denied = deniedOf(settings);
    const nat = natOutgoing(plan);
    const limits = podLimits(
      pods.map((pod) => limitsOf(pod, of(pod))),
      plan.hosts !== undefined,
    );
    const needsPools = nat.chains.length > 0 || limits.chains.some(({ name }) => name === 'mark-egress');
    return together([
      ...(needsPools ? [poolSets(plan)] : []),
      nat,
      limits,
      serviceLoop(
        { action: settings.serviceLoopPrevention, ranges: this.#services },
        denied === undefined ? {} : { denied },
      ),
      ...(settings.floatingIPs === 'Enabled'
        ? [floatingAddresses(pods.flatMap((pod) => floatingOf(of(pod).floating, pod.addresses)))]
        : []),
      ...(settings.mssClamping === 'Enabled' ? [clampMss] : []),
      ...(settings.workloadSourceSpoofing === 'Any' ? [sourcesOf(pods, of)] : []),
      ...(settings.defaultEndpointToHostAction === 'Drop' && this.#speaker.port !== undefined
        ? [speakerAddition(this.#speaker.doors(pods))]
        : []),
    ]);
  }

  #natPlan(settings: FelixSettings): NatPlan {
    const { natOutgoingAddress, natPortRange, iptablesNATOutgoingInterfaceFilter: out } = settings;
    return {
      pools: [...this.#pools.values()],
      ...(settings.natOutgoingExclusions === 'IPPoolsAndHostIPs'
        ? { hosts: [...this.#nodes.values()].flat() }
        : {}),
      ...(natOutgoingAddress === undefined ? {} : { address: natOutgoingAddress }),
      ...(natPortRange === undefined ? {} : { ports: natPortRange }),
      ...(out === undefined ? {} : { outInterface: out }),
    };
  }
}

/** @returns whether it was another, or none */
function put<T>(known: Map<string, T>, name: string, value: T): boolean {
  if (same(known.get(name), value)) return false;
  known.set(name, value);
  return true;
}

const rangesOf = (one: BgpConfiguration): readonly Prefix[] => [
  ...one.serviceClusterIps,
  ...one.serviceExternalIps,
  ...one.serviceLoadBalancerIps,
];

const limitsOf = (pod: Attached, { ingress, egress, dscp }: PodTraffic): PodLimits => ({
  interface: pod.interface,
  label: `${pod.namespace}/${pod.pod}`,
  addresses: pod.addresses,
  ...{ ingress, egress },
  ...(dscp === undefined ? {} : { dscp }),
});

const sourcesOf = (pods: readonly Attached[], of: (pod: Attached) => PodTraffic): Addition => ({
  chains: [
    allowedSources(
      pods.flatMap((pod) => of(pod).sources.map((prefix) => ({ interface: pod.interface, prefix }))),
    ),
  ],
  sets: [],
});

/** Of those pods that ask for any, by interface. */
export const bandwidthsOf = (
  pods: readonly Attached[],
  of: (pod: Attached) => PodTraffic,
): ReadonlyMap<string, PodBandwidth> =>
  new Map(
    pods.flatMap((pod) => {
      const { bandwidth } = of(pod);
      return Object.keys(bandwidth).length === 0 ? [] : [[pod.interface, bandwidth] as const];
    }),
  );
