/**
 * One speaker among the neighbours of a rehearsal: their octets in, its octets out, and nothing left out in between but
 * sockets and the clock. No octet leaves this process.
 */
import { type Millis, millis, type Prefix } from '../../src/lib/net.ts';
import type { SpeakerConfig } from '../config.ts';
import type { Side } from '../session/event.ts';
import type { SpeakerEffect, SpeakerEvent } from '../speaker/event.ts';
import type { Speaker } from '../speaker/turn.ts';
import { createSpeaker, step } from '../speaker.ts';
import { type Connection, createConnection } from '../transport/connection.ts';
import { Journal } from '../watch/journal.ts';
import { Witness } from '../watch/witness.ts';
import { decodeMessage, encodeMessage, openingContext } from '../wire/codec.ts';
import { FrameReader } from '../wire/frame.ts';
import type { CodecContext, UpdateMessage } from '../wire/message.ts';
import { encodeUpdates } from '../wire/update-encode.ts';
import { asnOf, capabilitiesOf, identifierOf, listeners, type Part, parts } from './cast.ts';

/** What the daemon's speaker is made with, but for what is its own. */
export interface SceneOptions {
  readonly tracksNextHops: boolean;
  readonly writesKernel: boolean;
}

interface Player {
  /** The speaker's end. */
  readonly connection: Connection;
  /** The neighbour's. */
  readonly heard: FrameReader;
  readonly told: Set<Prefix>;
  codec: CodecContext;
}

const side: Side = 'incoming';
/** A socket hands over at most so much at once. */
const chunkOctets = 65_536;

export class Scene {
  readonly speaker: Speaker;
  readonly #witness: Witness;
  readonly #present: readonly Part[];
  readonly #keys: Readonly<Record<Part, string>>;
  readonly #players: ReadonlyMap<string, Player>;
  #next: SpeakerEvent[] = [];
  /** Chances to write that wait; undefined: none has to. */
  #held: SpeakerEvent[] | undefined;
  /** As the clock's: not a whole number. */
  #now: Millis = millis(0.5);

  /** @param present  who takes part; the others do not come up */
  constructor(config: SpeakerConfig, options: SceneOptions, present: readonly Part[] = parts) {
    this.#present = present;
    const keyOf = (part: Part): string =>
      config.peers.find(({ peerAsn }) => peerAsn === asnOf(part))?.key ?? '';
    this.#keys = {
      better: keyOf('better'),
      equal: keyOf('equal'),
      worse: keyOf('worse'),
      told: keyOf('told'),
      alike: keyOf('alike'),
    };
    this.#players = new Map(Object.values(this.#keys).map((key) => [key, playerOf()]));
    this.#witness = new Witness({
      speaker: () => this.speaker,
      journal: new Journal(),
      now: Date.now,
      ends: () => undefined,
      frameOf: () => undefined,
      monitors: [],
      touched: () => '',
    });
    this.speaker = createSpeaker({
      ...options,
      random: () => 0.5,
      onBest: this.#witness.best,
    });
    this.#hear({ kind: 'configure', config });
    for (const part of present) this.#open(part);
  }

  /** Those whose session is not up. */
  get absent(): readonly Part[] {
    return this.#present.filter(
      (part) => this.speaker.neighbours.get(this.#keys[part])?.session === undefined,
    );
  }

  /** Prefixes that the neighbour has been told and that were not taken back. */
  told(part: Part): number {
    return this.#players.get(this.#keys[part])?.told.size ?? 0;
  }

  /** The same of each of those that are told anything. */
  get toldToEach(): readonly number[] {
    return listeners.filter((part) => this.#present.includes(part)).map((part) => this.told(part));
  }

  /** Whose path was chosen. */
  bestOf(prefix: Prefix): Part | undefined {
    const key = this.speaker.locRib.choice(prefix)[0]?.source.key;
    return parts.find((part) => this.#keys[part] === key);
  }

  /** From now on no connection takes an octet, and what changes gathers. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const one of held) this.#hear(one);
  }

  say(part: Part, updates: readonly Pick<UpdateMessage, 'withdrawn' | 'announced'>[]): void {
    const key = this.#keys[part];
    const codec = this.#players.get(key)?.codec ?? openingContext;
    const octets = joined(updates.flatMap((update) => encodeUpdates(update, codec)));
    for (let at = 0; at < octets.length; at += chunkOctets)
      this.#arrive(key, octets.subarray(at, at + chunkOctets));
  }

  #open(part: Part): void {
    const peer = this.#keys[part];
    const capabilities = capabilitiesOf(part);
    const open = { kind: 'open', version: 4, asField: asnOf(part), holdTime: 90 } as const;
    this.#hear({ kind: 'transport', peer, event: { kind: 'TcpConnected', side } });
    this.#arrive(peer, encodeMessage({ ...open, bgpId: identifierOf(part), capabilities }, openingContext));
    this.#arrive(peer, encodeMessage({ kind: 'keepalive' }, openingContext));
  }

  #arrive(peer: string, octets: Uint8Array): void {
    const connection = this.#players.get(peer)?.connection;
    connection?.push(octets);
    for (let event = connection?.next(); event !== undefined; event = connection?.next())
      this.#hear({ kind: 'transport', peer, event });
  }

  /** What an event asks for is answered before anything else is heard. */
  #hear(event: SpeakerEvent): void {
    this.#turn(event);
    while (this.#next.length > 0) {
      const waiting = this.#next;
      this.#next = [];
      for (const one of waiting) this.#turn(one);
    }
  }

  #turn(event: SpeakerEvent): void {
    this.#now = millis(this.#now + 0.375);
    const effects = step(this.speaker, event, this.#now);
    for (const effect of effects) this.#carryOut(effect);
    this.#witness.after(event, effects);
  }

  #carryOut(effect: SpeakerEffect): void {
    switch (effect.kind) {
      case 'send': {
        const player = this.#players.get(effect.peer);
        if (player !== undefined)
          for (const frame of player.connection.encode(effect.message)) listen(player, frame);
        break;
      }
      case 'codec': {
        const player = this.#players.get(effect.peer);
        if (player === undefined) break;
        player.connection.useCodec(effect.context);
        player.codec = effect.context;
        break;
      }
      case 'wantWrite':
        (this.#held ?? this.#next).push({ kind: 'writable', peer: effect.peer, side: effect.side });
        break;
      case 'continue':
        this.#next.push({ kind: 'continue' });
        break;
      case 'track':
        this.#next.push({
          kind: 'nextHops',
          changes: effect.nextHops.map((nextHop) => [nextHop, 0] as const),
        });
        break;
      default: // timers, kernel and log are the world's
    }
  }
}

const playerOf = (): Player => ({
  connection: createConnection(side),
  heard: new FrameReader(),
  told: new Set(),
  codec: openingContext,
});

function listen({ heard, told, codec }: Player, frame: Uint8Array): void {
  heard.push(frame);
  for (let one = heard.next(); one?.ok === true; one = heard.next()) {
    const message = decodeMessage(one.value, codec);
    if (!message.ok || message.value.kind !== 'update') continue;
    for (const prefix of message.value.withdrawn) told.delete(prefix);
    for (const { prefixes } of message.value.announced) for (const prefix of prefixes) told.add(prefix);
  }
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) {
    all.set(frame, at);
    at += frame.length;
  }
  return all;
}
