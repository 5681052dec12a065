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
import { parseAddress } from '../src/lib/net.ts';
import { unreachable } from '../src/lib/result.ts';
import { formatProblem, type Problem } from '../src/model/problem.ts';
import type { PeerConfig } from './config.ts';
import { type Connection, createConnection } from './connection.ts';
import type { Side } from './session/event.ts';
import type { SpeakerEvent } from './speaker/event.ts';
import { type SocketEvent, Sockets } from './transport/sockets.ts';
import type { CodecContext, Message } from './wire/message.ts';

/** What this doer says to the speaker. */
export type TransportSays = Extract<SpeakerEvent, { readonly kind: 'transport' | 'writable' }>;

export interface TransportOptions {
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Puts the event into the inbox; it is shown to `take` when its turn comes. */
  readonly onEvent: (event: TransportSays) => void;
}

export interface TransportConfig {
  /** Absent: every address, IPv4 and IPv6. */
  readonly address: string | undefined;
  /** Absent: nothing is listened to. */
  readonly port: number | undefined;
  readonly peers: readonly PeerConfig[];
}

/** One connection in the name of a peer and side, from dial or accept to its last event. */
interface Channel {
  readonly peer: string;
  readonly side: Side;
  readonly connection: Connection;
  /** The socket has not failed and was not closed. */
  isOpen: boolean;
  /** The speaker gave it up: nothing more is said of it. */
  isClosed: boolean;
  /** `send` was told to wait. */
  isFull: boolean;
  wantsWrite: boolean;
}

export const createTransport = (options: TransportOptions): Transport => new Transport(options);

export class Transport {
  readonly #options: TransportOptions;
  readonly #sockets: Sockets;
  /** Whose bytes come in under a name; ahead of what the speaker has heard. */
  readonly #arriving = new Map<string, Channel>();
  /** What a name means to the speaker, so also to its effects. */
  readonly #heard = new Map<string, Channel>();
  readonly #channelOf = new WeakMap<TransportSays, Channel>();
  readonly #problems = new Map<string, Problem>();
  #peers: ReadonlyMap<string, PeerConfig> = new Map();
  #listening = '';
  #isPressed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#sockets = new Sockets({ clock: options.clock, onEvent: (event) => this.#hear(event) });
  }

  /** Whom to accept and dial, and where to listen; takes effect at once, open connections stay. */
  configure({ address, port, peers }: TransportConfig): void {
    this.#peers = new Map(peers.map((peer) => [peer.key, peer]));
    this.#sockets.setNeighbours(new Map(peers.map((peer) => [peer.address, peer.key])));
    const listening = `${address} ${port}`;
    if (listening === this.#listening) return;
    this.#listening = listening;
    this.#problems.clear();
    const bound = address === undefined ? undefined : parseAddress(address);
    if (port === undefined) void this.#sockets.deafen();
    else this.#sockets.listen(bound === undefined ? { port } : { address: bound, port });
  }

  /** The event's turn has come. False: its connection was closed meanwhile, and it must not be heard. */
  take(event: TransportSays): boolean {
    const channel = this.#channelOf.get(event);
    if (channel === undefined || channel.isClosed) return false;
    if (event.kind === 'writable') return true;
    const name = nameOf(channel.peer, channel.side);
    if (event.event.kind === 'TcpConnected') this.#heard.set(name, channel);
    if (event.event.kind === 'TcpFails') this.#forget(channel);
    return true;
  }

  /** Answered by TcpConnected or TcpFails on side 'outgoing'. A peer that is no longer configured is not dialled. */
  connect(key: string): void {
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    this.close(key, 'outgoing');
    const accepted = this.#arriving.get(nameOf(key, 'outgoing')); // the speaker has not heard of it, and will not
    if (accepted !== undefined) {
      this.#forget(accepted);
      accepted.isOpen = false;
    }
    this.#heard.set(nameOf(key, 'outgoing'), this.#open(key, 'outgoing'));
    this.#sockets.connect(key, peer);
  }

  /** What does not fit the socket waits in memory; see `wantWrite` for the way not to let it grow. */
  send(peer: string, side: Side, message: Message): void {
    const channel = this.#heard.get(nameOf(peer, side));
    if (!channel?.isOpen) return;
    for (const bytes of channel.connection.encode(message))
      if (channel.isOpen && !this.#sockets.send(peer, side, bytes)) channel.isFull = true;
  }

  /** What was sent still goes out; nothing more is said of this connection. */
  close(peer: string, side: Side): void {
    const channel = this.#heard.get(nameOf(peer, side));
    if (channel === undefined) return;
    this.#forget(channel);
    if (channel.isOpen) this.#sockets.close(peer, side);
    channel.isOpen = false;
  }

  /** UPDATEs are decoded and encoded so from the next message on. */
  setCodec(peer: string, side: Side, context: CodecContext): void {
    const channel = this.#heard.get(nameOf(peer, side));
    if (channel === undefined) return;
    channel.connection.useCodec(context);
    this.#pump(channel);
  }

  /** Answered by one `writable`: now, or when the socket's queue has run empty. */
  wantWrite(peer: string, side: Side): void {
    const channel = this.#heard.get(nameOf(peer, side));
    if (!channel?.isOpen) return;
    if (channel.isFull) channel.wantsWrite = true;
    else this.#say(channel, { kind: 'writable', peer, side });
  }

  /** The inbox is full, or has room again. */
  pause(isPressed: boolean): void {
    this.#isPressed = isPressed;
    for (const channel of this.#arriving.values()) {
      if (isPressed) this.#sockets.pause(channel.peer, channel.side);
      else this.#pump(channel);
    }
  }

  /** Why neighbours cannot reach us, if so. */
  problems(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  /** Flushes and closes all; resolves when the sockets are gone. */
  stop(): Promise<void> {
    return this.#sockets.stop();
  }

  #open(peer: string, side: Side): Channel {
    const channel: Channel = {
      peer,
      side,
      connection: createConnection(side),
      isOpen: true,
      isClosed: false,
      isFull: false,
      wantsWrite: false,
    };
    this.#arriving.set(nameOf(peer, side), channel);
    return channel;
  }

  #forget(channel: Channel): void {
    const name = nameOf(channel.peer, channel.side);
    channel.isClosed = true;
    for (const names of [this.#heard, this.#arriving]) if (names.get(name) === channel) names.delete(name);
  }

  #say(channel: Channel, event: TransportSays): void {
    this.#channelOf.set(event, channel);
    this.#options.onEvent(event);
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
          channel.connection.end(event.why);
        });
        break;
      case 'drained':
        this.#drained(event.key, event.side);
        break;
      case 'rejected':
        this.#options.log.warn(event.why, { address: event.address });
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
    const name = nameOf(peer, side);
    let channel = this.#arriving.get(name);
    if (!channel?.isOpen) {
      // Accepted, where the place was free: whoever had it has failed.
      if (channel !== undefined) this.#drainAll(channel);
      channel = this.#open(peer, side);
      if (this.#isPressed) this.#sockets.pause(peer, side);
    }
    this.#say(channel, { kind: 'transport', peer, event: { kind: 'TcpConnected', side } });
  }

  #arrived(peer: string, side: Side, change: (channel: Channel) => void): void {
    const channel = this.#arriving.get(nameOf(peer, side));
    if (channel === undefined) return;
    change(channel);
    this.#pump(channel);
  }

  #drained(peer: string, side: Side): void {
    const channel = this.#arriving.get(nameOf(peer, side));
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
    if (event !== undefined) this.#say(channel, { kind: 'transport', peer: channel.peer, event });
    return event !== undefined;
  }
}

const nameOf = (peer: string, side: Side): string => `${side} ${peer}`;
