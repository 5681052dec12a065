/**
 * What the lab remembers between commands, in its run directory: `state.json` (written by the command that changes the
 * lab) and `pods.json` (written by the lab's kubelet alone). Replaced by rename, so a reader never sees half a file.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Started } from './process.ts';
import { runDirOf, type Topology } from './topology.ts';
import type { TorKind } from './tor/tor.ts';

export interface ProcessRecord extends Started {
  /** "bgp", "felix", "kubelet", "bird" … */
  readonly role: string;
  /** A node's name, "tor", or "lab". */
  readonly host: string;
  readonly command: readonly string[];
  readonly netns?: string;
  readonly logFile: string;
  /** Beside what the lab's own command has. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface LabState {
  readonly version: 1;
  readonly name: string;
  readonly torKind: TorKind;
  readonly topology: Topology;
  /** Absent: the sample. */
  readonly manifests?: string;
  readonly mesh: boolean;
  /** Present: the resources live in an API server, which this machine reaches at this port of 127.0.0.1. */
  readonly api?: { readonly port: number };
  /** What the daemons are told; absent: nothing. */
  readonly ipam?: IpamMode;
  /** 'starting' and its maker gone: that one crashed. */
  readonly phase: 'starting' | 'up';
  readonly maker: Started;
  readonly processes: readonly ProcessRecord[];
  /** Hosts whose cable to the ToR is cut. */
  readonly failedLinks: readonly string[];
}

export const ipamModes = ['pod-cidrs', 'blocks'] as const;
export type IpamMode = (typeof ipamModes)[number];

/** One pod as the kubelet has it. */
export interface PodRecord {
  readonly namespace: string;
  readonly pod: string;
  readonly node: string;
  readonly netns: string;
  readonly containerId: string;
  readonly uid?: string;
  readonly state: 'creating' | 'running' | 'removing';
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly protocol: 'TCP' | 'UDP' | 'SCTP'; readonly port: number }[];
  /** Failed attempts in a row, and what the last one said. */
  readonly attempts: number;
  readonly error?: string;
}

const stateFile = (name: string): string => join(runDirOf(name), 'state.json');
const playerFile = (name: string): string => join(runDirOf(name), 'scene.json');
const podsFile = (name: string): string => join(runDirOf(name), 'pods.json');

/** Undefined if there is none, or it is not one of ours. */
export function readState(name: string): LabState | undefined {
  const state = readJson<LabState>(stateFile(name));
  return state?.version === 1 ? state : undefined;
}

export const writeState = (state: LabState): void => writeJson(stateFile(state.name), state);

/** Who plays a scene of this name: scenes have no other state. */
export const readPlayer = (name: string): Started | undefined => readJson<Started>(playerFile(name));
export const writePlayer = (name: string, player: Started): void => writeJson(playerFile(name), player);

export const readPods = (name: string): readonly PodRecord[] =>
  readJson<readonly PodRecord[]>(podsFile(name)) ?? [];
export const writePods = (name: string, pods: readonly PodRecord[]): void => writeJson(podsFile(name), pods);

/** Only files that this file wrote are read here, so their shape is believed. */
function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(value, undefined, 1)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
