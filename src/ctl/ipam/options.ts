/** What commander makes of the options of `tortiectl ipam`. */
export interface ShowOptions {
  readonly showBlocks?: boolean;
  readonly showBorrowed?: boolean;
  readonly showConfiguration?: boolean;
  readonly ip?: string;
  readonly output?: 'json' | 'yaml';
}

export interface CheckOptions {
  readonly showAllIps?: boolean;
  readonly showProblemIps?: boolean;
  /** json, yaml, or the name of a file. */
  readonly output?: string;
}

export interface ReleaseOptions {
  readonly ip?: readonly string[];
  readonly fromReport?: readonly string[];
  readonly force?: boolean;
}

export interface ConfigureOptions {
  readonly strictaffinity?: 'true' | 'false';
  readonly autoAllocateBlocks?: 'true' | 'false';
  readonly maxBlocksPerHost?: string;
  readonly ipCooldownSeconds?: string;
}
