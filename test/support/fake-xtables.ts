/** iptables and ipset in memory, as far as our scripts go: a table at a time, all or nothing; sets line by line. */
import { type XtPrograms, XtRefusal } from '../../src/kernel/xtables.ts';
import type { IpVersion } from '../../src/lib/net.ts';

type Rules = Map<string, readonly string[]>;
type Tables = Map<string, Rules>;

const builtins: Readonly<Record<string, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

export interface FakeXtables extends XtPrograms {
  /** Says why a line is refused; it gets every line of every script. */
  refuse: (line: string, program: string) => string | undefined;
  /** Says why the kernel does not take a table; it gets all rules of it, "CHAIN RULE", as they would be. */
  refuseTable: (rules: readonly string[], table: string, version: IpVersion) => string | undefined;
  readonly tables: Readonly<Record<IpVersion, Tables>>;
  readonly sets: Map<string, { readonly type: string; readonly members: Set<string> }>;
  /** Scripts that had something in them, as they came. */
  readonly scripts: string[];
  /** Somebody else's hand. */
  run(version: IpVersion, table: string, command: string): void;
  /** Lines with "tortie" in them, of tables and sets. */
  ours(): readonly string[];
}

const fresh = (): Tables =>
  new Map(
    Object.entries(builtins).map(([table, chains]) => [table, new Map(chains.map((name) => [name, []]))]),
  );

/** @param sets  shared with the other iptables, as in a kernel */
export function fakeXtables(
  versions: readonly IpVersion[] = [4, 6],
  sets: FakeXtables['sets'] = new Map(),
): FakeXtables {
  const tables: Record<IpVersion, Tables> = { 4: fresh(), 6: fresh() };

  const texts = (version: IpVersion): string =>
    [...tables[version]]
      .map(([table, chains]) =>
        [
          `*${table}`,
          ...[...chains.keys()].map((name) => `:${name} ${isBuiltin(table, name) ? 'ACCEPT' : '-'} [0:0]`),
          ...[...chains].flatMap(([name, rules]) => rules.map((rule) => `-A ${name} ${rule}`)),
          'COMMIT\n',
        ].join('\n'),
      )
      .join('');
  const setTexts = (): string =>
    [...sets]
      .flatMap(([name, { type, members }]) => [
        `create ${name} ${type}`,
        ...[...members].map((member) => `add ${name} ${member}`),
      ])
      .join('\n');
  const asked = (set: string): boolean =>
    ([4, 6] as const).some((version) => texts(version).includes(`--match-set ${set} `));

  const fake: FakeXtables = {
    versions,
    tables,
    sets,
    scripts: [],
    refuse: () => undefined,
    refuseTable: () => undefined,
    save: async (version) => texts(version),
    saveSets: async () => setTexts(),
    restore: async (version, script) => {
      if (script === '') return;
      fake.scripts.push(script);
      const under = { table: '', rules: new Map<string, readonly string[]>() };
      for (const [index, line] of script.split('\n').entries()) {
        const asked = fake.refuse(line, `iptables ${version}`);
        const rules = [...under.rules].flatMap(([name, all]) => all.map((rule) => `${name} ${rule}`));
        const refused = line === 'COMMIT' ? fake.refuseTable(rules, under.table, version) : undefined;
        const why = asked ?? refused ?? tableLine(tables[version], under, line, sets);
        if (why !== undefined) throw new XtRefusal(why, index + 1);
      }
    },
    restoreSets: async (script) => {
      if (script === '') return;
      fake.scripts.push(script);
      for (const [index, line] of script.split('\n').entries()) {
        const why = fake.refuse(line, 'ipset') ?? (line === '' ? undefined : setCommand(sets, line, asked));
        if (why !== undefined) throw new XtRefusal(why, index + 1);
      }
    },
    run: (version, table, command) => {
      const flaw = ruleCommand(tables[version].get(table) ?? new Map(), command, sets);
      if (flaw !== undefined) throw new Error(flaw);
    },
    ours: () =>
      [...versions.map(texts), setTexts()]
        .join('\n')
        .split('\n')
        .filter((line) => line.includes('tortie')),
  };
  return fake;
}

/** The same of the older iptables: what the kernel says of a table without listing it. */
export const looking = (fake: FakeXtables): FakeXtables => ({
  ...fake,
  look: (version, table) => {
    const chains = [...(fake.tables[version].get(table) ?? [])];
    const [ours, all] = [chains.filter(([name]) => !isBuiltin(table, name)), chains];
    const rules = all.reduce((sum, [, own]) => sum + own.length, 0);
    return {
      entries: rules + 2 * ours.length + (all.length - ours.length) + 1,
      octets: all.reduce((sum, [name, own]) => sum + name.length + own.join().length, 0),
      builtins: all.flatMap(([name, own]) => (isBuiltin(table, name) ? own.join().length : [])).join(),
    };
  },
});

const isBuiltin = (table: string, chain: string): boolean => builtins[table]?.includes(chain) === true;

/** @returns why not */
function tableLine(
  tables: Tables,
  under: { table: string; rules: Rules },
  line: string,
  sets: FakeXtables['sets'],
): string | undefined {
  if (line.startsWith('*')) {
    under.table = line.slice(1);
    under.rules = new Map(tables.get(under.table));
  } else if (line === 'COMMIT') tables.set(under.table, under.rules);
  else if (line !== '') return ruleCommand(under.rules, line, sets);
  return undefined;
}

/** @returns why not */
function ruleCommand(rules: Rules, line: string, sets: FakeXtables['sets']): string | undefined {
  if (line.startsWith(':')) {
    rules.set(line.slice(1).split(' ')[0] ?? '', []);
    return undefined;
  }
  const [verb = '', name = '', ...words] = line.split(' ');
  const there = rules.get(name);
  const set = /--match-set (\S+)/.exec(line)?.[1];
  if (there === undefined) return `No chain ${name}`;
  if (set !== undefined && verb !== '-D' && !sets.has(set)) return `Set ${set} doesn't exist.`;
  const own = words.join(' ');
  if (verb === '-X') {
    if (leadsTo(rules, name)) return `CHAIN_DEL failed (Device or resource busy): chain ${name}`;
    rules.delete(name);
    return undefined;
  }
  if (verb === '-D' && !there.includes(own)) return 'Bad rule (does a matching rule exist in that chain?).';
  const after: Readonly<Record<string, () => readonly string[]>> = {
    '-F': () => [],
    '-A': () => [...there, own],
    '-I': () => there.toSpliced(Number(words[0]) - 1, 0, words.slice(1).join(' ')),
    '-D': () => there.toSpliced(there.indexOf(own), 1),
  };
  rules.set(name, after[verb]?.() ?? there);
  return undefined;
}

const leadsTo = (rules: Rules, chain: string): boolean =>
  [...rules.values()].flat().some((rule) => rule.endsWith(`-j ${chain}`) || rule.endsWith(`-g ${chain}`));

/** @returns why not */
function setCommand(
  sets: FakeXtables['sets'],
  line: string,
  asked: (set: string) => boolean,
): string | undefined {
  const [verb = '', name = '', ...rest] = line.split(' ');
  const text = rest.join(' ');
  const there = sets.get(name);
  if (verb === 'create') {
    if (there !== undefined) return there.type === text ? undefined : 'Set with the same name already exists';
    sets.set(name, { type: text, members: new Set() });
    return undefined;
  }
  if (there === undefined) return "The set with the given name doesn't exist";
  const verbs: Readonly<Record<string, () => string | undefined>> = {
    add: () => {
      if (there.members.size >= Number(/maxelem (\d+)/.exec(there.type)?.[1] ?? 65_536))
        return 'Hash is full, cannot add more elements';
      there.members.add(text);
      return undefined;
    },
    del: () => {
      there.members.delete(text);
      return undefined;
    },
    destroy: () => {
      if (asked(name)) return 'Set cannot be destroyed: it is in use by a kernel component';
      sets.delete(name);
      return undefined;
    },
    swap: () => {
      const other = sets.get(text);
      if (other === undefined || kindOf(other.type) !== kindOf(there.type))
        return 'The sets cannot be swapped: their type does not match';
      sets.set(name, other);
      sets.set(text, there);
      return undefined;
    },
  };
  return verbs[verb]?.();
}

const kindOf = (type: string): string => type.replace(/ maxelem \d+/, '');
