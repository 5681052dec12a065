/**
 * What is dropped whatever policies say: a source that is not the pod's, an interface nobody knows, and the like. It is counted and
 * reported as a denial of a policy is, with a tag of its own for each reason and direction.
 *
 * What a match has to find is reported in a chain of its own, so that the match is paid for once.
 */
import type { DropReason } from '../../src/model/flow.ts';
import type { Direction } from '../../src/model/policy.ts';
import { limited } from './action.ts';
import type { Chain, Match, Rule } from './model.ts';
import type { RulesSettings } from './settings.ts';
import { type TagMeaning, tagOf } from './tag.ts';

const comments: Readonly<Record<DropReason, string>> = {
  reversePath: 'reverse path: a source this pod does not have',
  unknownInterface: 'unknown workload interface',
  invalid: 'invalid',
  vxlan: "VXLAN from a pod could pass for a node's",
  ipip: "IP in IP from a pod could pass for a node's",
  hostClosed: 'defaultEndpointToHostAction: Drop',
  serviceLoop: 'no Service has this address: it would run in circles',
  unknownPod: 'is not known yet',
  refused: 'refused',
};

/** `chain`: has what is dropped once a match has found it; absent: no match has to. */
interface Dropping {
  readonly reason: DropReason;
  readonly direction: Direction;
  readonly chain?: string;
}

const droppings = {
  reversePath: { reason: 'reversePath', direction: 'Egress' },
  unknownFrom: { reason: 'unknownInterface', direction: 'Egress' },
  unknownTo: { reason: 'unknownInterface', direction: 'Ingress' },
  invalidFrom: { reason: 'invalid', direction: 'Egress', chain: 'dropped-invalid-from' },
  invalidTo: { reason: 'invalid', direction: 'Ingress', chain: 'dropped-invalid-to' },
  vxlan: { reason: 'vxlan', direction: 'Egress', chain: 'dropped-vxlan' },
  ipip: { reason: 'ipip', direction: 'Egress', chain: 'dropped-ipip' },
  hostClosed: { reason: 'hostClosed', direction: 'Egress' },
  serviceLoop: { reason: 'serviceLoop', direction: 'Ingress' },
  unknownPodFrom: { reason: 'unknownPod', direction: 'Egress' },
  unknownPodTo: { reason: 'unknownPod', direction: 'Ingress' },
  refusedFrom: { reason: 'refused', direction: 'Egress' },
  refusedTo: { reason: 'refused', direction: 'Ingress' },
} as const satisfies Readonly<Record<string, Dropping>>;

const all: readonly Dropping[] = Object.values(droppings);

const meaningOf = ({ reason, direction }: Dropping): TagMeaning =>
  tagOf({ direction, action: 'Deny', dropped: reason }, [reason]);

const meanings = new Map(all.map(meaningOf).map((meaning) => [meaning.tag, meaning]));

/** Undefined: it is a policy's, or nobody's. */
export const droppedByTag = (tag: string): TagMeaning | undefined => meanings.get(tag);

/** @param matches  none: whatever comes here */
export function dropped(
  which: keyof typeof droppings,
  settings: RulesSettings,
  matches: readonly Match[] = [],
): readonly Rule[] {
  const dropping: Dropping = droppings[which];
  return settings.denied === undefined || dropping.chain === undefined
    ? rulesOf(dropping, settings.denied, matches)
    : [{ matches, verdict: { kind: 'jump', chain: dropping.chain } }];
}

/** Of those that these chains jump to. */
export function droppedChains(chains: readonly Chain[], settings: RulesSettings): readonly Chain[] {
  const asked = new Set(
    chains.flatMap(({ rules }) =>
      rules.flatMap(({ verdict }) => (verdict?.kind === 'jump' ? [verdict.chain] : [])),
    ),
  );
  return all.flatMap((dropping) =>
    dropping.chain === undefined || !asked.has(dropping.chain)
      ? []
      : [{ name: dropping.chain, rules: rulesOf(dropping, settings.denied, []) }],
  );
}

/** The end of a chain: whatever comes there. @param how  where it is not dropped, or another comment says more */
export const ended = (
  which: keyof typeof droppings,
  denied: RulesSettings['denied'],
  how: Pick<Rule, 'verdict' | 'comment'> = {},
): readonly Rule[] => rulesOf(droppings[which], denied, [], how);

function rulesOf(
  dropping: Dropping,
  denied: RulesSettings['denied'],
  matches: readonly Match[],
  how: Pick<Rule, 'verdict' | 'comment'> = {},
): readonly Rule[] {
  const drop: Rule = {
    ...{ matches, verdict: { kind: 'drop' }, counted: true, comment: comments[dropping.reason] },
    ...how,
  };
  if (denied === undefined) return [drop];
  const { tag } = meaningOf(dropping);
  const report: Rule = {
    matches: [...matches, limited(denied.rate)],
    statements: [{ kind: 'nflog', group: denied.group, prefix: tag }],
    ...(how.comment === undefined ? {} : { comment: how.comment }),
  };
  return [report, drop];
}

/** @param way  in which a packet is judged where it is asked */
export const invalid = (settings: RulesSettings, way: Direction): readonly Rule[] =>
  settings.dropInvalid
    ? dropped(way === 'Egress' ? 'invalidFrom' : 'invalidTo', settings, [
        { kind: 'ctState', states: ['invalid'] },
      ])
    : [];
