/** What every object says of itself. */

export type Labels = Readonly<Record<string, string>>;

export interface Meta {
  readonly name: string;
  /** Absent for cluster-scoped kinds; 'default' is filled in for namespaced ones. */
  readonly namespace?: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly uid?: string;
  // No resourceVersion: it differs with every heartbeat, and what says nothing new must compare equal.
}
