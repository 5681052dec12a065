/** How long the session's timers run: jitter (RFC 4271 §10) and back-off. All in ms; randomness is handed in. */
import { type Millis, millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import type { PeerConfig } from '../config.ts';

/** HoldTimer while no OPEN has come: RFC 4271 §8.2.2 suggests four minutes. */
export const largeHoldMs = 240_000;
/** How long a connection waits for the OPEN of the one that should win the collision. */
export const collisionWaitMs = 2_000;
/** A session this long Established is a success: earlier errors are forgotten. */
export const forgiveAfterMs = 300_000;

const idleHoldFirstMs = 5_000;
const idleHoldMostMs = 300_000;
/** Two doublings; a neighbour that comes back dials us anyway. */
const connectRetryDoublings = 2;

/** Uniform in 0.75..1.0 of `base`: RFC 4271 §10, against synchronised storms. */
export const jittered = (base: number, random: Random): Millis => millis(base * (0.75 + 0.25 * random()));

/** @param failures  the ConnectRetryCounter: attempts in a row that led to nothing */
export const connectRetryDelay = (base: number, failures: number, random: Random): Millis =>
  jittered(base * 2 ** Math.min(Math.max(failures - 1, 0), connectRetryDoublings), random);

/** @param penalties  protocol errors in a row, 1 for the first */
export const idleHoldDelay = (penalties: number, random: Random): Millis =>
  jittered(Math.min(idleHoldFirstMs * 2 ** Math.min(penalties - 1, 16), idleHoldMostMs), random);

/** Never more often than once a second (RFC 4271 §4.4). */
export const keepaliveDelay = (keepaliveTimeMs: number, random: Random): Millis =>
  millis(Math.max(1000, jittered(keepaliveTimeMs, random)));

const sendHoldLeastMs = 480_000;

/** RFC 9687 §3.2: eight minutes, or twice the hold time if that is longer; 0: no timer, as without a hold time (§3.4). In ms. */
export const sendHoldTime = (
  { sendHoldMs }: Pick<PeerConfig, 'sendHoldMs'>,
  { holdTimeMs }: { readonly holdTimeMs: number },
): number => (holdTimeMs === 0 ? 0 : (sendHoldMs ?? Math.max(sendHoldLeastMs, 2 * holdTimeMs)));
