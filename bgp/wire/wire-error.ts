/** Bytes that cannot be a message, as a value: the NOTIFICATION to answer with, and the reason in words. */
import { err, type Result } from '../../src/lib/result.ts';
import {
  errorCodes,
  type headerErrors,
  type openErrors,
  type refreshErrors,
  type updateErrors,
} from './iana.ts';
import type { WireError } from './message.ts';

const none: Uint8Array = new Uint8Array(0);

function wireError(code: number, subcode: number, why: string, data: Uint8Array): Result<never, WireError> {
  return err({ notification: { kind: 'notification', code, subcode, data }, why });
}

type ValueOf<T> = T[keyof T];

/** RFC 4271 §6.1. */
export const headerError = (subcode: ValueOf<typeof headerErrors>, why: string, data = none) =>
  wireError(errorCodes.header, subcode, why, data);

/** RFC 4271 §6.2. */
export const openError = (subcode: ValueOf<typeof openErrors>, why: string, data = none) =>
  wireError(errorCodes.open, subcode, why, data);

/** RFC 4271 §6.3, as far as RFC 7606 leaves a session to be reset. */
export const updateError = (subcode: ValueOf<typeof updateErrors>, why: string, data = none) =>
  wireError(errorCodes.update, subcode, why, data);

/** RFC 7313 §5. */
export const refreshError = (subcode: ValueOf<typeof refreshErrors>, why: string, data = none) =>
  wireError(errorCodes.routeRefresh, subcode, why, data);
