/**
 * Asking the kernel whether it takes the rules of some chains, where it says of a whole table only that it does not: they are put
 * into a chain that no packet gets to. It hangs where ours do, for what may stand in a rule depends on where packets come from.
 * What is left of it goes with the next comparison, for it is of our name and no rule of ours asks it.
 */
import type { IpVersion } from '../../../src/lib/net.ts';
import { xtPrefix } from './name.ts';
import type { Builtin } from './place.ts';

/** A table that was refused. */
export interface RefusedTable {
  readonly version: IpVersion;
  readonly table: string;
  /** Rules after "-A CHAIN", by chain of ours. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
}

const trial = `${xtPrefix}.trial`;

/** From nobody to nobody. */
const nobody: Readonly<Record<IpVersion, string>> = {
  4: '-s 255.255.255.255/32 -d 255.255.255.255/32',
  6: '-s ff02::1/128 -d ff02::1/128',
};

/** @param lines  of a script, from "*TABLE" to the one that was refused */
export function refusedTable(version: IpVersion, lines: readonly string[]): RefusedTable {
  const chains = new Map<string, string[]>();
  for (const line of lines) {
    const [, chain, rule = ''] = /^-A (tortie[-.]\S+) (.*)$/.exec(line) ?? [];
    if (chain === undefined) continue;
    const rules = chains.get(chain);
    if (rules === undefined) chains.set(chain, [rule]);
    else rules.push(rule);
  }
  return { version, table: lines[0]?.slice(1) ?? '', chains };
}

/** @param builtins  chains of all in which ours hang */
export const trialBegin = ({ version, table }: RefusedTable, builtins: Iterable<Builtin>): string =>
  [
    `*${table}`,
    `:${trial} - [0:0]`,
    ...[...new Set(builtins)].map((builtin) => `-A ${builtin} ${nobody[version]} -j ${trial}`),
    'COMMIT\n',
  ].join('\n');

/** Where a rule leads to is left out: that chain is not there, or is tried itself. */
export const trialScript = ({ table, chains }: RefusedTable, without: ReadonlySet<string>): string =>
  [
    `*${table}`,
    `:${trial} - [0:0]`,
    ...[...chains]
      .filter(([name]) => !without.has(name))
      .flatMap(([, rules]) => rules.map((rule) => `-A ${trial} ${rule.replace(leading, '')}`)),
    'COMMIT\n',
  ].join('\n');

const leading = new RegExp(` -[jg] ${xtPrefix}[-.]\\S+$`);
