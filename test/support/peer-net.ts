/**
 * Two peers and the network between them, under a virtual clock: delays, refused and unanswered dials, connections
 * that break with notice to both ends or with none. Delivers each direction of a connection in order, as TCP does.
 */
import type { PeerConfig } from '../../bgp/config.ts';
import type { PeerEffect, PeerEvent, PeerTimer, Side } from '../../bgp/session/event.ts';
import type { Local } from '../../bgp/session/open.ts';
import { createPeer, type PeerState, stepPeer } from '../../bgp/session/peer.ts';
import type { Message } from '../../bgp/wire/message.ts';
import { type Millis, millis } from '../../src/lib/net.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import type { VirtualClock } from './clock.ts';

export type Name = 'a' | 'b';
const opposite = (name: Name): Name => (name === 'a' ? 'b' : 'a');

interface Link {
  readonly id: number;
  readonly dialler: Name;
  /** Who still has this connection. */
  readonly open: Set<Name>;
  /** When the last thing sent to each arrives: nothing overtakes it. */
  readonly arrival: Record<Name, number>;
  /** Nothing arrives any more, and nobody is told. */
  dead: boolean;
}

export interface Weather {
  /** Longest delay of one delivery, in ms. */
  readonly delayMs: number;
  /** Chance that a dial is refused, and that it is never answered. */
  readonly refused: number;
  readonly unanswered: number;
}

export interface Node {
  peer: PeerState;
  readonly links: Partial<Record<Side, Link>>;
  readonly timers: Map<PeerTimer, () => void>;
  /** Effects of kind up and down, in order. */
  readonly history: ('up' | 'down')[];
}

export interface PeerNet {
  readonly a: Node;
  readonly b: Node;
  weather: Weather;
  tell(name: Name, event: PeerEvent): void;
  /** Breaks the connections there are: with notice, or silently. */
  breakAll(how: 'reset' | 'silence'): void;
}

interface End {
  readonly config: PeerConfig;
  readonly local: Local;
}

/** @param afterStep  called whenever a peer has stepped, to check what must always hold */
export function peerNet(
  clock: VirtualClock,
  seed: number,
  ends: { readonly a: End; readonly b: End },
  afterStep: (net: PeerNet) => void,
): PeerNet {
  const random: Random = seededRandom(seed);
  let links = 0;
  const node = ({ config, local }: End): Node => ({
    peer: createPeer(config, local),
    links: {},
    timers: new Map(),
    history: [],
  });

  const delay = (): number => 1 + random() * net.weather.delayMs;
  const sideOf = (link: Link, name: Name): Side => (link.dialler === name ? 'outgoing' : 'incoming');

  /** After a delay, unless that end has let go of the connection by then. */
  const deliver = (link: Link, to: Name, run: () => void): void => {
    if (link.dead) return;
    const at = Math.max(link.arrival[to], clock.now() + delay());
    link.arrival[to] = at;
    clock.after(millis(at - clock.now()), () => {
      if (!link.dead && net[to].links[sideOf(link, to)] === link) run();
    });
  };

  const lose = (link: Link, at: Name, why: string): void => {
    const side = sideOf(link, at);
    delete net[at].links[side];
    link.open.delete(at);
    net.tell(at, { kind: 'TcpFails', side, why });
  };

  const dial = (from: Name): void => {
    const to = opposite(from);
    links += 1;
    const link: Link = {
      id: links,
      dialler: from,
      open: new Set([from]),
      arrival: { a: 0, b: 0 },
      dead: random() < net.weather.unanswered,
    };
    net[from].links.outgoing = link;
    const refused = random() < net.weather.refused;
    clock.after(millis(delay()), () => {
      if (link.dead) return;
      if (refused || net[to].links.incoming !== undefined || !link.open.has(from)) {
        deliver(link, from, () => lose(link, from, 'refused'));
        return;
      }
      net[to].links.incoming = link;
      link.open.add(to);
      // The SYN-ACK is on its way before the accepting side can send anything.
      deliver(link, from, () => net.tell(from, { kind: 'TcpConnected', side: 'outgoing' }));
      net.tell(to, { kind: 'TcpConnected', side: 'incoming' });
    });
  };

  const close = (name: Name, side: Side): void => {
    const link = net[name].links[side];
    if (link === undefined) return;
    delete net[name].links[side];
    link.open.delete(name);
    const to = opposite(name);
    if (link.open.has(to)) deliver(link, to, () => lose(link, to, 'closed'));
  };

  const send = (name: Name, side: Side, message: Message): void => {
    const link = net[name].links[side];
    if (link === undefined) return;
    const to = opposite(name);
    deliver(link, to, () => net.tell(to, { kind: 'Message', side: sideOf(link, to), message }));
  };

  const stopTimer = (name: Name, timer: PeerTimer): void => {
    net[name].timers.get(timer)?.();
    net[name].timers.delete(timer);
  };

  const startTimer = (name: Name, timer: PeerTimer, after: Millis): void => {
    stopTimer(name, timer);
    const cancel = clock.after(after, () => {
      net[name].timers.delete(timer);
      net.tell(name, { kind: 'TimerExpires', timer });
    });
    net[name].timers.set(timer, cancel);
  };

  const perform = (name: Name, effect: PeerEffect): void => {
    if (effect.kind === 'connect') dial(name);
    else if (effect.kind === 'close') close(name, effect.side);
    else if (effect.kind === 'send') send(name, effect.side, effect.message);
    else if (effect.kind === 'startTimer') startTimer(name, effect.timer, effect.after);
    else if (effect.kind === 'stopTimer') stopTimer(name, effect.timer);
    else if (effect.kind === 'up' || effect.kind === 'down') net[name].history.push(effect.kind);
  };

  const net: PeerNet = {
    a: node(ends.a),
    b: node(ends.b),
    weather: { delayMs: 10, refused: 0, unanswered: 0 },
    tell(name, event) {
      const [peer, effects] = stepPeer(net[name].peer, event, { random });
      net[name].peer = peer;
      for (const effect of effects) perform(name, effect);
      afterStep(net);
    },
    breakAll(how) {
      const all = new Set([...Object.values(net.a.links), ...Object.values(net.b.links)]);
      for (const link of all) {
        if (how === 'reset')
          for (const name of link.open) deliver(link, name, () => lose(link, name, 'reset'));
        else link.dead = true;
      }
    },
  };
  return net;
}
