/**
 * Which of two connections to the same neighbour stays: RFC 4271 §6.8, with RFC 6286 §2.3 for equal identifiers.
 * Pure choice; `peer.ts` acts on it.
 */
import type { Asn, Ipv4 } from '../../src/lib/net.ts';
import type { BgpState } from '../../src/model/status.ts';
import type { Side } from './event.ts';

export interface Speaker {
  readonly asn: Asn;
  readonly id: Ipv4;
}

/** True if we are the dominant side: higher BGP Identifier, or higher AS number among equals. */
export const isDominant = (we: Speaker, they: Speaker): boolean =>
  we.id === they.id ? we.asn > they.asn : we.id > they.id;

/**
 * Decides when a valid OPEN arrives on `newcomer` while the neighbour's other connection is in `other`.
 *
 * An Established connection wins over any newcomer, if it is still there: until that is known the newcomer waits. A
 * neighbour that restarted dials us while we still hold its old connection (RFC 4724 §4.2), and one that dialled at the
 * same time as we did is about to take its connection back. Otherwise the one the dominant side initiated stays, and the
 * other one goes. One in OpenSent counts too, since we know by its address whose it is (§6.8 allows that); but if it is the
 * one to stay, its OPEN must still come, so the newcomer waits for it: would it go on to Established meanwhile, the
 * neighbour could just be closing it for the same collision, and both would be lost.
 * @returns  which one stays; 'both' if nothing collides; 'wait' if that is not settled yet
 */
export function decideCollision(
  newcomer: Side,
  other: BgpState,
  we: Speaker,
  they: Speaker,
): 'newcomer' | 'other' | 'both' | 'wait' {
  if (other === 'Established') return 'wait';
  if (other !== 'OpenConfirm' && other !== 'OpenSent') return 'both';
  const kept: Side = isDominant(we, they) ? 'outgoing' : 'incoming';
  if (kept === newcomer) return 'newcomer';
  return other === 'OpenConfirm' ? 'other' : 'wait';
}
