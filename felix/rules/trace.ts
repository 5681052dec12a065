/**
 * Walks a ruleset for one packet, as the kernel would: the verdict, and the way it took there.
 *
 * For properties against the oracle, and for people who ask why a packet was dropped.
 */
import {
  type Address,
  compareAddresses,
  containsAddress,
  formatAddress,
  versionOf,
} from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import type { Protocol } from '../../src/model/resource.ts';
import {
  type Chain,
  type CtState,
  elementKey,
  type Hook,
  type Match,
  type NamedSet,
  type Rule,
  type Ruleset,
} from './model.ts';

export interface Packet {
  readonly source: Address;
  readonly destination: Address;
  readonly protocol: Protocol | 'other';
  /** Of protocols with ports. */
  readonly destinationPort?: number;
  /** Of ICMPv6, whose protocol is 'other'. */
  readonly icmp6Type?: number;
  /** 'untracked' is what neighbour discovery is to the kernel. */
  readonly state: CtState | 'new' | 'untracked';
  /** Interface it came in by; empty: none, made by this host. */
  readonly in: string;
  /** Interface it leaves by; empty: none, it is for this host. */
  readonly out: string;
  /** A route to its source leaves by the interface it came in. Default true. */
  readonly hasReturnPath?: boolean;
}

/** One rule that matched. */
interface TraceStep {
  readonly chain: string;
  /** From 0. */
  readonly rule: number;
  readonly verdict: string;
  readonly comment?: string;
}

export interface Trace {
  readonly verdict: 'accept' | 'drop';
  readonly path: readonly TraceStep[];
}

/** What the host itself sends passes none of our hooks. */
function hooksOf(packet: Packet): readonly Hook[] {
  if (packet.in === '') return [];
  return ['prerouting', packet.out === '' ? 'input' : 'forward'];
}

/** A packet passes if every base chain on its way accepts it, by a rule or by its policy. */
export function trace(ruleset: Ruleset, packet: Packet): Trace {
  const path: TraceStep[] = [];
  for (const hook of hooksOf(packet)) {
    const chains = [...ruleset.chains.values()]
      .filter(({ base }) => base?.hook === hook)
      .sort((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
    for (const chain of chains) {
      const atHook = hook === 'prerouting' ? { ...packet, out: '' } : packet; // not routed yet
      if (walk(ruleset, chain, atHook, path) === 'drop') return { verdict: 'drop', path };
    }
  }
  return { verdict: 'accept', path };
}

/** Undefined: the end of the chain was reached, so its caller goes on. */
function walk(
  ruleset: Ruleset,
  chain: Chain,
  packet: Packet,
  path: TraceStep[],
): 'accept' | 'drop' | undefined {
  for (const [index, rule] of chain.rules.entries()) {
    if (!rule.matches.every((match) => matches(ruleset, match, packet))) continue;
    const next = targetOf(ruleset, rule, packet);
    if (next === undefined) continue;
    const { comment } = rule;
    const verdict = typeof next === 'string' ? next : `jump ${next.name}`;
    path.push({ chain: chain.name, rule: index, verdict, ...(comment === undefined ? {} : { comment }) });
    const result = typeof next === 'string' ? next : walk(ruleset, next, packet, path);
    if (result !== undefined) return result;
  }
  return undefined;
}

/** Undefined: a map that does not know the interface, so the rule does nothing. */
function targetOf(
  ruleset: Ruleset,
  { verdict }: Rule,
  packet: Packet,
): 'accept' | 'drop' | Chain | undefined {
  switch (verdict.kind) {
    case 'accept':
    case 'drop':
      return verdict.kind;
    case 'jump':
      return chainNamed(ruleset, verdict.chain);
    case 'dispatch': {
      const name = verdict.way === 'in' ? packet.in : packet.out;
      for (const element of setNamed(ruleset, verdict.map).elements.values()) {
        if (element.kind === 'dispatch' && element.interface === name)
          return chainNamed(ruleset, element.chain);
      }
      return undefined;
    }
  }
}

function chainNamed(ruleset: Ruleset, name: string): Chain {
  const chain = ruleset.chains.get(name);
  assert(chain !== undefined, `a rule jumps to chain ${name}, which is not there`);
  return chain;
}

function setNamed(ruleset: Ruleset, name: string): NamedSet {
  const set = ruleset.sets.get(name);
  assert(set !== undefined, `a rule looks in set ${name}, which is not there`);
  return set;
}

function matches(ruleset: Ruleset, match: Match, packet: Packet): boolean {
  switch (match.kind) {
    case 'interface':
      return interfaceIs(match.name, match.way === 'in' ? packet.in : packet.out) !== (match.not === true);
    case 'interfaceNotIn': {
      const key = elementKey({ kind: 'interface', interface: match.way === 'in' ? packet.in : packet.out });
      return !setNamed(ruleset, match.set).elements.has(key);
    }
    case 'ctState':
      return match.states.some((state) => state === packet.state);
    case 'version':
      return versionOf(packet.source) === match.version;
    case 'prefix':
      return containsAddress(match.prefix, packet[match.side]);
    case 'addressSet':
      return (
        versionOf(packet.source) === match.version && holds(setNamed(ruleset, match.set), packet[match.side])
      );
    case 'portSet':
      return versionOf(packet.source) === match.version && holdsPort(setNamed(ruleset, match.set), packet);
    case 'protocol':
      return packet.protocol === match.protocol;
    case 'ports':
      return (
        packet.protocol === match.protocol &&
        match.ranges.some(({ first, last }) => within(first, packet.destinationPort, last))
      );
    case 'icmp6':
      return packet.icmp6Type !== undefined && match.types.includes(packet.icmp6Type);
    case 'noReturnPath':
      return packet.hasReturnPath === false;
  }
}

const within = (first: number, value: number | undefined, last: number): boolean =>
  value !== undefined && first <= value && value <= last;

const interfaceIs = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

function holds(set: NamedSet, address: Address): boolean {
  if (set.decl.kind === 'address') return set.elements.has(formatAddress(address));
  return [...set.elements.values()].some(
    (element) =>
      element.kind === 'range' &&
      compareAddresses(element.first, address) <= 0 &&
      compareAddresses(address, element.last) <= 0,
  );
}

function holdsPort(set: NamedSet, { destination, protocol, destinationPort }: Packet): boolean {
  if (protocol === 'other' || destinationPort === undefined) return false;
  return set.elements.has(
    elementKey({ kind: 'port', address: destination, protocol, port: destinationPort }),
  );
}
