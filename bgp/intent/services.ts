/**
 * Which addresses of Services this node announces, and why: BGPConfiguration.service…IPs, Services and their EndpointSlices.
 *
 *                      range announced whole (aggregation)       range not announced       an entry of one address
 *   policy Cluster     as part of the range, by every node       every node, if the        every node
 *                                                                service has an endpoint
 *   policy Local       its own /32, by nodes with a local ready endpoint, in each of the three
 *
 * Each address is judged by itself: that one of a service's addresses is announced says nothing about the others.
 * An endpoint that is being stopped is not ready, so a node under drain withdraws before its pod is gone. Where no other
 * is ready, one that still serves counts, unless its node is cordoned: kube-proxy forwards to it to the end.
 */
import {
  type Address,
  comparePrefixes,
  formatPrefix,
  hostPrefix,
  type IpVersion,
  lengthOf,
  type Prefix,
  versionOf,
  widthOf,
} from '../../src/lib/net.ts';
import { Trie } from '../../src/lib/trie.ts';
import type { BgpConfiguration, Node } from '../../src/model/resource.ts';
import type { EndpointSlice, Service, ServiceEndpoint } from '../../src/model/service.ts';
import type { ServiceAddressKind } from '../../src/model/status.ts';

export type ServiceSettings = Pick<
  BgpConfiguration,
  'serviceClusterIps' | 'serviceExternalIps' | 'serviceLoadBalancerIps' | 'serviceLoadBalancerAggregation'
>;

/** Where we announce from. */
export type ServiceHost = Pick<Node, 'unschedulable'> & {
  readonly name: string;
  readonly isExcluded: boolean;
};

export interface AddressDecision {
  readonly kind: ServiceAddressKind;
  readonly address: Address;
  /** A route of its own, not only as part of a range. */
  readonly advertised: boolean;
  readonly reason: string;
}

export interface RangeDecision {
  readonly kind: ServiceAddressKind;
  readonly range: Prefix;
  readonly advertised: boolean;
  readonly reason: string;
}

/** The label with which a node is kept out of load balancing. Only "true" counts, as in Calico: kubeadm sets it empty. */
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

export const hostOf = ({ meta, unschedulable }: Node): ServiceHost => ({
  name: meta.name,
  unschedulable,
  isExcluded: meta.labels[excludeLabel] === 'true',
});

const excluded = `this node has the label ${excludeLabel}=true`;

const fields = {
  'cluster IP': { of: (settings: ServiceSettings) => settings.serviceClusterIps, name: 'serviceClusterIPs' },
  'external IP': {
    of: (settings: ServiceSettings) => settings.serviceExternalIps,
    name: 'serviceExternalIPs',
  },
  'load balancer IP': {
    of: (settings: ServiceSettings) => settings.serviceLoadBalancerIps,
    name: 'serviceLoadBalancerIPs',
  },
} as const;

const addressKinds = Object.keys(fields) as readonly ServiceAddressKind[];

const addressesOf: Readonly<Record<ServiceAddressKind, (service: Service) => readonly Address[]>> = {
  'cluster IP': ({ clusterIps }) => clusterIps,
  'external IP': ({ externalIps }) => externalIps,
  'load balancer IP': ({ type, loadBalancerIp, ingressIps }) =>
    type !== 'LoadBalancer' ? [] : [...(loadBalancerIp === undefined ? [] : [loadBalancerIp]), ...ingressIps],
};

/** Somebody asked for Services to be announced; else none of them need be read at all. */
export const wantsServices = (settings: ServiceSettings): boolean => serviceRanges(settings).length > 0;

/** All prefixes Services may be announced in: what others say of them never enters this node's kernel. */
export const serviceRanges = (settings: ServiceSettings): readonly Prefix[] =>
  addressKinds.flatMap((kind) => fields[kind].of(settings));

const isSingle = (range: Prefix): boolean => lengthOf(range) === widthOf(range);

/** Ranges of more than one address, whether they are announced whole. */
export function decideRanges(settings: ServiceSettings, host: ServiceHost): readonly RangeDecision[] {
  return addressKinds.flatMap((kind) =>
    fields[kind]
      .of(settings)
      .filter((range) => !isSingle(range))
      .map((range) => {
        const why = host.isExcluded ? excluded : notWhole(settings, range);
        const reason = why ?? `${fields[kind].name} names it, so every node announces it`;
        return { kind, range, advertised: why === undefined, reason };
      }),
  );
}

/** Why its addresses are announced one by one instead; undefined: it is announced whole. */
function notWhole({ serviceLoadBalancerAggregation }: ServiceSettings, range: Prefix): string | undefined {
  if (!serviceLoadBalancerAggregation) return 'serviceLoadBalancerAggregation is Disabled';
  return lengthOf(range) === 0 ? 'a default route is never announced' : undefined;
}

/** What decides for all addresses alike is worked out once. */
export type DecideService = (service: Service, slices: Iterable<EndpointSlice>) => readonly AddressDecision[];

export function compileServices(settings: ServiceSettings, host: ServiceHost): DecideService {
  const ranges = new Map(
    addressKinds.map((kind) => {
      const trie = new Trie<true>();
      for (const range of fields[kind].of(settings)) trie.set(range, true);
      return [kind, trie] as const;
    }),
  );
  return (service, slices) => {
    if (service.type === 'ExternalName') return [];
    const endpoints = new Map<IpVersion, readonly ServiceEndpoint[]>();
    const all = [...slices];
    for (const version of [4, 6] as const)
      endpoints.set(
        version,
        all.filter(({ family }) => family === version).flatMap((slice) => slice.endpoints),
      );
    return addressKinds.flatMap((kind) =>
      [...new Set(addressesOf[kind](service))].map((address) => {
        const range = ranges.get(kind)?.longestMatch(hostPrefix(address))?.[0];
        const verdict = verdictOf(kind, range, {
          settings,
          host,
          policy: service.externalTrafficPolicy,
          endpoints: endpoints.get(versionOf(address)) ?? [],
          version: versionOf(address),
        });
        return { kind, address, ...verdict };
      }),
    );
  };
}

type Verdict = Pick<AddressDecision, 'advertised' | 'reason'>;
const yes = (reason: string): Verdict => ({ advertised: true, reason });
const no = (reason: string): Verdict => ({ advertised: false, reason });

interface Case {
  readonly settings: ServiceSettings;
  readonly host: ServiceHost;
  readonly policy: Service['externalTrafficPolicy'];
  /** Of the address's family, on all nodes. */
  readonly endpoints: readonly ServiceEndpoint[];
  readonly version: IpVersion;
}

function verdictOf(kind: ServiceAddressKind, range: Prefix | undefined, at: Case): Verdict {
  const { settings, host, policy } = at;
  const { name } = fields[kind];
  if (range === undefined) return no(`it lies in no prefix of ${name}`);
  if (host.isExcluded) return no(excluded);
  if (policy === 'Local') return localVerdict(at);
  if (isSingle(range)) return yes(`${name} names this address, so every node announces it`);
  const why = notWhole(settings, range);
  if (why === undefined)
    return no(`it goes out as part of ${formatPrefix(range)}, which every node announces`);
  return at.endpoints.some((endpoint) => isReady(endpoint) || isServing(endpoint))
    ? yes(`${why}, and the service has an endpoint`)
    : no(`the service has no ready IPv${at.version} endpoint`);
}

const isReady = ({ ready, terminating }: ServiceEndpoint): boolean => ready && !terminating;
/** Being stopped, and still answering. */
const isServing = ({ serving, terminating }: ServiceEndpoint): boolean => terminating && serving;

function localVerdict({ host, endpoints, version }: Case): Verdict {
  const local = endpoints.filter(({ nodeName }) => nodeName === host.name);
  const ready = local.filter(isReady).length;
  if (ready > 0) return yes(`externalTrafficPolicy is Local and ${count(ready, version)} ready here`);
  if (!local.some(isServing))
    return no(`externalTrafficPolicy is Local and no IPv${version} endpoint is ready here`);
  if (host.unschedulable)
    return no(
      'externalTrafficPolicy is Local, its endpoints here are being stopped, and this node is cordoned',
    );
  if (endpoints.some(isReady))
    return no(
      'externalTrafficPolicy is Local, its endpoints here are being stopped, and others are ready elsewhere',
    );
  return yes(
    'externalTrafficPolicy is Local, its endpoints here are being stopped, but none is ready elsewhere',
  );
}

const count = (endpoints: number, version: IpVersion): string =>
  endpoints === 1 ? `1 IPv${version} endpoint is` : `${endpoints} IPv${version} endpoints are`;

/** What is to be originated, each prefix once, in order. */
export function serviceOrigins(
  ranges: Iterable<RangeDecision>,
  addresses: Iterable<AddressDecision>,
): readonly Prefix[] {
  const origins = new Set<Prefix>();
  for (const { advertised, range } of ranges) if (advertised) origins.add(range);
  for (const { advertised, address } of addresses) if (advertised) origins.add(hostPrefix(address));
  return [...origins].sort(comparePrefixes);
}
