/** A peer under test: configurations and messages with the usual values, and a machine that remembers its effects. */
import type { PeerConfig } from '../../bgp/config.ts';
import type { PeerEffect, PeerEvent, Side } from '../../bgp/session/event.ts';
import { createPeer, type PeerState, stepPeer } from '../../bgp/session/peer.ts';
import type { Capability, CodecContext, Message, OpenMessage } from '../../bgp/wire/message.ts';
import { asn, ipv4 } from '../../src/lib/net.ts';
import { seededRandom } from '../../src/lib/random.ts';

export const local = { asn: asn(65000), routerId: ipv4(0x0a000001) };

export const peerConfig = (changes: Partial<PeerConfig> = {}): PeerConfig => ({
  key: '10.0.0.2 179',
  name: 'Global_10_0_0_2',
  origin: 'global',
  address: ipv4(0x0a000002),
  port: 179,
  peerAsn: asn(65001),
  localAsn: asn(65000),
  holdTimeMs: 90_000,
  connectRetryMs: 5_000,
  families: ['ipv4-unicast'],
  ...changes,
});

const capabilities: readonly Capability[] = [
  { kind: 'multiprotocol', family: 'ipv4-unicast' },
  { kind: 'routeRefresh' },
  { kind: 'fourOctetAs', asn: asn(65001) },
];

/** What the neighbour of `peerConfig()` sends. */
export const openMessage = (changes: Partial<OpenMessage> = {}): OpenMessage => ({
  kind: 'open',
  version: 4,
  asField: 65001,
  holdTime: 30,
  bgpId: ipv4(0x0a000002),
  capabilities,
  ...changes,
});

/** What IPv4 unicast with such a neighbour is written with. */
export const codec: CodecContext = {
  fourOctetAs: true,
  peerType: 'ebgp',
  families: new Set(['ipv4-unicast']),
};

export const endOfRib: Message = {
  kind: 'update',
  withdrawn: [],
  announced: [],
  endOfRib: 'ipv4-unicast',
  flaws: [],
};

export const updateMessage: Message = { kind: 'update', withdrawn: [], announced: [], flaws: [] };

export const notification = (code: number, subcode: number): Message & { readonly kind: 'notification' } => ({
  kind: 'notification',
  code,
  subcode,
  data: new Uint8Array(0),
});

export interface Bench {
  readonly peer: PeerState;
  /** Hands it the event and gives back what it asked for. */
  step(event: PeerEvent): readonly PeerEffect[];
  receive(side: Side, message: Message): readonly PeerEffect[];
}

export function bench(config: PeerConfig = peerConfig(), seed = 1, who = local): Bench {
  const random = seededRandom(seed);
  let peer = createPeer(config, who);
  const step = (event: PeerEvent): readonly PeerEffect[] => {
    const [next, effects] = stepPeer(peer, event, { random });
    peer = next;
    return effects;
  };
  return {
    get peer() {
      return peer;
    },
    step,
    receive: (side, message) => step({ kind: 'Message', side, message }),
  };
}

/** Brings the connection of this side to the state, from a peer that was just made. */
export function bring(to: Bench, side: Side, state: 'OpenSent' | 'OpenConfirm' | 'Established'): void {
  if (!to.peer.started) to.step({ kind: 'ManualStart' });
  to.step({ kind: 'TcpConnected', side });
  if (state !== 'OpenSent') to.receive(side, openMessage());
  if (state === 'Established') to.receive(side, { kind: 'keepalive' });
}

export const kinds = (effects: readonly PeerEffect[]): readonly string[] => effects.map((one) => one.kind);

/** What was sent, each as "side kind" or "side code/subcode". */
export const sent = (effects: readonly PeerEffect[]): readonly string[] =>
  effects.flatMap((one) => {
    if (one.kind !== 'send') return [];
    const { message } = one;
    return [
      `${one.side} ${message.kind === 'notification' ? `${message.code}/${message.subcode}` : message.kind}`,
    ];
  });
