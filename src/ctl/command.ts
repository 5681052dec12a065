/**
 * A command of `tortiectl` as a row of a table: what it takes, what it says of itself, and what runs when it is asked for.
 *
 * A row is loaded at every start, so it imports nothing: `run` imports what does the work.
 */

export interface OptionRow {
  /** As commander reads them: "-n, --namespace <namespace>". */
  readonly flags: string;
  readonly what: string;
  readonly choices?: readonly string[];
  readonly fallback?: string;
  /** May be given more than once; the values come as a list. */
  readonly many?: boolean;
  /** Names, in camel case, of options it cannot stand beside. */
  readonly conflicts?: readonly string[];
}

/** What every command is given, for those that read the cluster. */
export interface Global {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** "kubernetes" or "dir:PATH". */
  readonly datastore: string;
}

export interface Command {
  /** Words of the command, e.g. "node status". */
  readonly name: string;
  /** As commander reads them: "<kind> [names...]". */
  readonly words?: string;
  readonly what: string;
  readonly options?: readonly OptionRow[];
  readonly examples: readonly string[];
  readonly exits: readonly (readonly [code: number, when: string])[];
  /** What may stand at a word, for completion: kinds, shells, … */
  readonly values?: readonly string[];
  /** @param words  those that were given, in order. @returns the exit code */
  readonly run: (words: readonly string[], options: Global) => Promise<number>;
}

type Row<Options> = Omit<Command, 'run'> & {
  readonly run: (words: readonly string[], options: Options & Global) => Promise<number>;
};

/** @typeParam Options  what commander makes of the row's `options` */
export const command = <Options = object>(row: Row<Options>): Command => row as unknown as Command;

/** Exit codes of commands that ask and print. */
export const usual = [
  [0, 'answered'],
  [1, 'there is no such thing'],
  [2, 'no answer, not allowed, or asked for wrongly'],
] as const;

export const output = (...choices: readonly string[]): OptionRow => ({
  flags: '-o, --output <form>',
  what: 'instead of a table',
  choices,
});

export const socket = (daemon: 'bgp' | 'felix'): OptionRow => ({
  flags: '--socket <path>',
  what: `Unix socket of "tortie ${daemon}"`,
  fallback: `/run/tortie/${daemon}.sock`,
});

export const namespace: OptionRow = {
  flags: '-n, --namespace <namespace>',
  what: 'the namespace',
  fallback: 'default',
};
