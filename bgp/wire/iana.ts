/** Numbers with names: the registries of BGP that the codec reads and writes (IANA "BGP Parameters"). */
import { asn } from '../../src/lib/net.ts';
import type { Message } from './message.ts';

/** Octets of the fixed header, and of the longest message without RFC 8654 (RFC 4271 §4.1). */
export const HEADER_LENGTH = 19;
export const MAX_MESSAGE_LENGTH = 4096;
/** With RFC 8654. */
const MAX_EXTENDED_LENGTH = 65535;
export const longestMessage = (isExtended: boolean | undefined): number =>
  isExtended === true ? MAX_EXTENDED_LENGTH : MAX_MESSAGE_LENGTH;

/** Stands for an AS number that does not fit two octets (RFC 6793 §9). */
export const AS_TRANS = asn(23456);

/** The only version there is (RFC 4271 §4.2). */
export const BGP_VERSION = 4;

interface MessageType {
  readonly type: number;
  readonly minLength: number;
  /** It may be longer than 4096 octets where that was agreed (RFC 8654 §4). */
  readonly isExtensible: boolean;
}

/** Type octet of each message, and the shortest it can be, header included (RFC 4271 §6.1, RFC 2918 §3). */
export const messageTypes = {
  open: { type: 1, minLength: 29, isExtensible: false },
  update: { type: 2, minLength: 23, isExtensible: true },
  notification: { type: 3, minLength: 21, isExtensible: true },
  keepalive: { type: 4, minLength: 19, isExtensible: false },
  routeRefresh: { type: 5, minLength: 23, isExtensible: true },
} as const satisfies Record<Message['kind'], MessageType>;

/** Path attribute flag bits (RFC 4271 §4.3). */
export const OPTIONAL = 0x80;
export const TRANSITIVE = 0x40;
export const PARTIAL = 0x20;
export const EXTENDED_LENGTH = 0x10;

/** Path attribute type codes that something other than their own table row names. */
export const attributeCodes = { asPath: 2, nextHop: 3, localPref: 5, mpReach: 14, mpUnreach: 15 } as const;

/** NOTIFICATION error codes (RFC 4271 §4.5, RFC 7313 §5, RFC 9687 §4). */
export const errorCodes = {
  header: 1,
  open: 2,
  update: 3,
  holdTimerExpired: 4,
  fsm: 5,
  cease: 6,
  routeRefresh: 7,
  sendHoldTimerExpired: 8,
} as const;

export const headerErrors = { notSynchronized: 1, badLength: 2, badType: 3 } as const;

export const openErrors = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badBgpIdentifier: 3,
  unsupportedOptionalParameter: 4,
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
  /** RFC 9234 §4.2. */
  roleMismatch: 11,
} as const;

export const updateErrors = {
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  optionalAttribute: 9,
  invalidNetworkField: 10,
} as const;

/** RFC 7313 §5. */
export const refreshErrors = { invalidLength: 1 } as const;

/** RFC 6608 §3. */
export const fsmErrors = { openSent: 1, openConfirm: 2, established: 3 } as const;

/** RFC 4486 §4, RFC 8538 §3, RFC 9384 §3. */
export const ceaseReasons = {
  maxPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  otherConfigurationChange: 6,
  connectionCollision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const;
