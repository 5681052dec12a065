/** Why a session is down, from what the session, its sockets and the kernel say of it. Pure. */
import { leastTtl } from '../../src/kernel/tcp.ts';
import type { PeerConfig } from '../config.ts';
import type { DropCounts } from './drops.ts';

export interface Symptoms {
  readonly config: PeerConfig;
  /** The session's own last word. */
  readonly lastError: string | undefined;
  /** Why its connection was turned away within the last minute or two, if it was. */
  readonly rejected: string | undefined;
  /** Of the last minute; of this node, not of this neighbour alone. */
  readonly drops: DropCounts;
  /** Why nobody can dial us, a sentence; absent: everybody can. */
  readonly deaf?: string | undefined;
  /** What BFD says of the path; undefined: nothing yet. */
  readonly bfd?: 'up' | 'down' | 'adminDown' | undefined;
}

type Hint = (symptoms: Symptoms) => string | undefined;

const segments = (count: number, what: string, counter: string): string =>
  `within the last minute this node dropped ${count} ${what} TCP segment${count === 1 ? '' : 's'} (${counter})`;

/** The first that has something to say counts. */
const hints: readonly Hint[] = [
  ({ config, bfd }) =>
    config.bfd?.isStrict === true && bfd !== 'up' && bfd !== 'adminDown'
      ? `BFD is ${bfd ?? 'not up yet'}, and bfd.strict makes the session wait for it (RFC 9384)`
      : undefined,
  ({ rejected }) => rejected,
  ({ config: { password }, drops: { wrongKey } }) =>
    password !== undefined && wrongKey > 0
      ? `${segments(wrongKey, 'wrongly signed', 'TCPMD5Failure')}: its password is another than that in ${password.key} of Secret ${password.name}`
      : undefined,
  ({ config: { password }, drops: { unsigned } }) =>
    password !== undefined && unsigned > 0
      ? `${segments(unsigned, 'unsigned', 'TCPMD5NotFound')}: it has no password for this session`
      : undefined,
  ({ config: { password }, drops: { unexpected } }) =>
    password === undefined && unexpected > 0
      ? `${segments(unexpected, 'signed', 'TCPMD5Unexpected')}: it has a password for this session, and we have none`
      : undefined,
  ({ config: { ttlSecurity }, drops: { tooFar } }) =>
    ttlSecurity !== undefined && tooFar > 0
      ? `${segments(tooFar, `too far travelled (TTL below ${leastTtl(ttlSecurity)})`, 'TCPMinTTLDrop')}: it does not send with TTL 255, or is more than ${ttlSecurity} hop${ttlSecurity === 1 ? '' : 's'} away`
      : undefined,
  ({ config: { password }, lastError }) =>
    password !== undefined && lastError?.includes('does not answer')
      ? 'a neighbour that has another password, or none, is silent too'
      : undefined,
  ({ config: { connect }, deaf }) =>
    deaf !== undefined && connect !== 'active' ? `it cannot dial us: ${deaf.replace(/\.$/, '')}` : undefined,
  ({ config: { workload }, lastError }) =>
    workload !== undefined && lastError === undefined
      ? `Pod/${workload} has not dialled us yet, and a pod is never dialled`
      : undefined,
];

/** One sentence without a full stop; undefined: nothing has gone wrong yet. Of a session that is not up. */
export function whyDown(symptoms: Symptoms): string | undefined {
  const { config, lastError } = symptoms;
  if (config.blocked !== undefined) return config.blocked;
  for (const hint of hints) {
    const said = hint(symptoms);
    if (said !== undefined) return lastError === undefined ? said : `${lastError}; ${said}`;
  }
  return lastError;
}
