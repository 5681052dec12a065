/**
 * The part of the table that is always there: four base chains and the two maps that find an endpoint's chains.
 *
 *   prerouting -300  check-source   a pod sends only from addresses that are routed back to it
 *   forward       0  from-pods      egress policy of the pod a packet comes from
 *   forward       1  to-pods        ingress policy of the pod it goes to
 *   input         0  pods-to-host   egress policy again, for what a pod sends to its own host
 *
 * Two base chains on forward, because an `accept` ends only the base chain it is in. So a policy rule simply
 * accepts, and a packet between two pods of one node must still be accepted by the other end's policy. The usual
 * way, a mark bit that each policy sets and each caller tests, needs bits nobody else uses, a rule to clear
 * them, and a test after each jump; this needs nothing. `accept` here is never the last word: tables of others
 * are asked after us.
 *
 * Interfaces of pods that another plugin made have names of its choosing: a set says which they are.
 *
 * Fail closed: endpoints are reached by `jump`, so one whose chain says nothing falls through to the drop that
 * also meets interfaces no map knows. Traffic that is not a pod's leaves each base chain by its first rule.
 *
 * The host may always reach its own pods (kubelet's probes): nothing is hooked to output. A pod may reach its own
 * host if its egress policy lets it: Calico's defaultEndpointToHostAction, which its Kubernetes manifests set to ACCEPT.
 */
import { parsePrefix } from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import { workloadPrefix } from '../../src/model/endpoint.ts';
import type { Chain, Match, Rule, SetDecl, Verdict } from './model.ts';

export const fromEndpoint: SetDecl = {
  name: 'from-endpoint',
  kind: 'dispatch',
  comment: 'the chain that judges what comes from each local pod',
};
export const toEndpoint: SetDecl = {
  name: 'to-endpoint',
  kind: 'dispatch',
  comment: 'the chain that judges what goes to each local pod',
};

/** Policy is ours there, the interface is not: those that do not start with the workload prefix. */
export const foreignEndpoints: SetDecl = {
  name: 'foreign-endpoints',
  kind: 'interface',
  comment: 'interfaces of local pods that another CNI plugin made',
};

const accept: Verdict = { kind: 'accept' };
const drop: Verdict = { kind: 'drop' };
const linkLocal = parsePrefix('fe80::/10');
const unspecified = parsePrefix('::/128');
assert(linkLocal !== undefined && unspecified !== undefined, 'constant prefixes must parse');

/**
 * ICMPv6 types a pod's IPv6 cannot live without: multicast listener query, report and done, router solicitation,
 * neighbour solicitation and advertisement (RFC 2710, RFC 4861). Allowed to the host whatever policy says.
 */
const neighbourDiscovery: Match = { kind: 'icmp6', types: [130, 131, 132, 133, 135, 136] };

const notWorkload = (way: 'in' | 'out'): Rule => ({
  matches: [
    { kind: 'interface', way, name: `${workloadPrefix}*`, not: true },
    { kind: 'interfaceNotIn', way, set: foreignEndpoints.name },
  ],
  verdict: accept,
  comment: way === 'in' ? 'not from a pod' : 'not to a pod',
});

/** What was allowed once stays allowed until it ends, whatever policy changes to; and most packets go no further. */
const established: Rule = {
  matches: [{ kind: 'ctState', states: ['established', 'related'] }],
  verdict: accept,
};
const invalid: Rule = { matches: [{ kind: 'ctState', states: ['invalid'] }], verdict: drop };

const dispatch = (way: 'in' | 'out', map: SetDecl): readonly Rule[] => [
  { matches: [], verdict: { kind: 'dispatch', way, map: map.name } },
  { matches: [], verdict: drop, comment: 'unknown workload interface' },
];

/** -300, "raw": before connection tracking, so what is dropped costs it nothing. */
const checkSource: Chain = {
  name: 'check-source',
  base: { hook: 'prerouting', priority: -300 },
  rules: [
    notWorkload('in'),
    // Link-local sources are never forwarded (RFC 4291 §2.5.6), and what they send to the host meets policy there.
    {
      matches: [{ kind: 'prefix', side: 'source', prefix: linkLocal }],
      verdict: accept,
      comment: 'link-local',
    },
    {
      matches: [{ kind: 'prefix', side: 'source', prefix: unspecified }, neighbourDiscovery],
      verdict: accept,
      comment: 'duplicate address detection (RFC 4862)',
    },
    {
      matches: [{ kind: 'noReturnPath' }],
      verdict: drop,
      comment: 'reverse path: a source this pod does not have',
    },
  ],
};

const fromPods: Chain = {
  name: 'from-pods',
  base: { hook: 'forward', priority: 0 },
  rules: [notWorkload('in'), established, invalid, ...dispatch('in', fromEndpoint)],
};

const toPods: Chain = {
  name: 'to-pods',
  base: { hook: 'forward', priority: 1 },
  rules: [notWorkload('out'), established, invalid, ...dispatch('out', toEndpoint)],
};

const podsToHost: Chain = {
  name: 'pods-to-host',
  base: { hook: 'input', priority: 0 },
  rules: [
    notWorkload('in'),
    { matches: [neighbourDiscovery], verdict: accept, comment: 'IPv6 neighbour discovery' },
    established,
    invalid,
    ...dispatch('in', fromEndpoint),
  ],
};

export const staticChains: readonly Chain[] = [checkSource, fromPods, toPods, podsToHost];
export const staticSets: readonly SetDecl[] = [fromEndpoint, toEndpoint, foreignEndpoints];
