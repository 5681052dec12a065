/**
 * Looks at the speaker after each step, and tells what has changed: to the journal, and to whoever monitors. It changes
 * nothing, and costs as much as the step's effects are many.
 */
import type { Logger } from '../../src/host/log.ts';
import { formatAddress, formatPrefix, type Prefix, parseAddress } from '../../src/lib/net.ts';
import type { BgpState } from '../../src/model/bgp-state.ts';
import type { PeerConfig, SpeakerConfig } from '../config.ts';
import type { Ending } from '../monitor/bmp.ts';
import { type Monitor, type SeenSession, wireOf } from '../monitor/seen.ts';
import { explain } from '../rib/explain.ts';
import type { Path } from '../rib/path.ts';
import type { Side } from '../session/event.ts';
import { bgpStateOf } from '../session/peer.ts';
import type { SpeakerEffect, SpeakerEvent } from '../speaker/event.ts';
import type { Neighbour } from '../speaker/neighbour.ts';
import { whereOf } from '../speaker/report.ts';
import type { OnBest, Speaker } from '../speaker/turn.ts';
import type { Ends } from '../transport/link.ts';
import { encodeMessage, openingContext } from '../wire/codec.ts';
import { configChanges } from './changes.ts';
import type { Happening, Journal, Tally } from './journal.ts';

export interface WitnessOptions {
  readonly speaker: () => Speaker;
  readonly journal: Journal;
  /** The wall clock, in ms. */
  readonly now: () => number;
  readonly ends: (peer: string, side: Side) => Ends | undefined;
  /** The octets of a message that came. */
  readonly frameOf: (event: SpeakerEvent) => Uint8Array | undefined;
  readonly monitors: readonly Monitor[];
  /** Objects of the datastore that the last configuration came from. */
  readonly touched: () => string;
  readonly log?: Pick<Logger, 'info'> | undefined;
}

interface Known {
  readonly config: PeerConfig;
  readonly name: string;
  readonly address: string;
  readonly state: BgpState;
  readonly seen: SeenSession | undefined;
}

const furthest: readonly BgpState[] = ['Idle', 'Active', 'Connect', 'OpenSent', 'OpenConfirm', 'Established'];

export class Witness {
  readonly #options: WitnessOptions;
  readonly #known = new Map<string, Known>();
  readonly #flaps = new Map<string, number>();
  #config: SpeakerConfig | undefined;
  /** Of the turn that runs. */
  #turnAt: number | undefined;
  #lastSource: Path['source'] | undefined;
  #lastName = '';
  /** While changes of the turn are only counted, those of the last source. */
  #tally: Tally | undefined;
  readonly #ofBest: readonly Monitor[];

  constructor({ speaker, journal, now, ends, frameOf, monitors, touched, log }: WitnessOptions) {
    // Of one form, whoever gives them: what is compiled for one witness then holds for the next.
    this.#options = { speaker, journal, now, ends, frameOf, monitors, touched, log };
    this.#ofBest = monitors.filter(({ best }) => best !== undefined);
  }

  /** How often the session with each neighbour, by name, went down since the start. */
  get flaps(): ReadonlyMap<string, number> {
    return this.#flaps;
  }

  /** To be called after each step, with what it was and what it asked for. */
  after(event: SpeakerEvent, effects: readonly SpeakerEffect[]): void {
    this.#turnAt = undefined;
    this.#lastSource = undefined;
    this.#tally = undefined;
    const before = event.kind === 'configure' ? this.sessions() : [];
    for (const effect of effects)
      if (effect.kind === 'statusChanged') this.#look(effect.peer, event, effects);
    if (event.kind === 'configure') this.#configured(event.config, before);
    if (this.#options.monitors.length > 0 && event.kind === 'transport') this.#message(event);
  }

  /**
   * As `OnBest` of the speaker, which is given this itself: what is compiled for one witness then holds for the next. A turn may
   * have thousands: in a flood each costs a comparison and an addition.
   */
  readonly best: OnBest = (net, before, after) => {
    const source = (after ?? before)?.source;
    if (this.#tally === undefined || source !== this.#lastSource) this.#ask(source, net, before, after);
    else this.#tally.routes += 1;
    if (this.#ofBest.length > 0) {
      this.#turnAt ??= this.#options.now();
      const prefix = this.#prefixOf(net);
      for (const monitor of this.#ofBest) monitor.best?.(prefix, after, this.#turnAt);
    }
  };

  /** Those that are up now. */
  sessions(): readonly SeenSession[] {
    return [...this.#known.values()].flatMap(({ seen }) => (seen === undefined ? [] : [seen]));
  }

  #ask(
    source: Path['source'] | undefined,
    net: number,
    before: Path | undefined,
    after: Path | undefined,
  ): void {
    const { speaker, journal, now } = this.#options;
    this.#turnAt ??= now();
    if (source !== this.#lastSource) {
      this.#lastSource = source;
      this.#lastName = nameOf(speaker(), source?.key);
    }
    this.#tally = journal.lend(this.#turnAt, this.#lastName);
    if (this.#tally !== undefined) this.#tally.routes += 1;
    else
      journal.route(this.#turnAt, this.#lastName, routeChange(speaker(), this.#prefixOf(net), before, after));
  }

  #prefixOf(net: number): Prefix {
    return this.#options.speaker().locRib.routes.nets.prefix(net);
  }

  #configured(config: SpeakerConfig | undefined, before: readonly SeenSession[]): void {
    const { journal, now, touched } = this.#options;
    const changes = configChanges(this.#config, config);
    this.#config = config;
    const who = touched();
    const after = new Set(this.sessions());
    const ended = before
      .filter((seen) => !after.has(seen))
      .map(({ wire }) => formatAddress(wire.peerAddress));
    if (changes.length === 0 && ended.length === 0) return;
    const why =
      ended.length === 0
        ? 'no session was reset'
        : `sessions that ended: ${ended.slice(0, 5).join(', ')}${ended.length > 5 ? ` and ${ended.length - 5} more` : ''}`;
    const what = changes.join('; ');
    journal.add(now(), { kind: 'config', who, what, why });
    this.#options.log?.info(`configuration changed: ${what}`, { by: who, sessions: why });
  }

  #look(peer: string, event: SpeakerEvent, effects: readonly SpeakerEffect[]): void {
    const neighbour = this.#options.speaker().neighbours.get(peer);
    const before = this.#known.get(peer);
    // The record is replaced as its counts change; the source is of one session, from its start to its end.
    const isSame = before?.seen?.session.source === neighbour?.session?.source;
    // Most often it is only that an UPDATE came.
    if (isSame && before !== undefined && before.config === neighbour?.config)
      if (before.state === bgpStateOf(neighbour.peer)) return;
    if (!isSame) this.#lost(peer, before, event, effects);
    if (neighbour === undefined) {
      this.#gone(peer, before);
      return;
    }
    const seen = isSame ? before?.seen : this.#seenOf(peer, neighbour);
    const { config } = neighbour;
    const { name } = config;
    const next = { config, name, address: whereOf(config), state: bgpStateOf(neighbour.peer), seen };
    this.#known.set(peer, next);
    this.#moved(neighbour, before?.state ?? 'Idle', next, !isSame);
    if (seen !== undefined && !isSame)
      for (const monitor of this.#options.monitors) monitor.up?.(seen, this.#options.now());
  }

  #lost(
    peer: string,
    before: Known | undefined,
    event: SpeakerEvent,
    effects: readonly SpeakerEffect[],
  ): void {
    if (before?.seen === undefined) return;
    const { monitors, now } = this.#options;
    this.#flaps.set(before.name, (this.#flaps.get(before.name) ?? 0) + 1);
    for (const monitor of monitors) monitor.down?.(before.seen, endingOf(peer, event, effects), now());
  }

  #gone(peer: string, before: Known | undefined): void {
    this.#known.delete(peer);
    if (before === undefined) return;
    this.#flaps.delete(before.name);
    this.#options.journal.forget(before.name);
    if (before.seen !== undefined) this.#tell(before, 'Established', 'Idle', 'it is no longer configured');
  }

  #moved(neighbour: Neighbour, from: BgpState, next: Known, isReplaced: boolean): void {
    const { state: to, seen } = next;
    if (from === to && !(isReplaced && to === 'Established')) return;
    const wire = seen?.wire ?? wireOf(neighbour, undefined);
    for (const monitor of this.#options.monitors) monitor.state?.(wire, from, to, this.#options.now());
    if (seen !== undefined)
      this.#tell(next, from, to, `agreed on ${seen.session.negotiated.families.join(', ')}`);
    else if (furthest.indexOf(to) < furthest.indexOf(from)) this.#tell(next, from, to, neighbour.lastError);
  }

  #tell({ name, address }: Known, from: BgpState, to: BgpState, why: string | undefined): void {
    const isAttempt = from !== 'Established' && to !== 'Established';
    const what = { who: name, address, what: `${from} → ${to}`, ...(why === undefined ? {} : { why }) };
    this.#options.journal.session(this.#options.now(), what, isAttempt);
  }

  #seenOf(key: string, neighbour: Neighbour): SeenSession | undefined {
    const { session } = neighbour;
    if (session === undefined) return undefined;
    const ends = this.#options.ends(key, session.side);
    const wire = wireOf(neighbour, ends && parseAddress(ends.localAddress));
    return {
      key,
      session,
      wire: { ...wire, peerAsn: session.negotiated.peerAsn },
      localPort: ends?.localPort ?? 0,
      remotePort: ends?.remotePort ?? 0,
    };
  }

  #message(event: Extract<SpeakerEvent, { readonly kind: 'transport' }>): void {
    const { frameOf, speaker, monitors, now } = this.#options;
    const neighbour = speaker().neighbours.get(event.peer);
    const frame = frameOf(event);
    if (frame === undefined || neighbour === undefined || event.event.kind !== 'Message') return;
    const seen = this.#known.get(event.peer)?.seen;
    const isOfSession = seen?.session.side === event.event.side;
    for (const monitor of monitors)
      monitor.message?.(neighbour, isOfSession ? seen : undefined, frame, now());
  }
}

const nameOf = (speaker: Speaker, key: string | undefined): string =>
  key === undefined ? '' : (speaker.neighbours.get(key)?.config.name ?? key);

function routeChange(
  speaker: Speaker,
  prefix: Prefix,
  before: Path | undefined,
  after: Path | undefined,
): Omit<Happening, 'kind' | 'who'> {
  const text = formatPrefix(prefix);
  const via = (path: Path | undefined): string =>
    path === undefined
      ? 'none'
      : path.source.type === 'local'
        ? 'our own'
        : `${formatAddress(path.nextHop)} of ${nameOf(speaker, path.source.key)}`;
  const { locRib } = speaker;
  const why =
    after === undefined
      ? 'nobody tells it any more'
      : (explain(locRib.paths(prefix), locRib.choice(prefix), locRib.criteria).get(after) ??
        'not yet decided');
  return { prefix: text, what: `${text}: ${via(before)} → ${via(after)}`, why };
}

/** From what happened in the step that ended the session. */
function endingOf(peer: string, event: SpeakerEvent, effects: readonly SpeakerEffect[]): Ending {
  for (const effect of effects)
    if (effect.kind === 'send' && effect.peer === peer && effect.message.kind === 'notification')
      return { kind: 'notificationSent', notification: encodeMessage(effect.message, openingContext) };
  if (event.kind === 'transport' && event.peer === peer) {
    const { event: said } = event;
    if (said.kind === 'TcpFails') return { kind: 'closedByPeer' };
    if (said.kind === 'Message' && said.message.kind === 'notification')
      return { kind: 'notificationReceived', notification: encodeMessage(said.message, openingContext) };
  }
  return event.kind === 'configure' ? { kind: 'deconfigured' } : { kind: 'closedByUs', fsmEvent: 0 };
}
