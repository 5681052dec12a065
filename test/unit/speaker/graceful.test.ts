/** Graceful restart (RFC 4724): what is kept of a neighbour that restarts, and what is said when we do. */
import { describe, expect, test } from 'vitest';
import type { SpeakerConfig } from '../../../bgp/config.ts';
import type { SpeakerEffect } from '../../../bgp/speaker/event.ts';
import { peerStatuses } from '../../../bgp/speaker/report.ts';
import type { Capability, Family, GracefulRestart } from '../../../bgp/wire/message.ts';
import { ipv4 } from '../../../src/lib/net.ts';
import { announce, fibOf, OneSpeaker, of, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const peer = peerOf({ restartTimeMs: 120_000 });
const other = peerOf({ restartTimeMs: 120_000, address: address('192.0.2.2') });
const [one, two] = [prefix('10.2.0.0/24'), prefix('10.3.0.0/24')];
const six = prefix('fd00:2::/64');
const v4 = attributesOf({ nextHop: address('192.0.2.1') });
const v6 = attributesOf({ nextHop: address('2001:db8::1') });

const graceful = (over: Partial<GracefulRestart> = {}): Capability => ({
  kind: 'gracefulRestart',
  isRestarting: false,
  isNotification: false,
  restartTime: 60,
  families: (['ipv4-unicast', 'ipv6-unicast'] as const).map((family) => ({ family, isForwarding: true })),
  ...over,
});

const only = (...families: Family[]): Capability =>
  graceful({ families: families.map((family) => ({ family, isForwarding: true })) });

/** A session over which the neighbour taught three routes. */
function taught(capability: readonly Capability[] = [graceful()]): OneSpeaker {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer] });
  speaker.establish(peer, ipv4(7), peer.families, capability);
  speaker.hear(peer, announce(v4, one, two));
  speaker.hear(peer, announce(v6, six));
  return speaker;
}

const gone = (effects: readonly SpeakerEffect[]): readonly string[] =>
  fibOf(effects).filter((line) => line.endsWith(' gone'));
const expire = (speaker: OneSpeaker): readonly SpeakerEffect[] =>
  speaker.tell({ kind: 'timer', timer: { owner: 'stale', peer: peer.key, name: 'stale' } });
const end = (family: Family) => updateOf({ endOfRib: family });
const everything = ['10.2.0.0/24 gone', '10.3.0.0/24 gone', 'fd00:2::/64 gone'];

describe('RFC 4724 §4.2: a neighbour whose connection breaks', () => {
  test('keeps its routes for the time it asked for, and loses them then', () => {
    const speaker = taught();
    const lost = speaker.lose(peer);
    expect(gone(lost)).toEqual([]);
    expect(peerStatuses(speaker.speaker)).toMatchObject([{ keptRoutes: 3 }]);
    expect(of(lost, 'startTimer')).toContainEqual(
      expect.objectContaining({ timer: { owner: 'stale', peer: peer.key, name: 'stale' }, after: 60_000 }),
    );
    expect(gone(expire(speaker))).toEqual(everything);
  });

  test('loses what it does not tell again until its End-of-RIB, family by family', () => {
    const speaker = taught();
    speaker.lose(peer);
    expect(gone(speaker.establish(peer, ipv4(7), peer.families, [graceful({ isRestarting: true })]))).toEqual(
      [],
    );
    expect(fibOf(speaker.hear(peer, announce(v4, one)))).toEqual([]);
    expect(gone(speaker.hear(peer, end('ipv4-unicast')))).toEqual(['10.3.0.0/24 gone']);
    expect(gone(speaker.hear(peer, end('ipv6-unicast')))).toEqual(['fd00:2::/64 gone']);
    expect(gone(expire(speaker))).toEqual([]);
  });

  test('may withdraw what it had told in its earlier life', () => {
    const speaker = taught();
    speaker.lose(peer);
    speaker.establish(peer, ipv4(7), peer.families, [graceful()]);
    expect(gone(speaker.hear(peer, updateOf({ withdrawn: [one] })))).toEqual(['10.2.0.0/24 gone']);
    const both = { ...announce(v4, two), withdrawn: [two] };
    expect(fibOf(speaker.hear(peer, both))).toEqual([]);
    speaker.hear(peer, end('ipv4-unicast'));
    expect(gone(expire(speaker))).toEqual(['fd00:2::/64 gone']);
  });

  test('loses at once the families it did not go on forwarding, or is back without', () => {
    const families = [
      { family: 'ipv4-unicast' as const, isForwarding: true },
      { family: 'ipv6-unicast' as const, isForwarding: false },
    ];
    for (const capability of [graceful({ families }), only('ipv4-unicast')]) {
      const speaker = taught();
      speaker.lose(peer);
      const back = speaker.establish(peer, ipv4(7), peer.families, [capability]);
      expect(gone(back)).toEqual(['fd00:2::/64 gone']);
    }
    const plain = taught();
    plain.lose(peer);
    expect(gone(plain.establish(peer))).toEqual(everything);
    const ipv4Only = taught();
    ipv4Only.lose(peer);
    expect(gone(ipv4Only.establish(peer, ipv4(7), ['ipv4-unicast'], [graceful()]))).toEqual([
      'fd00:2::/64 gone',
    ]);
  });

  test('that restarts twice before it has told all again keeps nothing of its first life', () => {
    const speaker = taught();
    speaker.lose(peer);
    speaker.establish(peer, ipv4(7), peer.families, [graceful()]);
    speaker.hear(peer, announce(v4, one));
    expect(gone(speaker.lose(peer))).toEqual(['10.3.0.0/24 gone', 'fd00:2::/64 gone']);
    expect(gone(expire(speaker))).toEqual(['10.2.0.0/24 gone']);
  });

  test('keeps nothing if it did not ask, asked for no family, or for no time', () => {
    for (const capability of [[], [only()], [graceful({ restartTime: 0 })]])
      expect(gone(taught(capability).lose(peer))).toEqual(everything);
    expect(gone(taught([only('ipv4-unicast')]).lose(peer))).toEqual(['fd00:2::/64 gone']);
  });

  test('keeps nothing towards us if we do not offer it', () => {
    const plain = peerOf();
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [plain] });
    speaker.establish(plain, ipv4(7), plain.families, [graceful()]);
    speaker.hear(plain, announce(v4, one));
    expect(gone(speaker.lose(plain))).toEqual(['10.2.0.0/24 gone']);
  });
});

describe('RFC 4724 §4: is no restart, and takes the routes at once', () => {
  test('a NOTIFICATION', () => {
    const cease = { kind: 'notification', code: 6, subcode: 2, data: new Uint8Array(0) } as const;
    expect(gone(taught().hear(peer, cease))).toEqual(everything);
  });

  test('silence: the node may be dead, and its pods with it', () => {
    const silence = {
      kind: 'timer',
      timer: { owner: 'peer', peer: peer.key, name: 'hold-outgoing' },
    } as const;
    expect(gone(taught().tell(silence))).toEqual(everything);
  });

  test('a neighbour that is configured no more, up or away', () => {
    expect(gone(taught().configure({ peers: [] }))).toEqual(everything);
    const away = taught();
    away.lose(peer);
    expect(gone(away.configure({ peers: [] }))).toEqual(everything);
  });
});

test('what is kept follows a change of import policy', () => {
  const speaker = taught();
  speaker.lose(peer);
  const narrow = { within: [prefix('10.2.0.0/16'), prefix('fd00::/16')], never: [] };
  expect(gone(speaker.configure({ importPolicy: narrow }))).toEqual(['10.3.0.0/24 gone']);
  const wide = { within: [prefix('10.0.0.0/8'), prefix('fd00::/16')], never: [] };
  expect(fibOf(speaker.configure({ importPolicy: wide }))).toEqual(['10.3.0.0/24 via 192.0.2.1']);
});

describe('RFC 4724 §3: our own OPEN', () => {
  const said = (forwarding: SpeakerConfig['forwarding'], settle = false): Capability | undefined => {
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [peer], ...(forwarding === undefined ? {} : { forwarding }) });
    if (settle) speaker.tell({ kind: 'timer', timer: { owner: 'speaker', name: 'settle' } });
    const effects = speaker.tell({
      kind: 'transport',
      peer: peer.key,
      event: { kind: 'TcpConnected', side: 'outgoing' },
    });
    const [open] = of(effects, 'send').map(({ message }) => message);
    return open?.kind === 'open'
      ? open.capabilities.find(({ kind }) => kind === 'gracefulRestart')
      : undefined;
  };
  const families = (isForwarding: boolean) =>
    (['ipv4-unicast', 'ipv6-unicast'] as const).map((family) => ({ family, isForwarding }));

  test('says after a restart that packets went on, and after a first start that none could', () => {
    expect(said('preserved')).toMatchObject({
      isRestarting: true,
      restartTime: 120,
      families: families(true),
    });
    expect(said('fresh')).toMatchObject({ isRestarting: false, families: families(false) });
  });

  test('says later, when only a session broke, that packets went on', () => {
    expect(said('preserved', true)).toMatchObject({ isRestarting: false, families: families(true) });
    expect(said('fresh', true)).toMatchObject({ isRestarting: false, families: families(true) });
  });

  test('asks for nothing without kernel routes of ours', () => {
    expect(said(undefined)).toMatchObject({ isRestarting: false, families: [] });
  });
});

describe('RFC 4724 §4.1: after a restart', () => {
  const restarted = (): OneSpeaker => {
    const speaker = new OneSpeaker();
    speaker.configure({ peers: [peer, other], forwarding: 'preserved' });
    return speaker;
  };
  const all = ['end of ipv4-unicast', 'end of ipv6-unicast'];
  const tellAll = (speaker: OneSpeaker, of = peer): readonly SpeakerEffect[] => [
    ...speaker.hear(of, end('ipv4-unicast')),
    ...speaker.hear(of, end('ipv6-unicast')),
  ];

  test('we say End-of-RIB only when every neighbour has said it', () => {
    const speaker = restarted();
    speaker.establish(peer, ipv4(7), peer.families, [graceful()]);
    expect(speaker.drain(peer)).toEqual(['+10.1.0.0/24 via 192.0.2.100']);
    speaker.establish(other, ipv4(8), peer.families, [graceful()]);
    tellAll(speaker);
    expect(speaker.drain(peer)).toEqual([]);
    const told = tellAll(speaker, other);
    expect(of(told, 'wantWrite').map((effect) => effect.peer)).toContain(peer.key);
    expect(speaker.drain(peer)).toEqual(all);
  });

  test('we do not wait for one that restarts too, or for longer than the wait for routes lasts', () => {
    const speaker = restarted();
    speaker.establish(peer, ipv4(7), peer.families, [graceful()]);
    speaker.establish(other, ipv4(8), peer.families, [graceful({ isRestarting: true })]);
    tellAll(speaker);
    expect(speaker.drain(peer).slice(-2)).toEqual(all);
    const alone = restarted();
    alone.establish(peer, ipv4(7), peer.families, [graceful()]);
    alone.tell({ kind: 'timer', timer: { owner: 'speaker', name: 'settle' } });
    expect(alone.drain(peer).slice(-2)).toEqual(all);
  });

  test('we do not wait for one without graceful restart: it need not ever say it', () => {
    const speaker = restarted();
    speaker.establish(peer, ipv4(7), peer.families, [graceful()]);
    tellAll(speaker);
    expect(speaker.drain(peer)).toEqual(['+10.1.0.0/24 via 192.0.2.100']);
    speaker.establish(other, ipv4(8));
    expect(speaker.drain(peer)).toEqual(all);
    expect(speaker.drain(other).slice(-2)).toEqual(all);
  });

  test('what an earlier life left in the kernel is swept only when those that restart have told all too', () => {
    const speaker = restarted();
    speaker.establish(peer, ipv4(7), peer.families, [graceful()]);
    speaker.establish(other, ipv4(8), peer.families, [graceful({ isRestarting: true })]);
    expect(of(tellAll(speaker), 'settled')).toHaveLength(0);
    expect(of(tellAll(speaker, other), 'settled')).toHaveLength(1);
  });
});

test('a speaker that stops for a restart closes without a word', () => {
  const speaker = taught();
  const effects = speaker.tell({ kind: 'stop', why: 'an upgrade', isRestart: true });
  expect(of(effects, 'send')).toEqual([]);
  expect(of(effects, 'close')).toContainEqual({ kind: 'close', peer: peer.key, side: 'outgoing' });
  expect(effects.at(-1)).toEqual({ kind: 'stopped' });
});
