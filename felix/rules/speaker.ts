/**
 * The way from pods to the BGP speaker of their own node, where the host is closed to its pods: those that are its neighbours
 * (BGPPeer.localWorkloadSelector) reach its port, from their own address and at the address they are to dial, if their egress
 * policy lets them.
 *
 *   pods-to-host     what comes for the speaker's port ─► pods-to-speaker, before the drop
 *   pods-to-speaker  a rule for each pod and address   ─► speaker-policy
 *   speaker-policy   the egress policy of the pod
 */
import { type Address, hostPrefix } from '../../src/lib/net.ts';
import type { Addition } from './addition.ts';
import type { Chain, Rule } from './model.ts';
import type { RulesSettings } from './settings.ts';
import { inPrefix } from './span.ts';

/** A pod's address, and the speaker's that it dials, of one version. */
export interface SpeakerDoor {
  readonly interface: string;
  readonly from: Address;
  readonly to: Address;
}

const toSpeakerName = 'pods-to-speaker';
export const speakerPolicyName = 'speaker-policy';
const tcp = 6;

/** Otherwise policy alone says whether a pod reaches it. */
export const opensSpeaker = (
  settings: RulesSettings,
): settings is RulesSettings & { readonly speakerPort: number } =>
  settings.endpointToHost === 'Drop' && settings.speakerPort !== undefined;

/** What stands before the drop in the frame. @param port  the speaker's */
export const toSpeaker = (port: number): Rule => ({
  matches: [{ kind: 'ports', side: 'destination', protocol: tcp, ranges: [{ first: port, last: port }] }],
  verdict: { kind: 'jump', chain: toSpeakerName },
  comment: 'BGP from pods that are neighbours',
});

/** Replaces the empty chain of that name. */
export const speakerDoors = (doors: readonly SpeakerDoor[]): Chain => ({
  name: toSpeakerName,
  rules: doors.map(
    ({ interface: name, from, to }): Rule => ({
      matches: [
        { kind: 'interface', way: 'in', name },
        inPrefix(hostPrefix(from), 'source'),
        inPrefix(hostPrefix(to), 'destination'),
      ],
      verdict: { kind: 'jump', chain: speakerPolicyName },
    }),
  ),
});

export const speakerAddition = (doors: readonly SpeakerDoor[]): Addition => ({
  chains: [speakerDoors(doors)],
  sets: [],
});
