/**
 * The part of the table that does not depend on policies: base chains, and the maps that find an endpoint's chains.
 *
 *   prerouting -300  check-source      a pod sends only from addresses that are routed back to it
 *   forward       0  from-pods         egress policy of the pod a packet comes from
 *   forward       1  to-pods           ingress policy of the pod it goes to
 *   input         0  pods-to-host      egress policy again, for what a pod sends to its own host
 *
 * Interfaces that are no pod's leave each of them by one of its first rules: to the chains of host endpoints (`host.ts`) where there
 * are any, or out of the base chain.
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
 * also meets interfaces no map knows.
 *
 * The host may always reach its own pods (kubelet's probes).
 */
import { type Prefix, parsePrefix } from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import { dropped, droppedChains, invalid } from './dropped.ts';
import { type HostUse, hostChains, hostMaps, hostStageChain, noHosts } from './host.ts';
import type { Chain, Rule, SetDecl, Verdict } from './model.ts';
import { defaultRulesSettings, type RulesSettings } from './settings.ts';
import { inPrefix } from './span.ts';
import { opensSpeaker, speakerDoors, speakerPolicyName, toSpeaker } from './speaker.ts';
import { endpointMap } from './stage.ts';
import { established, foreignEndpoints, neighbourDiscovery, notWorkload } from './traffic.ts';

const fromEndpoint: SetDecl = endpointMap({ kind: 'workload', direction: 'Egress', stage: 'normal' });
const toEndpoint: SetDecl = endpointMap({ kind: 'workload', direction: 'Ingress', stage: 'normal' });

export interface StaticRuleset {
  readonly chains: readonly Chain[];
  readonly sets: readonly SetDecl[];
}

/** @param hosts  what of host endpoints is in use: the chains and maps for it are there, and no others */
export function staticRuleset(
  settings: RulesSettings = defaultRulesSettings,
  hosts: HostUse = noHosts,
): StaticRuleset {
  const chains = [
    ...(settings.reversePath || hosts.stages.includes('untracked') ? [checkSource(settings, hosts)] : []),
    ...(settings.reversePath ? [straySource(settings)] : []),
    ...(settings.reversePath && settings.sourceSpoofing ? [allowedSources([])] : []),
    fromPods(settings, hosts),
    toPods(settings, hosts),
    podsToHost(settings, hosts),
    ...(opensSpeaker(settings)
      ? [speakerDoors([]), { name: speakerPolicyName, rules: dispatch(settings, 'in', fromEndpoint) }]
      : []),
    ...hostChains(settings, hosts),
  ];
  return {
    chains: [...chains, ...droppedChains(chains, settings)],
    sets: [fromEndpoint, toEndpoint, foreignEndpoints, ...hostMaps(hosts)],
  };
}

const accept: Verdict = { kind: 'accept' };
const linkLocal = parsePrefix('fe80::/10');
const unspecified = parsePrefix('::/128');
assert(linkLocal !== undefined && unspecified !== undefined, 'constant prefixes must parse');
const ipip = 4;
const udp = 17;

/** Not a pod's: on to the chain of host endpoints of that stage, which ends with accept, or out. */
function notPods(settings: RulesSettings, way: 'in' | 'out', hostChain: string | undefined): Rule {
  return {
    matches: notWorkload(settings, way),
    verdict: hostChain === undefined ? accept : { kind: 'jump', chain: hostChain },
    comment: way === 'in' ? 'not from a pod' : 'not to a pod',
  };
}

const dispatch = (settings: RulesSettings, way: 'in' | 'out', map: SetDecl): readonly Rule[] => [
  { matches: [], verdict: { kind: 'dispatch', way, map: map.name } },
  ...dropped(way === 'in' ? 'unknownFrom' : 'unknownTo', settings),
];

/** A pod's packet must not pass for one of the tunnels between nodes. */
const noTunnels = (settings: RulesSettings): readonly Rule[] => [
  ...(settings.denyVxlanPort === undefined
    ? []
    : dropped('vxlan', settings, [
        {
          kind: 'ports',
          side: 'destination',
          protocol: udp,
          ranges: [{ first: settings.denyVxlanPort, last: settings.denyVxlanPort }],
        },
      ])),
  ...(settings.denyIpip ? dropped('ipip', settings, [{ kind: 'protocol', protocol: ipip }]) : []),
];

/**
 * -300, "raw": before connection tracking, so what is dropped costs it nothing, and no pod's packet touches another's connection.
 *
 * Whether a packet is a pod's is asked of strays alone: the name of an interface costs a third of what its route does, and almost
 * every packet has one.
 */
const checkSource = (settings: RulesSettings, hosts: HostUse): Chain => ({
  name: 'check-source',
  base: { hook: 'prerouting', priority: -300 },
  rules: [
    ...untracked(settings, hosts),
    ...(settings.reversePath
      ? [
          {
            matches: [{ kind: 'noReturnPath' }],
            verdict: { kind: 'jump', chain: straySourceName },
          } satisfies Rule,
        ]
      : []),
  ],
});

/** Where host endpoints have untracked policy it is asked of all that is no pod's, and no source is: they leave here. */
const untracked = (settings: RulesSettings, hosts: HostUse): readonly Rule[] => {
  const chain = hostStageChain(hosts, 'untracked', 'Ingress');
  return chain === undefined ? [] : [notPods(settings, 'in', chain)];
};

const straySourceName = 'stray-source';

/** What is not routed back. Every packet asks whether it is, so what excuses it is asked of these alone. */
const straySource = (settings: RulesSettings): Chain => ({
  name: straySourceName,
  rules: [
    notPods(settings, 'in', undefined),
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
    ...(settings.sourceSpoofing
      ? [{ matches: [], verdict: { kind: 'jump', chain: allowedSourcesName } } satisfies Rule]
      : []),
    ...dropped('reversePath', settings),
  ],
});

const allowedSourcesName = 'allowed-sources';

/** What pods may send from beside their own addresses, where the configuration allows that: replaces the empty chain of that name. */
export const allowedSources = (
  rows: readonly { readonly interface: string; readonly prefix: Prefix }[],
): Chain => ({
  name: allowedSourcesName,
  rules: rows.map(
    ({ interface: name, prefix }): Rule => ({
      matches: [{ kind: 'interface', way: 'in', name }, inPrefix(prefix, 'source')],
      verdict: accept,
      comment: 'allowedSourcePrefixes',
    }),
  ),
});

const fromPods = (settings: RulesSettings, hosts: HostUse): Chain => ({
  name: 'from-pods',
  base: { hook: 'forward', priority: 0 },
  rules: [
    established, // so most packets ask nothing else; a host endpoint's chain of this place begins with it too
    notPods(settings, 'in', hostStageChain(hosts, 'forward', 'Ingress')),
    ...invalid(settings, 'Egress'),
    ...noTunnels(settings),
    ...dispatch(settings, 'in', fromEndpoint),
  ],
});

const toPods = (settings: RulesSettings, hosts: HostUse): Chain => ({
  name: 'to-pods',
  base: { hook: 'forward', priority: 1 },
  rules: [
    established,
    notPods(settings, 'out', hostStageChain(hosts, 'forward', 'Egress')),
    ...invalid(settings, 'Ingress'),
    ...dispatch(settings, 'out', toEndpoint),
  ],
});

/** Where the host is closed to its pods whatever policy says, policy need not be asked. */
const podsToHost = (settings: RulesSettings, hosts: HostUse): Chain => ({
  name: 'pods-to-host',
  base: { hook: 'input', priority: 0 },
  rules: [
    established, // as a host endpoint's chain begins
    notPods(settings, 'in', hostStageChain(hosts, 'normal', 'Ingress')),
    { matches: [neighbourDiscovery], verdict: accept, comment: 'IPv6 neighbour discovery' },
    ...invalid(settings, 'Egress'),
    ...(opensSpeaker(settings) ? [toSpeaker(settings.speakerPort)] : []),
    ...(settings.endpointToHost === 'Drop'
      ? dropped('hostClosed', settings)
      : [...noTunnels(settings), ...dispatch(settings, 'in', fromEndpoint)]),
  ],
});
