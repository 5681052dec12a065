/** Two BFD sessions and the link between them under a virtual clock: packets are encoded, delayed, lost, and decoded. */
import {
  type BfdEffect,
  type BfdEvent,
  type BfdParameters,
  type BfdSession,
  type BfdTimer,
  createSession,
  stepSession,
} from '../../bgp/bfd/machine.ts';
import { type ControlPacket, decodePacket, encodePacket } from '../../bgp/bfd/packet.ts';
import { millis } from '../../src/lib/net.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { type VirtualClock, virtualClock } from './clock.ts';

export type Change = Extract<BfdEffect, { readonly kind: 'state' }> & { readonly at: number };

export class BfdEnd {
  session: BfdSession;
  readonly changes: Change[] = [];
  readonly sent: { readonly at: number; readonly packet: ControlPacket }[] = [];
  readonly #timers = new Map<BfdTimer, () => void>();
  readonly #pair: BfdPair;

  constructor(pair: BfdPair, wanted: BfdParameters, discriminator: number) {
    this.#pair = pair;
    this.session = createSession(wanted, discriminator);
  }

  tell(event: BfdEvent): readonly BfdEffect[] {
    const { clock, random } = this.#pair;
    const [session, effects] = stepSession(this.session, event, { now: clock.now(), random });
    this.session = session;
    for (const effect of effects) this.#perform(effect);
    return effects;
  }

  /** From now on it is another life that knows nothing. */
  restart(discriminator: number): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.session = createSession(this.session.wanted, discriminator);
    this.tell({ kind: 'start' });
  }

  #perform(effect: BfdEffect): void {
    const { clock } = this.#pair;
    if (effect.kind === 'send') {
      this.sent.push({ at: clock.now(), packet: effect.packet });
      this.#pair.carry(this, encodePacket(effect.packet));
    } else if (effect.kind === 'state') this.changes.push({ ...effect, at: clock.now() });
    else {
      this.#timers.get(effect.timer)?.();
      this.#timers.delete(effect.timer);
      if (effect.kind === 'startTimer')
        this.#timers.set(
          effect.timer,
          clock.after(effect.after, () => {
            this.#timers.delete(effect.timer);
            this.tell({ kind: 'timer', timer: effect.timer });
          }),
        );
    }
  }
}

export interface PairOptions {
  readonly a: BfdParameters;
  readonly b: BfdParameters;
  readonly seed?: number;
  /** One way, in ms; constant, so that packets keep their order. */
  readonly delayMs?: number;
}

export class BfdPair {
  readonly clock: VirtualClock = virtualClock(1000);
  readonly random: Random;
  readonly a: BfdEnd;
  readonly b: BfdEnd;
  /** Of 1. */
  loss = 0;
  /** What is not carried at all. */
  cut: 'none' | 'a to b' | 'b to a' | 'both' = 'none';
  readonly #delayMs: number;

  constructor({ a, b, seed = 1, delayMs = 1 }: PairOptions) {
    this.random = seededRandom(seed);
    this.#delayMs = delayMs;
    this.a = new BfdEnd(this, a, 11);
    this.b = new BfdEnd(this, b, 22);
  }

  start(): this {
    this.a.tell({ kind: 'start' });
    this.b.tell({ kind: 'start' });
    return this;
  }

  carry(from: BfdEnd, bytes: Uint8Array): void {
    const isCut = this.cut === 'both' || this.cut === (from === this.a ? 'a to b' : 'b to a');
    if (isCut || this.random() < this.loss) return;
    const to = from === this.a ? this.b : this.a;
    this.clock.after(millis(this.#delayMs), () => {
      const decoded = decodePacket(bytes);
      if (!decoded.ok) throw new Error(decoded.error);
      const { yourDiscriminator } = decoded.value;
      if (yourDiscriminator !== 0 && yourDiscriminator !== to.session.myDiscriminator) return;
      to.tell({ kind: 'packet', packet: decoded.value });
    });
  }

  get isUp(): boolean {
    return this.a.session.state === 'up' && this.b.session.state === 'up';
  }
}

export const ms = (minTx: number, minRx = minTx, multiplier = 3): BfdParameters => ({
  minTxUs: minTx * 1000,
  minRxUs: minRx * 1000,
  multiplier,
});
