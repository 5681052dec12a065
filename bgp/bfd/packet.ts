/**
 * BFD Control packets (RFC 5880 §4.1): bytes and their meaning. What §6.8.6 says of a packet on its own is checked here;
 * what needs a session is the business of demux.ts and machine.ts.
 */
import { err, ok, type Result } from '../../src/lib/result.ts';

/** In the order of their numbers on the wire. */
export const bfdStates = ['adminDown', 'down', 'init', 'up'] as const;
export type BfdState = (typeof bfdStates)[number];

/** Intervals in microseconds, 0 to 2^32-1. Never with an authentication section. */
export interface ControlPacket {
  /** RFC 5880 §4.1, 0 to 31; diagnostic.ts has the words. */
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  /** C: the sender's BFD does not share the fate of its control plane. */
  readonly isIndependent: boolean;
  /** D: the sender asks not to be sent packets while both sides are Up. */
  readonly demand: boolean;
  /** 1 to 255. */
  readonly multiplier: number;
  /** Never 0. */
  readonly myDiscriminator: number;
  /** 0: not known yet. */
  readonly yourDiscriminator: number;
  readonly desiredMinTxUs: number;
  /** 0: wants no periodic packets at all. */
  readonly requiredMinRxUs: number;
  /** 0: no Echo packets, please. */
  readonly requiredMinEchoRxUs: number;
}

const packetLength = 24;
const version = 1;
const flag = {
  poll: 0x20,
  final: 0x10,
  independent: 0x08,
  authentication: 0x04,
  demand: 0x02,
  multipoint: 0x01,
};

export function encodePacket(packet: ControlPacket): Uint8Array {
  const bytes = new Uint8Array(packetLength);
  const view = new DataView(bytes.buffer);
  bytes[0] = (version << 5) | packet.diagnostic;
  bytes[1] =
    (bfdStates.indexOf(packet.state) << 6) |
    (packet.poll ? flag.poll : 0) |
    (packet.final ? flag.final : 0) |
    (packet.isIndependent ? flag.independent : 0) |
    (packet.demand ? flag.demand : 0);
  bytes[2] = packet.multiplier;
  bytes[3] = packetLength;
  view.setUint32(4, packet.myDiscriminator);
  view.setUint32(8, packet.yourDiscriminator);
  view.setUint32(12, packet.desiredMinTxUs);
  view.setUint32(16, packet.requiredMinRxUs);
  view.setUint32(20, packet.requiredMinEchoRxUs);
  return bytes;
}

/** The payload of a UDP datagram. The error says why it must be discarded, as in "its version is 0, not 1". */
export function decodePacket(bytes: Uint8Array): Result<ControlPacket> {
  if (bytes.byteLength < packetLength)
    return err(`it has ${bytes.byteLength} octets, fewer than ${packetLength}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint8(1);
  const has = (bit: number): boolean => (flags & bit) !== 0;
  const packet: ControlPacket = {
    diagnostic: view.getUint8(0) & 0x1f,
    state: bfdStates[flags >> 6] ?? 'down',
    poll: has(flag.poll),
    final: has(flag.final),
    isIndependent: has(flag.independent),
    demand: has(flag.demand),
    multiplier: view.getUint8(2),
    myDiscriminator: view.getUint32(4),
    yourDiscriminator: view.getUint32(8),
    desiredMinTxUs: view.getUint32(12),
    requiredMinRxUs: view.getUint32(16),
    requiredMinEchoRxUs: view.getUint32(20),
  };
  const facts: Facts = {
    packet,
    version: view.getUint8(0) >> 5,
    length: view.getUint8(3),
    room: bytes.byteLength,
    isAuthenticated: has(flag.authentication),
    isMultipoint: has(flag.multipoint),
  };
  for (const check of checks) {
    const flaw = check(facts);
    if (flaw !== undefined) return err(flaw);
  }
  return ok(packet);
}

interface Facts {
  readonly packet: ControlPacket;
  readonly version: number;
  /** What its Length field says. */
  readonly length: number;
  /** Octets that came. */
  readonly room: number;
  readonly isAuthenticated: boolean;
  readonly isMultipoint: boolean;
}

/** RFC 5880 §6.8.6, in its order. We configure no authentication, so a packet with some is discarded too. */
const checks: readonly ((facts: Facts) => string | undefined)[] = [
  ({ version: theirs }) => (theirs === version ? undefined : `its version is ${theirs}, not ${version}`),
  ({ length, isAuthenticated }) =>
    length < packetLength + (isAuthenticated ? 2 : 0) ? `its Length field says ${length}` : undefined,
  ({ length, room }) =>
    length > room ? `its Length field says ${length}, and ${room} octets came` : undefined,
  ({ packet }) => (packet.multiplier === 0 ? 'its Detect Mult is 0' : undefined),
  ({ isMultipoint }) => (isMultipoint ? 'its Multipoint bit is set' : undefined),
  ({ packet }) => (packet.myDiscriminator === 0 ? 'its My Discriminator is 0' : undefined),
  ({ packet: { yourDiscriminator, state } }) =>
    yourDiscriminator === 0 && (state === 'init' || state === 'up')
      ? `its Your Discriminator is 0 in state ${state}`
      : undefined,
  ({ isAuthenticated }) =>
    isAuthenticated ? 'it is authenticated, and no authentication is configured' : undefined,
];
