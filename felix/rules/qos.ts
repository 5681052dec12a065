/**
 * What annotations qos.projectcalico.org limit in the ruleset: packets a second, connections, and the DSCP of what leaves the
 * cluster. Bandwidth is the interface's own matter (`dataplane/bandwidth.ts`).
 *
 *   forward 0, input 0  limit-from, limit-to-host  by the interface a packet comes from: the pod's chain
 *   forward 1           limit-to                   by the interface it goes to
 *   postrouting -150    mark-egress                DSCP of what leaves the pools
 *
 * Only new connections are counted, so one that is there is never cut; the count is the kernel's, of the connections it
 * follows. After a chain was rewritten it begins anew with the connections that are made from then on.
 */
import { type Address, type IpVersion, versionOf } from '../../src/lib/net.ts';
import { type Addition, addressSets, familyName, versions } from './addition.ts';
import type { Chain, Element, Match, Rule, SetDecl } from './model.ts';
import { outside } from './nat.ts';
import { endpointChainName } from './stage.ts';

export interface TrafficLimit {
  readonly packetRate?: { readonly perSecond: number; readonly burst: number };
  readonly maxConnections?: number;
}

export interface PodLimits {
  readonly interface: string;
  /** Who it is, for comments. */
  readonly label: string;
  readonly addresses: readonly Address[];
  /** To the pod. */
  readonly ingress?: TrafficLimit;
  /** From the pod. */
  readonly egress?: TrafficLimit;
  /** 0..63. */
  readonly dscp?: number;
}

const maps: Readonly<Record<'from' | 'to', SetDecl>> = {
  from: { name: 'limit-from', kind: 'dispatch', comment: 'pods whose sending is limited' },
  to: { name: 'limit-to', kind: 'dispatch', comment: 'pods to which sending is limited' },
};

/** @param hosts  the set of the nodes' addresses is there: those are no outside */
export function podLimits(pods: readonly PodLimits[], hosts: boolean): Addition {
  const from = pods.flatMap((pod) => limitChain('from', pod, pod.egress));
  const to = pods.flatMap((pod) => limitChain('to', pod, pod.ingress));
  const marked = pods.filter(({ dscp }) => dscp !== undefined);
  return {
    chains: [
      ...from.map(({ chain }) => chain),
      ...to.map(({ chain }) => chain),
      ...(from.length === 0
        ? []
        : [
            entry('limit-from-pods', 'from', { hook: 'forward', priority: 0 }),
            entry('limit-to-host', 'from', { hook: 'input', priority: 0 }),
          ]),
      ...(to.length === 0 ? [] : [entry('limit-to-pods', 'to', { hook: 'forward', priority: 1 })]),
      ...(marked.length === 0 ? [] : [markChain(marked, hosts)]),
    ],
    sets: [
      ...(from.length === 0 ? [] : [{ decl: maps.from, elements: from.map(({ element }) => element) }]),
      ...(to.length === 0 ? [] : [{ decl: maps.to, elements: to.map(({ element }) => element) }]),
      ...dscpsOf(marked).flatMap((dscp) =>
        addressSets(
          dscpSet(dscp),
          `pods whose packets get DSCP ${dscp}`,
          marked.filter((pod) => pod.dscp === dscp).flatMap(({ addresses }) => addresses),
        ),
      ),
    ],
  };
}

const entry = (name: string, way: 'from' | 'to', base: NonNullable<Chain['base']>): Chain => ({
  ...{ name, base },
  rules: [
    { matches: [], verdict: { kind: 'dispatch', way: way === 'from' ? 'in' : 'out', map: maps[way].name } },
  ],
});

/** Limits first, so that what is too much costs no more. */
function limitChain(
  way: 'from' | 'to',
  { interface: name, label }: PodLimits,
  limit: TrafficLimit | undefined,
): readonly { readonly chain: Chain; readonly element: Element }[] {
  const { packetRate, maxConnections } = limit ?? {};
  const direction = way === 'from' ? 'Egress' : 'Ingress';
  const chain = `limit-${endpointChainName({ kind: 'workload', direction, stage: 'normal', interface: name })}`;
  const rules: readonly Rule[] = [
    ...(packetRate === undefined
      ? []
      : [
          {
            matches: [{ kind: 'limit', ...packetRate, over: true }],
            verdict: { kind: 'drop' },
            counted: true,
            comment: `${label}: ${packetRate.perSecond} packets a second`,
          } satisfies Rule,
        ]),
    ...(maxConnections === undefined
      ? []
      : [
          {
            matches: [
              { kind: 'ctState', states: ['new'] },
              { kind: 'connectionsOver', count: maxConnections },
            ],
            verdict: { kind: 'reject' },
            counted: true,
            comment: `${label}: ${maxConnections} connections`,
          } satisfies Rule,
        ]),
  ];
  if (rules.length === 0) return [];
  return [{ chain: { name: chain, rules }, element: { kind: 'dispatch', interface: name, chain } }];
}

const dscpsOf = (marked: readonly PodLimits[]): readonly number[] =>
  [...new Set(marked.flatMap(({ dscp }) => dscp ?? []))].sort((a, b) => a - b);

const dscpSet = (dscp: number): string => `dscp-${dscp}`;

function markChain(marked: readonly PodLimits[], hosts: boolean): Chain {
  const rule = (dscp: number, version: IpVersion): Rule => {
    const from: Match = {
      kind: 'addressSet',
      side: 'source',
      version,
      set: familyName(dscpSet(dscp), version),
    };
    return {
      matches: [from, ...outside(version, hosts)],
      statements: [{ kind: 'dscp', value: dscp }],
      comment: `DSCP ${dscp} of what leaves the cluster`,
    };
  };
  return {
    name: 'mark-egress',
    base: { hook: 'postrouting', priority: -150 },
    rules: dscpsOf(marked).flatMap((dscp) =>
      versions
        .filter((version) =>
          marked.some(
            (pod) => pod.dscp === dscp && pod.addresses.some((address) => versionOf(address) === version),
          ),
        )
        .map((version) => rule(dscp, version)),
    ),
  };
}
