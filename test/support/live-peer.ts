/** One peer machine on real sockets and real time, without routes: the session room as the daemon runs it. */
import type { PeerConfig } from '../../bgp/config.ts';
import { describeDown } from '../../bgp/session/describe.ts';
import type { DownReason, Negotiated, PeerEffect, PeerEvent } from '../../bgp/session/event.ts';
import type { Local } from '../../bgp/session/open.ts';
import { bgpStateOf, createPeer, stepPeer } from '../../bgp/session/peer.ts';
import type { SpeakerEvent } from '../../bgp/speaker/event.ts';
import { createTimers } from '../../bgp/timers.ts';
import { createTransport } from '../../bgp/transport.ts';
import type { Message } from '../../bgp/wire/message.ts';
import { realClock } from '../../src/host/clock.ts';
import { createLoop } from '../../src/host/loop.ts';
import type { BgpState } from '../../src/model/status.ts';
import { address } from './sockets.ts';

export interface LivePeer {
  readonly state: () => BgpState;
  readonly history: ('up' | 'down')[];
  /** Sentences of `down` and `failed`, oldest first. */
  readonly errors: string[];
  readonly negotiated: () => Negotiated | undefined;
  readonly delivered: Message[];
  tell(event: PeerEvent): void;
  /** Ceases (6/2) and closes everything. */
  stop(why: string): Promise<void>;
}

export function livePeer(
  config: PeerConfig,
  local: Local,
  listen: { readonly address: string; readonly port: number },
): LivePeer {
  const { key } = config;
  let peer = createPeer(config, local);
  let negotiated: Negotiated | undefined;
  const history: ('up' | 'down')[] = [];
  const errors: string[] = [];
  const delivered: Message[] = [];

  const loop = createLoop<SpeakerEvent>({
    step: (event) => {
      if (event.kind === 'transport' && transport.take(event)) tell(event.event);
      if (event.kind === 'timer' && event.timer.owner === 'peer' && timers.take(event.timer))
        tell({ kind: 'TimerExpires', timer: event.timer.name });
    },
  });
  const transport = createTransport({
    clock: realClock,
    log: { info: () => {}, warn: (message) => errors.push(message) },
    onEvent: loop.post,
  });
  const timers = createTimers(realClock, (timer) => loop.post({ kind: 'timer', timer }));
  transport.configure({ addresses: [address(listen.address)], port: listen.port, peers: [config] });

  const note = (reason: DownReason): void => {
    errors.push(describeDown(reason));
  };
  const perform: {
    readonly [K in PeerEffect['kind']]: (effect: Extract<PeerEffect, { readonly kind: K }>) => void;
  } = {
    connect: () => transport.connect(key),
    send: ({ side, message }) => transport.send(key, side, message),
    close: ({ side }) => transport.close(key, side),
    startTimer: ({ timer, after }) => timers.start({ owner: 'peer', peer: key, name: timer }, after),
    stopTimer: ({ timer }) => timers.stop({ owner: 'peer', peer: key, name: timer }),
    up: ({ side, negotiated: settled }) => {
      negotiated = settled;
      history.push('up');
      transport.setCodec(key, side, settled.codec);
    },
    down: ({ reason }) => {
      history.push('down');
      note(reason);
    },
    failed: ({ reason }) => note(reason),
    deliver: ({ message }) => {
      delivered.push(message);
    },
  };
  const run = <E extends PeerEffect>(effect: E): void =>
    (perform[effect.kind] as (effect: E) => void)(effect);

  function tell(event: PeerEvent): void {
    const [next, effects] = stepPeer(peer, event, { random: Math.random });
    peer = next;
    for (const effect of effects) run(effect);
  }

  return {
    state: () => bgpStateOf(peer),
    history,
    errors,
    negotiated: () => negotiated,
    delivered,
    tell,
    async stop(why) {
      tell({ kind: 'ManualStop', subcode: 2, why });
      timers.stopAll();
      await transport.stop();
    },
  };
}
