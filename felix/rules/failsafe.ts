/**
 * Ports of the host that no policy closes, so that nobody locks himself out of a node or cuts it off from its cluster.
 *
 * Before connection tracking a reply is not known as one, so there the source ports of the other way pass too.
 */
import type { Direction } from '../../src/model/policy.ts';
import type { Chain, Match, Rule, Side } from './model.ts';
import { protocolText } from './model.ts';
import type { FailsafePort, RulesSettings } from './settings.ts';
import { inPrefix, mergedPorts } from './span.ts';
import type { EndpointPlace } from './stage.ts';

const chainNames = {
  tracked: { Ingress: 'failsafe-in', Egress: 'failsafe-out' },
  untracked: { Ingress: 'failsafe-in-untracked', Egress: 'failsafe-out-untracked' },
} as const;

export const failsafeNames: readonly string[] = Object.values(chainNames).flatMap((pair) =>
  Object.values(pair),
);
export const isFailsafe = (chain: string): boolean => failsafeNames.includes(chain);

/** Undefined: what is forwarded has none. */
export function failsafeChainName({
  stage,
  direction,
}: Pick<EndpointPlace, 'stage' | 'direction'>): string | undefined {
  if (stage === 'forward') return undefined;
  return chainNames[stage === 'untracked' ? 'untracked' : 'tracked'][direction];
}

/** @param isTracked  which of the two pairs */
export function failsafeChains(settings: RulesSettings, isTracked: boolean): readonly Chain[] {
  const names = chainNames[isTracked ? 'tracked' : 'untracked'];
  const ports: Readonly<Record<Direction, readonly FailsafePort[]>> = {
    Ingress: settings.failsafeInbound,
    Egress: settings.failsafeOutbound,
  };
  return (['Ingress', 'Egress'] as const).map((direction) => {
    const far: Side = direction === 'Ingress' ? 'source' : 'destination';
    const replies = isTracked ? [] : ports[direction === 'Ingress' ? 'Egress' : 'Ingress'];
    return {
      name: names[direction],
      rules: [
        ...rulesFor(ports[direction], 'destination', far, 'failsafe'),
        ...rulesFor(replies, 'source', far, 'failsafe, replies'),
      ],
    };
  });
}

/** One rule for all ports of a protocol that share where they hold. */
function rulesFor(ports: readonly FailsafePort[], side: Side, far: Side, comment: string): readonly Rule[] {
  const groups = Map.groupBy(ports, ({ protocol, net }) => `${protocol} ${net ?? ''}`);
  return [...groups.values()].flatMap((group): readonly Rule[] => {
    const [first] = group;
    if (first === undefined) return [];
    const { protocol, net } = first;
    const ranges = mergedPorts(group.map(({ port }) => ({ first: port, last: port })));
    const matches: readonly Match[] = [
      ...(net === undefined ? [] : [inPrefix(net, far)]),
      { kind: 'ports', side, protocol, ranges },
    ];
    return [
      {
        matches,
        verdict: { kind: 'accept' },
        counted: true,
        comment: `${comment}: ${protocolText(protocol)}`,
      },
    ];
  });
}
