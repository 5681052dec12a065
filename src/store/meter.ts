/** Who counts what is asked of the API server; the daemons' metrics do (`src/host/metrics.ts`). */

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

export interface Meter {
  /** One request was answered. @param code  HTTP status; 0: no answer came. @param kind  "other" if it is none of ours */
  requested(verb: Verb, kind: string, code: number): void;
  /** Bytes of answers, as they come. */
  received(kind: string, bytes: number): void;
}

export const noMeter: Meter = { requested: () => undefined, received: () => undefined };
