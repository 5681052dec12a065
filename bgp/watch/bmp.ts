/**
 * --bmp: a monitoring station hears what each neighbour tells us, before policy (RFC 7854), and with --bmp-loc-rib what we
 * chose (RFC 9069). It never slows the speaker: what is known is told session by session in pieces, as the station reads;
 * what happens meanwhile goes right behind. When too much waits, the connection is closed and all is told anew.
 */
import type { Clock } from '../../src/host/clock.ts';
import type { Logger } from '../../src/host/log.ts';
import { ipv4, millis, type Prefix } from '../../src/lib/net.ts';
import type { Random } from '../../src/lib/random.ts';
import {
  type Ending,
  initiation,
  type Monitored,
  peerDown,
  peerUp,
  routeMonitoring,
  statistics,
  termination,
} from '../monitor/bmp.ts';
import type { Monitor, SeenSession } from '../monitor/seen.ts';
import { pieces, type Telling, type Told } from '../monitor/telling.ts';
import { familyOf, type Path } from '../rib/path.ts';
import type { Neighbour } from '../speaker/neighbour.ts';
import type { Speaker } from '../speaker/turn.ts';
import { encodeMessage, openingContext } from '../wire/codec.ts';
import { AS_TRANS, BGP_VERSION, messageTypes } from '../wire/iana.ts';
import type { CodecContext, Family } from '../wire/message.ts';
import { encodeUpdates } from '../wire/update-encode.ts';
import { Station } from './station.ts';

export interface BmpOptions {
  readonly host: string;
  readonly port: number;
  readonly withLocRib: boolean;
  readonly node: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly speaker: () => Speaker;
  /** Sessions that are up now. */
  readonly sessions: () => readonly SeenSession[];
  /** The wall clock, in ms. */
  readonly now: () => number;
  /** Octets that may wait for the station. */
  readonly mostWaiting?: number;
}

const statisticsEveryMs = 60_000;
const defaultMostWaiting = 64 * 1024 * 1024;
/** Octets that wait, below which the next piece of what is known is told. */
const pieceBelow = 1024 * 1024;
const locRibKey = 'loc-rib';
const both: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const locRibCodec: CodecContext = { fourOctetAs: true, peerType: 'ibgp', families: new Set(both) };
/** Where the type of a BGP message stands. */
const TYPE_AT = 18;

interface Job {
  readonly key: string;
  readonly begin: () => readonly [Monitored, Telling];
}

export class Bmp implements Monitor {
  readonly #options: BmpOptions;
  readonly #station: Station;
  /** Sessions that are told or being told: their news go out at once. */
  readonly #begun = new Set<string>();
  #todo: Job[] = [];
  #now:
    | { readonly key: string; readonly of: Monitored; readonly rest: Iterator<readonly Uint8Array[]> }
    | undefined;
  #resyncs = 0;
  #isLocRibAsked = false;
  #cancelStatistics = (): void => {};

  constructor(options: BmpOptions) {
    this.#options = options;
    this.#station = new Station({
      ...options,
      mostWaiting: options.mostWaiting ?? defaultMostWaiting,
      onConnected: () => this.#greet(),
      onDrained: () => this.#tellMore(),
      onLost: () => this.#lost(),
    });
  }

  get isConnected(): boolean {
    return this.#station.isConnected;
  }

  /** How often the connection was lost, or closed as too much waited. */
  get resyncs(): number {
    return this.#resyncs;
  }

  /** Octets. */
  get waiting(): number {
    return this.#station.waiting;
  }

  start(): void {
    this.#station.dial();
  }

  stop(why: string): Promise<void> {
    this.#cancelStatistics();
    return this.#station.stop(termination(why));
  }

  up(seen: SeenSession): void {
    if (!this.isConnected) return;
    this.#todo.push(this.#jobOf(seen));
    this.#tellMore();
  }

  down(seen: SeenSession, ending: Ending, at: number): void {
    this.#todo = this.#todo.filter(({ key }) => key !== seen.key);
    if (this.#now?.key === seen.key) this.#now = undefined;
    if (this.#begun.delete(seen.key)) this.#station.write(peerDown(monitoredOf(seen), at, ending));
  }

  message(_: Neighbour, seen: SeenSession | undefined, frame: Uint8Array, at: number): void {
    if (seen === undefined || frame[TYPE_AT] !== messageTypes.update.type || !this.#begun.has(seen.key))
      return;
    this.#station.write(routeMonitoring(monitoredOf(seen), at, frame));
  }

  best(prefix: Prefix, path: Path | undefined, at: number): void {
    if (!this.isConnected || !this.#options.withLocRib) return;
    if (!this.#isLocRibAsked) setImmediate(() => this.#askLocRib());
    const of = this.#begun.has(locRibKey) ? locRibOf(this.#options.speaker()) : undefined;
    if (of === undefined) return;
    const family = familyOf(prefix);
    const update =
      path === undefined
        ? { withdrawn: [prefix], announced: [] }
        : { withdrawn: [], announced: [{ family, attributes: path.attributes, prefixes: [prefix] }] };
    for (const frame of encodeUpdates(update, locRibCodec))
      this.#station.write(routeMonitoring(of, at, frame));
  }

  #greet(): void {
    const { sessions, node, version, log, host, port } = this.#options;
    const up = sessions();
    log.info(`the BMP station ${host}:${port} is told of ${up.length} sessions`);
    this.#station.write(initiation(node, `Tortie ${version}`));
    this.#todo = up.map((seen) => this.#jobOf(seen));
    this.#repeatStatistics();
    this.#askLocRib();
  }

  /** Once a connection, when it is known who we are. */
  #askLocRib(): void {
    const job = this.#options.withLocRib && !this.#isLocRibAsked ? this.#locRibJob() : undefined;
    if (job !== undefined) {
      this.#isLocRibAsked = true;
      this.#todo.push(job);
    }
    this.#tellMore();
  }

  #lost(): void {
    this.#cancelStatistics();
    this.#resyncs += 1;
    this.#todo = [];
    this.#now = undefined;
    this.#isLocRibAsked = false;
    this.#begun.clear();
  }

  #repeatStatistics(): void {
    const { clock, sessions, speaker, now } = this.#options;
    this.#cancelStatistics = clock.after(millis(statisticsEveryMs), () => {
      const { locRib, neighbours } = speaker();
      for (const seen of sessions().filter(({ key }) => this.#begun.has(key)))
        this.#station.write(
          statistics(monitoredOf(seen), now(), {
            received: seen.session.adjRibIn.size,
            chosen: locRib.size,
            repaired: neighbours.get(seen.key)?.session?.flawed ?? 0,
          }),
        );
      this.#repeatStatistics();
    });
  }

  /** As long as the station reads, and others get their turn between two pieces. */
  #tellMore(): void {
    if (!this.isConnected || this.#station.waiting > pieceBelow) return;
    const job = this.#now === undefined ? this.#todo.shift() : undefined;
    if (job !== undefined) {
      this.#begun.add(job.key);
      const [of, telling] = job.begin();
      this.#now = { key: job.key, of, rest: pieces(telling) };
    }
    if (this.#now === undefined) return;
    const { of, rest } = this.#now;
    const { value, done } = rest.next();
    if (done === true) this.#now = undefined;
    else for (const update of value) this.#station.write(routeMonitoring(of, this.#options.now(), update));
    setImmediate(() => this.#tellMore());
  }

  #jobOf(seen: SeenSession): Job {
    const { key, session, wire } = seen;
    const { negotiated, adjRibIn } = session;
    const of = monitoredOf(seen);
    const { addPathReceive, ...codec } = negotiated.codec;
    const begin = (): readonly [Monitored, Telling] => {
      const opens = {
        sent: encodeMessage(negotiated.sent, openingContext),
        received: encodeMessage(negotiated.received, openingContext),
      };
      const ends = { ...seen, localAddress: wire.localAddress };
      this.#station.write(peerUp(of, this.#options.now(), ends, opens));
      return [
        of,
        {
          routes: adjRibIn.entries(),
          families: negotiated.families,
          // As it told us: what it is allowed to send with Path Identifiers has them here too.
          codec: {
            ...codec,
            peerType: 'ibgp',
            addPathSend: addPathReceive ?? new Set<Family>(),
          },
        },
      ];
    };
    return { key, begin };
  }

  #locRibJob(): Job | undefined {
    const { speaker, now } = this.#options;
    const of = locRibOf(speaker());
    if (of === undefined) return undefined;
    const begin = (): readonly [Monitored, Telling] => {
      const open = locRibOpen(of);
      const nowhere = { localAddress: undefined, localPort: 0, remotePort: 0 };
      this.#station.write(peerUp(of, now(), nowhere, { sent: open, received: open }));
      return [of, { routes: bestOf(speaker()), families: both, codec: locRibCodec }];
    };
    return { key: locRibKey, begin };
  }
}

function* bestOf({ locRib }: Speaker): Generator<Told> {
  for (const prefix of locRib.prefixes()) {
    const [best] = locRib.choice(prefix);
    if (best !== undefined) yield [prefix, best];
  }
}

const monitoredOf = ({ session, wire }: SeenSession): Monitored => ({
  type: 0,
  address: wire.peerAddress,
  asn: wire.peerAsn,
  bgpId: session.negotiated.peerId,
  isLegacyAs: !session.negotiated.codec.fourOctetAs,
});

function locRibOf({ life: { config } }: Speaker): Monitored | undefined {
  return config && { type: 3, address: ipv4(0), asn: config.asn, bgpId: config.routerId };
}

/** RFC 9069 §4.4: made up, to say with which capabilities its routes are to be read. */
const locRibOpen = ({ asn, bgpId }: Monitored): Uint8Array =>
  encodeMessage(
    {
      kind: 'open',
      version: BGP_VERSION,
      asField: asn > 0xffff ? AS_TRANS : asn,
      holdTime: 0,
      bgpId,
      capabilities: [
        ...both.map((family) => ({ kind: 'multiprotocol', family }) as const),
        { kind: 'fourOctetAs', asn },
      ],
    },
    openingContext,
  );
