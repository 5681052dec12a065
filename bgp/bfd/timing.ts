/** The arithmetic of RFC 5880 §6.8.2 to §6.8.4 and §6.8.7. Microseconds throughout. */
import type { Random } from '../../src/lib/random.ts';

const secondUs = 1_000_000;

/** §6.8.3: a session that is not Up sends no faster than this. */
export const slowestTxUs = (minTxUs: number): number => Math.max(minTxUs, secondUs);

/** §6.8.4, asynchronous mode: the neighbour's multiplier, and the slower of what we take and what it sends. */
export const detectionUs = (remoteMultiplier: number, rxUs: number, remoteMinTxUs: number): number =>
  remoteMultiplier * Math.max(rxUs, remoteMinTxUs);

interface Transmission {
  readonly txUs: number;
  readonly remoteMinRxUs: number;
  /** Demand mode is active at the neighbour. */
  readonly isUnwanted: boolean;
  readonly isPolling: boolean;
}

/** §6.8.7; undefined: nothing is sent periodically. */
export function transmitUs({ txUs, remoteMinRxUs, isUnwanted, isPolling }: Transmission): number | undefined {
  if (remoteMinRxUs === 0 || (isUnwanted && !isPolling)) return undefined;
  return Math.max(txUs, remoteMinRxUs);
}

/** §6.8.7: 0 to 25 % less, and at least 10 % less where one lost packet is the end of the session. */
export function jittered(intervalUs: number, multiplier: number, random: Random): number {
  const least = multiplier === 1 ? 0.1 : 0;
  return intervalUs * (1 - least - random() * (0.25 - least));
}

interface InForce {
  readonly txUs: number;
  readonly rxUs: number;
}

/**
 * §6.8.3: while Up, sending more slowly and waiting less long are put off until the neighbour has answered the Poll
 * Sequence; all else counts at once.
 */
export function inForce(isUp: boolean, now: InForce, told: InForce): InForce {
  return {
    txUs: isUp && told.txUs > now.txUs ? now.txUs : told.txUs,
    rxUs: isUp && told.rxUs < now.rxUs ? now.rxUs : told.rxUs,
  };
}
