/**
 * The sockets of all neighbours: dials them, accepts them, carries their bytes. Knows no BGP.
 *
 * A neighbour, by its key, has two places: the connection we dial ('outgoing') and the one we accept ('incoming'). While
 * that one is taken and we do not dial, a second one we accept has the place of our dial: a neighbour that restarted
 * unnoticed dials again (RFC 4724 §4.2).
 * A place is free again when its connection has failed or was closed; events of a connection never follow its `close`.
 * Accepted is only who `setNeighbours` named and who has a free place; the rest is closed at once (RFC 4271 §8.1.4,
 * Tcp_CR_Invalid) without a NOTIFICATION, which would send the other side into its own long pause.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../src/host/clock.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import {
  adopt,
  type Dial,
  dialTcp,
  fdOf,
  type Guard,
  guardAccepted,
  type Hear,
  leastTtl,
  linkOf,
  type Signature,
  ttlOfSyn,
} from '../../src/kernel/tcp.ts';
import {
  type Address,
  containsAddress,
  formatAddress,
  formatPrefix,
  type Ipv6,
  ipv4,
  ipv6,
  isIpv4,
  isLinkLocal6,
  lengthOf,
  type Millis,
  type Prefix,
  parseAddress,
  scoped,
  scopeOf,
} from '../../src/lib/net.ts';
import type { Problem } from '../../src/model/problem.ts';
import type { Side } from '../session/event.ts';
import { noKeys } from './keys.ts';
import { createLink, type Ends, type Link, type LinkEvents } from './link.ts';
import { type Listener, startListener } from './listener.ts';

export type SocketEvent =
  /** A dial succeeded, or a neighbour was accepted. */
  | { readonly kind: 'connected'; readonly key: string; readonly side: Side }
  /** The bytes are valid only during the call; copy what is kept. */
  | { readonly kind: 'data'; readonly key: string; readonly side: Side; readonly bytes: Uint8Array }
  /** The connection, or the dial, is over; one sentence without a full stop. */
  | {
      readonly kind: 'failed';
      readonly key: string;
      readonly side: Side;
      readonly why: string;
      readonly errno?: string;
    }
  /** `watchSend` was asked, and nothing moves. */
  | { readonly kind: 'stalled'; readonly key: string; readonly side: Side }
  /** Accepted from a range; 'connected' of `key` follows. */
  | { readonly kind: 'arrived'; readonly dynamic: string; readonly key: string; readonly address: Address }
  /** Somebody nobody named dialled from a link-local address of that link, and was turned away. */
  | { readonly kind: 'stranger'; readonly address: Ipv6; readonly ifindex: number }
  /** The send queue is empty again after `send` returned false. */
  | { readonly kind: 'drained'; readonly key: string; readonly side: Side }
  /** Somebody was turned away; said at most once a minute for each address. `key`: a neighbour, not a stranger. */
  | { readonly kind: 'rejected'; readonly address: string; readonly why: string; readonly key?: string }
  | { readonly kind: 'listening'; readonly address: string; readonly port: number }
  /** Said once until it listens again. */
  | { readonly kind: 'listenProblem'; readonly address: string; readonly problem: Problem };

export interface Target {
  readonly address: Address;
  readonly port: number;
  /** Source of the connection; absent: the kernel chooses. */
  readonly localAddress?: Address;
  /** Name of the link of a link-local address. */
  readonly interface?: string;
  /** Of this connection; absent: that of the address. */
  readonly guard?: Guard;
}

/** Whoever dials from inside is accepted, under a key of its own (`guestKey`). */
export interface Range {
  readonly dynamic: string;
  readonly range: Prefix;
  /** So many at one time. */
  readonly limit: number;
  readonly guard: Guard;
}

export interface Neighbours {
  /** Peer keys by remote address. */
  readonly keys: ReadonlyMap<Address, string>;
  /** What must be so of some of them. */
  readonly guards?: ReadonlyMap<Address, Guard>;
  readonly ranges?: readonly Range[];
  /** Neighbours that must not come in now, also not by way of a range. */
  readonly barred?: ReadonlySet<Address>;
}

/** The key of a neighbour from a range. */
export const guestKey = (address: Address): string => `${formatAddress(address)} 179`;

export interface SocketsOptions {
  readonly onEvent: (event: SocketEvent) => void;
  readonly clock: Clock;
  /** After this a dial fails with ETIMEDOUT, in ms; 30 s if absent. */
  readonly connectTimeoutMs?: number;
}

/** 0.0.0.0 and ::, each with a socket of its own. */
const everywhere: readonly Address[] = [ipv4(0), ipv6(0n)];
const rejectionEveryMs = 60_000;
/** Whoever comes from a range is a new neighbour each time, which costs memory and lines in the log. */
const arrivalEveryMs = 1_000;
const addressesRemembered = 256;

interface Listening {
  /** Absent: on all of IPv4 and all of IPv6. */
  readonly addresses?: readonly Address[];
  /** Of these, those that no interface has. */
  readonly given?: readonly Address[];
  readonly port: number;
}

export class Sockets {
  readonly #options: SocketsOptions;
  /** By key. */
  readonly #places: Readonly<Record<Side, Map<string, Link>>> = { outgoing: new Map(), incoming: new Map() };
  /** Sockets that are not gone yet, closed or not. */
  readonly #living = new Set<Promise<void>>();
  readonly #isFreshRejection: (address: string) => boolean;
  readonly #isFreshArrival: (address: string) => boolean;
  #neighbours: ReadonlyMap<Address, string> = new Map();
  #guards: ReadonlyMap<Address, Guard> = new Map();
  #barred: ReadonlySet<Address> = new Set();
  /** The longest first. */
  #ranges: readonly Range[] = [];
  #keys = noKeys;
  /** Their ranges, by key: those from ranges that have a connection, and some that had. */
  readonly #guests = new Map<string, string>();
  #listeners: Listener[] = [];
  #isStopped = false;

  constructor(options: SocketsOptions) {
    this.#options = options;
    this.#isFreshRejection = onceIn(options.clock, rejectionEveryMs);
    this.#isFreshArrival = onceIn(options.clock, arrivalEveryMs);
  }

  /** Listens there instead of where it did. Port 0: any. */
  listen({ addresses, given = [], port }: Listening): void {
    void this.deafen();
    for (const one of addresses ?? everywhere)
      this.#listeners.push(
        startListener({
          address: one,
          port,
          isGiven: given.includes(one),
          isOptional: addresses === undefined && !isIpv4(one),
          clock: this.#options.clock,
          keys: () => this.#keys,
          onConnection: (socket) => this.#accept(socket),
          onListening: (bound) => this.#say({ kind: 'listening', address: formatAddress(one), port: bound }),
          onProblem: (problem) => this.#say({ kind: 'listenProblem', problem, address: formatAddress(one) }),
        }),
      );
  }

  /** Listens nowhere. Connections that were accepted stay. */
  async deafen(): Promise<void> {
    const stopping = this.#listeners;
    this.#listeners = [];
    await Promise.all(stopping.map((listener) => listener.stop()));
  }

  /**
   * Who may come in. Connections that are open stay as they are until they are closed, also those of a neighbour no longer
   * named; a guard counts for what is dialled or accepted from now on.
   */
  setNeighbours({ keys, guards = new Map(), ranges = [], barred = new Set() }: Neighbours): void {
    this.#neighbours = keys;
    this.#guards = guards;
    this.#barred = barred;
    this.#ranges = [...ranges].sort((a, b) => lengthOf(b.range) - lengthOf(a.range));
    this.#keys = {
      neighbours: new Map([...guards].flatMap(([address, guard]) => signed(address, guard))),
      ranges: new Map(this.#ranges.flatMap(({ range, guard }) => signed(range, guard))),
    };
    for (const listener of this.#listeners) listener.renewKeys();
  }

  /** Ends in 'connected' or 'failed'. A dial or connection already in that place is closed first. */
  connect(key: string, target: Target): void {
    this.close(key, 'outgoing', false);
    const { address, port, localAddress, interface: link } = target;
    const guard = target.guard ?? this.#guards.get(address);
    const dial: Dial = {
      address,
      port,
      ...(localAddress === undefined ? {} : { source: localAddress }),
      ...(link === undefined ? {} : { interface: link }),
      ...(guard === undefined ? {} : { guard }),
    };
    this.#occupy(key, 'outgoing', (hear) => dialTcp(dial, hear), `${formatAddress(address)} port ${port}`);
  }

  /** False: wait for 'drained' before generating more; these bytes are queued nevertheless. */
  send(key: string, side: Side, bytes: Uint8Array): boolean {
    return this.#places[side].get(key)?.send(bytes) ?? true;
  }

  /** Octets queued for sending; a metric, and 0 for a connection that is not there. */
  queued(key: string, side: Side): number {
    return this.#places[side].get(key)?.queued ?? 0;
  }

  /** Over all connections. */
  get queuedInAll(): number {
    return this.#links.reduce((sum, link) => sum + link.queued, 0);
  }

  ends(key: string, side: Side): Ends | undefined {
    return this.#places[side].get(key)?.ends;
  }

  /** Answered by 'stalled', if bytes wait so long and the neighbour takes none; ends with the connection. */
  watchSend(key: string, side: Side, after: Millis): void {
    this.#places[side].get(key)?.watchSend(after);
  }

  pause(key: string, side: Side): void {
    this.#places[side].get(key)?.pause();
  }

  resume(key: string, side: Side): void {
    this.#places[side].get(key)?.resume();
  }

  /** With `flush` what was sent still goes out, for two seconds at most. */
  close(key: string, side: Side, flush = true): void {
    const link = this.#places[side].get(key);
    this.#places[side].delete(key);
    link?.close(flush);
  }

  /** Closes all, flushing; resolves when every socket is gone. Nothing is said any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const link of this.#links) link.close(true);
    for (const side of accepting) this.#places[side].clear();
    await Promise.all([this.deafen(), ...this.#living]);
  }

  get #links(): readonly Link[] {
    return accepting.flatMap((side) => [...this.#places[side].values()]);
  }

  #say(event: SocketEvent): void {
    if (!this.#isStopped) this.#options.onEvent(event);
  }

  #occupy(key: string, side: Side, open: (hear: Hear) => Socket, where: string): void {
    const events: LinkEvents = {
      onConnected: () => this.#say({ kind: 'connected', key, side }),
      onData: (bytes) => this.#say({ kind: 'data', key, side, bytes }),
      onDrained: () => this.#say({ kind: 'drained', key, side }),
      onStalled: () => this.#say({ kind: 'stalled', key, side }),
      onFailed: (why, errno) => {
        this.#places[side].delete(key);
        this.#say({ kind: 'failed', key, side, why, ...(errno === undefined ? {} : { errno }) });
      },
    };
    const { clock, connectTimeoutMs = 30_000 } = this.#options;
    const link = createLink(open, events, { where, clock, connectTimeoutMs });
    this.#places[side].set(key, link);
    this.#living.add(link.gone);
    link.gone.then(() => this.#living.delete(link.gone));
  }

  #accept(socket: Socket): void {
    const address = remoteOf(socket);
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const range = this.#neighbours.has(address) ? undefined : this.#rangeOf(address);
    const key = this.#neighbours.get(address) ?? (range && guestKey(address));
    if (key === undefined) this.#refuse(socket, address);
    else this.#admit(socket, address, key, range);
  }

  #refuse(socket: Socket, address: Address): void {
    const remote = formatAddress(address);
    this.#turnAway(socket, remote, `${remote} dialled us but is not a configured neighbour`);
    const ifindex = scopeOf(address);
    if (!isIpv4(address) && ifindex !== undefined) this.#say({ kind: 'stranger', address, ifindex });
  }

  #admit(socket: Socket, address: Address, key: string, range: Range | undefined): void {
    const remote = formatAddress(address);
    const flaw = this.#flawOf(socket, address, range?.guard) ?? this.#crowdOf(key, range);
    if (flaw !== undefined) {
      this.#turnAway(socket, remote, flaw, key);
      return;
    }
    const side = accepting.find((one) => !this.#places[one].has(key));
    if (side === undefined) {
      const why = `${remote} dialled us again while its earlier connections are still there`;
      this.#turnAway(socket, remote, why, key);
      return;
    }
    const where = `${remote} port ${socket.remotePort}`;
    this.#occupy(key, side, (hear) => adopt(socket, hear), where);
    if (range !== undefined) {
      this.#guests.set(key, range.dynamic);
      this.#say({ kind: 'arrived', dynamic: range.dynamic, key, address });
    }
    this.#say({ kind: 'connected', key, side });
  }

  #rangeOf(address: Address): Range | undefined {
    if (this.#barred.has(address)) return undefined;
    return this.#ranges.find(({ range }) => containsAddress(range, address));
  }

  /** Why a range does not take this neighbour now. What was accepted and is gone is forgotten here, so the table is bounded by the limits. */
  #crowdOf(key: string, range: Range | undefined): string | undefined {
    if (range === undefined) return undefined;
    for (const guest of this.#guests.keys())
      if (!accepting.some((side) => this.#places[side].has(guest))) this.#guests.delete(guest);
    if (this.#guests.has(key)) return undefined;
    const present = [...this.#guests.values()].filter((dynamic) => dynamic === range.dynamic).length;
    if (present < range.limit)
      return this.#isFreshArrival(key) ? undefined : 'it dials from a range more than once a second';
    return `${range.dynamic} takes ${range.limit} neighbours from ${formatPrefix(range.range)}, and has them`;
  }

  /** Why this accepted connection cannot be taken; undefined: it can, and is guarded. */
  #flawOf(socket: Socket, address: Address, ofRange: Guard | undefined): string | undefined {
    const guard = ofRange ?? this.#guards.get(address);
    const fd = fdOf(socket);
    if (guard === undefined || fd === undefined) return undefined;
    const ttl = guard.hops === undefined ? undefined : ttlOfSyn(fd);
    if (guard.hops !== undefined && ttl !== undefined && ttl < leastTtl(guard.hops))
      return tooFar(formatAddress(address), ttl, guard.hops);
    try {
      guardAccepted(fd, address, guard);
      return undefined;
    } catch (error) {
      if (!isKernelError(error)) throw error;
      return `the connection of ${formatAddress(address)} cannot be guarded: ${error.message}`;
    }
  }

  #turnAway(socket: Socket, remote: string, why: string, key?: string): void {
    socket.on('error', () => {}); // it may have gone already
    socket.destroy();
    if (this.#isFreshRejection(remote))
      this.#say({ kind: 'rejected', address: remote, why, ...(key === undefined ? {} : { key }) });
  }
}

/** Scoped, if it is link-local. Undefined: it has gone already. */
function remoteOf(socket: Socket): Address | undefined {
  const address = parseAddress((socket.remoteAddress ?? '').replace(/%.*/, ''));
  if (address === undefined || isIpv4(address) || !isLinkLocal6(address)) return address;
  const fd = fdOf(socket);
  const ifindex = fd === undefined ? undefined : linkOf(fd);
  return ifindex === undefined ? address : scoped(address, ifindex);
}

const signed = <Of>(of: Of, { signature }: Guard): readonly (readonly [Of, Signature])[] =>
  signature === undefined ? [] : [[of, signature]];

/** Where an accepted connection may go. */
const accepting: readonly Side[] = ['incoming', 'outgoing'];

const tooFar = (remote: string, ttl: number, hops: number): string =>
  `${remote} dialled us with TTL ${ttl}, and ttlSecurity ${hops} takes ${leastTtl(hops)} at least: it does not send with 255 (no GTSM there), or is further away`;

/** Says whether it was not asked of this address lately. Bounded: under a flood of addresses it forgets. */
function onceIn(clock: Clock, everyMs: number): (address: string) => boolean {
  const said = new Map<string, Millis>();
  return (address) => {
    const before = said.get(address);
    if (before !== undefined && clock.now() - before < everyMs) return false;
    if (said.size >= addressesRemembered) said.clear();
    said.set(address, clock.now());
    return true;
  };
}
