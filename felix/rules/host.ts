/**
 * The chains that find a host endpoint's own, for each stage in use. Where none is in use nothing is hooked, and the host's
 * traffic costs nothing.
 *
 *   prerouting -300  check-source            untracked policy of the interface a packet comes in by
 *   prerouting -150  hosts-pre-dnat          preDNAT policy
 *   input         0  pods-to-host            policy, for what ends here
 *   forward       0  from-pods               policy that applies on forward, of the interface it comes in by
 *   forward       1  to-pods                 and of the one it leaves by
 *   output     -300  hosts-untracked-output  untracked policy of the interface a packet of this host leaves by
 *   output        0  hosts-output            policy, for what begins here
 *   postrouting -150 hosts-translated        the same for what a Service's address was translated of: only now is it known where
 *                                            it goes and by which interface
 *
 * A host endpoint has a chain in each stage, found by interface; the one of all interfaces is asked for those that have none,
 * and never about workloads' interfaces or the loopback. What untracked or preDNAT policy allows carries a mark bit to the later
 * stages, which then do not ask.
 */
import type { Direction } from '../../src/model/policy.ts';
import { invalid } from './dropped.ts';
import { failsafeChains } from './failsafe.ts';
import type { BaseHook, Chain, Match, Rule, SetDecl, Verdict } from './model.ts';
import type { RulesSettings } from './settings.ts';
import { endpointChainName, endpointMap, type HostStage } from './stage.ts';
import { established, foreignEndpoints, hostNeighbourDiscovery, notWorkload } from './traffic.ts';

/** What of host endpoints this node has. */
export interface HostUse {
  /** Those in which some host endpoint has a chain; if there is any host endpoint, 'normal' and 'forward' are among them. */
  readonly stages: readonly HostStage[];
  /** One is of all interfaces ('*'), and has a chain in each of the stages. */
  readonly wildcard: boolean;
}

export const noHosts: HostUse = { stages: [], wildcard: false };

const stages: readonly HostStage[] = ['untracked', 'preDnat', 'normal', 'forward'];

/** preDNAT is of ingress alone. */
export const stageDirections = (stage: HostStage): readonly Direction[] =>
  stage === 'preDnat' ? ['Ingress'] : ['Ingress', 'Egress'];

const accept: Verdict = { kind: 'accept' };

/** The chain in which host endpoints of that stage are looked for; undefined: none has anything to say there. */
export const hostStageChain = (
  { stages: used }: HostUse,
  stage: HostStage,
  direction: Direction,
): string | undefined => (used.includes(stage) ? chainNames[stage][direction] : undefined);

const chainNames: Readonly<Record<HostStage, Readonly<Record<Direction, string>>>> = {
  untracked: { Ingress: 'hosts-untracked-in', Egress: 'hosts-untracked-out' },
  preDnat: { Ingress: 'hosts-pre-dnat-in', Egress: 'hosts-pre-dnat-out' },
  normal: { Ingress: 'hosts-in', Egress: 'hosts-out' },
  forward: { Ingress: 'hosts-forward-in', Egress: 'hosts-forward-out' },
};

export const hostMaps = ({ stages: used }: HostUse): readonly SetDecl[] =>
  stages
    .filter((stage) => used.includes(stage))
    .flatMap((stage) =>
      stageDirections(stage).map((direction) => endpointMap({ kind: 'host', stage, direction })),
    );

export function hostChains(settings: RulesSettings, hosts: HostUse): readonly Chain[] {
  const used = stages.filter((stage) => hosts.stages.includes(stage));
  if (used.length === 0) return [];
  return [
    ...used.flatMap((stage) =>
      stageDirections(stage).map((direction) => stageChain(settings, hosts, stage, direction)),
    ),
    ...used.flatMap((stage) => baseChains[stage]?.(settings) ?? []),
    ...failsafeChains(settings, true),
    ...(used.includes('untracked') ? failsafeChains(settings, false) : []),
  ];
}

const base = (name: string, hook: BaseHook, rules: readonly Rule[]): Chain => ({ name, base: hook, rules });
const jump = (chain: string, matches: readonly Match[] = []): Rule => ({
  matches,
  verdict: { kind: 'jump', chain },
});

/** Base chains beside those of pods, which lead to the others. */
const baseChains: Partial<Record<HostStage, (settings: RulesSettings) => readonly Chain[]>> = {
  untracked: () => [
    base('hosts-untracked-output', { hook: 'output', priority: -300 }, [jump(chainNames.untracked.Egress)]),
  ],
  preDnat: (settings) => [
    base('hosts-pre-dnat', { hook: 'prerouting', priority: -150 }, [
      jump(chainNames.preDnat.Ingress, notWorkload(settings, 'in')),
    ]),
  ],
  normal: () => [
    base('hosts-output', { hook: 'output', priority: 0 }, [
      { matches: [{ kind: 'ctDnat' }], verdict: accept, comment: 'judged once it is known where it goes' },
      jump(chainNames.normal.Egress),
    ]),
    // A source of this host's: what is only forwarded was judged there.
    base('hosts-translated', { hook: 'postrouting', priority: -150 }, [
      jump(chainNames.normal.Egress, [{ kind: 'ctDnat' }, { kind: 'local', side: 'source' }]),
    ]),
  ],
};

/** Ends with accept: what no host endpoint judges goes on. */
function stageChain(settings: RulesSettings, hosts: HostUse, stage: HostStage, direction: Direction): Chain {
  const way = direction === 'Ingress' ? 'in' : 'out';
  const place = { kind: 'host', stage, direction } as const;
  return {
    name: chainNames[stage][direction],
    rules: [
      ...(direction === 'Egress' && stage !== 'forward' ? toWorkloads(settings) : []),
      ...(stage === 'untracked' ? [] : [established]),
      ...(stage === 'normal' || stage === 'forward' ? invalid(settings, direction) : []),
      ...marking(settings, hosts, stage, direction),
      ...(stage === 'forward'
        ? []
        : [{ matches: [hostNeighbourDiscovery], verdict: accept, comment: 'IPv6 neighbour discovery' }]),
      { matches: [], verdict: { kind: 'dispatch', way, map: endpointMap(place).name } },
      ...(hosts.wildcard
        ? [
            {
              matches: [{ kind: 'interface' as const, way: way as 'in' | 'out', name: 'lo' }],
              verdict: accept,
              comment: 'the host to itself',
            },
            jump(endpointChainName({ ...place, interface: '*' })),
          ]
        : []),
      { matches: [], verdict: accept },
    ],
  };
}

/** A host always reaches its own workloads. */
const toWorkloads = ({ workloadPrefixes }: RulesSettings): readonly Rule[] => [
  ...workloadPrefixes.map(
    (prefix): Rule => ({
      matches: [{ kind: 'interface', way: 'out', name: `${prefix}*` }],
      verdict: accept,
      comment: 'to a pod of this host',
    }),
  ),
  {
    matches: [{ kind: 'interfaceSet', way: 'out', set: foreignEndpoints.name }],
    verdict: accept,
    comment: 'to a pod of this host',
  },
];

/** The first stage in use takes the bit off whatever comes with it; later ones let pass what has it. */
function marking(
  { acceptedMark: bit }: RulesSettings,
  { stages: used }: HostUse,
  stage: HostStage,
  direction: Direction,
): readonly Rule[] {
  const marks = stages.filter(
    (each) =>
      (each === 'untracked' || (each === 'preDnat' && direction === 'Ingress')) && used.includes(each),
  );
  if (marks.length === 0) return [];
  const marked: Match = { kind: 'mark', mask: bit, value: bit };
  if (stage === marks[0]) return [{ matches: [marked], statements: [{ kind: 'mark', mask: bit, value: 0 }] }];
  if (stage === 'forward' && direction === 'Egress') return [];
  return [{ matches: [marked], verdict: accept, comment: 'untracked or preDNAT policy allowed it' }];
}
