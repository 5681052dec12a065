/**
 * A match of the model in the words of iptables, for one family: the ways in which it can hold, any of which suffices.
 * No way: it never does. The way '': it always does.
 *
 * Protocols are settled for the rule as a whole, since iptables takes one `-p`.
 */
import { formatAddress, formatPrefix, type IpVersion, versionOf } from '../../../src/lib/net.ts';
import { assert } from '../../../src/lib/result.ts';
import type { Match, PortRange, Side } from '../model.ts';
import { addressOf, spanOf } from '../span.ts';
import { xtSetName } from './name.ts';

const icmp: Readonly<Record<IpVersion, number>> = { 4: 1, 6: 58 };
const states = {
  new: 'NEW',
  established: 'ESTABLISHED',
  related: 'RELATED',
  invalid: 'INVALID',
  untracked: 'UNTRACKED',
} as const;

/** Of one `multiport`; a range takes two. */
const mostSlots = 15;

export interface MatchContext {
  readonly version: IpVersion;
  /** Interfaces in a set of kind 'interface'. */
  readonly interfacesOf: (set: string) => readonly string[];
  /** A set that holds these ports: more than `multiport` takes. @returns its name */
  readonly portSet: (ranges: readonly PortRange[]) => string;
}

/** The ways in which all matches of a rule hold. */
export function waysOf(matches: readonly Match[], context: MatchContext): readonly string[] {
  const protocol = protocolOf(matches, context.version);
  if (protocol === undefined) return [];
  const prefixes = new Set<Side>();
  let ways: readonly string[] = [protocol];
  for (const match of matches) {
    const own =
      match.kind === 'prefix' ? prefixWays(match, context.version, prefixes) : wayOf(match, context);
    ways = ways.flatMap((way) => own.map((more) => [way, more].filter((part) => part !== '').join(' ')));
  }
  return ways;
}

/** Undefined: the matches exclude each other, or ask for the other family's ICMP. */
function protocolOf(matches: readonly Match[], version: IpVersion): string | undefined {
  if (matches.some((match) => match.kind === 'icmp' && match.version !== version)) return undefined;
  const wanted = new Set(matches.flatMap(protocolWanted));
  const excluded = new Set(
    matches.flatMap((match) => (match.kind === 'protocol' && match.not === true ? match.protocol : [])),
  );
  const [one] = wanted;
  if (one !== undefined) return wanted.size > 1 || excluded.has(one) ? undefined : `-p ${one}`;
  assert(excluded.size <= 1, 'a rule excludes one protocol at most');
  return [...excluded].map((each) => `! -p ${each}`).join('');
}

const protocolWanted = (match: Match): number | readonly number[] => {
  if (match.kind === 'icmp') return icmp[match.version];
  if (match.kind === 'ports') return match.protocol;
  return match.kind === 'protocol' && match.not !== true ? match.protocol : [];
};

const not = (match: { readonly not?: boolean }): string => (match.not === true ? '! ' : '');
const end = (side: Side): 'src' | 'dst' => (side === 'source' ? 'src' : 'dst');

/** iptables takes one `-s` and one `-d`; what is more is a range. */
function prefixWays(
  match: Extract<Match, { kind: 'prefix' }>,
  version: IpVersion,
  used: Set<Side>,
): readonly string[] {
  if (versionOf(match.prefix) !== version) return [];
  const { side, prefix } = match;
  if (!used.has(side)) {
    used.add(side);
    return [`${not(match)}${side === 'source' ? '-s' : '-d'} ${formatPrefix(prefix)}`];
  }
  const { first, last } = spanOf(prefix);
  const text = [first, last].map((value) => formatAddress(addressOf(version, value))).join('-');
  return [`-m iprange ${not(match)}--${end(side)}-range ${text}`];
}

function wayOf(match: Exclude<Match, { kind: 'prefix' }>, context: MatchContext): readonly string[] {
  const { version } = context;
  if ('version' in match && match.version !== version) return [];
  switch (match.kind) {
    case 'interface':
      return [`${not(match)}${match.way === 'in' ? '-i' : '-o'} ${match.name.replace(/\*$/, '+')}`];
    case 'interfaceSet':
      assert(match.not !== true, 'a set of interfaces that are excluded is split off before');
      return context.interfacesOf(match.set).map((name) => `${match.way === 'in' ? '-i' : '-o'} ${name}`);
    case 'ctState':
      return [`-m conntrack --ctstate ${match.states.map((state) => states[state]).join(',')}`];
    case 'ctDnat':
      return match.not === true
        ? ['-m conntrack ! --ctstate INVALID,UNTRACKED,DNAT']
        : ['-m conntrack --ctstate DNAT'];
    case 'version':
      return [''];
    case 'addressSet':
      return [`-m set ${not(match)}--match-set ${xtSetName(match.set)} ${end(match.side)}`];
    case 'portSet':
      return [
        `-m set ${not(match)}--match-set ${xtSetName(match.set)} ${end(match.side)},${end(match.side)}`,
      ];
    case 'protocol':
      return [''];
    case 'ports':
      return [portsWay(match, context)];
    case 'icmp':
      return icmpWays(match);
    case 'mark':
      return [`-m mark ${not(match)}--mark ${hex(match.value)}/${hex(match.mask)}`];
    case 'local':
      return [`-m addrtype ${not(match)}--${end(match.side)}-type LOCAL`];
    case 'limit':
      return [limitWay(match)];
    case 'connectionsOver':
      return [`-m connlimit --connlimit-above ${match.count} --connlimit-mask 0 --connlimit-saddr`];
    case 'noReturnPath':
      return ['-m rpfilter --invert'];
  }
}

export const hex = (value: number): string => `0x${value.toString(16)}`;

const rangeText = ({ first, last }: PortRange): string => (first === last ? `${first}` : `${first}:${last}`);

function portsWay(match: Extract<Match, { kind: 'ports' }>, { portSet }: MatchContext): string {
  const { ranges, side } = match;
  const slots = ranges.reduce((sum, { first, last }) => sum + (first === last ? 1 : 2), 0);
  return slots <= mostSlots
    ? `-m multiport ${not(match)}--${side === 'source' ? 's' : 'd'}ports ${ranges.map(rangeText).join(',')}`
    : `-m set ${not(match)}--match-set ${portSet(ranges)} ${end(side)}`;
}

/** All codes of a type are one way; of several excluded types each is a match of its own. */
function icmpWays({ version, types, code, not: isNot }: Extract<Match, { kind: 'icmp' }>): readonly string[] {
  const [module, option] = version === 4 ? ['icmp', '--icmp-type'] : ['icmp6', '--icmpv6-type'];
  const texts = types.map((type) => `${option} ${type}${code === undefined ? '' : `/${code}`}`);
  return isNot === true
    ? [texts.map((text) => `-m ${module} ! ${text}`).join(' ')]
    : texts.map((text) => `-m ${module} ${text}`);
}

/** What `limit` takes at most; what is more is `hashlimit` without a key, as is what is over. */
const mostPerSecond = 10_000;

function limitWay({ perSecond, burst, over }: Extract<Match, { kind: 'limit' }>): string {
  if (over !== true && perSecond <= mostPerSecond && burst <= mostPerSecond) {
    return `-m limit --limit ${perSecond}/sec --limit-burst ${burst}`;
  }
  const name = `tortie-${over === true ? 'a' : 'u'}${perSecond}-${burst}`;
  return `-m hashlimit --hashlimit-${over === true ? 'above' : 'upto'} ${perSecond}/sec --hashlimit-burst ${burst} --hashlimit-name ${name}`;
}
