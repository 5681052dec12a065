/** What the kernel told of packets, as steps that a person can read: which rule, whose, for what, and how often it held. */
import { decodeHead } from '../../src/kernel/netlink/nflog.ts';
import { FAMILY } from '../../src/kernel/netlink/nft/numbers.ts';
import type { ChainSeen, RuleTraced } from '../../src/kernel/netlink/nft/read.ts';
import type { TraceMessage } from '../../src/kernel/netlink/nft/trace.ts';
import { traceTable } from '../../src/kernel/nft-trace.ts';
import { formatAddress } from '../../src/lib/net.ts';
import type { TraceDecision, TraceHead, TraceReport, TraceRequest, TraceStep } from '../../src/model/live.ts';

/** What is known of the node's rules beside the messages. */
export interface Known {
  readonly hooks: readonly ChainSeen[];
  /** Rules of the chains that were touched, in order, by `chainKey`. */
  readonly rules: ReadonlyMap<string, readonly RuleTraced[]>;
  /** Of other tables: by `chainKey`, then by handle. */
  readonly texts: ReadonlyMap<string, ReadonlyMap<bigint, string>>;
  /** What rules of our own table had counted before, by handle. */
  readonly before: ReadonlyMap<bigint, number>;
  /** What a rule of ours is for. @param index  among the rules of its chain. Undefined: of none, or it is not ours */
  readonly decisionOf: (rule: RuleTraced, index: number) => TraceDecision | undefined;
  /** Tortie wrote this rule. */
  readonly isOwn: (step: Pick<TraceMessage, 'family' | 'table' | 'chain'>, rule?: RuleTraced) => boolean;
  readonly isOwnTable: (step: Pick<TraceMessage, 'family' | 'table'>) => boolean;
  readonly interfaceName: (ifindex: number) => string | undefined;
}

export const chainKey = ({
  family,
  table,
  chain,
}: Pick<TraceMessage, 'family' | 'table' | 'chain'>): string => `${family} ${table} ${chain}`;

const isMarking = ({ family, table }: TraceMessage): boolean =>
  family === FAMILY.inet && table === traceTable;

/** What our own marking does, and the end of a chain that has no rule to tell of, are no steps of anybody's. */
export const matters = (message: TraceMessage): boolean =>
  !isMarking(message) && (message.type !== 'rule' || message.handle !== undefined);

const familyNames: ReadonlyMap<number, string> = new Map(
  Object.entries(FAMILY).map(([name, number]) => [number, name]),
);

function headOf({ network, transport }: TraceMessage): TraceHead | undefined {
  if (network === undefined) return undefined;
  const octets = new Uint8Array(network.byteLength + (transport?.byteLength ?? 0));
  octets.set(network);
  if (transport !== undefined) octets.set(transport, network.byteLength);
  const head = decodeHead(new DataView(octets.buffer), 0, octets.byteLength);
  if (head === undefined) return undefined;
  const { source, destination, tcpFlags: _, ...rest } = head;
  return { source: formatAddress(source), destination: formatAddress(destination), ...rest };
}

/** Of packets that were asked about, those that answer come from where the others went. */
function wayOf(head: TraceHead, { sourcePort, protocol }: TraceRequest): TraceStep['way'] {
  if (head.icmp !== undefined) return echoReplies.get(protocol) === head.icmp.type ? 'back' : 'there';
  return head.sourcePort === sourcePort ? 'there' : 'back';
}
const echoReplies: ReadonlyMap<number, number> = new Map([
  [1, 0],
  [58, 129],
]);

interface Packet {
  readonly name: string;
  readonly way: TraceStep['way'];
}

/**
 * The kernel tells packets apart by where they lie in its memory, so one that comes after another has gone may have its number. Each
 * meets our marking first, so there a new one begins.
 */
class Packets {
  readonly #now = new Map<number, Packet>();
  readonly #count = { there: 0, back: 0 };
  #total = 0;

  get count(): TraceReport['packets'] {
    return this.#count;
  }

  /** Of one whose beginning was lost it is not known which way it goes: it counts as none. */
  of(message: TraceMessage, head: TraceHead | undefined, asked: TraceRequest): Packet {
    const { id } = message;
    const known = this.#now.get(id);
    if (known !== undefined && (head === undefined || !isMarking(message))) return known;
    const way = head === undefined ? 'there' : wayOf(head, asked);
    this.#total += 1;
    if (head !== undefined) this.#count[way] += 1;
    const packet = { name: `${this.#total}-${id.toString(16).padStart(8, '0')}`, way };
    this.#now.set(id, packet);
    return packet;
  }
}

/** @param messages  in the order the kernel told them */
export function stepsOf(
  messages: readonly TraceMessage[],
  asked: TraceRequest,
  known: Known,
): Pick<TraceReport, 'steps' | 'packets'> {
  const packets = new Packets();
  const steps = messages.flatMap((message) => {
    const head = headOf(message);
    const packet = packets.of(message, head, asked);
    return !matters(message) ? [] : [stepOf(message, head, packet, known)];
  });
  return { packets: packets.count, steps };
}

function stepOf(message: TraceMessage, head: TraceHead | undefined, packet: Packet, known: Known): TraceStep {
  const { family, table, chain, type, verdict = 'unknown', target } = message;
  const base = known.hooks.find(
    (each) => each.family === family && each.table === table && each.name === chain,
  )?.base;
  const names = { in: nameOf(known, message.in), out: nameOf(known, message.out) };
  return {
    packet: packet.name,
    way: packet.way,
    family: familyNames.get(family) ?? String(family),
    ...{ table, chain },
    ...(base === undefined ? {} : { hook: String(base.hook), priority: base.priority }),
    ...{ own: known.isOwnTable(message), type, verdict },
    ...(target === undefined ? {} : { target }),
    ...ruleOf(message, known),
    ...(names.in === undefined ? {} : { in: names.in }),
    ...(names.out === undefined ? {} : { out: names.out }),
    ...(head === undefined ? {} : { head }),
  };
}

const nameOf = ({ interfaceName }: Known, ifindex: number | undefined): string | undefined =>
  ifindex === undefined ? undefined : (interfaceName(ifindex) ?? `interface ${ifindex}`);

function ruleOf(message: TraceMessage, known: Known): Partial<TraceStep> {
  const { handle } = message;
  if (handle === undefined) return {};
  const key = chainKey(message);
  const rules = known.rules.get(key) ?? [];
  const index = rules.findIndex((each) => each.handle === handle);
  const rule = rules[index];
  const text = known.texts.get(key)?.get(handle);
  const decision = rule === undefined ? undefined : known.decisionOf(rule, index);
  const before = known.isOwnTable(message) ? known.before.get(handle) : undefined;
  return {
    handle: Number(handle),
    own: known.isOwn(message, rule),
    ...(rule?.comment === undefined ? {} : { comment: rule.comment }),
    ...(text === undefined ? {} : { text }),
    ...(decision === undefined ? {} : { decision }),
    ...(before === undefined ? {} : { packetsBefore: before }),
    ...(rule?.packets === undefined ? {} : { packetsAfter: rule.packets }),
  };
}
