/**
 * Scripts for `ipset restore` and `iptables-restore --noflush`: from what there is to what there should be, and nothing else.
 *
 * In order: sets that rules will ask, rules (a table at a time, each all or nothing), members that go, sets nobody asks any more.
 */
import type { IpVersion } from '../../../src/lib/net.ts';
import { xtPrefix } from './name.ts';
import { type XtTable, xtTables } from './place.ts';
import type { XtChange } from './render.ts';
import type { XtRule } from './rule.ts';
import type { XtSet } from './set.ts';
import { entriesOf, type Xtables, type XtHook, type XtTableRules } from './tables.ts';

/** What of ours is in one table: hashes of the rules of each chain, and which rules of others' chains lead to ours. */
export interface XtTableSeen {
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Of each builtin chain: in order, each of our rules, undefined for others'. */
  readonly builtins: ReadonlyMap<string, readonly (XtHookSeen | undefined)[]>;
}

export interface XtHookSeen {
  readonly hash: string;
  /** All of it, after "-A CHAIN": how it is taken out. */
  readonly text: string;
}

export type XtSeen = Readonly<Record<string, XtTableSeen>>;

/** Sets of ours by name: how they were made, and their members. */
export type XtSetsSeen = ReadonlyMap<string, Omit<XtSet, 'name'>>;

/** Commands of `ipset restore`; empty: nothing. */
export interface SetScripts {
  /** New sets and members, and sets made anew: before the rules. */
  readonly before: string;
  /** After them. */
  readonly after: string;
}

export function setScripts(wanted: ReadonlyMap<string, XtSet>, seen: XtSetsSeen): SetScripts {
  const before: string[] = [];
  const after: string[] = [];
  for (const set of wanted.values()) {
    const there = seen.get(set.name);
    if (there !== undefined && there.type !== set.type) before.push(...madeAnew(set, there.type, seen));
    else {
      if (there === undefined) before.push(`create ${set.name} ${set.type}`);
      before.push(...lines('add', set.name, set.members, there?.members));
      after.push(...lines('del', set.name, there?.members ?? new Set(), set.members));
    }
  }
  for (const name of seen.keys()) if (!wanted.has(name)) after.push(`${destroy}${name}`);
  return { before: script(before), after: script(after) };
}

const script = (commands: readonly string[]): string =>
  commands.length === 0 ? '' : `${commands.join('\n')}\n`;

function* lines(
  verb: 'add' | 'del',
  set: string,
  members: ReadonlySet<string>,
  without: ReadonlySet<string> = new Set(),
): Iterable<string> {
  for (const member of members) if (!without.has(member)) yield `${verb} ${set} ${member}`;
}

const destroy = 'destroy ';

export const destroying = (sets: Iterable<string>): string =>
  script([...sets].map((name) => `${destroy}${name}`));

/** The set that a line of a script takes away; undefined: it does something else. */
export const destroyedIn = (line: string): string | undefined =>
  line.startsWith(destroy) ? line.slice(destroy.length) : undefined;

/** The set that a line of a script makes or fills. */
export const filledIn = (line: string): string | undefined => /^(?:create|add) (\S+)/.exec(line)?.[1];

const kindOf = (type: string): string => type.replace(/ maxelem \d+/, '');

/**
 * With another size: rules that ask it see one or the other. ipset does not swap sets of different kinds; ours are named by their
 * kind, so that one is somebody else's and no rule of ours asks it yet.
 */
function madeAnew({ name, type, members }: XtSet, typeSeen: string, seen: XtSetsSeen): readonly string[] {
  if (kindOf(typeSeen) !== kindOf(type))
    return [`${destroy}${name}`, `create ${name} ${type}`, ...lines('add', name, members)];
  const aside = `${xtPrefix}~${name.slice(-20)}`;
  return [
    // Of a process that died between these lines.
    ...(seen.has(aside) ? [`${destroy}${aside}`] : []),
    `create ${aside} ${type}`,
    ...lines('add', aside, members),
    `swap ${aside} ${name}`,
    `${destroy}${aside}`,
  ];
}

/** Entries of all of ours, as the kernel counts them. */
export const entriesSeen = ({ chains, builtins }: XtTableSeen): number =>
  [...chains.values()].reduce(
    (sum, rules) => sum + entriesOf(rules.length),
    [...builtins.values()].flat().filter((rule) => rule !== undefined).length,
  );

/** The script of one family; empty: nothing differs. */
export function ruleScript(wanted: Xtables['families'][IpVersion], seen: XtSeen): string {
  return xtTables
    .map((table) => {
      const rules = wanted.get(table) ?? { chains: new Map(), hooks: [], trunk: new Set<string>() };
      const commands = tableCommands(rules, seen[table] ?? { chains: new Map(), builtins: new Map() });
      return commands.length === 0 ? '' : `*${table}\n${commands.join('\n')}\nCOMMIT\n`;
    })
    .join('');
}

function tableCommands({ chains, hooks }: XtTableRules, seen: XtTableSeen): readonly string[] {
  const changed = [...chains].filter(([name, rules]) => {
    const before = seen.chains.get(name);
    return before?.length !== rules.length || rules.some(({ hash }, index) => hash !== before[index]);
  });
  const gone = [...seen.chains.keys()].filter((name) => !chains.has(name));
  return chainCommands(changed, hookCommands(hooks, seen.builtins), gone);
}

/** @param hooks  commands for the chains of all: after what they lead to is there, before what they led to goes */
const chainCommands = (
  changed: readonly (readonly [name: string, rules: readonly XtRule[]])[],
  hooks: readonly string[],
  gone: readonly string[],
): readonly string[] => [
  ...changed.map(([name]) => `:${name} - [0:0]`),
  ...changed.flatMap(([name, rules]) => rules.map(({ text }) => `-A ${name} ${text}`)),
  ...hooks,
  ...gone.map((name) => `-F ${name}`),
  ...gone.map((name) => `${remove}${name}`),
];

const remove = '-X ';

/** The chain that a line of a script removes. */
export const removedIn = (line: string): string | undefined =>
  line.startsWith(remove) ? line.slice(remove.length) : undefined;

/**
 * Where ours are not exactly where they should be, all of that chain are taken out and put in again, in the same transaction. They
 * are named by what they say: by its place a rule of somebody who was quicker could be meant.
 */
function hookCommands(hooks: readonly XtHook[], builtins: XtTableSeen['builtins']): readonly string[] {
  const names = new Set([...hooks.map(({ builtin }) => builtin), ...builtins.keys()]);
  return [...names].flatMap((builtin) => {
    const own = hooks.filter((hook) => hook.builtin === builtin);
    const first = own.filter(({ at }) => at === 'first').map(({ rule }) => rule);
    const last = own.filter(({ at }) => at === 'last').map(({ rule }) => rule);
    const there = builtins.get(builtin) ?? [];
    const ours = there.filter((rule) => rule !== undefined);
    const isRight =
      ours.length === own.length &&
      first.every(({ hash }, index) => there[index]?.hash === hash) &&
      last.every(({ hash }, index) => there[there.length - last.length + index]?.hash === hash);
    if (isRight) return [];
    return [
      ...ours.map(({ text }) => `-D ${builtin} ${text}`),
      ...first.map(({ text }, index) => `-I ${builtin} ${index + 1} ${text}`),
      ...last.map(({ text }) => `-A ${builtin} ${text}`),
    ];
  });
}

/** Of what a change made of rules that were as they should be. */
export interface ChangeScripts extends Readonly<Record<IpVersion, string>> {
  readonly sets: SetScripts;
}

/** Undefined: rules in the chains of all change, where others are too: for that they have to be read. */
export function changeScripts(
  { families, sets }: XtChange,
  tables: Xtables['families'],
): ChangeScripts | undefined {
  const tableScript = (version: IpVersion, table: XtTable): string => {
    const change = families[version].get(table);
    if (change === undefined) return '';
    const chains = tables[version].get(table)?.chains;
    const changed = change.changed.map((name) => [name, chains?.get(name) ?? []] as const);
    return `*${table}\n${chainCommands(changed, [], change.gone).join('\n')}\nCOMMIT\n`;
  };
  const changes = [...families[4].values(), ...families[6].values()];
  if (changes.some(({ hooksBefore }) => hooksBefore !== undefined)) return undefined;
  const family = (version: IpVersion): string =>
    xtTables.map((table) => tableScript(version, table)).join('');
  return { sets: setChangeScripts(sets), 4: family(4), 6: family(6) };
}

const setChangeScripts = ({ made, gone, members }: XtChange['sets']): SetScripts => ({
  before: script([
    ...made.map(({ name, type }) => `create ${name} ${type}`),
    ...members.flatMap(({ name, added }) => added.map((member) => `add ${name} ${member}`)),
  ]),
  after: script([
    ...members.flatMap(({ name, removed }) => removed.map((member) => `del ${name} ${member}`)),
    ...gone.map((name) => `${destroy}${name}`),
  ]),
});
