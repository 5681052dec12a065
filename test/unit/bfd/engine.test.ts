import { beforeEach, expect, test } from 'vitest';
import { Engine } from '../../../bgp/bfd/engine.ts';
import { type ControlPacket, decodePacket, encodePacket } from '../../../bgp/bfd/packet.ts';
import type { BfdPorts, PortsOptions } from '../../../bgp/bfd/ports.ts';
import type { FromWorker } from '../../../bgp/bfd/says.ts';
import { type WantedSession, wantedSessions } from '../../../bgp/bfd/wanted.ts';
import type { BfdConfig } from '../../../bgp/config.ts';
import { kernelError } from '../../../src/kernel/kernel-error.ts';
import { type Address, ipv6, scoped } from '../../../src/lib/net.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { peerConfig } from '../../support/peer.ts';
import { address } from '../../support/sockets.ts';

const bfd: BfdConfig = { minTxMs: 100, minRxMs: 100, multiplier: 3 };

/** A network of one neighbour that answers nothing by itself. */
class World implements BfdPorts {
  readonly clock: VirtualClock = virtualClock(1000);
  readonly said: FromWorker[] = [];
  readonly sent: { readonly to: Address; readonly packet: ControlPacket }[] = [];
  /** What lies in the socket, unread. */
  readonly waiting: (() => void)[] = [];
  failure: string | undefined;
  served: readonly WantedSession[] = [];
  open = (wanted: WantedSession) => {
    if (this.failure !== undefined) throw kernelError('send', this.failure);
    return {
      sourcePort: 50_000,
      send: (bytes: Uint8Array) => {
        const decoded = decodePacket(bytes);
        if (decoded.ok) this.sent.push({ to: wanted.address, packet: decoded.value });
        return undefined;
      },
      close: () => undefined,
    };
  };
  #options: PortsOptions | undefined;
  readonly engine = new Engine({
    clock: this.clock,
    random: seededRandom(7),
    say: (said) => this.said.push(said),
    ports: (options) => {
      this.#options = options;
      return this;
    },
  });

  serve(sessions: readonly WantedSession[]): void {
    this.served = sessions;
  }
  drain(): void {
    for (const hand of this.waiting.splice(0)) hand();
  }
  dropped = (): number => 0;
  failures = (): readonly string[] => [];

  want(...peers: readonly Parameters<typeof peerConfig>[0][]): void {
    const wanted = wantedSessions(peers.map((one) => peerConfig(one)));
    this.engine.configure([...wanted.values()]);
  }

  hear(
    from: Address,
    part: Partial<ControlPacket>,
    more: { ttl?: number; ifindex?: number; isMultihop?: boolean } = {},
  ): void {
    const packet: ControlPacket = {
      diagnostic: 0,
      state: 'down',
      poll: false,
      final: false,
      isIndependent: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 22,
      yourDiscriminator: 0,
      desiredMinTxUs: 100_000,
      requiredMinRxUs: 100_000,
      requiredMinEchoRxUs: 0,
      ...part,
    };
    const { ttl = 255, ifindex = 7, isMultihop = false } = more;
    this.#options?.onDatagram({ bytes: encodePacket(packet), from, to: undefined, ifindex, ttl }, isMultihop);
  }

  /** States, in order. */
  get states(): readonly string[] {
    return this.said.flatMap((said) => (said.kind === 'state' ? [said.report.state] : []));
  }
  get last(): ControlPacket {
    const last = this.sent.at(-1);
    if (last === undefined) throw new Error('nothing was sent');
    return last.packet;
  }
}

const [near, far] = [address('10.0.0.2'), address('10.0.0.3')];
let world: World;
beforeEach(() => {
  world = new World();
});

function up(): void {
  world.want({ key: 'a', address: near, bfd });
  world.clock.advance(1);
  world.hear(near, { state: 'init', yourDiscriminator: world.last.myDiscriminator });
  expect(world.states).toEqual(['up']);
}

test('RFC 5880 §6.8.6: what names no session of ours, or another neighbour’s, is discarded and the reason kept', () => {
  world.want({ key: 'a', address: near, bfd }, { key: 'b', address: far, bfd });
  world.clock.advance(1);
  const ours = world.sent.find(({ to }) => to === near)?.packet.myDiscriminator ?? 0;
  world.hear(far, { state: 'init', yourDiscriminator: ours });
  world.hear(near, { state: 'init', yourDiscriminator: ours + 1 });
  world.hear(address('10.0.0.9'), {});
  world.hear(near, { state: 'init', yourDiscriminator: ours }, { isMultihop: true });
  world.clock.advance(1000);
  const reports = world.said.flatMap((said) => (said.kind === 'reports' ? [said] : []));
  expect(reports.at(-1)?.health.discarded).toBe(4);
  expect(reports.at(-1)?.reports.map(({ received, lastDiscard }) => [received, lastDiscard])).toEqual([
    [0, 'it came to the port of the other kind of session'],
    [0, 'its sender is not the neighbour of the session it names'],
  ]);
  expect(world.states).toEqual([]);
});

test('RFC 5881 §5: in single hop only a TTL of 255 counts, in multihop any', () => {
  world.want({ key: 'a', address: near, bfd }, { key: 'b', address: far, bfd: { ...bfd, isMultihop: true } });
  world.hear(near, {}, { ttl: 254 });
  expect(world.states).toEqual([]);
  world.hear(near, {});
  world.hear(far, {}, { ttl: 64, isMultihop: true });
  expect(world.states).toEqual(['init', 'init']);
});

test('a link-local neighbour is heard on its own link only', () => {
  const local = scoped(ipv6((0xfe80n << 112n) + 1n), 7);
  world.want({ key: 'a', address: local, bfd });
  world.hear(local, {}, { ifindex: 8 });
  expect(world.states).toEqual([]);
  world.hear(local, {}, { ifindex: 7 });
  expect(world.states).toEqual(['init']);
});

test('after a stall, packets that lie in the socket are heard before silence is believed', () => {
  up();
  const mine = world.last.myDiscriminator;
  world.waiting.push(() => world.hear(near, { state: 'up', yourDiscriminator: mine }));
  world.clock.advance(310);
  expect(world.states).toEqual(['up']);
  world.clock.advance(310);
  expect(world.states).toEqual(['up', 'down']);
});

test('other parameters reach a session that stays, and its discriminator with it', () => {
  up();
  const { myDiscriminator } = world.last;
  world.want({ key: 'a', address: near, bfd: { ...bfd, minTxMs: 200 } });
  expect(world.last).toMatchObject({ myDiscriminator, desiredMinTxUs: 200_000, state: 'up' });
  expect(world.states).toEqual(['up']);
});

test('RFC 5880 §6.8.16: whom nobody wants any more is told AdminDown for its detection time, then forgotten', () => {
  up();
  world.want();
  expect(world.last.state).toBe('adminDown');
  world.clock.advance(2900);
  expect(world.served).toHaveLength(1);
  expect(world.sent.filter(({ packet }) => packet.state === 'adminDown').length).toBeGreaterThan(2);
  world.clock.advance(200);
  expect(world.served).toEqual([]);
  const { length } = world.sent;
  world.clock.advance(10_000);
  expect(world.sent).toHaveLength(length);
});

test('whom somebody wants again meanwhile is the same session', () => {
  up();
  const { myDiscriminator } = world.last;
  world.want();
  world.clock.advance(1000);
  world.want({ key: 'a', address: near, bfd });
  expect(world.last).toMatchObject({ state: 'down', myDiscriminator });
  world.clock.advance(10_000);
  expect(world.served.map(({ key }) => key)).toContain('10.0.0.2');
});

test('a stop ends when the neighbours know, or after a while without them', () => {
  up();
  world.engine.stop();
  expect(world.last.state).toBe('adminDown');
  const isStopped = () => world.said.some(({ kind }) => kind === 'stopped');
  // Its own next packet may have been on its way.
  world.hear(near, { state: 'up', yourDiscriminator: world.last.myDiscriminator });
  expect(isStopped()).toBe(false);
  world.hear(near, { state: 'down', diagnostic: 3, yourDiscriminator: world.last.myDiscriminator });
  expect(isStopped()).toBe(true);
  expect(world.clock.pending).toBe(0);

  world = new World();
  up();
  world.engine.stop();
  world.clock.advance(3000);
  expect(world.said.filter(({ kind }) => kind === 'stopped')).toHaveLength(1);
  expect(world.clock.pending).toBe(0);
});

test('where nothing can be sent the reason is said, and it is tried again', () => {
  world.failure = 'ENETUNREACH';
  world.want({ key: 'a', address: near, bfd });
  world.clock.advance(1500);
  const failureOf = () =>
    world.said.flatMap((said) => (said.kind === 'reports' ? said.reports : [])).at(-1)?.failure;
  expect(failureOf()).toMatch(/ENETUNREACH/);
  world.failure = undefined;
  world.clock.advance(2000);
  expect(failureOf()).toBeUndefined();
  expect(world.sent.length).toBeGreaterThan(0);
});
