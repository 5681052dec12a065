/** What the traffic thread is asked, and what it tells. Times are milliseconds of the monotonic clock. */

/** Of one direction. */
export interface Loss {
  readonly lost: number;
  /** When the first and the last lost one was sent; absent: none. */
  readonly firstAt?: number;
  readonly lastAt?: number;
}

export interface Counted {
  readonly sent: number;
  /** Did not arrive. */
  readonly there: Loss;
  /** Arrived, and the answer did not. */
  readonly back: Loss;
  /** The longest time in which nothing was sent: so exact is it all. */
  readonly pauseMs: number;
}

export interface Asked {
  readonly id: number;
  readonly since: number;
  readonly until?: number;
}

export type Told =
  | { readonly kind: 'started' }
  | { readonly kind: 'counted'; readonly id: number; readonly counted: Counted };
