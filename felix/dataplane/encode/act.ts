/** Statements and verdicts as expressions: what a rule does to a packet that got past its matches. */
import {
  bitwise,
  compare,
  immediate,
  log,
  lookUp,
  masquerade,
  metaLoad,
  metaSet,
  network,
  notrack,
  payloadLoad,
  payloadWrite,
  reject,
  routeMss,
  toNetworkOrder,
  translate,
  transport,
  verdict,
  writeMss,
} from '../../../src/kernel/netlink/nft/expression.ts';
import { CMP, META, NAT, REG, REJECT } from '../../../src/kernel/netlink/nft/numbers.ts';
import { type IpVersion, versionOf } from '../../../src/lib/net.ts';
import { assert } from '../../../src/lib/result.ts';
import type { PortRange, Rule, Statement, Verdict } from '../../rules/model.ts';
import {
  addressField,
  protocolFamily,
  type RuleWriter,
  requireProtocol,
  writePortJump,
  writeVersion,
} from './match.ts';
import { addressOctets, hostU32, octet, u16 } from './octets.ts';

const TCP = 6;
/** SYN without RST, in the octet of TCP's flags. */
const flags = { field: transport(13, 1), mask: 0x06, syn: 0x02 } as const;

/** The first two octets of either header: version, DSCP, ECN and more. */
const dscp = {
  4: { keep: [0xff, 0x03], at: (value: number) => [0, value << 2], checksum: 10 },
  6: { keep: [0xf0, 0x3f], at: (value: number) => [value >> 2, (value & 3) << 6], checksum: undefined },
} as const;

/** Only of a rule whose matches named a family: a header is written to. */
function writeDscp({ writer, version }: RuleWriter, value: number): void {
  assert(version !== undefined, 'a rule that sets the DSCP names no family');
  const { keep, at, checksum } = dscp[version];
  const field = network(0, 2);
  payloadLoad(writer, field);
  bitwise(writer, Uint8Array.from(keep), Uint8Array.from(at(value)));
  payloadWrite(writer, field, checksum);
}

function writeClamp(rule: RuleWriter, mss: number | 'route'): void {
  const { writer } = rule;
  requireProtocol(rule, TCP);
  payloadLoad(writer, flags.field);
  bitwise(writer, octet(flags.mask), octet(0));
  compare(writer, CMP.EQ, octet(flags.syn));
  if (mss === 'route') {
    routeMss(writer);
    toNetworkOrder(writer);
  } else immediate(writer, u16(mss));
  writeMss(writer);
}

export function writeStatement(rule: RuleWriter, statement: Statement): void {
  const { writer } = rule;
  switch (statement.kind) {
    case 'log':
      log(writer, statement.prefix);
      return;
    case 'nflog':
      log(writer, statement.prefix, statement.group);
      return;
    case 'mark':
      metaLoad(writer, META.MARK);
      bitwise(writer, hostU32(~(statement.mask | statement.value)), hostU32(statement.value));
      metaSet(writer, META.MARK);
      return;
    case 'notrack':
      notrack(writer);
      return;
    case 'dscp':
      writeDscp(rule, statement.value);
      return;
    case 'clampMss':
      writeClamp(rule, statement.mss);
      return;
  }
}

/** Loads the ports into these two registers. */
function loadPorts(rule: RuleWriter, ports: PortRange, into: readonly [number, number]): void {
  immediate(rule.writer, u16(ports.first), into[0]);
  immediate(rule.writer, u16(ports.last), into[1]);
}

function writeMasquerade(
  rule: RuleWriter,
  { ports, fullyRandom }: Extract<Verdict, { kind: 'masquerade' }>,
): void {
  const random = fullyRandom === true ? NAT.FULLY_RANDOM : 0;
  if (ports === undefined) {
    masquerade(rule.writer, random);
    return;
  }
  loadPorts(rule, ports, [REG.R1, REG.R2]);
  masquerade(rule.writer, random | NAT.PORTS, [REG.R1, REG.R2]);
}

function writeSnat(rule: RuleWriter, { to, ports }: Extract<Verdict, { kind: 'snat' }>): void {
  immediate(rule.writer, addressOctets(to));
  const common = { type: NAT.SOURCE, family: protocolFamily(versionOf(to)) };
  if (ports === undefined) {
    translate(rule.writer, { ...common, flags: 0 });
    return;
  }
  loadPorts(rule, ports, [REG.R2, REG.R3]);
  translate(rule.writer, { ...common, ports: [REG.R2, REG.R3], flags: NAT.PORTS });
}

function writeMap(rule: RuleWriter, version: IpVersion, map: string, type: number): void {
  const { writer } = rule;
  if (rule.version !== version) writeVersion(rule, version);
  payloadLoad(writer, addressField(version, type === NAT.SOURCE ? 'source' : 'destination'));
  lookUp(writer, { set: map, into: REG.R1 });
  translate(writer, { type, family: protocolFamily(version), flags: 0 });
}

export function writeVerdict(rule: RuleWriter, asked: NonNullable<Rule['verdict']>): void {
  const { writer } = rule;
  switch (asked.kind) {
    case 'accept':
    case 'drop':
    case 'return':
      verdict(writer, asked.kind);
      return;
    case 'reject':
      reject(writer, REJECT.ICMPX, REJECT.ADMIN_PROHIBITED);
      return;
    case 'jump':
      verdict(writer, 'jump', asked.chain);
      return;
    case 'dispatch':
      metaLoad(writer, asked.way === 'in' ? META.IIFNAME : META.OIFNAME);
      lookUp(writer, { set: asked.map, into: REG.VERDICT });
      return;
    case 'portJump':
      writePortJump(rule);
      return;
    case 'masquerade':
      writeMasquerade(rule, asked);
      return;
    case 'snat':
      writeSnat(rule, asked);
      return;
    case 'dnatMap':
      writeMap(rule, asked.version, asked.map, NAT.DESTINATION);
      return;
    case 'snatMap':
      writeMap(rule, asked.version, asked.map, NAT.SOURCE);
      return;
  }
}
