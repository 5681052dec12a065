import { beforeEach, describe, expect, test } from 'vitest';
import {
  agreedDetectionUs,
  agreedTransmitUs,
  type BfdEffect,
  type BfdEvent,
  type BfdSession,
  createSession,
  stepSession,
} from '../../../bgp/bfd/machine.ts';
import type { ControlPacket } from '../../../bgp/bfd/packet.ts';
import { millis } from '../../../src/lib/net.ts';
import { ms } from '../../support/bfd-pair.ts';

let session: BfdSession;
let now: number;

beforeEach(() => {
  session = createSession(ms(50), 11);
  now = 10_000;
});

function tell(event: BfdEvent): readonly BfdEffect[] {
  const [next, effects] = stepSession(session, event, { now: millis(now), random: () => 0 });
  session = next;
  return effects;
}

const heard = (part: Partial<ControlPacket> = {}): readonly BfdEffect[] =>
  tell({
    kind: 'packet',
    packet: {
      diagnostic: 0,
      state: 'down',
      poll: false,
      final: false,
      isIndependent: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 22,
      yourDiscriminator: 11,
      desiredMinTxUs: 100_000,
      requiredMinRxUs: 100_000,
      requiredMinEchoRxUs: 0,
      ...part,
    },
  });

const sent = (effects: readonly BfdEffect[]): readonly ControlPacket[] =>
  effects.flatMap((effect) => (effect.kind === 'send' ? [effect.packet] : []));
const started = (effects: readonly BfdEffect[], timer: 'transmit' | 'detect'): readonly number[] =>
  effects.flatMap((effect) => (effect.kind === 'startTimer' && effect.timer === timer ? [effect.after] : []));

function comeUp(): void {
  tell({ kind: 'start' });
  tell({ kind: 'timer', timer: 'transmit' });
  heard({ state: 'init' });
  now += 50;
  tell({ kind: 'timer', timer: 'transmit' });
  heard({ state: 'up', final: true });
  expect(session).toMatchObject({ state: 'up', polling: 'none' });
}

test('RFC 5880 §6.8.1: the first packet says Down, knows no discriminator, and asks for a second between packets', () => {
  expect(started(tell({ kind: 'start' }), 'transmit')).toEqual([0]);
  expect(sent(tell({ kind: 'timer', timer: 'transmit' }))).toEqual([
    {
      diagnostic: 0,
      state: 'down',
      poll: false,
      final: false,
      isIndependent: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 11,
      yourDiscriminator: 0,
      desiredMinTxUs: 1_000_000,
      requiredMinRxUs: 50_000,
      requiredMinEchoRxUs: 0,
    },
  ]);
});

/** What we are, what the neighbour says it is, what we become. */
const moves = [
  ['down', 'down', 'init'],
  ['down', 'init', 'up'],
  ['down', 'up', 'down'],
  ['down', 'adminDown', 'down'],
  ['init', 'down', 'init'],
  ['init', 'init', 'up'],
  ['init', 'up', 'up'],
  ['init', 'adminDown', 'down'],
  ['up', 'down', 'down'],
  ['up', 'init', 'up'],
  ['up', 'up', 'up'],
  ['up', 'adminDown', 'down'],
  ['adminDown', 'down', 'adminDown'],
  ['adminDown', 'init', 'adminDown'],
  ['adminDown', 'up', 'adminDown'],
  ['adminDown', 'adminDown', 'adminDown'],
] as const;

test.each(moves)('RFC 5880 §6.8.6: %s that hears %s becomes %s', (from, theirs, to) => {
  session = { ...session, state: from };
  heard({ state: theirs });
  expect(session.state).toBe(to);
  const isTakenDown = from !== 'down' && to === 'down';
  expect(session.diagnostic).toBe(isTakenDown ? 3 : 0);
});

test('RFC 5880 §6.8.7: a change of state is told at once, between the periodic packets, and without Poll', () => {
  tell({ kind: 'start' });
  tell({ kind: 'timer', timer: 'transmit' });
  expect(sent(heard())).toMatchObject([{ state: 'init', yourDiscriminator: 22, poll: false }]);
  expect(sent(heard({ state: 'up' }))).toMatchObject([{ state: 'up', poll: false, desiredMinTxUs: 50_000 }]);
  expect(sent(tell({ kind: 'timer', timer: 'transmit' }))).toMatchObject([{ state: 'up', poll: true }]);
});

test('RFC 5880 §6.8.6: a Poll is answered at once with Final, which says the newest', () => {
  expect(sent(heard({ poll: true }))).toMatchObject([{ final: true, poll: false, state: 'init' }]);
  session = { ...session, state: 'adminDown' };
  expect(sent(heard({ poll: true }))).toEqual([]);
});

test('RFC 5880 §6.8.7: we send no faster than the neighbour takes, and not at all if it takes nothing', () => {
  comeUp();
  expect(agreedTransmitUs(session)).toBe(100_000);
  expect(started(heard({ state: 'up', requiredMinRxUs: 400_000 }), 'transmit')).toEqual([400]);
  const effects = heard({ state: 'up', requiredMinRxUs: 0 });
  expect(effects).toContainEqual({ kind: 'stopTimer', timer: 'transmit' });
  expect(agreedTransmitUs(session)).toBeUndefined();
});

test('RFC 5880 §6.8.4: the detection time is the multiplier of the neighbour times the slower of both', () => {
  comeUp();
  expect(agreedDetectionUs(session)).toBe(300_000);
  expect(started(heard({ state: 'up', multiplier: 5, desiredMinTxUs: 20_000 }), 'detect')).toEqual([250]);
});

test('RFC 5880 §6.8.4: silence for the detection time takes it down with diagnostic 1, and it is told at once', () => {
  comeUp();
  const effects = tell({ kind: 'timer', timer: 'detect' });
  expect(effects).toContainEqual({
    kind: 'state',
    from: 'up',
    to: 'down',
    byAdmin: false,
    why: 'no BFD packet came for 300 ms',
  });
  expect(sent(effects)).toMatchObject([{ state: 'down', diagnostic: 1, desiredMinTxUs: 1_000_000 }]);
});

test('RFC 5880 §6.8.1: the discriminator of a neighbour that falls silent is forgotten, in any state', () => {
  heard({ state: 'adminDown' });
  expect(session.remote.discriminator).toBe(22);
  const effects = tell({ kind: 'timer', timer: 'detect' });
  expect(session).toMatchObject({ state: 'down', remote: { discriminator: 0, state: 'down' } });
  expect(effects.filter(({ kind }) => kind === 'state')).toEqual([]);
});

describe('RFC 5880 §6.8.3: a change of interval while Up', () => {
  beforeEach(comeUp);

  test('to sending more slowly is told, and followed only after Final', () => {
    expect(sent(tell({ kind: 'configure', wanted: ms(500, 50) }))).toMatchObject([
      { desiredMinTxUs: 500_000, poll: false },
    ]);
    expect(agreedTransmitUs(session)).toBe(100_000);
    expect(sent(tell({ kind: 'timer', timer: 'transmit' }))).toMatchObject([{ poll: true }]);
    heard({ state: 'up' });
    expect(agreedTransmitUs(session)).toBe(100_000);
    heard({ state: 'up', final: true });
    expect(agreedTransmitUs(session)).toBe(500_000);
    expect(sent(tell({ kind: 'timer', timer: 'transmit' }))).toMatchObject([{ poll: false }]);
  });

  test('to sending faster counts at once', () => {
    heard({ state: 'up', requiredMinRxUs: 10_000 });
    expect(agreedTransmitUs(session)).toBe(50_000);
    tell({ kind: 'configure', wanted: ms(20, 50) });
    expect(agreedTransmitUs(session)).toBe(20_000);
  });

  test('to waiting less long counts only after Final, to waiting longer at once', () => {
    heard({ state: 'up', desiredMinTxUs: 10_000 });
    expect(agreedDetectionUs(session)).toBe(150_000);
    tell({ kind: 'configure', wanted: ms(50, 20) });
    expect(agreedDetectionUs(session)).toBe(150_000);
    heard({ state: 'up', desiredMinTxUs: 10_000, final: true });
    expect(agreedDetectionUs(session)).toBe(60_000);
    expect(started(tell({ kind: 'configure', wanted: ms(50, 400) }), 'detect')).toEqual([1200]);
  });

  test('a Final that answers an older Poll does not put newer wishes in force', () => {
    tell({ kind: 'configure', wanted: ms(500, 50) });
    tell({ kind: 'timer', timer: 'transmit' });
    tell({ kind: 'configure', wanted: ms(900, 50) });
    heard({ state: 'up', final: true });
    expect(agreedTransmitUs(session)).toBe(100_000);
    expect(sent(tell({ kind: 'timer', timer: 'transmit' }))).toMatchObject([{ poll: true }]);
    heard({ state: 'up', final: true });
    expect(agreedTransmitUs(session)).toBe(900_000);
  });

  test('is told without any where only the multiplier is another', () => {
    expect(sent(tell({ kind: 'configure', wanted: ms(50, 50, 7) }))).toMatchObject([{ multiplier: 7 }]);
    expect(session.polling).toBe('none');
  });
});

test('RFC 5880 §6.8.7: while a neighbour in Demand mode is Up nothing periodic is sent to it, but Polls are', () => {
  comeUp();
  const effects = heard({ state: 'up', demand: true });
  expect(effects).toContainEqual({ kind: 'stopTimer', timer: 'transmit' });
  expect(sent(heard({ state: 'up', demand: true, poll: true }))).toMatchObject([{ final: true }]);
  expect(started(tell({ kind: 'configure', wanted: ms(300, 50) }), 'transmit')).toHaveLength(1);
  expect(sent(tell({ kind: 'timer', timer: 'transmit' }))).toMatchObject([{ poll: true, demand: false }]);
  expect(heard({ state: 'up', demand: true, final: true })).toContainEqual({
    kind: 'stopTimer',
    timer: 'transmit',
  });
});

test('RFC 5880 §6.8.16: disabled it says AdminDown with diagnostic 7, enabled it begins anew', () => {
  comeUp();
  expect(sent(tell({ kind: 'disable' }))).toMatchObject([{ state: 'adminDown', diagnostic: 7 }]);
  expect(tell({ kind: 'disable' })).toEqual([]);
  expect(sent(tell({ kind: 'enable' }))).toMatchObject([{ state: 'down', diagnostic: 0 }]);
  expect(tell({ kind: 'enable' })).toEqual([]);
});

test('RFC 5882 §3.2: AdminDown of the neighbour, and a Down that says so, are no failure of the path', () => {
  for (const part of [{ state: 'adminDown' as const }, { state: 'down' as const, diagnostic: 7 }]) {
    session = createSession(ms(50), 11);
    comeUp();
    expect(heard(part)).toContainEqual(expect.objectContaining({ kind: 'state', to: 'down', byAdmin: true }));
  }
});
