import { beforeEach, expect, test } from 'vitest';
import { hintOf } from '../../../bgp/bfd/problems.ts';
import type { SessionReport, ToWorker } from '../../../bgp/bfd/says.ts';
import { bfdStatus } from '../../../bgp/bfd/status.ts';
import type { ThreadListeners } from '../../../bgp/bfd/thread.ts';
import { wantedSessions } from '../../../bgp/bfd/wanted.ts';
import { type Bfd, type BfdSays, createBfd } from '../../../bgp/bfd.ts';
import type { BfdConfig, PeerConfig } from '../../../bgp/config.ts';
import { type VirtualClock, virtualClock } from '../../support/clock.ts';
import { peerConfig } from '../../support/peer.ts';
import { address } from '../../support/sockets.ts';

const times: BfdConfig = { minTxMs: 300, minRxMs: 300, multiplier: 3 };
const near = peerConfig({ key: 'near', address: address('10.0.0.2'), bfd: times });
const second = { ...near, key: 'second', port: 1790 };
const silentSide = {
  discriminator: 0,
  state: 'down',
  diagnostic: 0,
  demand: false,
  isIndependent: false,
  minTxUs: 0,
  minRxUs: 1,
  multiplier: 0,
} as const;

let clock: VirtualClock;
let bfd: Bfd;
let told: BfdSays[];
let posted: ToWorker[];
let lives: ThreadListeners[];
let ends: number;

beforeEach(() => {
  clock = virtualClock(5000);
  [told, posted, lives, ends] = [[], [], [], 0];
  bfd = createBfd({
    clock,
    random: () => 0,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    onEvent: (event) => told.push(event),
    startThread: (listeners) => {
      lives.push(listeners);
      return {
        post: (message) => posted.push(message),
        end: async () => {
          ends += 1;
        },
      };
    },
  });
});

const reportOf = (part: Partial<SessionReport> = {}): SessionReport => ({
  key: '10.0.0.2',
  state: 'up',
  diagnostic: 0,
  myDiscriminator: 11,
  remote: silentSide,
  parameters: { minTxUs: 300_000, minRxUs: 300_000, multiplier: 3 },
  transmitUs: 300_000,
  detectionUs: 900_000,
  sent: 4,
  received: 5,
  discarded: 0,
  lastDiscard: undefined,
  failure: undefined,
  ...part,
});
const say = (state: SessionReport['state'], why: string, byAdmin = false): void =>
  lives.at(-1)?.onSaid({ kind: 'state', from: 'init', byAdmin, why, report: reportOf({ state }) });
const words = (): readonly string[] => told.map(({ peer, state }) => `${peer} ${state}`);

test('no thread is started while nobody asks for BFD, nor for a peer that must not be started', () => {
  bfd.configure([peerConfig(), { ...near, blocked: 'its Secret is missing' }]);
  expect(lives).toHaveLength(0);
  bfd.configure([near]);
  expect(lives).toHaveLength(1);
  bfd.configure([{ ...near, name: 'another name' }]);
  expect(posted).toHaveLength(1);
});

test('RFC 5882 §2: those with one address share a session, and whoever joins is told how it stands', () => {
  bfd.configure([near]);
  say('init', 'the neighbour is heard');
  expect(told).toEqual([]);
  say('up', 'the neighbour hears us');
  bfd.configure([near, second]);
  expect(words()).toEqual(['near up', 'second up']);
  say('down', 'no BFD packet came for 900 ms');
  expect(words().slice(2)).toEqual(['near down', 'second down']);
  expect(bfd.view('second')).toMatchObject({ downs: 1, lastDown: { why: 'no BFD packet came for 900 ms' } });
});

test('sessions that differ in our address or in hops are sessions of their own; the shortest wish of those who share counts', () => {
  const peers: readonly PeerConfig[] = [
    near,
    { ...second, bfd: { minTxMs: 50, minRxMs: 500, multiplier: 5 } },
    { ...near, key: 'c', localAddress: address('10.0.0.1') },
    { ...near, key: 'd', bfd: { ...times, isMultihop: true } },
  ];
  const wanted = wantedSessions(peers);
  expect([...wanted.keys()]).toEqual(['10.0.0.2', '10.0.0.2 from 10.0.0.1', '10.0.0.2 multihop']);
  expect(wanted.get('10.0.0.2')).toMatchObject({
    peers: ['near', 'second'],
    parameters: { minTxUs: 50_000, minRxUs: 300_000, multiplier: 3 },
  });
});

test('RFC 5882 §3.2: what somebody wanted is told as such, also of a session that never came up', () => {
  bfd.configure([near]);
  const remote = { ...silentSide, multiplier: 3, state: 'adminDown' } as const;
  const health = { worstLatenessMs: 0, discarded: 0, dropped: 0, failures: [] };
  lives[0]?.onSaid({ kind: 'reports', reports: [reportOf({ state: 'down', remote })], health });
  expect(words()).toEqual(['near adminDown']);
  say('up', 'the neighbour hears us');
  say('down', 'the neighbour has taken its session down administratively', true);
  bfd.configure([]);
  expect(words().slice(1)).toEqual(['near up', 'near adminDown']);
});

test('a peer without BFD from now on is told that it says nothing any more', () => {
  bfd.configure([near]);
  say('up', 'the neighbour hears us');
  bfd.configure([peerConfig({ key: 'near', address: address('10.0.0.2') })]);
  expect(told.at(-1)).toEqual({
    kind: 'bfd',
    peer: 'near',
    state: 'adminDown',
    why: 'it is no longer configured',
  });
  expect(bfd.view('near')).toBeUndefined();
});

test('a thread that dies is no failure of a path; it is started again, ever more slowly, with all sessions', () => {
  bfd.configure([near]);
  say('up', 'the neighbour hears us');
  lives[0]?.onDeath('out of memory');
  expect(told.at(-1)).toMatchObject({ state: 'adminDown', why: 'our own BFD thread died: out of memory' });
  expect(bfd.problems()).toMatchObject([{ what: expect.stringContaining('out of memory') }]);
  clock.advance(999);
  expect(lives).toHaveLength(1);
  clock.advance(1);
  expect(lives).toHaveLength(2);
  expect(posted.at(-1)).toMatchObject({ kind: 'configure', sessions: [{ key: '10.0.0.2' }] });
  lives[1]?.onSaid({ kind: 'started', scheduling: 'SCHED_RR, priority 10', isRealtime: true });
  say('up', 'the neighbour hears us');
  expect(words()).toEqual(['near up', 'near adminDown', 'near up']);
  expect(bfd.problems()).toEqual([]);
  lives[1]?.onDeath('again');
  clock.advance(1500);
  expect(lives).toHaveLength(2);
  clock.advance(500);
  expect(lives).toHaveLength(3);
});

test('short sessions without real time are a problem, long ones are none', () => {
  bfd.configure([near]);
  lives[0]?.onSaid({ kind: 'started', scheduling: 'nice -15; the kernel refuses', isRealtime: false });
  expect(bfd.problems()).toEqual([]);
  bfd.configure([{ ...near, bfd: { minTxMs: 50, minRxMs: 50, multiplier: 3 } }]);
  expect(bfd.problems()).toMatchObject([
    { what: expect.stringContaining('10.0.0.2'), fix: expect.stringContaining('SYS_NICE') },
  ]);
});

test('a stop waits for the thread, but not for ever, and ends it', async () => {
  bfd.configure([near]);
  const stopping = bfd.stop();
  expect(posted.at(-1)).toEqual({ kind: 'stop' });
  clock.advance(4000);
  await stopping;
  expect(ends).toBe(1);
  bfd.configure([near, second]);
  expect(lives).toHaveLength(1);
  await createBfd({ clock, random: () => 0, log: { info() {}, warn() {}, error() {} }, onEvent() {} }).stop();
});

test.each([
  [{ failure: 'cannot send: ENETUNREACH' }, 'cannot send: ENETUNREACH'],
  [{ remote: { ...silentSide, multiplier: 3, state: 'adminDown' as const } }, /switched BFD off/],
  [
    { discarded: 3, lastDiscard: 'its TTL is 64, not 255' },
    'the last of 3 packets from it was discarded: its TTL is 64, not 255',
  ],
  [{}, /nothing comes from it.*udp\/3784/],
])('why a session is not up: %o', (part, says) => {
  bfd.configure([near]);
  lives[0]?.onSaid({
    kind: 'reports',
    reports: [reportOf({ state: 'down', ...part })],
    health: { worstLatenessMs: 0, discarded: 0, dropped: 0, failures: [] },
  });
  const view = bfd.view('near');
  expect(view && hintOf(view)).toMatch(says);
});

test('a session in words', () => {
  bfd.configure([near]);
  const remote = {
    ...silentSide,
    discriminator: 22,
    state: 'up',
    multiplier: 4,
    minTxUs: 50_000,
    minRxUs: 60_000,
  } as const;
  lives[0]?.onSaid({
    kind: 'state',
    from: 'init',
    byAdmin: false,
    why: 'x',
    report: reportOf({ remote, diagnostic: 1 }),
  });
  const view = bfd.view('near');
  expect(view && bfdStatus(view, true, (moment) => new Date(moment))).toEqual({
    state: 'Up',
    since: '1970-01-01T00:00:05.000Z',
    kind: 'single hop',
    strict: true,
    diagnostic: 'control detection time expired',
    configured: { minTxMs: 300, minRxMs: 300, multiplier: 3 },
    neighbour: { state: 'Up', diagnostic: 'no diagnostic', minTxMs: 50, minRxMs: 60, multiplier: 4 },
    transmitMs: 300,
    detectionMs: 900,
    packets: { sent: 4, received: 5, discarded: 0 },
    downs: 0,
  });
});
