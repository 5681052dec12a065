/**
 * All BFD sessions of this node: datagrams and timers become events of their machines, whose effects are carried out.
 *
 *   ports ─► decode ─► demux ─┐             ┌─► ports
 *   timers ───────────────────┴─► machine ──┼─► timers
 *   main thread ──────────────┘             └─► main thread
 *
 * After a stall of this thread a detection timer can expire while the packets that deny it lie in the socket. So before it
 * is believed the sockets are read out.
 */
import type { Clock } from '../../src/host/clock.ts';
import { isKernelError } from '../../src/kernel/kernel-error.ts';
import type { Datagram } from '../../src/kernel/udp.ts';
import { type Address, type Millis, millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { type Sessions, sessionFor } from './demux.ts';
import {
  agreedDetectionUs,
  agreedTransmitUs,
  type BfdEffect,
  type BfdEvent,
  type BfdSession,
  type BfdTimer,
  createSession,
  stepSession,
  toldTxUs,
} from './machine.ts';
import { type ControlPacket, decodePacket, encodePacket } from './packet.ts';
import type { BfdLine, BfdPorts, PortsOptions } from './ports.ts';
import type { FromWorker, SessionReport } from './says.ts';
import type { WantedSession } from './wanted.ts';

export interface EngineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly ports: (options: PortsOptions) => BfdPorts;
  readonly say: (said: FromWorker) => void;
}

interface Timer {
  readonly due: Millis;
  readonly cancel: () => void;
}

/** A session with all that is its own. */
interface Member {
  wanted: WantedSession;
  session: BfdSession;
  line: BfdLine | undefined;
  sourcePort: number | undefined;
  failure: string | undefined;
  readonly timers: Map<BfdTimer, Timer>;
  /** Nobody wants it any more; it is only there to say AdminDown. Cancels its end. */
  leaving: (() => void) | undefined;
  sent: number;
  received: number;
  discarded: number;
  lastDiscard: string | undefined;
}

const reportEveryMs = 1000;
/** The longest a stop waits for neighbours to have heard of it. */
const goodbyeMs = 2500;
/** The kernel did not take the packet, but the socket is as good as before. */
const passing: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EAGAIN', 'ENOBUFS', 'EPERM', 'EHOSTUNREACH']);

export class Engine {
  readonly #options: EngineOptions;
  readonly #ports: BfdPorts;
  readonly #members = new Map<string, Member>();
  readonly #byDiscriminator = new Map<number, Member>();
  readonly #byAddress = new Map<Address, readonly Member[]>();
  readonly #sessions: Sessions<Member> = {
    named: (discriminator) => this.#byDiscriminator.get(discriminator),
    with: (address) => this.#byAddress.get(address) ?? [],
  };
  #worstLatenessMs = 0;
  #discarded = 0;
  #cancelReport: (() => void) | undefined;
  #stopping: (() => void) | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#ports = options.ports({
      clock: options.clock,
      random: options.random,
      onDatagram: (datagram, isMultihop) => this.#arrived(datagram, isMultihop),
    });
  }

  configure(sessions: readonly WantedSession[]): void {
    const wanted = new Map(sessions.map((one) => [one.key, one]));
    for (const member of this.#members.values()) if (!wanted.has(member.wanted.key)) this.#leave(member);
    this.#ports.serve([...sessions, ...[...this.#members.values()].map((member) => member.wanted)]);
    for (const one of sessions) {
      const known = this.#members.get(one.key);
      if (known === undefined) this.#join(one);
      else this.#follow(known, one);
    }
    if (this.#members.size > 0) this.#cancelReport ??= this.#reportLater();
  }

  stop(): void {
    if (this.#stopping !== undefined) return;
    for (const member of this.#members.values()) this.#step(member, { kind: 'disable' });
    const done = (): void => {
      cancel();
      this.#close();
      this.#options.say({ kind: 'stopped' });
    };
    const cancel = this.#options.clock.after(millis(goodbyeMs), done);
    this.#stopping = () => {
      const isKnown = ({ session: { remote } }: Member): boolean =>
        remote.discriminator === 0 || remote.state === 'down' || remote.state === 'adminDown';
      if ([...this.#members.values()].every(isKnown)) done();
    };
    this.#stopping();
  }

  #join(wanted: WantedSession): void {
    const member: Member = {
      wanted,
      session: createSession(wanted.parameters, this.#newDiscriminator()),
      line: undefined,
      sourcePort: undefined,
      failure: undefined,
      timers: new Map(),
      leaving: undefined,
      sent: 0,
      received: 0,
      discarded: 0,
      lastDiscard: undefined,
    };
    this.#members.set(wanted.key, member);
    this.#byDiscriminator.set(member.session.myDiscriminator, member);
    this.#byAddress.set(wanted.address, [...this.#sessions.with(wanted.address), member]);
    this.#step(member, { kind: 'start' });
  }

  #follow(member: Member, wanted: WantedSession): void {
    const before = member.wanted;
    member.leaving?.();
    member.leaving = undefined;
    member.wanted = wanted;
    const [a, b] = [before.parameters, wanted.parameters];
    if (a.minTxUs !== b.minTxUs || a.minRxUs !== b.minRxUs || a.multiplier !== b.multiplier)
      this.#step(member, { kind: 'configure', wanted: b });
    this.#step(member, { kind: 'enable' });
  }

  /** RFC 5880 §6.8.16: AdminDown is told for as long as the neighbour's detection time, if there is a neighbour. */
  #leave(member: Member): void {
    if (member.leaving !== undefined) return;
    const { session } = member;
    const isHeard = session.remote.discriminator !== 0;
    this.#step(member, { kind: 'disable' });
    const us = isHeard
      ? session.wanted.multiplier * Math.max(toldTxUs(member.session), session.remote.minRxUs)
      : 0;
    member.leaving = this.#options.clock.after(millis(us / 1000), () => {
      this.#forget(member);
      this.#ports.serve([...this.#members.values()].map((one) => one.wanted));
    });
  }

  #forget(member: Member): void {
    for (const { cancel } of member.timers.values()) cancel();
    member.timers.clear();
    member.line?.close();
    const { key, address } = member.wanted;
    this.#members.delete(key);
    this.#byDiscriminator.delete(member.session.myDiscriminator);
    const others = this.#sessions.with(address).filter((one) => one !== member);
    if (others.length > 0) this.#byAddress.set(address, others);
    else this.#byAddress.delete(address);
  }

  #close(): void {
    for (const member of [...this.#members.values()]) {
      member.leaving?.();
      this.#forget(member);
    }
    this.#ports.serve([]);
    this.#cancelReport?.();
    this.#cancelReport = undefined;
    this.#stopping = () => undefined;
  }

  #arrived(datagram: Datagram, isMultihop: boolean): void {
    const decoded = decodePacket(datagram.bytes);
    if (!decoded.ok) {
      this.#discard(datagram, decoded.error);
      return;
    }
    const found = sessionFor(this.#sessions, { ...datagram, packet: decoded.value, isMultihop });
    if (!found.ok) {
      this.#discard(datagram, found.error);
      return;
    }
    const member = found.value;
    member.received += 1;
    this.#step(member, { kind: 'packet', packet: decoded.value });
    this.#stopping?.();
  }

  #discard({ from }: Datagram, why: string): void {
    this.#discarded += 1;
    for (const member of this.#sessions.with(from)) {
      member.discarded += 1;
      member.lastDiscard = why;
    }
  }

  #step(member: Member, event: BfdEvent): void {
    const { clock, random } = this.#options;
    const [session, effects] = stepSession(member.session, event, { now: clock.now(), random });
    member.session = session;
    for (const effect of effects) this.#perform(member, effect);
  }

  #perform(member: Member, effect: BfdEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(member, effect.packet);
        break;
      case 'startTimer':
        this.#startTimer(member, effect.timer, effect.after);
        break;
      case 'stopTimer':
        member.timers.get(effect.timer)?.cancel();
        member.timers.delete(effect.timer);
        break;
      case 'state':
        this.#options.say({
          kind: 'state',
          from: effect.from,
          byAdmin: effect.byAdmin,
          why: effect.why,
          report: reportOf(member),
        });
        break;
    }
  }

  #startTimer(member: Member, name: BfdTimer, after: Millis): void {
    const { clock } = this.#options;
    member.timers.get(name)?.cancel();
    const timer: Timer = {
      due: millis(clock.now() + after),
      cancel: clock.after(after, () => {
        if (name === 'detect') this.#ports.drain();
        else this.#worstLatenessMs = Math.max(this.#worstLatenessMs, clock.now() - timer.due);
        if (member.timers.get(name) !== timer) return; // a packet of before has restarted it
        member.timers.delete(name);
        this.#step(member, { kind: 'timer', timer: name });
        this.#stopping?.();
      }),
    };
    member.timers.set(name, timer);
  }

  #send(member: Member, packet: ControlPacket): void {
    try {
      member.line ??= this.#ports.open(member.wanted, member.sourcePort);
    } catch (error) {
      if (!isKernelError(error)) throw error;
      member.failure = error.message;
      return;
    }
    member.sourcePort = member.line.sourcePort;
    const code = member.line.send(encodePacket(packet));
    if (code === undefined) {
      member.sent += 1;
      member.failure = undefined;
      return;
    }
    member.failure =
      code === 'ECONNREFUSED' ? 'the neighbour refuses BFD: nothing listens there' : `cannot send: ${code}`;
    if (passing.has(code)) return;
    member.line.close();
    member.line = undefined;
  }

  #newDiscriminator(): number {
    for (;;) {
      const one = Math.floor(this.#options.random() * 0x1_0000_0000);
      if (one !== 0 && !this.#byDiscriminator.has(one)) return one;
    }
  }

  #reportLater(): () => void {
    return this.#options.clock.after(millis(reportEveryMs), () => {
      const members = [...this.#members.values()].filter(({ leaving }) => leaving === undefined);
      this.#options.say({
        kind: 'reports',
        reports: members.map(reportOf),
        health: {
          worstLatenessMs: this.#worstLatenessMs,
          discarded: this.#discarded,
          dropped: this.#ports.dropped(),
          failures: this.#ports.failures(),
        },
      });
      this.#worstLatenessMs = 0;
      this.#cancelReport = this.#members.size > 0 ? this.#reportLater() : undefined;
    });
  }
}

const reportOf = ({ wanted, session, ...counts }: Member): SessionReport => ({
  key: wanted.key,
  state: session.state,
  diagnostic: session.diagnostic,
  myDiscriminator: session.myDiscriminator,
  remote: session.remote,
  parameters: session.wanted,
  transmitUs: agreedTransmitUs(session),
  detectionUs: agreedDetectionUs(session),
  sent: counts.sent,
  received: counts.received,
  discarded: counts.discarded,
  lastDiscard: counts.lastDiscard,
  failure: counts.failure,
});
