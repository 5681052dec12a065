/** A NOTIFICATION in words, for logs and status: every code and subcode of the IANA registry that is not retired. */
import { Reader } from '../../src/lib/bytes.ts';
import { ceaseReasons, errorCodes, headerErrors, openErrors } from './iana.ts';
import type { NotificationMessage } from './message.ts';
import { shutdownText } from './notification.ts';

interface CodeRow {
  readonly name: string;
  readonly subcodes: Readonly<Record<number, string>>;
}

const codes: Readonly<Record<number, CodeRow>> = {
  [errorCodes.header]: {
    name: 'message header error',
    subcodes: { 1: 'connection not synchronized', 2: 'bad message length', 3: 'bad message type' },
  },
  [errorCodes.open]: {
    name: 'OPEN message error',
    subcodes: {
      1: 'unsupported version number',
      2: 'bad peer AS',
      3: 'bad BGP identifier',
      4: 'unsupported optional parameter',
      5: 'authentication failure',
      6: 'unacceptable hold time',
      7: 'unsupported capability',
      11: 'role mismatch',
    },
  },
  [errorCodes.update]: {
    name: 'UPDATE message error',
    subcodes: {
      1: 'malformed attribute list',
      2: 'unrecognized well-known attribute',
      3: 'missing well-known attribute',
      4: 'attribute flags error',
      5: 'attribute length error',
      6: 'invalid ORIGIN attribute',
      7: 'AS routing loop',
      8: 'invalid NEXT_HOP attribute',
      9: 'optional attribute error',
      10: 'invalid network field',
      11: 'malformed AS_PATH',
    },
  },
  [errorCodes.holdTimerExpired]: { name: 'hold timer expired', subcodes: {} },
  [errorCodes.fsm]: {
    name: 'finite state machine error',
    subcodes: {
      1: 'unexpected message in OpenSent',
      2: 'unexpected message in OpenConfirm',
      3: 'unexpected message in Established',
    },
  },
  [errorCodes.cease]: {
    name: 'cease',
    subcodes: {
      1: 'maximum number of prefixes reached',
      2: 'administrative shutdown',
      3: 'peer de-configured',
      4: 'administrative reset',
      5: 'connection rejected',
      6: 'other configuration change',
      7: 'connection collision resolution',
      8: 'out of resources',
      9: 'hard reset',
      10: 'BFD down',
    },
  },
  [errorCodes.routeRefresh]: {
    name: 'ROUTE-REFRESH message error',
    subcodes: { 1: 'invalid message length' },
  },
  [errorCodes.sendHoldTimerExpired]: { name: 'send hold timer expired', subcodes: {} },
};

type Details = (message: NotificationMessage, data: Reader) => string | undefined;

const text: Details = (message) => {
  const words = shutdownText(message);
  return words === undefined ? undefined : `"${words}"`;
};

/** What the data field says, where its meaning is defined; by "code/subcode". */
const details: Readonly<Record<string, Details>> = {
  [`${errorCodes.header}/${headerErrors.badLength}`]: (_message, data) => `length ${data.u16()}`,
  [`${errorCodes.header}/${headerErrors.badType}`]: (_message, data) => `type ${data.u8()}`,
  [`${errorCodes.open}/${openErrors.unsupportedVersion}`]: (_message, data) =>
    `highest version supported ${data.u16()}`,
  // No RFC gives this one data, but BIRD sends the AS number it saw, in four octets.
  [`${errorCodes.open}/${openErrors.badPeerAs}`]: (_message, data) =>
    data.left === 4 ? `AS ${data.u32()}` : undefined,
  [`${errorCodes.open}/${openErrors.unsupportedCapability}`]: (_message, data) => `capability ${data.u8()}`,
  [`${errorCodes.cease}/${ceaseReasons.maxPrefixes}`]: (_message, data) =>
    `AFI ${data.u16()}, SAFI ${data.u8()}, limit ${data.u32()}`,
  [`${errorCodes.cease}/${ceaseReasons.administrativeShutdown}`]: text,
  [`${errorCodes.cease}/${ceaseReasons.administrativeReset}`]: text,
  // RFC 8538 §3.1: the reason itself, code and subcode, is wrapped in the data
  [`${errorCodes.cease}/${ceaseReasons.hardReset}`]: (_message, data) => {
    const inner = { kind: 'notification', code: data.u8(), subcode: data.u8() } as const;
    const rest = data.bytes(data.left);
    // a hard reset inside another says nothing more, however often it is wrapped
    const isHard = inner.code === errorCodes.cease && inner.subcode === ceaseReasons.hardReset;
    return isHard ? undefined : describeNotification({ ...inner, data: rest });
  },
};

const SHOWN_OCTETS = 16;

/** Data whose meaning is not defined, or that is too short for it. */
function hex(data: Uint8Array): string {
  const shown = [...data.subarray(0, SHOWN_OCTETS)]
    .map((octet) => octet.toString(16).padStart(2, '0'))
    .join('');
  return `data ${shown}${data.byteLength > SHOWN_OCTETS ? '…' : ''}`;
}

function detailOf(message: NotificationMessage): string | undefined {
  if (message.data.byteLength === 0) return undefined;
  const data = new Reader(message.data);
  const detail = details[`${message.code}/${message.subcode}`]?.(message, data);
  return detail === undefined || data.failed ? hex(message.data) : detail;
}

/** One phrase, e.g. `cease, administrative shutdown (6/2): "back at ten"`. */
export function describeNotification(message: NotificationMessage): string {
  const { code, subcode } = message;
  const row = codes[code];
  const name = row?.name ?? 'unknown error';
  const subname = subcode === 0 ? undefined : (row?.subcodes[subcode] ?? 'unknown subcode');
  const detail = detailOf(message);
  return `${name}${subname === undefined ? '' : `, ${subname}`} (${code}/${subcode})${detail === undefined ? '' : `: ${detail}`}`;
}
