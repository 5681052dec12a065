/** What commander makes of each command's options; the rows and what they run agree on these. */
import type { Form } from './output.ts';

export interface StatusOptions {
  readonly output?: 'wide' | 'json' | 'yaml';
  readonly watch?: boolean;
}

export interface GetOptions {
  readonly output?: string;
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly watch?: boolean;
}

export interface DescribeOptions {
  readonly namespace: string;
  readonly selector?: string;
  readonly allNamespaces?: boolean;
}

export interface FileOptions {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  readonly namespace?: string;
  readonly skipExists?: boolean;
  readonly skipNotExists?: boolean;
  readonly output?: 'json';
}

export interface PatchOptions {
  readonly namespace: string;
  readonly patch: string;
  readonly type: 'merge' | 'json' | 'strategic';
}

export interface LabelOptions {
  readonly namespace: string;
  readonly overwrite?: boolean;
  readonly remove?: boolean;
}

export interface DoctorOptions {
  readonly output?: 'json';
  readonly scope: 'auto' | 'cluster' | 'node' | 'all';
  readonly only?: readonly string[];
  readonly hostRoot: string;
}

export interface DiagsOptions {
  readonly file?: string;
  readonly log?: readonly string[];
  readonly bgpSocket: string;
  readonly felixSocket: string;
}

export interface MigrateOptions {
  readonly output?: 'json' | 'yaml';
}

export interface NodeStatusOptions {
  readonly socket: string;
  readonly output?: Form;
}

export interface PeersOptions {
  readonly socket: string;
  readonly output?: Form;
  readonly watch?: boolean;
}

export interface PeerOptions {
  readonly socket: string;
  readonly output?: 'json' | 'yaml';
}

export interface ConfigShowOptions {
  readonly socket: string;
  readonly node?: string;
  readonly origin?: true;
  readonly output?: 'json' | 'yaml';
}

export interface ServicesOptions {
  readonly socket: string;
  readonly output?: 'json' | 'yaml';
}

export interface BgpRoutesOptions {
  readonly socket: string;
  readonly output?: Form | 'jsonl';
  readonly received?: string;
  readonly advertised?: string;
  readonly longer?: boolean;
  readonly rejected?: boolean;
  readonly limit?: string;
}

export interface HistoryOptions {
  readonly socket: string;
  readonly output?: 'json';
  readonly peer?: string;
  readonly prefix?: string;
  readonly since?: string;
  readonly follow?: boolean;
}

export interface FlowsOptions {
  readonly socket: string;
  readonly output?: 'json';
  readonly denied?: boolean;
  readonly namespace?: string;
  readonly pod?: string;
  readonly follow?: boolean;
}

export interface ResetOptions {
  readonly socket: string;
  readonly soft?: 'in' | 'out';
  readonly all?: boolean;
}

export interface MrtOptions {
  readonly socket: string;
}

export interface TorOptions {
  readonly vendor: 'frr' | 'bird' | 'eos' | 'nxos' | 'junos';
  readonly peer?: string;
  readonly range?: string;
}

export interface PolicyOptions {
  readonly socket: string;
  readonly namespace: string;
  readonly output?: Form;
}

export interface PolicyWhyOptions {
  readonly namespace: string;
  readonly output?: Form;
  readonly live?: boolean;
  /** "PATH" or "NODE=PATH". */
  readonly felixSocket?: readonly string[];
  /** Seconds. */
  readonly within: string;
}

export interface NodeAskOptions {
  readonly socket: string;
}

export interface PolicyPreviewOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly delete?: boolean;
  readonly staged?: boolean;
  readonly connections?: boolean;
  readonly socket: string;
  readonly output?: Form;
}

export interface PolicyLintOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly offline?: boolean;
  readonly output?: 'json';
}

export interface PolicyTestOptions {
  readonly filename?: string;
  readonly apply?: readonly string[];
  readonly recursive?: boolean;
  readonly output?: 'json';
}
