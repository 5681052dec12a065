/** Moments as they stand in blocks: RFC 3339, UTC, whole seconds. */
import type { Instant } from '../ipam/block.ts';

/** @param ms  since 1970 */
export const toInstant = (ms: number): Instant => `${new Date(ms).toISOString().slice(0, 19)}Z`;
