/** What the lab asks of a router software that plays the top-of-rack: how to start it, and how to read its own CLI. */
import type { Topology } from '../topology.ts';

/** A session as the ToR sees it. */
export interface TorSession {
  /** The node's address. */
  readonly neighbour: string;
  readonly established: boolean;
  /** The ToR's own word for it. */
  readonly state: string;
  /** The families both sides agreed on; empty while down. */
  readonly families: readonly ('ipv4' | 'ipv6')[];
}

/** The best path of a prefix that a node announced, as in the ToR's BGP table. */
export interface TorRoute {
  readonly prefix: string;
  readonly nextHop: string;
}

export interface TorProcess {
  /** Also the name of its log file. */
  readonly role: string;
  readonly command: readonly string[];
  /** The next process is started once this file (a socket) is there. */
  readonly readyFile?: string;
}

export interface TorSoftware {
  readonly title: string;
  /** Prints the version. */
  readonly versionCommand: readonly string[];
  /** Programs it needs, and the Debian package they are in. */
  readonly needs: readonly { readonly program: string; readonly package: string }[];
  /** Written into the ToR's directory before it starts: name to text. */
  readonly files: (topology: Topology) => Readonly<Record<string, string>>;
  /** Started in this order, in the ToR's namespace. @param dir  the ToR's directory */
  readonly processes: (topology: Topology, dir: string) => readonly TorProcess[];
  readonly sessionCommands: (dir: string) => readonly (readonly string[])[];
  readonly routeCommands: (dir: string) => readonly (readonly string[])[];
  /** From the outputs of those commands, in order; undefined if they are not an answer (yet). */
  readonly parseSessions: (outputs: readonly string[]) => readonly TorSession[] | undefined;
  readonly parseRoutes: (outputs: readonly string[]) => readonly TorRoute[] | undefined;
  /** A log line that matches the first and not the second complains about a message of ours. */
  readonly complaint: RegExp;
  readonly harmless: RegExp;
}

export const torKinds = ['bird', 'frr', 'gobgp'] as const;
export type TorKind = (typeof torKinds)[number];

/** The log lines that complain about a message of ours. */
export const complaintsIn = (software: TorSoftware, log: string): readonly string[] =>
  log.split('\n').filter((line) => software.complaint.test(line) && !software.harmless.test(line));

/** One value out of unknown JSON, by keys; undefined if it is not there. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (from, key) => (isRecord(from) && Object.hasOwn(from, key) ? from[key] : undefined),
    value,
  );
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
