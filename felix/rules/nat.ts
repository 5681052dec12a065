/**
 * natOutgoing: pods of some pools reach what is outside all pools with an address of their node.
 *
 *   nat postrouting 110  nat-outgoing  source in nat-pools, destination in no pool → masquerade
 *
 * After kube-proxy (100), which decides first for its own: a connection is translated once. Where natOutgoingExclusions has
 * IPPoolsAndHostIPs, the addresses of all nodes are no outside either.
 */
import { type Address, type IpVersion, type Prefix, versionOf } from '../../src/lib/net.ts';
import type { PortRange } from '../../src/model/policy.ts';
import { type Addition, addressSets, familyName, prefixSets, versions } from './addition.ts';
import type { Chain, Match, Rule, Verdict } from './model.ts';

export interface NatPlan {
  readonly pools: readonly { readonly cidr: Prefix; readonly natOutgoing: boolean }[];
  /** Own addresses of all nodes; absent: they are outside like any other. */
  readonly hosts?: readonly Address[];
  /** Of its own family; absent: that of the interface a packet leaves by. */
  readonly address?: Address;
  readonly ports?: PortRange;
  /** Only what leaves by it; "eth+" for every name that begins so. */
  readonly outInterface?: string;
}

/** The sets of pools and nodes that other chains ask too. */
const allPools = 'all-pools';
const hostAddresses = 'node-addresses';
const natPools = 'nat-pools';
const tcp = 6;
const udp = 17;
const sctp = 132;

/** Nothing where no pool asks for it. */
export function natOutgoing(plan: NatPlan): Addition {
  const asking = plan.pools.filter((pool) => pool.natOutgoing).map(({ cidr }) => cidr);
  if (asking.length === 0) return { chains: [], sets: [] };
  return {
    chains: [
      chain(
        plan,
        versions.filter((version) => asking.some((cidr) => versionOf(cidr) === version)),
      ),
    ],
    sets: prefixSets(natPools, 'pools with natOutgoing', asking),
  };
}

/** What several additions share: declared where one of them is. */
export const poolSets = ({ pools, hosts }: Pick<NatPlan, 'pools' | 'hosts'>): Addition => ({
  chains: [],
  sets: [
    ...prefixSets(
      allPools,
      'all pools',
      pools.map(({ cidr }) => cidr),
    ),
    ...(hosts === undefined ? [] : addressSets(hostAddresses, 'own addresses of all nodes', hosts)),
  ],
});

const chain = (plan: NatPlan, families: readonly IpVersion[]): Chain => ({
  name: 'nat-outgoing',
  base: { hook: 'postrouting', priority: 110, type: 'nat' },
  rules: families.flatMap((version) => rulesOf(plan, version)),
});

export const outside = (version: IpVersion, hosts: boolean): readonly Match[] =>
  [allPools, ...(hosts ? [hostAddresses] : [])].map(
    (set): Match => ({
      kind: 'addressSet',
      side: 'destination',
      version,
      set: familyName(set, version),
      not: true,
    }),
  );

function rulesOf({ hosts, address, ports, outInterface }: NatPlan, version: IpVersion): readonly Rule[] {
  const matches: readonly Match[] = [
    { kind: 'addressSet', side: 'source', version, set: familyName(natPools, version) },
    ...outside(version, hosts !== undefined),
    ...(outInterface === undefined
      ? []
      : [{ kind: 'interface', way: 'out', name: outInterface.replace(/\+$/, '*') } satisfies Match]),
  ];
  const own = address !== undefined && versionOf(address) === version ? address : undefined;
  const verdict = (range?: PortRange): Verdict => ({
    ...(own === undefined ? { kind: 'masquerade' } : { kind: 'snat', to: own }),
    ...(range === undefined ? {} : { ports: range }),
  });
  const comment = 'natOutgoing';
  if (ports === undefined) return [{ matches, verdict: verdict(), counted: true, comment }];
  return [
    ...[tcp, udp, sctp].map(
      (protocol): Rule => ({
        matches: [...matches, { kind: 'protocol', protocol }],
        verdict: verdict(ports),
        counted: true,
        comment,
      }),
    ),
    { matches, verdict: verdict(), counted: true, comment },
  ];
}
