/**
 * One real connection, datagram or echo from a pod's network namespace, or from the node's own, and what became of it.
 * Owns its sockets, which are gone when it is over.
 */
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import { type RawSocket, rawSocket, tcpConnect, udpSocket } from '../../src/kernel/sockets.ts';
import { formatAddress, type IpVersion, versionOf } from '../../src/lib/net.ts';
import type { IcmpError, ProbeOutcome } from '../../src/model/live.ts';
import { encodeEcho, type Heard, hear, icmpProtocol } from './echo.ts';
import type { ProbeAsked } from './request.ts';

export type Knock = (netns: string | undefined, asked: ProbeAsked) => Promise<ProbeOutcome>;

type Word = Omit<ProbeOutcome, 'afterMs'>;
/** What was heard of the probe by ICMP, as it comes. */
type OnHeard = (heard: Heard, from: string) => void;

/**
 * Rejects with a KernelError if it cannot even be begun: EADDRINUSE if the port is taken, EADDRNOTAVAIL, ENOENT; an echo EPERM
 * without CAP_NET_RAW, which others only need for the words of an ICMP error.
 */
export const knock: Knock = async (netns, asked) => {
  const begun = performance.now();
  const { ends, withinMs } = asked;
  const first = Promise.withResolvers<Word>();
  let icmp: IcmpError | undefined;
  const listener = listenIcmp(netns, versionOf(ends.source), asked, (heard, from) => {
    if (heard.kind === 'reply') first.resolve({ kind: 'answered' });
    else {
      icmp ??= { from, type: heard.type, code: heard.code };
      first.resolve({ kind: 'error', icmp });
    }
  });
  const timer = setTimeout(() => first.resolve({ kind: 'silent' }), withinMs);
  try {
    const send = senders.get(asked.protocol) ?? sendEcho;
    const word = await send(netns, asked, first, listener);
    const said = word.kind === 'error' && icmp !== undefined ? { ...word, icmp } : word;
    return { ...said, afterMs: Math.round(performance.now() - begun) };
  } finally {
    clearTimeout(timer);
    listener?.close();
  }
};

type Send = (
  netns: string | undefined,
  asked: ProbeAsked,
  first: PromiseWithResolvers<Word>,
  raw: RawSocket | undefined,
) => Promise<Word>;

function listenIcmp(
  netns: string | undefined,
  version: IpVersion,
  mark: ProbeAsked,
  onHeard: OnHeard,
): RawSocket | undefined {
  try {
    return rawSocket(netns, version, icmpProtocol[version], (packet, from) => {
      // Of IPv4 it comes with its IP header (raw(7)).
      const body = version === 4 ? packet.subarray(((packet[0] ?? 0) & 15) * 4) : packet;
      const heard = hear(version, body, mark);
      if (heard !== undefined) onHeard(heard, formatAddress(from));
    });
  } catch (error) {
    if (isKernelError(error) && error.code === 'EPERM' && senders.has(mark.protocol)) return undefined;
    throw error;
  }
}

/** What says that nothing was sent, but for a reason of the caller's: those are thrown. */
const begins: readonly string[] = ['EADDRINUSE', 'EADDRNOTAVAIL', 'ENOENT', 'EACCES', 'EMFILE'];

function failed(error: unknown): Word {
  if (!isKernelError(error) || begins.includes(error.code)) throw error;
  const { code } = error;
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return { kind: 'refused' };
  if (code === 'ETIMEDOUT') return { kind: 'silent' };
  // A rule of the output hook that drops says so to who sends.
  return code === 'EPERM' ? { kind: 'unsent', why: code } : { kind: 'error', why: code };
}

const sendTcp: Send = async (netns, { ends, port = 0, sourcePort = 0, withinMs }, first) => {
  const connecting = tcpConnect(netns, ends.to, port, {
    source: ends.source,
    sourcePort,
    timeoutMs: withinMs,
  }).then((socket): Word => {
    socket.on('error', () => undefined);
    socket.resetAndDestroy();
    return { kind: 'connected' };
  }, failed);
  // An ICMP error that the kernel takes for passing is still the reason for the silence.
  const word = await connecting;
  if (word.kind !== 'silent') return refusedByIcmp(word, first);
  first.resolve(word);
  return first.promise;
};

/** A refusal that came as an ICMP error is one of a packet filter's or a router's, not of the destination's TCP. */
async function refusedByIcmp(word: Word, first: PromiseWithResolvers<Word>): Promise<Word> {
  if (word.kind !== 'refused' && word.kind !== 'error') return word;
  // What the raw socket has is read in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  first.resolve(word);
  const heard = await first.promise;
  return heard.kind === 'error' ? { ...word, ...heard } : word;
}

const sendUdp: Send = async (netns, { ends, port = 0, sourcePort = 0 }, first) => {
  const socket = await udpSocket(netns, ends.source, sourcePort);
  try {
    socket.on('error', () => undefined);
    socket.on('message', () => first.resolve({ kind: 'answered' }));
    socket.send(new Uint8Array(0), port, formatAddress(ends.to), (error) => {
      const code = error !== null && 'code' in error ? String(error.code) : undefined;
      if (code !== undefined) first.resolve({ kind: code === 'EPERM' ? 'unsent' : 'error', why: code });
    });
    return await first.promise;
  } finally {
    socket.close();
  }
};

const sendEcho: Send = async (_, { ends, icmpId = 0 }, first, raw) => {
  try {
    raw?.send(encodeEcho(versionOf(ends.to), icmpId), ends.to);
  } catch (error) {
    return failed(error);
  }
  return first.promise;
};

const senders: ReadonlyMap<number, Send> = new Map([
  [6, sendTcp],
  [17, sendUdp],
]);
