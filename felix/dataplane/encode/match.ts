/**
 * Matches as expressions: each loads a register and ends the rule unless it holds what is asked for.
 *
 * As in nft, a match that needs a family or a protocol looks at that first, unless the rule did already.
 */
import {
  bitwise,
  compare,
  compareRange,
  connectionsOver,
  ctLoad,
  fibLoad,
  limit,
  lookUp,
  metaLoad,
  network,
  payloadLoad,
  transport,
} from '../../../src/kernel/netlink/nft/expression.ts';
import { CMP, CT, CT_STATE, FIB, IPS_DST_NAT, META, REG } from '../../../src/kernel/netlink/nft/numbers.ts';
import type { MessageWriter } from '../../../src/kernel/netlink/writer.ts';
import { type IpVersion, lengthOf, networkOf, versionOf } from '../../../src/lib/net.ts';
import type { Match, Side } from '../../rules/model.ts';
import { addressOctets, hostU32, ifnameOctets, maskOctets, octet, prefixOctets, u16 } from './octets.ts';

/** A rule while it is written. */
export interface RuleWriter {
  readonly writer: MessageWriter;
  /** What the expressions so far made sure of. */
  version?: IpVersion;
  protocol?: number;
  /** Ids of the sets without a name that this rule has, in the order of the matches that need one. */
  readonly sets: readonly number[];
  nextSet: number;
  /** Where such an id was written. */
  readonly idsAt: number[];
}

/** NFPROTO_IPV4, NFPROTO_IPV6. */
export const protocolFamily = (version: IpVersion): number => (version === 4 ? 2 : 10);
/** Offsets of the addresses in an IP header. */
const offsets = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;
const lengths = { 4: 4, 6: 16 } as const;
export const addressField = (version: IpVersion, side: Side) =>
  network(offsets[version][side], lengths[version]);
const ports = { source: transport(0, 2), destination: transport(2, 2) } as const;
const op = (not: boolean | undefined): number => (not === true ? CMP.NEQ : CMP.EQ);
const icmp = { 4: 1, 6: 58 } as const;
/** The register after one of four octets in register 1. */
const secondField = REG.REG32 + 1;

function requireVersion(rule: RuleWriter, version: IpVersion): void {
  if (rule.version !== version) writeVersion(rule, version);
}

export function writeVersion(rule: RuleWriter, version: IpVersion): void {
  metaLoad(rule.writer, META.NFPROTO);
  compare(rule.writer, CMP.EQ, octet(protocolFamily(version)));
  rule.version = version;
}

export function requireProtocol(rule: RuleWriter, protocol: number): void {
  if (rule.protocol !== protocol) writeProtocol(rule, protocol, undefined);
}

function writeProtocol(rule: RuleWriter, protocol: number, not: boolean | undefined): void {
  metaLoad(rule.writer, META.L4PROTO);
  compare(rule.writer, op(not), octet(protocol));
  if (not !== true) rule.protocol = protocol;
}

/** Any of these bits is set, or with `not` none is. */
function anyBit(writer: MessageWriter, bits: number, not: boolean | undefined): void {
  bitwise(writer, hostU32(bits), hostU32(0));
  compare(writer, not === true ? CMP.EQ : CMP.NEQ, hostU32(0));
}

function writeInterface(writer: MessageWriter, match: Extract<Match, { kind: 'interface' }>): void {
  const { way, name, not } = match;
  metaLoad(writer, way === 'in' ? META.IIFNAME : META.OIFNAME);
  compare(writer, op(not), name.endsWith('*') ? prefixOctets(name.slice(0, -1)) : ifnameOctets(name));
}

/** Whole octets are loaded alone; else all, and masked. */
function writePrefix(rule: RuleWriter, { side, prefix, not }: Extract<Match, { kind: 'prefix' }>): void {
  const version = versionOf(prefix);
  const length = lengthOf(prefix);
  const octets = addressOctets(networkOf(prefix));
  const field = addressField(version, side);
  requireVersion(rule, version);
  if (length > 0 && length % 8 === 0) {
    payloadLoad(rule.writer, { ...field, length: length / 8 });
    compare(rule.writer, op(not), octets.subarray(0, length / 8));
    return;
  }
  payloadLoad(rule.writer, field);
  bitwise(rule.writer, maskOctets(length, field.length), new Uint8Array(field.length));
  compare(rule.writer, op(not), octets);
}

/** Register 1 is in the next set of the rule that has no name. */
function writeAnonymous(rule: RuleWriter, not: boolean | undefined): void {
  const set = rule.sets[rule.nextSet] ?? 0;
  rule.nextSet += 1;
  const at = lookUp(rule.writer, { set, not: not === true });
  if (at !== undefined) rule.idsAt.push(at);
}

function writePorts(rule: RuleWriter, match: Extract<Match, { kind: 'ports' }>): void {
  const { side, protocol, ranges, not } = match;
  const { writer } = rule;
  requireProtocol(rule, protocol);
  payloadLoad(writer, ports[side]);
  const [only, ...others] = ranges;
  if (only === undefined || others.length > 0) writeAnonymous(rule, not);
  else if (only.first === only.last) compare(writer, op(not), u16(only.first));
  else compareRange(writer, op(not), u16(only.first), u16(only.last));
}

/** Type and code are looked at side by side, so that `not` is around both. */
function writeIcmp(rule: RuleWriter, { version, types, code, not }: Extract<Match, { kind: 'icmp' }>): void {
  const { writer } = rule;
  requireVersion(rule, version);
  requireProtocol(rule, icmp[version]);
  payloadLoad(writer, transport(0, 1));
  if (code !== undefined) payloadLoad(writer, transport(1, 1), secondField);
  const [only, ...others] = types;
  if (code !== undefined || only === undefined || others.length > 0) writeAnonymous(rule, not);
  else compare(writer, op(not), octet(only));
}

/** Address, protocol and port side by side in the registers. */
function writePortSet(rule: RuleWriter, match: Extract<Match, { kind: 'portSet' }>): void {
  const { side, version, set, not } = match;
  const { writer } = rule;
  const protocolAt = REG.REG32 + lengths[version] / 4;
  requireVersion(rule, version);
  payloadLoad(writer, addressField(version, side));
  metaLoad(writer, META.L4PROTO, protocolAt);
  payloadLoad(writer, ports[side], protocolAt + 1);
  lookUp(writer, { set, not: not === true });
}

/** Protocol and destination port side by side in the registers, and the map without a name that leads on. */
export function writePortJump(rule: RuleWriter): void {
  const { writer } = rule;
  metaLoad(writer, META.L4PROTO);
  payloadLoad(writer, ports.destination, secondField);
  const at = lookUp(writer, { set: rule.sets[rule.nextSet] ?? 0, into: REG.VERDICT });
  rule.nextSet += 1;
  if (at !== undefined) rule.idsAt.push(at);
}

export function writeMatch(rule: RuleWriter, match: Match): void {
  const { writer } = rule;
  switch (match.kind) {
    case 'interface':
      writeInterface(writer, match);
      return;
    case 'interfaceSet':
      metaLoad(writer, match.way === 'in' ? META.IIFNAME : META.OIFNAME);
      lookUp(writer, { set: match.set, not: match.not === true });
      return;
    case 'version':
      writeVersion(rule, match.version);
      return;
    case 'prefix':
      writePrefix(rule, match);
      return;
    case 'addressSet':
      requireVersion(rule, match.version);
      payloadLoad(writer, addressField(match.version, match.side));
      lookUp(writer, { set: match.set, not: match.not === true });
      return;
    case 'portSet':
      writePortSet(rule, match);
      return;
    case 'protocol':
      writeProtocol(rule, match.protocol, match.not);
      return;
    case 'ports':
      writePorts(rule, match);
      return;
    case 'icmp':
      writeIcmp(rule, match);
      return;
    default:
      writeFact(writer, match);
      return;
  }
}

type Fact = Extract<
  Match,
  { kind: 'mark' | 'local' | 'limit' | 'connectionsOver' | 'noReturnPath' | 'ctState' | 'ctDnat' }
>;

/** What the kernel knows of the packet beside its headers. */
function writeFact(writer: MessageWriter, match: Fact): void {
  switch (match.kind) {
    case 'ctState':
      ctLoad(writer, CT.STATE);
      anyBit(
        writer,
        match.states.reduce((bits, state) => bits | CT_STATE[state], 0),
        false,
      );
      return;
    case 'ctDnat':
      ctLoad(writer, CT.STATUS);
      anyBit(writer, IPS_DST_NAT, match.not);
      return;
    case 'mark':
      metaLoad(writer, META.MARK);
      bitwise(writer, hostU32(match.mask), hostU32(0));
      compare(writer, op(match.not), hostU32(match.value));
      return;
    case 'local':
      fibLoad(writer, FIB.ADDRTYPE, match.side === 'source' ? FIB.SADDR : FIB.DADDR);
      compare(writer, op(match.not), hostU32(FIB.LOCAL));
      return;
    case 'limit':
      limit(writer, match.perSecond, match.burst, match.over === true);
      return;
    case 'connectionsOver':
      connectionsOver(writer, match.count);
      return;
    case 'noReturnPath':
      fibLoad(writer, FIB.OIF, FIB.SADDR | FIB.IIF | FIB.PRESENT);
      compare(writer, CMP.EQ, hostU32(0));
      return;
  }
}
