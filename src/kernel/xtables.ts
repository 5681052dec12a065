/**
 * iptables and ipset by their programs: `iptables-restore` takes a table at a time, all or nothing. Those that write run one at a
 * time, in order; those that read, once what was to be written before is, beside each other.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { IpVersion } from '../lib/net.ts';
import { kernelError } from './kernel-error.ts';
import { inNamespace } from './netns.ts';
import { runProgram } from './program.ts';
import { tableShape, type XtShape } from './xtables-info.ts';

/** Which of the two iptables there are: over nf_tables, or the one before. */
export type XtBackend = 'nft' | 'legacy';

/** A script that was refused: the line, from 1, if the program says which. */
export class XtRefusal extends Error {
  readonly line: number | undefined;

  constructor(message: string, line: number | undefined) {
    super(message);
    this.line = line;
  }
}

export interface XtPrograms {
  /** Those of the kernel: where it was started without IPv6, ip6tables has no tables, and no packet needs them. */
  readonly versions: readonly IpVersion[];
  /** `iptables-save`, of all tables that are there; with `counters` packets and octets of each rule. */
  save(version: IpVersion, counters?: boolean): Promise<string>;
  /** `iptables-restore --noflush`. Fails with an XtRefusal. */
  restore(version: IpVersion, script: string): Promise<void>;
  saveSets(): Promise<string>;
  /**
   * Fails with an XtRefusal; what stood before the line that was refused is done. What is there already, and to be added, or is
   * gone already, and to be removed, is no failure.
   */
  restoreSets(script: string): Promise<void>;
  /** How a table is now, in microseconds, by the kernel's word; undefined: it is not there. Absent: the kernel tells of changes. */
  look?(version: IpVersion, table: string): XtShape | undefined;
}

/** Waits so many seconds for whoever else writes rules. */
const lockSeconds = '10';

/** @param netns  path of the namespace the programs run in; undefined: ours */
export function openXtables(backend: XtBackend, netns?: string): XtPrograms {
  let tail: Promise<unknown> = Promise.resolve();
  const run = async (
    name: string,
    where: string,
    args: readonly string[],
    input?: string,
  ): Promise<string> => {
    const turn = tail.then(() =>
      runProgram({ netns, program: name, package: where, args, input: input ?? '' }),
    );
    if (input !== undefined) tail = turn.catch(() => undefined);
    const { code, out, words } = await turn;
    if (code === 0) return out;
    throw new XtRefusal(`${name}: ${sentence(words)}`, lineIn(words));
  };
  const tables = (version: IpVersion, verb: 'save' | 'restore'): string =>
    `${version === 4 ? 'iptables' : 'ip6tables'}-${backend}-${verb}`;
  return {
    versions: existsSync('/proc/sys/net/ipv6') ? [4, 6] : [4],
    save: (version, counters = false) => run(tables(version, 'save'), 'iptables', counters ? ['-c'] : []),
    restore: async (version, script) => {
      const args = ['--noflush', '-w', lockSeconds];
      if (script !== '') await run(tables(version, 'restore'), 'iptables', args, script);
    },
    saveSets: () => run('ipset', 'ipset', ['save']),
    restoreSets: async (script) => {
      if (script !== '') await run('ipset', 'ipset', ['-exist', 'restore'], script);
    },
    ...(backend === 'legacy' && {
      look: (version: IpVersion, table: string) => inNamespace(netns, () => shapeOf(version, table)),
    }),
  };
}

const sentence = (words: string): string =>
  words
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^Error occurred at line|^Try `/.test(line))
    .slice(0, 2)
    .join(' ');

function lineIn(words: string): number | undefined {
  const found = /(?:line (\d+) failed|line (\d+):|Error in line (\d+)|at line: (\d+))/.exec(words);
  const text = found?.slice(1).find((group) => group !== undefined);
  return text === undefined ? undefined : Number(text);
}

/** Asking for a table that is not there would make it. */
const shapeOf = (version: IpVersion, table: string): XtShape | undefined =>
  tableNames(version).includes(table) ? tableShape(version, table) : undefined;

const tableNames = (version: IpVersion): readonly string[] =>
  namesIn(`/proc/thread-self/net/${version === 4 ? 'ip' : 'ip6'}_tables_names`).split('\n');

/**
 * The iptables whose tables are in use: the kernel lists those of the older one, and nobody else's. Reading that makes none.
 * Fails with a KernelError if /proc cannot be read for another reason than that there is no such list.
 */
export function xtBackendInUse(): XtBackend {
  return ['ip_tables_names', 'ip6_tables_names'].some(
    (name) => namesIn(`/proc/thread-self/net/${name}`) !== '',
  )
    ? 'legacy'
    : 'nft';
}

function namesIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO';
    if (code === 'ENOENT') return '';
    throw kernelError(`read ${path}`, code);
  }
}
