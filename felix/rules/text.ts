/**
 * The ruleset as nft reads it: the readable form of the model, and what tests hold the kernel's own answer against.
 *
 * Order is stable (by name, elements by value), so that two texts differ only where two rulesets do. In a change
 * only what the kernel checks while it reads decides the order: what is referred to is there first and goes last.
 */

import {
  type Address,
  compareAddresses,
  formatAddress,
  formatPrefix,
  type IpVersion,
  versionOf,
} from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import {
  type Chain,
  type Element,
  type ElementChange,
  elementKey,
  type Hook,
  type Match,
  type NamedSet,
  type PortJump,
  type PortRange,
  protocolText,
  type Rule,
  type Ruleset,
  type RulesetChange,
  type SetDecl,
  type Side,
  type Statement,
  tableName,
  type Verdict,
} from './model.ts';

const table = `inet ${tableName}`;
const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : 1;
const sides: Readonly<Record<Side, string>> = { source: 'saddr', destination: 'daddr' };
const ifname = { in: 'iifname', out: 'oifname' } as const;
const hooks: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
const ip = (version: IpVersion): string => (version === 4 ? 'ip' : 'ip6');
const list = (items: readonly string[]): string =>
  items.length === 1 ? `${items[0]}` : `{ ${items.join(', ')} }`;
const range = ({ first, last }: PortRange): string => (first === last ? `${first}` : `${first}-${last}`);
const hex = (word: number): string => `0x${(word >>> 0).toString(16).padStart(8, '0')}`;
/** Where the ports of a packet are; any protocol's begin with them. */
const portWords = { source: 'sport', destination: 'dport' } as const;

/** What is looked at, how, and what it must be. */
function renderMatch(match: Match): string {
  const is = 'not' in match && match.not === true ? '!= ' : '';
  switch (match.kind) {
    case 'interface':
      return `${ifname[match.way]} ${is}"${match.name}"`;
    case 'interfaceSet':
      return `${ifname[match.way]} ${is}@${match.set}`;
    case 'ctState':
      return `ct state ${match.states.join(',')}`;
    case 'ctDnat':
      return match.not === true ? 'ct status & dnat == 0' : 'ct status dnat';
    case 'version':
      return `meta nfproto ipv${match.version}`;
    case 'prefix':
      return `${ip(versionOf(match.prefix))} ${sides[match.side]} ${is}${formatPrefix(match.prefix)}`;
    case 'addressSet':
      return `${ip(match.version)} ${sides[match.side]} ${is}@${match.set}`;
    case 'portSet':
      return `${ip(match.version)} ${sides[match.side]} . meta l4proto . th ${portWords[match.side]} ${is}@${match.set}`;
    case 'protocol':
      return `meta l4proto ${is}${protocolText(match.protocol)}`;
    case 'ports':
      return `${renderPortProtocol(match.protocol)} ${portWords[match.side]} ${is}${list(match.ranges.map(range))}`;
    case 'icmp':
      return renderIcmp(match, is);
    case 'mark':
      return `meta mark & ${hex(match.mask)} ${match.not === true ? '!=' : '=='} ${hex(match.value)}`;
    case 'local':
      return `fib ${sides[match.side]} type ${is}local`;
    case 'limit':
      return `limit rate ${match.over === true ? 'over ' : ''}${match.perSecond}/second burst ${match.burst} packets`;
    case 'connectionsOver':
      return `ct count over ${match.count}`;
    case 'noReturnPath':
      return 'fib saddr . iif oif missing';
  }
}

/** nft knows ports of these by name; of others there is no text, and no match asks. */
function renderPortProtocol(protocol: number): string {
  const name = protocol === 33 ? 'dccp' : protocolText(protocol);
  assert(/^[a-z]/.test(name), `protocol ${protocol} has no ports`);
  return name;
}

function renderIcmp({ version, types, code }: Extract<Match, { kind: 'icmp' }>, is: string): string {
  const name = version === 4 ? 'icmp' : 'icmpv6';
  if (code === undefined) return `${name} type ${is}${list(types.map(String))}`;
  const pairs = types.map((type) => `${type} . ${code}`).join(', ');
  return `${name} type . ${name} code ${is}{ ${pairs} }`;
}

function renderStatement(statement: Statement, rule: Rule): string {
  switch (statement.kind) {
    case 'log':
      return `log prefix "${statement.prefix}"`;
    case 'nflog':
      return `log prefix "${statement.prefix}" group ${statement.group}`;
    case 'mark':
      return `meta mark set meta mark & ${hex(~statement.mask)}${statement.value === 0 ? '' : ` | ${hex(statement.value)}`}`;
    case 'notrack':
      return 'notrack';
    case 'dscp':
      return `${ip(familyOf(rule))} dscp set ${statement.value}`;
    case 'clampMss': {
      const size = statement.mss === 'route' ? 'rt mtu' : `${statement.mss}`;
      return `tcp flags & (syn | rst) == syn tcp option maxseg size set ${size}`;
    }
  }
}

/** A rule that writes a field of one family's header names the family. */
function familyOf({ matches }: Rule): IpVersion {
  const [version] = matches.flatMap((match) => {
    if (match.kind === 'prefix') return versionOf(match.prefix);
    return 'version' in match ? match.version : [];
  });
  assert(version !== undefined, 'a rule that sets a DSCP names no family');
  return version;
}

function renderVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'accept':
    case 'drop':
    case 'return':
      return verdict.kind;
    case 'reject':
      return 'reject with icmpx admin-prohibited';
    case 'jump':
      return `jump ${verdict.chain}`;
    case 'dispatch':
      return `${ifname[verdict.way]} vmap @${verdict.map}`;
    case 'portJump':
      return `meta l4proto . th dport vmap { ${verdict.ports.map(renderPortJump).join(', ')} }`;
    case 'masquerade':
      return [
        'masquerade',
        ...(verdict.ports === undefined ? [] : [`to :${range(verdict.ports)}`]),
        ...(verdict.fullyRandom === true ? ['fully-random'] : []),
      ].join(' ');
    case 'snat':
      return `snat ${ip(versionOf(verdict.to))} to ${renderTarget(verdict.to, verdict.ports)}`;
    case 'dnatMap':
      return `dnat ${ip(verdict.version)} to ${ip(verdict.version)} daddr map @${verdict.map}`;
    case 'snatMap':
      return `snat ${ip(verdict.version)} to ${ip(verdict.version)} saddr map @${verdict.map}`;
  }
}

const renderPortJump = ({ protocol, port, chain }: PortJump): string =>
  `${protocolText(protocol)} . ${port} : jump ${chain}`;

function renderTarget(address: Address, ports: PortRange | undefined): string {
  const text = formatAddress(address);
  if (ports === undefined) return text;
  return `${versionOf(address) === 6 ? `[${text}]` : text}:${range(ports)}`;
}

/** One rule, without its chain. Counters start at nothing. */
export const renderRule = (rule: Rule): string =>
  [
    ...rule.matches.map(renderMatch),
    ...(rule.counted === true ? ['counter'] : []),
    ...(rule.statements ?? []).map((statement) => renderStatement(statement, rule)),
    ...(rule.verdict === undefined ? [] : [renderVerdict(rule.verdict)]),
    ...(rule.comment === undefined ? [] : [`comment "${rule.comment}"`]),
  ].join(' ');

const baseLine = (chain: Chain): readonly string[] =>
  chain.base === undefined
    ? []
    : [
        `type ${chain.base.type ?? 'filter'} hook ${chain.base.hook} priority ${chain.base.priority}; policy accept;`,
      ];

function setLines(decl: SetDecl): readonly string[] {
  const address = decl.version === 6 ? 'ipv6_addr' : 'ipv4_addr';
  const types: Readonly<Record<SetDecl['kind'], readonly string[]>> = {
    address: [`type ${address}`],
    range: [`type ${address}`, 'flags interval'],
    port: [`type ${address} . inet_proto . inet_service`],
    portRange: ['type inet_service', 'flags interval'],
    interface: ['type ifname'],
    dispatch: ['type ifname : verdict'],
    translation: [`type ${address} : ${address}`],
  };
  return [...types[decl.kind], ...(decl.comment === undefined ? [] : [`comment "${decl.comment}"`])];
}

const keyword = ({ kind }: SetDecl): string =>
  kind === 'dispatch' || kind === 'translation' ? 'map' : 'set';

function compareElements(a: Element, b: Element): number {
  if (a.kind === 'address' && b.kind === 'address') return compareAddresses(a.address, b.address);
  if (a.kind === 'range' && b.kind === 'range') return compareAddresses(a.first, b.first);
  if (a.kind === 'portRange' && b.kind === 'portRange') return a.first - b.first;
  if (a.kind === 'translation' && b.kind === 'translation') return compareAddresses(a.from, b.from);
  if (a.kind === 'port' && b.kind === 'port' && a.address !== b.address)
    return compareAddresses(a.address, b.address);
  return elementKey(a) < elementKey(b) ? -1 : 1;
}

const elementTexts = (elements: Iterable<Element>): readonly string[] =>
  [...elements].sort(compareElements).map(elementKey);

const block = (head: string, lines: readonly string[]): string =>
  [`  ${head} {`, ...lines.map((line) => `    ${line}`), '  }'].join('\n');

function renderSet({ decl, elements }: NamedSet): string {
  const texts = elementTexts(elements.values());
  const lines = texts.length === 0 ? [] : [`elements = { ${texts.join(',\n                 ')} }`];
  return block(`${keyword(decl)} ${decl.name}`, [...setLines(decl), ...lines]);
}

const renderChain = (chain: Chain): string =>
  block(`chain ${chain.name}`, [...baseLine(chain), ...chain.rules.map(renderRule)]);

/** Base chains first, in the order packets meet them. */
function compareChains(a: Chain, b: Chain): number {
  if (a.base === undefined || b.base === undefined) {
    return a.base === b.base ? byName(a, b) : a.base === undefined ? 1 : -1;
  }
  return (
    hooks.indexOf(a.base.hook) - hooks.indexOf(b.base.hook) ||
    a.base.priority - b.base.priority ||
    byName(a, b)
  );
}

/** Names of what the table in the kernel holds, whoever put it there. */
export interface TableContents {
  readonly chains: readonly string[];
  readonly sets: readonly string[];
  readonly maps: readonly string[];
}

/**
 * One script, one transaction: whatever table was there is replaced by exactly this.
 *
 * With `present`, what has the same name is emptied and filled again instead of deleted and made again. The difference
 * is packets: one that is being judged by the old rules while the transaction takes effect looks its interface up in
 * the old map, whose elements a deletion has just taken away, and meets the drop for unknown interfaces (measured: 4 of 900
 * connection attempts during such replacements, none of 1,100 with this form). A map that stays has the new elements at that moment.
 * The kernel refuses this form if something of the same name is of another type; without `present` it always works.
 */
export function renderRuleset(ruleset: Ruleset, present?: TableContents): string {
  const sets = [...ruleset.sets.values()].sort((a, b) => byName(a.decl, b.decl));
  const chains = [...ruleset.chains.values()].sort(compareChains);
  const body = [...sets.map(renderSet), ...chains.map(renderChain)].join('\n\n');
  const before = present === undefined ? [`delete table ${table}`] : emptyTable(ruleset, present);
  // The first line makes the others valid when there is no table yet.
  return `table ${table} {}\n${before.join('\n')}\ntable ${table} {\n${body}\n}\n`;
}

/** Takes out all rules and elements, then what is not wanted: in this order nothing is referred to any more. */
function emptyTable({ chains, sets }: Ruleset, present: TableContents): readonly string[] {
  const keyed = [
    ...present.sets.map((name) => ['set', name] as const),
    ...present.maps.map((name) => ['map', name] as const),
  ];
  const isWanted = (name: string): boolean => sets.has(name);
  return [
    `flush table ${table}`,
    ...keyed.map(([kind, name]) => `flush ${kind} ${table} ${name}`),
    ...present.chains.filter((name) => !chains.has(name)).map((name) => `delete chain ${table} ${name}`),
    ...keyed.filter(([, name]) => !isWanted(name)).map(([kind, name]) => `delete ${kind} ${table} ${name}`),
  ];
}

const addSet = (decl: SetDecl): string =>
  `add ${keyword(decl)} ${table} ${decl.name} { ${setLines(decl).join('; ')}; }`;

function addChain(chain: Chain): string {
  const base = baseLine(chain);
  return `add chain ${table} ${chain.name}${base.length === 0 ? '' : ` { ${base.join(' ')} }`}`;
}

const fill = (chain: Chain): readonly string[] => [
  `flush chain ${table} ${chain.name}`,
  ...chain.rules.map((rule) => `add rule ${table} ${chain.name} ${renderRule(rule)}`),
];

const elementLine = (verb: string, decl: SetDecl, elements: readonly Element[]): readonly string[] =>
  elements.length === 0
    ? []
    : [`${verb} element ${table} ${decl.name} { ${elementTexts(elements).join(', ')} }`];

/** Deletions first, so that an interface can change its chain. */
const elementLines = ({ decl, added, removed }: ElementChange): readonly string[] => [
  ...elementLine('delete', decl, removed),
  ...elementLine('add', decl, added),
];

/**
 * Scripts to run in order, each one transaction; the first alone already gives the new behaviour. With
 * `chainsFreedLate` (kernels before 6.2 count a map's reference to a chain until the transaction is over) chains
 * are emptied by the first script and deleted by a second one. Empty if nothing changed.
 */
export function renderChange(
  change: RulesetChange,
  options: { readonly chainsFreedLate: boolean } = { chainsFreedLate: false },
): readonly string[] {
  const chains = [...change.chains].sort(compareChains);
  const elements = [...change.elements].sort((a, b) => byName(a.decl, b.decl));
  const removedChains = [...change.removedChains].sort();
  const deleteChains = removedChains.map((name) => `delete chain ${table} ${name}`);
  const now = [
    ...[...change.sets].sort(byName).map(addSet),
    ...chains.map(addChain),
    ...elements.flatMap(elementLines),
    ...chains.flatMap(fill),
    ...removedChains.map((name) => `flush chain ${table} ${name}`),
    // A map refers to chains.
    ...[...change.removedSets].sort(byName).map((decl) => `delete ${keyword(decl)} ${table} ${decl.name}`),
    ...(options.chainsFreedLate ? [] : deleteChains),
  ];
  return [now, options.chainsFreedLate ? deleteChains : []]
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`);
}
