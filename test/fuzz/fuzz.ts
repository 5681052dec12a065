/**
 * Mutated messages against the codec, a connection and a speaker with an established session: no exception, no hang, no
 * reset where RFC 7606 asks for less, and what was understood can be told on and is then understood alike.
 *
 * Cases come in blocks that share a session. A case is known by seed and number, and is played again with those alone.
 */
import { isDeepStrictEqual } from 'node:util';
import { createConnection } from '../../bgp/transport/connection.ts';
import { decodeMessage } from '../../bgp/wire/codec.ts';
import type { Capability, CodecContext, Message, UpdateMessage, WireError } from '../../bgp/wire/message.ts';
import { encodeUpdates } from '../../bgp/wire/update-encode.ts';
import { asn, ipv4 } from '../../src/lib/net.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import type { Result } from '../../src/lib/result.ts';
import { OneSpeaker, of } from '../support/one-speaker.ts';
import { peerOf } from '../support/routes.ts';
import { hexOf, withoutViews } from '../support/wire.ts';
import { type Cost, costOfUpdate } from './judge.ts';
import { maybe, openFrame, soundFrame, upTo } from './messages.ts';
import { mutated } from './mutate.ts';

export interface Failure {
  readonly seed: number;
  readonly number: number;
  readonly hex: string;
  readonly why: string;
}

export interface Tally {
  cases: number;
  /** UPDATEs by what they cost: accepted, discard, withdraw, reset. */
  readonly costs: [number, number, number, number];
  resets: number;
}

const BLOCK = 100;
/** Of one case, in ms: a hang, however slow the machine. */
const HANG = 5000;

type Decoded = Result<Message, WireError>;

/** A session whose two OPENs agreed on some of what they can agree on. */
interface Session {
  readonly speaker: OneSpeaker;
  readonly peer: ReturnType<typeof peerOf>;
  readonly ctx: CodecContext;
}

function sessionOf(random: Random): Session {
  const isInside = maybe(random);
  const peerAsn = asn(isInside ? 64512 : 64999);
  const peer = peerOf({ peerAsn, ...(maybe(random) ? { addPath: { receive: true, send: 'all' } } : {}) });
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer] });
  speaker.tell({ kind: 'transport', peer: peer.key, event: { kind: 'TcpConnected', side: 'outgoing' } });
  const both = ['ipv4-unicast', 'ipv6-unicast'] as const;
  const capabilities: Capability[] = [
    ...both.map((family): Capability => ({ kind: 'multiprotocol', family })),
    { kind: 'routeRefresh' },
    ...(maybe(random) ? [{ kind: 'fourOctetAs', asn: peerAsn } as const] : []),
    ...(maybe(random) ? [{ kind: 'enhancedRouteRefresh' } as const] : []),
    ...(maybe(random) ? [{ kind: 'extendedMessage' } as const] : []),
    {
      kind: 'addPath',
      families: both.map((family) => ({ family, receive: maybe(random), send: maybe(random) })),
    },
    { kind: 'extendedNextHop', families: [{ family: 'ipv4-unicast', nextHop: 6 }] },
  ];
  const open = { version: 4, asField: peerAsn, holdTime: 90, bgpId: ipv4(7), capabilities };
  const effects = [
    ...speaker.hear(peer, { kind: 'open', ...open }),
    ...speaker.hear(peer, { kind: 'keepalive' }),
  ];
  const ctx = of(effects, 'codec')[0]?.context;
  if (ctx === undefined) throw new Error('the session of the fuzzer is not established');
  return { speaker, peer, ctx };
}

/** What a message of ours would be written with, if it were to be read with `ctx`. */
const mirror = (ctx: CodecContext): CodecContext => ({
  ...ctx,
  addPathSend: ctx.addPathReceive ?? new Set(),
  extendedMessages: ctx.extendedReceive === true,
});

/** Throws, with what is wrong, at the first case that fails. */
class Wrong extends Error {}

function costOf(decoded: Decoded): Cost {
  if (!decoded.ok) return 3;
  const flaws = decoded.value.kind === 'update' ? decoded.value.flaws : [];
  if (flaws.some(({ remedy }) => remedy === 'treat-as-withdraw')) return 2;
  return flaws.length > 0 ? 1 : 0;
}

const isUpdate = (frame: Uint8Array, ctx: CodecContext): boolean =>
  frame.byteLength >= 23 &&
  frame.byteLength <= (ctx.extendedReceive === true ? 65535 : 4096) &&
  frame.subarray(0, 16).every((octet) => octet === 255) &&
  (frame[16] ?? 0) * 256 + (frame[17] ?? 0) === frame.byteLength &&
  frame[18] === 2;

function checkCost(frame: Uint8Array, decoded: Decoded, ctx: CodecContext, tally: Tally): void {
  if (!isUpdate(frame, ctx)) return;
  const [least, most] = costOfUpdate(frame, ctx);
  const cost = costOf(decoded);
  tally.costs[cost] += 1;
  if (cost < least || cost > most)
    throw new Wrong(
      `it costs ${cost}, RFC 7606 asks for ${least} to ${most}: ${decoded.ok ? 'taken' : decoded.error.why}`,
    );
}

/** Told on, it is sound, and says the same again. */
function checkStable(update: UpdateMessage, ctx: CodecContext): void {
  const out = mirror(ctx);
  const frames = encodeUpdates(update, out);
  const again = frames.flatMap((frame) => {
    const decoded = decodeMessage(frame, ctx);
    if (!decoded.ok || decoded.value.kind !== 'update' || decoded.value.flaws.length > 0)
      throw new Wrong(`what we tell on of it is not sound: ${hexOf(frame)}`);
    return encodeUpdates(decoded.value, out);
  });
  if (!isDeepStrictEqual(again.map(hexOf), frames.map(hexOf)))
    throw new Wrong('what we tell on of it changes when it is told on once more');
}

/** Cut into chunks, through a connection: the same message, or the same error. */
function checkConnection(random: Random, frame: Uint8Array, decoded: Decoded, ctx: CodecContext): void {
  if (frame.byteLength < 19) return;
  const connection = createConnection('outgoing');
  connection.encode({
    kind: 'open',
    version: 4,
    asField: 1,
    holdTime: 90,
    bgpId: ipv4(1),
    capabilities: ctx.extendedReceive === true ? [{ kind: 'extendedMessage' }] : [],
  });
  connection.useCodec(ctx);
  for (let at = 0; at < frame.byteLength; ) {
    const end = Math.min(frame.byteLength, at + 1 + upTo(random, frame.byteLength));
    connection.push(frame.subarray(at, end));
    at = end;
  }
  const first = connection.next();
  if (
    first?.kind === 'Message' &&
    decoded.ok &&
    !isDeepStrictEqual(withoutViews(first.message), decoded.value)
  )
    throw new Wrong('through a connection it is another message');
  for (let count = 0; connection.next() !== undefined; count += 1)
    if (count > frame.byteLength)
      throw new Wrong('a connection makes more messages of it than it has octets');
}

/** True: the session goes on. */
function hear({ speaker, peer }: Session, decoded: Decoded): boolean {
  const event = decoded.ok
    ? ({ kind: 'Message', side: 'outgoing', message: decoded.value } as const)
    : ({ kind: 'WireError', side: 'outgoing', error: decoded.error } as const);
  const effects = speaker.tell({ kind: 'transport', peer: peer.key, event });
  const isOver = of(effects, 'close').length > 0;
  if (isOver && decoded.ok && decoded.value.kind === 'update')
    throw new Wrong('the speaker ends the session for an UPDATE that the codec took');
  if (!isOver && !decoded.ok) throw new Wrong('the speaker goes on after octets that are no message');
  return !isOver;
}

/** An OPEN of any kind, to a speaker that waits for one. */
function checkOpening(random: Random, session: Session): void {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [session.peer] });
  const event = { kind: 'TcpConnected', side: 'outgoing' } as const;
  speaker.tell({ kind: 'transport', peer: session.peer.key, event });
  const frame = openFrame(random, session.ctx);
  const decoded = decodeMessage(maybe(random) ? mutated(random, frame, frame) : frame, session.ctx);
  hear({ ...session, speaker }, decoded);
}

function play(random: Random, session: Session, tally: Tally): { frame: Uint8Array; check: () => boolean } {
  const { ctx } = session;
  const out = mirror(ctx);
  const frame = mutated(random, soundFrame(random, out), soundFrame(random, out));
  const check = (): boolean => {
    const decoded = decodeMessage(frame, ctx);
    checkCost(frame, decoded, ctx, tally);
    if (decoded.ok && decoded.value.kind === 'update') checkStable(decoded.value, ctx);
    if (random() < 0.05) checkConnection(random, frame, decoded, ctx);
    if (random() < 0.02) checkOpening(random, session);
    // all octets that are no message end a session alike, and a new one takes longer than many cases
    const isUsual = decoded.ok && decoded.value.kind !== 'open' && decoded.value.kind !== 'notification';
    return isUsual || random() < 0.02 ? hear(session, decoded) : true;
  };
  return { frame, check };
}

const randomOf = (seed: number, number: number): Random =>
  seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));

const whyOf = (error: unknown): string =>
  error instanceof Wrong ? error.message : error instanceof Error ? (error.stack ?? '') : String(error);

/**
 * Plays `count` cases from number `from` on, and before them those of the same block: what a session has heard before is
 * part of a case.
 * @returns the first that fails, if any
 */
export function fuzz(
  seed: number,
  count: number,
  from = 0,
): { readonly failure?: Failure; readonly tally: Tally } {
  const tally: Tally = { cases: 0, costs: [0, 0, 0, 0], resets: 0 };
  let session: Session | undefined;
  for (let number = from - (from % BLOCK); number < from + count; number += 1) {
    if (number % BLOCK === 0) session = undefined;
    const random = randomOf(seed, number);
    const began = performance.now();
    let played: ReturnType<typeof play> | undefined;
    try {
      session ??= sessionOf(random);
      played = play(random, session, tally);
      if (!played.check()) session = undefined;
      if (performance.now() - began > HANG) throw new Wrong(`it takes longer than ${HANG} ms`);
    } catch (error) {
      const hex = played === undefined ? '' : hexOf(played.frame);
      return { failure: { seed, number, hex, why: whyOf(error) }, tally };
    }
    tally.cases += 1;
    tally.resets += session === undefined ? 1 : 0;
  }
  return { tally };
}
