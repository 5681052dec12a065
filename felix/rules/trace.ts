/**
 * Walks a ruleset for one packet, as the kernel would: the verdict, the way it took there, and the rule that decided.
 *
 * For properties against the oracle, and for people who ask why a packet was dropped. Limits let everything past, and no
 * connection is one too many.
 */
import {
  type Address,
  compareAddresses,
  containsAddress,
  formatAddress,
  versionOf,
} from '../../src/lib/net.ts';
import { assert } from '../../src/lib/result.ts';
import {
  type Chain,
  type CtState,
  elementKey,
  type Hook,
  type Match,
  type NamedSet,
  type Rule,
  type Ruleset,
  type Side,
  type Statement,
} from './model.ts';

export interface Packet {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  /** Of protocols with ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Of ICMP and ICMPv6. */
  readonly icmp?: { readonly type: number; readonly code: number };
  /** 'untracked' is what neighbour discovery is to the kernel. */
  readonly state: CtState;
  /** Interface it came in by; empty: none, made by this host. */
  readonly in: string;
  /** Interface it leaves by, once its destination is translated; empty: none, it is for this host. */
  readonly out: string;
  /** What others (kube-proxy) make of its destination, at the hook and priority of DNAT: -100. */
  readonly translated?: { readonly destination: Address; readonly destinationPort?: number };
  /** Of the host's own packets that are translated: the interface they would leave by if they were not. Default `out`. */
  readonly outBefore?: string;
  /** Default 0. */
  readonly mark?: number;
  /** A route to its source leaves by the interface it came in. Default true. */
  readonly hasReturnPath?: boolean;
  /** Addresses of this host. Default none. */
  readonly local?: readonly Address[];
}

/** One rule that matched. */
export interface TraceStep {
  readonly chain: string;
  /** From 0. */
  readonly rule: number;
  /** "accept", "drop", "jump CHAIN", …, or "continue" for one that only does something. */
  readonly verdict: string;
  readonly comment?: string;
  /** What it reports itself as, by NFLOG. */
  readonly tag?: string;
}

export interface Trace {
  readonly verdict: 'accept' | 'drop' | 'reject';
  readonly path: readonly TraceStep[];
  /** The rule that ended the packet's way, with the tag of what it reports; of an accepted packet the last that accepted, if any did. */
  readonly decided?: TraceStep;
  /** As it leaves: translated, marked, perhaps untracked. */
  readonly packet: Packet;
  /** The source it leaves with, if one of our rules translates it. */
  readonly source?: Address | 'masqueraded';
}

/** What the walk changes as it goes. */
interface Walk {
  readonly ruleset: Ruleset;
  packet: Packet;
  readonly path: TraceStep[];
  source?: Address | 'masqueraded';
  hook: Hook;
}

function hooksOf(packet: Packet): readonly Hook[] {
  if (packet.in === '') return ['output', 'postrouting'];
  return packet.out === '' ? ['prerouting', 'input'] : ['prerouting', 'forward', 'postrouting'];
}

const dnatPriority = -100;
const isBeforeDnat = (hook: Hook, priority: number): boolean =>
  (hook === 'prerouting' || hook === 'output') && priority < dnatPriority;

/** A packet passes if every base chain on its way accepts it, by a rule or by its policy. */
export const trace = (ruleset: Ruleset, packet: Packet): Trace => tracer(ruleset)(packet);

/** For many packets, while the ruleset stays as it is. */
export function tracer(ruleset: Ruleset): (packet: Packet) => Trace {
  const bases = [...ruleset.chains.values()]
    .filter(({ base }) => base !== undefined)
    .sort((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
  return (packet) => traceIn(ruleset, bases, packet);
}

function traceIn(ruleset: Ruleset, bases: readonly Chain[], packet: Packet): Trace {
  const walk: Walk = { ruleset, packet, path: [], hook: 'prerouting' };
  let verdict: Trace['verdict'] = 'accept';
  for (const [hook, chain] of wayOf(bases, packet)) {
    walk.hook = hook;
    if (!isBeforeDnat(hook, chain.base?.priority ?? 0)) translate(walk);
    if (chain.base?.type === 'nat' && walk.packet.state !== 'new') continue;
    const result = follow(walk, chain);
    if (result === 'drop' || result === 'reject') {
      verdict = result;
      break;
    }
  }
  const decided = decisive(walk.path, verdict);
  return {
    verdict,
    path: walk.path,
    ...(decided === undefined ? {} : { decided }),
    packet: walk.packet,
    ...(walk.source === undefined ? {} : { source: walk.source }),
  };
}

/** Base chains in the order a packet meets them. */
function* wayOf(bases: readonly Chain[], packet: Packet): Generator<readonly [Hook, Chain]> {
  for (const hook of hooksOf(packet))
    for (const chain of bases) if (chain.base?.hook === hook) yield [hook, chain];
}

/** An untracked packet is never translated. */
function translate(walk: Walk): void {
  const { translated, state } = walk.packet;
  if (translated === undefined || state === 'untracked') return;
  walk.packet = { ...walk.packet, ...translated };
}

function decisive(path: readonly TraceStep[], verdict: Trace['verdict']): TraceStep | undefined {
  const index = path.findLastIndex((step) => step.verdict === verdict);
  const step = path[index];
  if (step === undefined) return undefined;
  const before = path[index - 1];
  const { tag } = step;
  const reported =
    tag ?? (before?.chain === step.chain && before.rule === step.rule - 1 ? before.tag : undefined);
  return reported === undefined ? step : { ...step, tag: reported };
}

type Ended = 'accept' | 'drop' | 'reject';

/** Undefined: the end of the chain was reached, or `return`, so its caller goes on. */
function follow(walk: Walk, chain: Chain): Ended | undefined {
  for (const [index, rule] of chain.rules.entries()) {
    if (!rule.matches.every((match) => matches(walk, match))) continue;
    const next = targetOf(walk, rule);
    if (next === 'nowhere') continue;
    walk.path.push(stepOf(chain, index, rule, next));
    for (const statement of rule.statements ?? []) act(walk, statement);
    if (next === 'return') return undefined;
    const result = typeof next === 'string' ? next : follow(walk, next);
    if (result !== undefined && result !== 'continue') return result;
  }
  return undefined;
}

function stepOf(chain: Chain, rule: number, { comment, statements = [] }: Rule, next: Target): TraceStep {
  const report = statements.find((statement) => statement.kind === 'nflog');
  return {
    chain: chain.name,
    rule,
    verdict: typeof next === 'string' ? next : `jump ${next.name}`,
    ...(comment === undefined ? {} : { comment }),
    ...(report === undefined ? {} : { tag: report.prefix }),
  };
}

function act(walk: Walk, statement: Statement): void {
  const { packet } = walk;
  if (statement.kind === 'mark')
    walk.packet = { ...packet, mark: (((packet.mark ?? 0) & ~statement.mask) | statement.value) >>> 0 };
  if (statement.kind === 'notrack') walk.packet = { ...packet, state: 'untracked' };
}

const canReject: readonly Hook[] = ['input', 'forward', 'output'];

/** 'nowhere': a map that does not know the packet, so the rule does nothing. */
type Target = Ended | 'return' | 'continue' | Chain;

function targetOf(walk: Walk, { verdict }: Rule): Target | 'nowhere' {
  const { ruleset, packet } = walk;
  switch (verdict?.kind) {
    case undefined:
      return 'continue';
    case 'accept':
    case 'drop':
    case 'return':
      return verdict.kind;
    case 'reject':
      assert(canReject.includes(walk.hook), `a rule rejects in ${walk.hook}, which the kernel refuses`);
      return 'reject';
    case 'jump':
      return chainNamed(ruleset, verdict.chain);
    case 'dispatch': {
      const name = interfaceOf(walk, verdict.way);
      for (const element of setNamed(ruleset, verdict.map).elements.values()) {
        if (element.kind === 'dispatch' && element.interface === name)
          return chainNamed(ruleset, element.chain);
      }
      return 'nowhere';
    }
    case 'portJump': {
      const { protocol, destinationPort } = packet;
      const found = verdict.ports.find((each) => each.protocol === protocol && each.port === destinationPort);
      return found === undefined ? 'nowhere' : chainNamed(ruleset, found.chain);
    }
    case 'masquerade':
      walk.source = 'masqueraded';
      return 'accept';
    case 'snat':
      walk.source = verdict.to;
      return 'accept';
    case 'dnatMap': {
      const to = translationOf(setNamed(ruleset, verdict.map), packet.destination);
      if (to === undefined || versionOf(to) !== verdict.version) return 'nowhere';
      walk.packet = { ...packet, translated: { destination: to } };
      return 'accept';
    }
    case 'snatMap': {
      const to = translationOf(setNamed(ruleset, verdict.map), packet.source);
      if (to === undefined || versionOf(to) !== verdict.version) return 'nowhere';
      walk.source = to;
      return 'accept';
    }
  }
}

function translationOf({ elements }: NamedSet, from: Address): Address | undefined {
  for (const element of elements.values())
    if (element.kind === 'translation' && element.from === from) return element.to;
  return undefined;
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

/** Before routing there is no way out yet; and while the host's own packet is in `output`, the way is the one before translation. */
function interfaceOf({ packet, hook }: Walk, way: 'in' | 'out'): string {
  if (way === 'in') return packet.in;
  if (hook === 'prerouting') return '';
  return hook === 'output' ? (packet.outBefore ?? packet.out) : packet.out;
}

function matches(walk: Walk, match: Match): boolean {
  const { packet } = walk;
  if ('version' in match && match.version !== versionOf(packet.source)) return false;
  if (match.kind === 'prefix' && versionOf(match.prefix) !== versionOf(packet.source)) return false;
  if ((match.kind === 'ports' && match.protocol !== packet.protocol) || !isLegible(match, packet))
    return false;
  return holds(walk, match) !== ('not' in match && match.not === true);
}

/** The packet has what the match looks at: a match turned around does not hold of one that has not. */
function isLegible(match: Match, { state, protocol }: Packet): boolean {
  if (match.kind === 'ctDnat') return state !== 'untracked';
  if (match.kind === 'icmp') return protocol === (match.version === 4 ? 1 : 58);
  return true;
}

function holds(walk: Walk, match: Match): boolean {
  const { ruleset, packet } = walk;
  switch (match.kind) {
    case 'interface':
      return interfaceIs(match.name, interfaceOf(walk, match.way));
    case 'interfaceSet': {
      const key = elementKey({ kind: 'interface', interface: interfaceOf(walk, match.way) });
      return setNamed(ruleset, match.set).elements.has(key);
    }
    case 'ctState':
      return match.states.includes(packet.state);
    case 'ctDnat':
      return packet.translated !== undefined;
    case 'version':
    case 'limit':
      return !('over' in match);
    case 'prefix':
      return containsAddress(match.prefix, packet[match.side]);
    case 'addressSet':
      return hasAddress(setNamed(ruleset, match.set), packet[match.side]);
    case 'portSet':
      return hasPort(setNamed(ruleset, match.set), packet, match.side);
    case 'protocol':
      return packet.protocol === match.protocol;
    case 'ports':
      return match.ranges.some(({ first, last }) => within(first, portOf(packet, match.side), last));
    case 'icmp':
      return (
        packet.icmp !== undefined &&
        match.types.includes(packet.icmp.type) &&
        (match.code === undefined || match.code === packet.icmp.code)
      );
    case 'mark':
      return ((packet.mark ?? 0) & match.mask) >>> 0 === match.value >>> 0;
    case 'local':
      return packet.local?.includes(packet[match.side]) === true;
    case 'connectionsOver':
      return false;
    case 'noReturnPath':
      return packet.hasReturnPath === false;
  }
}

const portOf = (packet: Packet, side: Side): number | undefined =>
  side === 'source' ? packet.sourcePort : packet.destinationPort;

const within = (first: number, value: number | undefined, last: number): boolean =>
  value !== undefined && first <= value && value <= last;

const interfaceIs = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

function hasAddress(set: NamedSet, address: Address): boolean {
  if (set.decl.kind === 'address') return set.elements.has(formatAddress(address));
  return [...set.elements.values()].some(
    (element) =>
      element.kind === 'range' &&
      compareAddresses(element.first, address) <= 0 &&
      compareAddresses(address, element.last) <= 0,
  );
}

function hasPort(set: NamedSet, packet: Packet, side: Side): boolean {
  const port = portOf(packet, side);
  if (port === undefined) return false;
  return set.elements.has(
    elementKey({ kind: 'port', address: packet[side], protocol: packet.protocol, port }),
  );
}
