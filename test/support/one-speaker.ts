/** One speaker under test; its neighbours are played by hand, message by message. */
import type { PeerConfig, SpeakerConfig } from '../../bgp/config.ts';
import type { Side } from '../../bgp/session/event.ts';
import type { SpeakerEffect, SpeakerEvent } from '../../bgp/speaker/event.ts';
import type { Speaker } from '../../bgp/speaker/turn.ts';
import { createSpeaker, step } from '../../bgp/speaker.ts';
import type { Capability, Family, Message, PathAttributes, UpdateMessage } from '../../bgp/wire/message.ts';
import { formatAddress, formatPrefix, type Ipv4, ipv4, millis, type Prefix } from '../../src/lib/net.ts';
import { configOf } from './routes.ts';

export type Kind<K extends SpeakerEffect['kind']> = Extract<SpeakerEffect, { readonly kind: K }>;

export const updateOf = (part: Partial<UpdateMessage>): UpdateMessage => ({
  kind: 'update',
  withdrawn: [],
  announced: [],
  flaws: [],
  ...part,
});

export const announce = (attributes: PathAttributes, ...prefixes: Prefix[]): UpdateMessage =>
  updateOf({
    announced: [
      { family: typeof prefixes[0] === 'number' ? 'ipv4-unicast' : 'ipv6-unicast', attributes, prefixes },
    ],
  });

export class OneSpeaker {
  readonly speaker: Speaker;
  config: SpeakerConfig = configOf();
  now = 0;

  constructor(more: { readonly tracksNextHops?: boolean; readonly writesKernel?: boolean } = {}) {
    this.speaker = createSpeaker({ random: () => 0.5, ...more });
  }

  tell(event: SpeakerEvent): readonly SpeakerEffect[] {
    this.now += 1;
    const effects = step(this.speaker, event, millis(this.now));
    const isGoingOn = effects.some(({ kind }) => kind === 'continue');
    return isGoingOn ? [...effects, ...this.tell({ kind: 'continue' })] : effects;
  }

  configure(part: Partial<SpeakerConfig>): readonly SpeakerEffect[] {
    this.config = { ...this.config, ...part };
    return this.tell({ kind: 'configure', config: this.config });
  }

  hear(peer: PeerConfig, message: Message, side: Side = 'outgoing'): readonly SpeakerEffect[] {
    return this.tell({ kind: 'transport', peer: peer.key, event: { kind: 'Message', side, message } });
  }

  /** The neighbour accepts our connection, and its OPEN and KEEPALIVE come. */
  establish(
    peer: PeerConfig,
    bgpId: Ipv4 = ipv4(7),
    families: readonly Family[] = peer.families,
    more: readonly Capability[] = [],
  ): readonly SpeakerEffect[] {
    const capabilities: readonly Capability[] = [
      ...more,
      ...families.map((family): Capability => ({ kind: 'multiprotocol', family })),
      { kind: 'fourOctetAs', asn: peer.peerAsn },
      { kind: 'routeRefresh' },
    ];
    return [
      ...this.tell({ kind: 'transport', peer: peer.key, event: { kind: 'TcpConnected', side: 'outgoing' } }),
      ...this.hear(peer, {
        kind: 'open',
        version: 4,
        asField: peer.peerAsn,
        holdTime: 90,
        bgpId,
        capabilities,
      }),
      ...this.hear(peer, { kind: 'keepalive' }),
    ];
  }

  lose(peer: PeerConfig): readonly SpeakerEffect[] {
    const event = { kind: 'TcpFails', side: 'outgoing', why: 'connection reset' } as const;
    return this.tell({ kind: 'transport', peer: peer.key, event });
  }

  /** Lets the connection write all it has: what the neighbour is told, in lines. */
  drain(peer: PeerConfig): readonly string[] {
    const lines: string[] = [];
    for (let isDue = true; isDue; ) {
      const effects = this.tell({ kind: 'writable', peer: peer.key, side: 'outgoing' });
      lines.push(
        ...of(effects, 'send').flatMap(({ message }) => (message.kind === 'update' ? linesOf(message) : [])),
      );
      isDue = of(effects, 'wantWrite').length > 0;
    }
    return lines;
  }
}

export const of = <K extends SpeakerEffect['kind']>(
  effects: readonly SpeakerEffect[],
  kind: K,
): readonly Kind<K>[] => effects.filter((effect): effect is Kind<K> => effect.kind === kind);

/** "+10.0.0.0/24 via 192.0.2.1", "-10.0.0.0/24", "end of ipv4-unicast". */
const linesOf = ({ withdrawn, announced, endOfRib }: UpdateMessage): readonly string[] => [
  ...withdrawn.map((prefix) => `-${formatPrefix(prefix)}`),
  ...announced.flatMap(({ attributes, prefixes }) =>
    prefixes.map((prefix) => `+${formatPrefix(prefix)} via ${formatAddress(attributes.nextHop)}`),
  ),
  ...(endOfRib === undefined ? [] : [`end of ${endOfRib}`]),
];

/** "10.0.0.0/24 via 192.0.2.1 192.0.2.2", "10.0.0.0/24 blackhole" or "10.0.0.0/24 gone". */
export const fibOf = (effects: readonly SpeakerEffect[]): readonly string[] =>
  of(effects, 'fib').flatMap(({ prefixes, nextHops }) => {
    const way = typeof nextHops === 'object' ? `via ${nextHops.map(formatAddress).join(' ')}` : nextHops;
    return prefixes.map((prefix) => `${formatPrefix(prefix)} ${way ?? 'gone'}`);
  });

/** NOTIFICATIONs sent, as "key: code/subcode". */
export const notificationsOf = (effects: readonly SpeakerEffect[]): readonly string[] =>
  of(effects, 'send').flatMap(({ peer, message }) =>
    message.kind === 'notification' ? [`${peer}: ${message.code}/${message.subcode}`] : [],
  );
