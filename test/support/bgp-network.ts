/**
 * Speakers on a virtual network: a virtual clock, connections that are slow, break and stall, hosts that crash.
 *
 * Everything goes through the real codec. A cut pair loses no bytes: like TCP it stalls until the pair is healed or an
 * end gives up. A host's kernel routes outlive its speaker, and are swept when a later one has `settled`.
 */
import type { SpeakerConfig } from '../../bgp/config.ts';
import type { Side } from '../../bgp/session/event.ts';
import type { SpeakerEffect, SpeakerEvent, TransportEvent } from '../../bgp/speaker/event.ts';
import type { Speaker } from '../../bgp/speaker/turn.ts';
import { createSpeaker, step } from '../../bgp/speaker.ts';
import { decodeMessage, encodeMessage, openingContext } from '../../bgp/wire/codec.ts';
import type { CodecContext, Message } from '../../bgp/wire/message.ts';
import { encodeUpdates } from '../../bgp/wire/update-encode.ts';
import { type Address, millis, type Prefix, versionOf } from '../../src/lib/net.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { virtualClock } from './clock.ts';

export interface Host {
  readonly name: string;
  readonly address: Address;
  config: SpeakerConfig;
  /** Undefined while it is down. */
  speaker: Speaker | undefined;
  readonly kernel: Map<Prefix, readonly Address[]>;
  readonly confirmed: Set<Prefix>;
  readonly ends: Map<string, End>;
  readonly dials: Map<string, () => void>;
  readonly timers: Map<string, () => void>;
  settled: boolean;
}

/** One host's end of a connection, and what it has sent that has not arrived. */
interface End {
  readonly host: Host;
  readonly peer: string;
  readonly side: Side;
  codec: CodecContext;
  readonly sent: (Uint8Array | 'fin')[];
  isMoving: boolean;
  /** Who hears what this end says; undefined once that end is gone. */
  other: End | undefined;
}

export class BgpNetwork {
  readonly clock = virtualClock();
  readonly random: Random;
  readonly hosts = new Map<string, Host>();
  readonly #cuts = new Set<string>();
  readonly #onFib: (host: Host, prefix: Prefix, nextHops: readonly Address[]) => void;
  /** Longest time a frame is under way, in ms, and a connection keeps its writer waiting. */
  latency = 20;
  writeDelay = 20;
  /** What takes more rows than this is gone through in several turns. */
  rowsPerTurn = 2;
  /** What it costs to reach an address, of everyone; undefined: it is unreachable. Absent: nobody asks. */
  costs: Map<Address, number | undefined> | undefined;

  constructor(seed: number, onFib: (host: Host, prefix: Prefix, nextHops: readonly Address[]) => void) {
    this.random = seededRandom(seed);
    this.#onFib = onFib;
  }

  add(name: string, address: Address, config: SpeakerConfig): Host {
    const host: Host = {
      name,
      address,
      config,
      speaker: undefined,
      kernel: new Map(),
      confirmed: new Set(),
      ends: new Map(),
      dials: new Map(),
      timers: new Map(),
      settled: false,
    };
    this.hosts.set(name, host);
    return host;
  }

  start(host: Host): void {
    if (host.speaker !== undefined) return;
    const random = seededRandom(Math.floor(this.random() * 2 ** 32));
    host.speaker = createSpeaker({
      random,
      rowsPerTurn: this.rowsPerTurn,
      tracksNextHops: this.costs !== undefined,
    });
    host.settled = false;
    this.configure(host, { ...host.config, forwarding: host.kernel.size > 0 ? 'preserved' : 'fresh' });
  }

  configure(host: Host, config: SpeakerConfig): void {
    host.config = config;
    this.#tell(host, { kind: 'configure', config });
  }

  /** It runs on with nothing to do: no neighbours, nothing to originate. */
  idle(host: Host): void {
    this.#tell(host, { kind: 'configure', config: undefined });
  }

  reset(host: Host, peer: string, how: Extract<SpeakerEvent, { readonly kind: 'reset' }>['how']): void {
    this.#tell(host, { kind: 'reset', peer, how, why: 'somebody asked' });
  }

  /** From now on an address costs this; everyone hears of it in his own time. */
  cost(address: Address, metric: number | undefined): void {
    this.costs?.set(address, metric);
    for (const host of this.hosts.values()) this.#answer(host, [address]);
  }

  /** Says goodbye, then is gone; its kernel routes stay. */
  stop(host: Host): void {
    this.#tell(host, { kind: 'stop', why: 'the daemon stops' });
    this.crash(host);
  }

  /** kill -9: its connections end as the kernel ends them, its kernel routes stay. */
  crash(host: Host): void {
    host.speaker = undefined;
    host.confirmed.clear();
    for (const cancel of [...host.timers.values(), ...host.dials.values()]) cancel();
    host.timers.clear();
    host.dials.clear();
    for (const end of [...host.ends.values()]) this.#hangUp(end);
  }

  cut(a: Host, b: Host): void {
    this.#cuts.add(pair(a, b));
  }

  heal(a: Host, b: Host): void {
    this.#cuts.delete(pair(a, b));
    for (const host of [a, b]) for (const end of host.ends.values()) this.#move(end);
    for (const end of this.#orphans) this.#move(end);
  }

  isCut(a: Host, b: Host): boolean {
    return this.#cuts.has(pair(a, b));
  }

  /** Both ends of what is open between the two learn, each in its time, that it broke; what was under way is lost. */
  breakConnections(a: Host, b: Host): void {
    for (const end of [...a.ends.values()].filter((candidate) => candidate.other?.host === b)) {
      const { other } = end;
      for (const one of [end, other]) {
        if (one === undefined) continue;
        one.sent.length = 0;
        one.other = undefined;
        this.clock.after(millis(this.#some(this.latency)), () => this.#lost(one, 'connection reset by peer'));
      }
    }
  }

  pass(ms: number): void {
    this.clock.advance(ms);
  }

  /** Ends given up by their host that still have something to say. */
  readonly #orphans = new Set<End>();

  #some(ms: number): number {
    return Math.floor(this.random() * ms) + 1;
  }

  #tell(host: Host, event: SpeakerEvent): void {
    if (host.speaker === undefined) return;
    for (const effect of step(host.speaker, event, this.clock.now())) this.#perform(host, effect);
  }

  #transport(host: Host, peer: string, event: TransportEvent): void {
    this.#tell(host, { kind: 'transport', peer, event });
  }

  #perform(host: Host, effect: SpeakerEffect): void {
    switch (effect.kind) {
      case 'connect':
        this.#dial(host, effect.peer);
        break;
      case 'send':
        this.#send(host.ends.get(`${effect.peer} ${effect.side}`), effect.message);
        break;
      case 'close':
        this.#close(host, effect.peer, effect.side);
        break;
      case 'codec': {
        const end = host.ends.get(`${effect.peer} ${effect.side}`);
        if (end !== undefined) end.codec = effect.context;
        break;
      }
      case 'wantWrite':
        this.#offerWrite(host, effect.peer, effect.side);
        break;
      case 'startTimer': {
        const key = JSON.stringify(effect.timer);
        host.timers.get(key)?.();
        const expire = (): void => this.#tell(host, { kind: 'timer', timer: effect.timer });
        host.timers.set(key, this.clock.after(effect.after, expire));
        break;
      }
      case 'stopTimer':
        host.timers.get(JSON.stringify(effect.timer))?.();
        host.timers.delete(JSON.stringify(effect.timer));
        break;
      case 'continue':
        this.clock.after(millis(1), () => this.#tell(host, { kind: 'continue' }));
        break;
      case 'track':
        this.#answer(host, effect.nextHops);
        break;
      case 'fib':
        for (const prefix of effect.prefixes)
          this.#program(host, prefix, effect.nextHops === 'blackhole' ? [] : effect.nextHops);
        break;
      case 'settled':
        host.settled = true;
        for (const prefix of host.kernel.keys()) if (!host.confirmed.has(prefix)) host.kernel.delete(prefix);
        break;
      default:
        break;
    }
  }

  /** What it costs when the answer comes, not when it was asked. */
  #answer(host: Host, addresses: readonly Address[]): void {
    this.clock.after(millis(this.#some(this.latency)), () => {
      const changes = addresses.map((at) => [at, this.costs?.has(at) ? this.costs.get(at) : 0] as const);
      this.#tell(host, { kind: 'nextHops', changes });
    });
  }

  #program(host: Host, prefix: Prefix, nextHops: readonly Address[] | undefined): void {
    if (nextHops === undefined) {
      host.kernel.delete(prefix);
      host.confirmed.delete(prefix);
      return;
    }
    this.#onFib(host, prefix, nextHops);
    host.kernel.set(prefix, nextHops);
    host.confirmed.add(prefix);
  }

  #dial(host: Host, peer: string): void {
    const config = host.config.peers.find((candidate) => candidate.key === peer);
    const target = [...this.hosts.values()].find((candidate) => candidate.address === config?.address);
    const fail = (why: string): void =>
      this.#transport(host, peer, { kind: 'TcpFails', side: 'outgoing', why });
    const attempt = (): void => {
      host.dials.delete(peer);
      if (target === undefined || this.isCut(host, target)) {
        host.dials.set(
          peer,
          this.clock.after(millis(3000), () => {
            host.dials.delete(peer);
            fail('no answer');
          }),
        );
        return;
      }
      const back = target.config.peers.find((candidate) => candidate.address === host.address)?.key;
      if (back === undefined || target.speaker === undefined || target.ends.has(`${back} incoming`)) {
        fail('connection refused');
        return;
      }
      this.#join(host, peer, target, back);
    };
    host.dials.get(peer)?.();
    host.dials.set(peer, this.clock.after(millis(this.#some(this.latency)), attempt));
  }

  #join(host: Host, peer: string, target: Host, back: string): void {
    const fresh = { codec: openingContext, isMoving: false, other: undefined };
    const dialled: End = { ...fresh, host, peer, side: 'outgoing', sent: [] };
    const accepted: End = { ...fresh, host: target, peer: back, side: 'incoming', sent: [] };
    dialled.other = accepted;
    accepted.other = dialled;
    for (const end of [dialled, accepted]) end.host.ends.set(`${end.peer} ${end.side}`, end);
    for (const end of [dialled, accepted])
      this.#transport(end.host, end.peer, { kind: 'TcpConnected', side: end.side });
  }

  #send(end: End | undefined, message: Message): void {
    if (end === undefined) return;
    const frames =
      message.kind === 'update' ? encodeUpdates(message, end.codec) : [encodeMessage(message, end.codec)];
    end.sent.push(...frames);
    this.#move(end);
  }

  /** Delivers what an end has sent, one after the other. */
  #move(end: End): void {
    if (end.isMoving || end.sent.length === 0) return;
    end.isMoving = true;
    this.clock.after(millis(this.#some(this.latency)), () => {
      end.isMoving = false;
      const { other } = end;
      if (other === undefined) {
        this.#orphans.delete(end);
        return;
      }
      if (this.isCut(end.host, other.host)) return;
      const next = end.sent.shift();
      if (next === 'fin') {
        this.#orphans.delete(end);
        end.other = undefined;
        this.#lost(other, 'closed by the neighbour');
      } else if (next !== undefined) this.#arrive(other, next);
      this.#move(end);
    });
  }

  #arrive(end: End, frame: Uint8Array): void {
    if (end.host.ends.get(`${end.peer} ${end.side}`) !== end) return;
    const decoded = decodeMessage(frame, end.codec);
    const event: TransportEvent = decoded.ok
      ? { kind: 'Message', side: end.side, message: decoded.value }
      : { kind: 'WireError', side: end.side, error: decoded.error };
    this.#transport(end.host, end.peer, event);
  }

  #lost(end: End, why: string): void {
    const key = `${end.peer} ${end.side}`;
    if (end.host.ends.get(key) !== end) return;
    end.host.ends.delete(key);
    this.#transport(end.host, end.peer, { kind: 'TcpFails', side: end.side, why });
  }

  #close(host: Host, peer: string, side: Side): void {
    if (side === 'outgoing') {
      host.dials.get(peer)?.();
      host.dials.delete(peer);
    }
    const end = host.ends.get(`${peer} ${side}`);
    if (end !== undefined) this.#hangUp(end);
  }

  #hangUp(end: End): void {
    end.host.ends.delete(`${end.peer} ${end.side}`);
    end.sent.push('fin');
    this.#orphans.add(end);
    this.#move(end);
  }

  #offerWrite(host: Host, peer: string, side: Side): void {
    const end = host.ends.get(`${peer} ${side}`);
    this.clock.after(millis(this.#some(this.writeDelay)), () => {
      if (end !== undefined && host.ends.get(`${peer} ${side}`) === end)
        this.#tell(host, { kind: 'writable', peer, side });
    });
  }
}

const pair = (a: Host, b: Host): string => [a.name, b.name].sort().join(' ');

export const familyAddress = (host: Host, prefix: Prefix): Address | undefined =>
  versionOf(prefix) === 4 ? host.config.ownAddress.ipv4 : host.config.ownAddress.ipv6;
