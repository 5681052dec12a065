/**
 * Messages over sockets: what the speaker asks of a connection is done, what happens to one becomes an event.
 *
 * A connection is named by its peer's key and its side, and one name may stand for several connections in a row. Since
 * events wait in an inbox before the speaker hears them, each is shown to `take` just before: that is where a name
 * passes from one connection to the next, and where events of a connection that was closed meanwhile are dropped.
 *
 *   socket ─► Connection (buffer, codec) ─► inbox ─► take ─► speaker
 *
 * Back-pressure both ways: a pressed inbox stops the pump, then the sockets; after it the pump goes on from what is
 * buffered. A neighbour that reads slowly leaves `wantWrite` unanswered.
 */
import type { Clock } from '../src/host/clock.ts';
import type { Logger } from '../src/host/log.ts';
import type { Guard } from '../src/kernel/tcp.ts';
import { type Address, formatAddress, type Ipv6, type Millis, scopeOf } from '../src/lib/net.ts';
import { unreachable } from '../src/lib/result.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { SecretKey } from '../src/model/resource.ts';
import type { DynamicPeers, PeerConfig } from './config.ts';
import type { Side } from './session/event.ts';
import type { SpeakerEvent } from './speaker/event.ts';
import { type Account, Accounts } from './transport/accounts.ts';
import { type Connection, createConnection } from './transport/connection.ts';
import type { Ends } from './transport/link.ts';
import { scopeTo } from './transport/scope.ts';
import { type SocketEvent, Sockets } from './transport/sockets.ts';
import type { CodecContext, Message } from './wire/message.ts';

/** What this doer says to the speaker. */
export type TransportSays = Extract<SpeakerEvent, { readonly kind: 'transport' | 'writable' | 'arrived' }>;

export interface TransportOptions {
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Puts the event into the inbox; it is shown to `take` when its turn comes. */
  readonly onEvent: (event: TransportSays) => void;
  /** The octets of each message are kept until its turn has come; see `frame`. */
  readonly keepFrames?: boolean;
  /** Somebody dialled from a link-local address, and nobody knows it: perhaps a neighbour that is looked for. */
  readonly onStranger?: (address: Ipv6, ifindex: number) => void;
}

export interface TransportConfig {
  /** Absent: every address, IPv4 and IPv6. */
  readonly addresses: readonly Address[] | undefined;
  /** Of these, those that no interface has, and a route of ours makes this node's. */
  readonly given?: readonly Address[];
  /** Absent: nothing is listened to. */
  readonly port: number | undefined;
  readonly peers: readonly PeerConfig[];
  readonly dynamic?: readonly DynamicPeers[];
  /** The keys of those with a password; absent: there are none, so such a peer is neither dialled nor accepted. */
  readonly keyOf?: (password: SecretKey) => Uint8Array | undefined;
}

/** One connection in the name of a peer and side, from dial or accept to its last event. */
interface Channel {
  readonly peer: string;
  readonly side: Side;
  readonly connection: Connection;
  /** Puts what comes in on the link it came over; absent: over none in particular. */
  readonly place: ((message: Message) => Message) | undefined;
  /** The socket has not failed and was not closed. */
  isOpen: boolean;
  /** The speaker gave it up: nothing more is said of it. */
  isClosed: boolean;
  /** `send` was told to wait. */
  isFull: boolean;
  wantsWrite: boolean;
}

/** Beside an event: whose it is, and the octets it was read from. Nobody else sees these. */
const of = Symbol('channel');
const octets = Symbol('octets');
type Said = TransportSays & { [of]?: Channel; [octets]?: Uint8Array | undefined };

/** A rejection is said once a minute while it goes on. */
const rejectionCountsMs = 90_000;

export const createTransport = (options: TransportOptions): Transport => new Transport(options);

export class Transport {
  readonly #options: TransportOptions;
  readonly #sockets: Sockets;
  /** Whose bytes come in under a name; ahead of what the speaker has heard. */
  readonly #arriving = bySide<Channel>();
  /** What a name means to the speaker, so also to its effects. */
  readonly #heard = bySide<Channel>();
  readonly #problems = new Map<string, Problem>();
  readonly #accounts: Accounts;
  /** By peer: why its connection was turned away last, and when. */
  readonly #rejected = new Map<string, { readonly why: string; readonly at: Millis }>();
  /** Addresses of those from ranges, by peer. */
  readonly #guests = new Map<string, Address>();
  #peers: ReadonlyMap<string, PeerConfig> = new Map();
  /** Of each of them. */
  #guards: ReadonlyMap<string, Guard> = new Map();
  #listening = '';
  #isPressed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#accounts = new Accounts(() => options.clock.now());
    this.#sockets = new Sockets({ clock: options.clock, onEvent: (event) => this.#hear(event) });
  }

  /** Whom to accept and dial, and where to listen; takes effect at once, open connections stay. */
  configure({ addresses, given = [], port, ...others }: TransportConfig): void {
    const { peers, dynamic = [], keyOf = () => undefined } = others;
    const guarded = peers.flatMap((peer) => {
      const guard = guardOf(peer, keyOf);
      return guard === undefined ? [] : [{ peer, guard }];
    });
    this.#peers = new Map(guarded.map(({ peer }) => [peer.key, peer]));
    this.#guards = new Map(guarded.map(({ peer, guard }) => [peer.key, guard]));
    // Of several at one address, on other ports, one is who dials us from there: one with a password, else the first.
    const accepted = guarded
      .toReversed()
      .toSorted((a, b) => Number(isSigned(a.guard)) - Number(isSigned(b.guard)));
    const isKnown = (key: string): boolean => this.#peers.has(key) || this.#arriving.incoming.has(key);
    this.#accounts.keep(isKnown);
    for (const key of this.#rejected.keys()) if (!isKnown(key)) this.#rejected.delete(key);
    this.#sockets.setNeighbours({
      keys: new Map(accepted.map(({ peer }) => [peer.address, peer.key])),
      guards: new Map(accepted.map(({ peer, guard }) => [peer.address, guard])),
      barred: new Set(peers.map(({ address }) => address)),
      ranges: dynamic.flatMap(({ key, range, limit, template }) => {
        const guard = guardOf(template, keyOf);
        return guard === undefined ? [] : [{ dynamic: key, range, limit, guard }];
      }),
    });
    const listening = `${addresses?.map(formatAddress).sort().join(' ')} ${port}`;
    if (listening === this.#listening) return;
    this.#listening = listening;
    this.#problems.clear();
    if (port === undefined) void this.#sockets.deafen();
    else this.#sockets.listen(addresses === undefined ? { port } : { addresses, given, port });
  }

  /** The event's turn has come. False: its connection was closed meanwhile, and it must not be heard. */
  take(event: TransportSays): boolean {
    if (event.kind === 'arrived') return true;
    const channel = (event as Said)[of];
    if (channel === undefined || channel.isClosed) return false;
    if (event.kind !== 'transport') return true;
    if (event.event.kind === 'TcpConnected') this.#heard[channel.side].set(channel.peer, channel);
    if (event.event.kind === 'TcpFails') this.#forget(channel);
    return true;
  }

  /** Answered by TcpConnected or TcpFails on side 'outgoing'. A peer that is no longer configured is not dialled. */
  connect(key: string): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    this.close(key, 'outgoing');
    const accepted = this.#arriving.outgoing.get(key); // the speaker has not heard of it, and will not
    if (accepted !== undefined) {
      this.#forget(accepted);
      accepted.isOpen = false;
    }
    this.#heard.outgoing.set(key, this.#open(key, 'outgoing'));
    const guard = this.#guards.get(key);
    this.#sockets.connect(key, guard === undefined ? peer : { ...peer, guard });
  }

  /** What does not fit the socket waits in memory; see `wantWrite` for the way not to let it grow. */
  send(peer: string, side: Side, message: Message): void {
    const channel = this.#heard[side].get(peer);
    if (!channel?.isOpen) return;
    const frames = channel.connection.encode(message);
    this.#accounts.sent(peer, message, frames.length);
    for (const bytes of frames)
      if (channel.isOpen && !this.#sockets.send(peer, side, bytes)) channel.isFull = true;
  }

  /** What was sent still goes out; nothing more is said of this connection. */
  close(peer: string, side: Side): void {
    const channel = this.#heard[side].get(peer);
    if (channel === undefined) return;
    this.#forget(channel);
    if (channel.isOpen) this.#sockets.close(peer, side);
    channel.isOpen = false;
  }

  /** UPDATEs are decoded and encoded so from the next message on. */
  setCodec(peer: string, side: Side, context: CodecContext): void {
    const channel = this.#heard[side].get(peer);
    if (channel === undefined) return;
    channel.connection.useCodec(context);
    this.#pump(channel);
  }

  /** Answered by SendStalled, if the neighbour takes nothing for so long while bytes wait for it (RFC 9687). */
  watchSend(peer: string, side: Side, after: Millis): void {
    if (this.#heard[side].get(peer)?.isOpen) this.#sockets.watchSend(peer, side, after);
  }

  /** Answered by one `writable`: now, or when the socket's queue has run empty. */
  wantWrite(peer: string, side: Side): void {
    const channel = this.#heard[side].get(peer);
    if (!channel?.isOpen) return;
    if (channel.isFull) channel.wantsWrite = true;
    else this.#say(channel, { kind: 'writable', peer, side });
  }

  /** The inbox is full, or has room again. */
  pause(isPressed: boolean): void {
    this.#isPressed = isPressed;
    for (const side of sides)
      for (const channel of this.#arriving[side].values()) {
        if (isPressed) this.#sockets.pause(channel.peer, channel.side);
        else this.#pump(channel);
      }
  }

  /** Why neighbours cannot reach us, if so. */
  problems(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  /** What passed between us and this neighbour. */
  account(peer: string): Account {
    return this.#accounts.of(peer);
  }

  /** NOTIFICATIONs over all neighbours there ever were, by "sent 6/2". */
  get notifications(): ReadonlyMap<string, number> {
    return this.#accounts.notifications;
  }

  /** The octets of the message that this event tells, with `keepFrames`. */
  frame(event: TransportSays): Uint8Array | undefined {
    return (event as Said)[octets];
  }

  /** Addresses and ports of a connection that is there. */
  ends(peer: string, side: Side): Ends | undefined {
    return this.#sockets.ends(peer, side);
  }

  /** Octets that wait for the sockets of all connections. */
  get queued(): number {
    return this.#sockets.queuedInAll;
  }

  /** Why this neighbour's own connection was turned away not long ago. */
  rejection(peer: string): string | undefined {
    const last = this.#rejected.get(peer);
    return last === undefined || this.#options.clock.now() - last.at > rejectionCountsMs
      ? undefined
      : last.why;
  }

  /** Flushes and closes all; resolves when the sockets are gone. */
  stop(): Promise<void> {
    return this.#sockets.stop();
  }

  #open(peer: string, side: Side): Channel {
    const channel: Channel = {
      peer,
      side,
      connection: createConnection(side, this.#options.keepFrames !== true),
      place: this.#placing(peer),
      isOpen: true,
      isClosed: false,
      isFull: false,
      wantsWrite: false,
    };
    this.#arriving[side].set(peer, channel);
    return channel;
  }

  #placing(peer: string): Channel['place'] {
    const address = this.#peers.get(peer)?.address ?? this.#guests.get(peer);
    const ifindex = address === undefined ? undefined : scopeOf(address);
    return ifindex === undefined ? undefined : scopeTo(ifindex);
  }

  #forget(channel: Channel): void {
    const { peer, side } = channel;
    channel.isClosed = true;
    for (const { [side]: names } of [this.#heard, this.#arriving])
      if (names.get(peer) === channel) names.delete(peer);
    this.#dismiss(channel.peer);
  }

  /** Of one from a range nothing is left when its last connection is gone, or whoever knocks would fill the memory. */
  #dismiss(peer: string): void {
    if (!this.#guests.has(peer) || sides.some((side) => this.#arriving[side].has(peer))) return;
    this.#guests.delete(peer);
    if (!this.#peers.has(peer)) this.#accounts.keep((key) => key !== peer);
  }

  /** @param said  made for this call alone */
  #say(channel: Channel, said: Said): void {
    said[of] = channel;
    this.#options.onEvent(said);
  }

  #hear(event: SocketEvent): void {
    switch (event.kind) {
      case 'connected':
        this.#connected(event.key, event.side);
        break;
      case 'data':
        this.#arrived(event.key, event.side, (channel) => channel.connection.push(event.bytes));
        break;
      case 'failed':
        this.#arrived(event.key, event.side, (channel) => {
          channel.isOpen = false;
          channel.connection.end(event.why, event.errno);
        });
        break;
      case 'stalled':
        this.#stalled(event.key, event.side);
        break;
      case 'arrived':
        this.#arrivedFrom(event.dynamic, event.key, event.address);
        break;
      case 'stranger':
        this.#options.onStranger?.(event.address, event.ifindex);
        break;
      case 'drained':
        this.#drained(event.key, event.side);
        break;
      case 'rejected':
        this.#options.log.warn(event.why, { address: event.address });
        if (event.key !== undefined && this.#peers.has(event.key))
          this.#rejected.set(event.key, { why: event.why, at: this.#options.clock.now() });
        break;
      case 'listening':
        this.#problems.delete(event.address);
        this.#options.log.info('listening', { address: event.address, port: event.port });
        break;
      case 'listenProblem':
        this.#problems.set(event.address, event.problem);
        this.#options.log.warn(formatProblem(event.problem));
        break;
      default:
        unreachable(event);
    }
  }

  #connected(peer: string, side: Side): void {
    let channel = this.#arriving[side].get(peer);
    if (!channel?.isOpen) {
      // Accepted, where the place was free: whoever had it has failed.
      if (channel !== undefined) this.#drainAll(channel);
      channel = this.#open(peer, side);
      if (this.#isPressed) this.#sockets.pause(peer, side);
    }
    this.#accounts.connection(peer, 'made');
    this.#say(channel, { kind: 'transport', peer, event: { kind: 'TcpConnected', side } });
  }

  /** Of the connection that the speaker will hear of next; taken or dropped with it. */
  #arrivedFrom(dynamic: string, peer: string, address: Address): void {
    this.#guests.set(peer, address);
    this.#options.onEvent({ kind: 'arrived', dynamic, peer, address });
  }

  #stalled(peer: string, side: Side): void {
    const channel = this.#arriving[side].get(peer);
    if (channel !== undefined)
      this.#say(channel, { kind: 'transport', peer, event: { kind: 'SendStalled', side } });
  }

  #arrived(peer: string, side: Side, change: (channel: Channel) => void): void {
    const channel = this.#arriving[side].get(peer);
    if (channel === undefined) return;
    change(channel);
    this.#pump(channel);
  }

  #drained(peer: string, side: Side): void {
    const channel = this.#arriving[side].get(peer);
    if (channel === undefined) return;
    channel.isFull = false;
    if (!channel.wantsWrite) return;
    channel.wantsWrite = false;
    this.#say(channel, { kind: 'writable', peer, side });
  }

  /** Says what has arrived, as long as the inbox takes it; the socket is read just when there is room behind it. */
  #pump(channel: Channel): void {
    const { peer, side, connection } = channel;
    while (!this.#isPressed && this.#sayNext(channel));
    if (!channel.isOpen || channel.isClosed) return;
    if (this.#isPressed || connection.isFull) this.#sockets.pause(peer, side);
    else this.#sockets.resume(peer, side);
  }

  /** Bounded by what one connection buffers. */
  #drainAll(channel: Channel): void {
    while (this.#sayNext(channel));
  }

  #sayNext(channel: Channel): boolean {
    const event = channel.isClosed ? undefined : channel.connection.next();
    if (event === undefined) return false;
    const { peer } = channel;
    if (event.kind === 'Message') this.#accounts.received(peer, event.message, channel.connection.count);
    else if (event.kind === 'WireError') this.#accounts.refused(peer, event.error.notification);
    else this.#accounts.connection(peer, 'lost');
    const { place } = channel;
    const placed =
      place !== undefined && event.kind === 'Message' ? { ...event, message: place(event.message) } : event;
    const said: Said = { kind: 'transport', peer, event: placed };
    if (this.#options.keepFrames === true) said[octets] = channel.connection.frame?.slice();
    this.#say(channel, said);
    return true;
  }
}

/** Undefined: no connection may be made with it. */
function guardOf(
  { password, ttlSecurity, blocked }: Pick<PeerConfig, 'password' | 'ttlSecurity' | 'blocked'>,
  keyOf: (password: SecretKey) => Uint8Array | undefined,
): Guard | undefined {
  const key = password === undefined ? undefined : keyOf(password);
  if (blocked !== undefined || (password !== undefined && key === undefined)) return undefined;
  return {
    ...(key === undefined ? {} : { signature: { kind: 'md5', key } }),
    ...(ttlSecurity === undefined ? {} : { hops: ttlSecurity }),
  };
}

const isSigned = ({ signature }: Guard): boolean => signature !== undefined;

const sides: readonly Side[] = ['outgoing', 'incoming'];

/** By peer. */
const bySide = <Of>(): Readonly<Record<Side, Map<string, Of>>> => ({
  outgoing: new Map(),
  incoming: new Map(),
});
