/**
 * One BFD session: RFC 5880 §6, asynchronous mode. It hears events and asks for effects.
 *
 * Names follow the state variables of §6.8.1. We take the active role, never set Demand, C or Echo, and sign nothing.
 * Two numbers of ours count in two ways (§6.8.3): what a packet *tells* counts for the neighbour when it hears it, what is
 * *in force* counts for our own timers. They differ only while a Poll Sequence is to make sure that it has heard.
 */
import { type Millis, millis } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import { unreachable } from '../../src/lib/result.ts';
import { describeDiagnostic, diagnostic } from './diagnostic.ts';
import type { BfdState, ControlPacket } from './packet.ts';
import { detectionUs, inForce, jittered, slowestTxUs, transmitUs } from './timing.ts';

/** What somebody asked for; intervals in microseconds, more than 0; multiplier 1 to 255. */
export interface BfdParameters {
  readonly minTxUs: number;
  readonly minRxUs: number;
  readonly multiplier: number;
}

/** What the neighbour said last. */
export interface RemoteSide {
  /** 0: not known. */
  readonly discriminator: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly demand: boolean;
  readonly isIndependent: boolean;
  readonly minTxUs: number;
  readonly minRxUs: number;
  /** 0: nothing was heard yet. */
  readonly multiplier: number;
}

export interface BfdSession {
  readonly wanted: BfdParameters;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly myDiscriminator: number;
  readonly remote: RemoteSide;
  /** In force. */
  readonly txUs: number;
  readonly rxUs: number;
  /** again: what it was to make sure of has changed meanwhile, so another follows. */
  readonly polling: 'none' | 'active' | 'again';
  /** Of the last periodic packet. */
  readonly sentAt: Millis | undefined;
  readonly heardAt: Millis | undefined;
  /** The interval its running transmit timer was set for; undefined: it does not run. */
  readonly paceUs: number | undefined;
}

export type BfdTimer = 'transmit' | 'detect';

export type BfdEvent =
  | { readonly kind: 'start' }
  /** It belongs to this session. */
  | { readonly kind: 'packet'; readonly packet: ControlPacket }
  | { readonly kind: 'timer'; readonly timer: BfdTimer }
  /** Other parameters; the session stays as it is. */
  | { readonly kind: 'configure'; readonly wanted: BfdParameters }
  /** Holds it in AdminDown, and tells the neighbour (§6.8.16). */
  | { readonly kind: 'disable' }
  | { readonly kind: 'enable' };

export type BfdEffect =
  | { readonly kind: 'send'; readonly packet: ControlPacket }
  /** Replaces the running timer of that name. */
  | { readonly kind: 'startTimer'; readonly timer: BfdTimer; readonly after: Millis }
  | { readonly kind: 'stopTimer'; readonly timer: BfdTimer }
  /** `why` is a phrase. `byAdmin`: somebody at one of the two ends wanted it so; it says nothing of the path (RFC 5882 §3.2). */
  | {
      readonly kind: 'state';
      readonly from: BfdState;
      readonly to: BfdState;
      readonly byAdmin: boolean;
      readonly why: string;
    };

export interface BfdMoment {
  readonly now: Millis;
  readonly random: Random;
}

/** §6.8.1: what is assumed before the neighbour has said anything. */
const silent: RemoteSide = {
  discriminator: 0,
  state: 'down',
  diagnostic: diagnostic.none,
  demand: false,
  isIndependent: false,
  minTxUs: 0,
  minRxUs: 1,
  multiplier: 0,
};

/** @param myDiscriminator  not 0, unique among our sessions */
export const createSession = (wanted: BfdParameters, myDiscriminator: number): BfdSession => ({
  wanted,
  state: 'down',
  diagnostic: diagnostic.none,
  myDiscriminator,
  remote: silent,
  txUs: slowestTxUs(wanted.minTxUs),
  rxUs: wanted.minRxUs,
  polling: 'none',
  sentAt: undefined,
  heardAt: undefined,
  paceUs: undefined,
});

/** §6.8.3: at least a second while it is not Up. */
export const toldTxUs = ({ state, wanted }: BfdSession): number =>
  state === 'up' ? wanted.minTxUs : slowestTxUs(wanted.minTxUs);

/** Every how many microseconds we send now; undefined: not periodically (§6.8.7). */
export const agreedTransmitUs = (session: BfdSession): number | undefined =>
  transmitUs({
    txUs: session.txUs,
    remoteMinRxUs: session.remote.minRxUs,
    isUnwanted: session.remote.demand && session.state === 'up' && session.remote.state === 'up',
    isPolling: session.polling !== 'none',
  });

/** After how many microseconds of silence the neighbour is away (§6.8.4); undefined: it was never heard. */
export const agreedDetectionUs = ({ remote, rxUs }: BfdSession): number | undefined =>
  remote.multiplier === 0 ? undefined : detectionUs(remote.multiplier, rxUs, remote.minTxUs);

export function stepSession(
  session: BfdSession,
  event: BfdEvent,
  moment: BfdMoment,
): readonly [BfdSession, readonly BfdEffect[]] {
  const turn = new SessionTurn(session, moment);
  turn.happen(event);
  return [turn.session, turn.effects];
}

class SessionTurn {
  session: BfdSession;
  readonly effects: BfdEffect[] = [];
  readonly #moment: BfdMoment;

  constructor(session: BfdSession, moment: BfdMoment) {
    this.session = session;
    this.#moment = moment;
  }

  happen(event: BfdEvent): void {
    const before = this.session;
    switch (event.kind) {
      case 'start':
        break;
      case 'packet':
        this.#hear(event.packet);
        break;
      case 'timer':
        if (event.timer === 'detect') this.#missed();
        else this.#due();
        break;
      case 'configure':
        this.#amend({ wanted: event.wanted });
        this.#retell(before);
        if (this.session.heardAt !== undefined && this.session.rxUs !== before.rxUs) this.#watch();
        break;
      case 'disable':
        if (this.session.state !== 'adminDown')
          this.#enter('adminDown', diagnostic.administrativelyDown, 'it is administratively down here', true);
        break;
      case 'enable':
        if (this.session.state === 'adminDown')
          this.#enter('down', diagnostic.none, 'it is enabled again', true);
        break;
      default:
        unreachable(event);
    }
    const isPolled = event.kind === 'packet' && event.packet.poll && before.state !== 'adminDown';
    // §6.8.7: what is new is told between the periodic packets too. A Poll goes with those only (§6.5).
    if (isPolled) this.#send({ final: true });
    else if (event.kind !== 'timer' || event.timer === 'detect')
      if (isNews(before, this.session)) this.#send({});
    this.#pace();
  }

  /** §6.8.6, from where the packet has found its session. */
  #hear(packet: ControlPacket): void {
    const before = this.session;
    this.#amend({
      heardAt: this.#moment.now,
      remote: {
        discriminator: packet.myDiscriminator,
        state: packet.state,
        diagnostic: packet.diagnostic,
        demand: packet.demand,
        isIndependent: packet.isIndependent,
        minTxUs: packet.desiredMinTxUs,
        minRxUs: packet.requiredMinRxUs,
        multiplier: packet.multiplier,
      },
    });
    if (packet.final) this.#answered();
    this.#watch();
    if (before.state === 'adminDown') return;
    if (packet.state === 'adminDown') {
      if (before.state !== 'down')
        this.#enter(
          'down',
          diagnostic.neighborSignaledDown,
          'the neighbour has taken its session down administratively',
          true,
        );
      return;
    }
    this.#meet(packet);
  }

  /** The state machine of §6.2, both sides willing. */
  #meet(packet: ControlPacket): void {
    const { state } = this.session;
    if (state === 'up') {
      if (packet.state === 'down')
        this.#enter(
          'down',
          diagnostic.neighborSignaledDown,
          `the neighbour says that its session is down: ${describeDiagnostic(packet.diagnostic)}`,
          packet.diagnostic === diagnostic.administrativelyDown,
        );
      return;
    }
    if (packet.state === 'init' || (state === 'init' && packet.state === 'up'))
      this.#enter('up', this.session.diagnostic, 'the neighbour hears us', false);
    else if (state === 'down' && packet.state === 'down')
      this.#enter('init', this.session.diagnostic, 'the neighbour is heard', false);
  }

  /** The detection time has passed without a packet. §6.8.1: its discriminator is forgotten in any state. */
  #missed(): void {
    const { state, remote } = this.session;
    const waited = agreedDetectionUs(this.session) ?? 0;
    this.#amend({ heardAt: undefined, remote: { ...silent, diagnostic: remote.diagnostic } });
    if (state !== 'init' && state !== 'up') return;
    this.#enter(
      'down',
      diagnostic.timeExpired,
      `no BFD packet came for ${Math.round(waited / 1000)} ms`,
      false,
    );
  }

  #due(): void {
    this.#amend({ sentAt: this.#moment.now, paceUs: undefined });
    this.#send({ poll: this.session.polling !== 'none' });
  }

  #enter(to: BfdState, code: number, why: string, byAdmin: boolean): void {
    const before = this.session;
    this.#amend({ state: to, diagnostic: code });
    this.effects.push({ kind: 'state', from: before.state, to, byAdmin, why });
    this.#retell(before);
  }

  /** §6.8.3: what has changed is put in force now or after a Poll Sequence, which is begun in any case. */
  #retell(before: BfdSession): void {
    const { session } = this;
    const isTxOther = toldTxUs(session) !== toldTxUs(before);
    const isRxOther = session.wanted.minRxUs !== before.wanted.minRxUs;
    if (!isTxOther && !isRxOther) return;
    this.#amend({
      ...inForce(session.state === 'up', session, {
        txUs: toldTxUs(session),
        rxUs: session.wanted.minRxUs,
      }),
      polling: session.polling === 'none' ? 'active' : 'again',
    });
  }

  /** F: the neighbour knows what the Poll Sequence told. */
  #answered(): void {
    const { session } = this;
    if (session.polling === 'active')
      this.#amend({ polling: 'none', txUs: toldTxUs(session), rxUs: session.wanted.minRxUs });
    else if (session.polling === 'again') this.#amend({ polling: 'active' });
  }

  #watch(): void {
    const { heardAt } = this.session;
    const us = agreedDetectionUs(this.session);
    if (heardAt === undefined || us === undefined) return;
    const after = millis(Math.max(0, heardAt + us / 1000 - this.#moment.now));
    this.effects.push({ kind: 'startTimer', timer: 'detect', after });
  }

  /** Sets the transmit timer if it does not run for the interval that now counts; what is late goes at once. */
  #pace(): void {
    const { session } = this;
    const paceUs = agreedTransmitUs(session);
    if (paceUs === session.paceUs) return;
    this.#amend({ paceUs });
    if (paceUs === undefined) {
      this.effects.push({ kind: 'stopTimer', timer: 'transmit' });
      return;
    }
    const interval = jittered(paceUs, session.wanted.multiplier, this.#moment.random) / 1000;
    const { now } = this.#moment;
    const after = session.sentAt === undefined ? 0 : Math.max(0, session.sentAt + interval - now);
    this.effects.push({ kind: 'startTimer', timer: 'transmit', after: millis(after) });
  }

  #send({ poll = false, final = false }: { readonly poll?: boolean; readonly final?: boolean }): void {
    const { session } = this;
    this.effects.push({ kind: 'send', packet: packetOf(session, poll, final) });
  }

  #amend(part: Partial<BfdSession>): void {
    this.session = { ...this.session, ...part };
  }
}

const packetOf = (session: BfdSession, poll: boolean, final: boolean): ControlPacket => ({
  diagnostic: session.diagnostic,
  state: session.state,
  poll,
  final,
  isIndependent: false,
  demand: false,
  multiplier: session.wanted.multiplier,
  myDiscriminator: session.myDiscriminator,
  yourDiscriminator: session.remote.discriminator,
  desiredMinTxUs: toldTxUs(session),
  requiredMinRxUs: session.wanted.minRxUs,
  requiredMinEchoRxUs: 0,
});

const isNews = (before: BfdSession, after: BfdSession): boolean =>
  before.state !== after.state || before.wanted !== after.wanted;
