/** GET /history of bgp.sock: what happened, who did it and why. JSON-safe. */

export interface HistoryEntry {
  /** Grows by one for each entry, over all kinds; a reader asks for what comes after the last it has. */
  readonly seq: number;
  /** ISO 8601, wall clock. */
  readonly at: string;
  /** Each kind is bounded by itself, so that a flood of one leaves the others readable. */
  readonly kind: HistoryKind;
  /** The neighbour's name, the resource, or who asked. */
  readonly who: string;
  /** In words, e.g. "OpenConfirm → Established", "10.65.1.0/24: 172.30.0.12 → 172.30.0.13". */
  readonly what: string;
  readonly why?: string;
  /** Of a neighbour: its address. */
  readonly address?: string;
  /** Of one route. */
  readonly prefix?: string;
  /** It went on, the same again, so many times in all, the last time then. */
  readonly times?: number;
  readonly until?: string;
}

/**
 * session: state changes and resets · route: best paths · config: what we are told to be · life: start, drain, stop ·
 * kernel: what the kernel refused or others changed
 */
export type HistoryKind = 'session' | 'route' | 'config' | 'life' | 'kernel';
export const historyKinds: readonly HistoryKind[] = ['session', 'route', 'config', 'life', 'kernel'];

export interface History {
  /** Ascending by `seq`. */
  readonly entries: readonly HistoryEntry[];
  /** Of each kind, how many have been pushed out by newer ones since the start. */
  readonly forgotten: Readonly<Record<HistoryKind, number>>;
  /** Ask for what follows with ?after= this. */
  readonly next: number;
}
