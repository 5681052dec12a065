/** What a neighbour says again: RFC 7313, and RFC 7911 in both directions. */
import { expect, test } from 'vitest';
import type { SpeakerEffect, SpeakerTimer } from '../../../bgp/speaker/event.ts';
import { peerStatuses, routes } from '../../../bgp/speaker/report.ts';
import type { Capability, Family, RouteRefreshMessage, UpdateMessage } from '../../../bgp/wire/message.ts';
import { asn, formatPrefix, ipv4 } from '../../../src/lib/net.ts';
import { announce, fibOf, OneSpeaker, of, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const peer = peerOf({ key: 'tor', name: 'tor' });
const [one, two] = [prefix('10.2.0.0/24'), prefix('10.3.0.0/24')];
const via = attributesOf({ asPath: sequence(64999) });
const mark = (subtype: RouteRefreshMessage['subtype']): RouteRefreshMessage => ({
  kind: 'routeRefresh',
  family: 'ipv4-unicast',
  subtype,
});

function running(capabilities: readonly Capability[] = [{ kind: 'enhancedRouteRefresh' }]): OneSpeaker {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer] });
  speaker.establish(peer, ipv4(7), peer.families, capabilities);
  return speaker;
}

test('RFC 7313 §4.2: what the neighbour does not say again between BoRR and EoRR is gone', () => {
  const speaker = running();
  speaker.hear(peer, announce(via, one, two));
  expect(fibOf(speaker.hear(peer, mark('begin')))).toEqual([]);
  expect(peerStatuses(speaker.speaker)).toMatchObject([{ prefixesReceived: 2, prefixesAccepted: 2 }]);
  expect(fibOf(speaker.hear(peer, announce(via, one)))).toEqual([]);
  expect(fibOf(speaker.hear(peer, mark('end')))).toEqual(['10.3.0.0/24 gone']);
  expect(peerStatuses(speaker.speaker)).toMatchObject([{ prefixesReceived: 1, prefixesAccepted: 1 }]);
});

test('RFC 7313 §4.2: a second BoRR begins anew, and takes nothing away by itself', () => {
  const speaker = running();
  speaker.hear(peer, announce(via, one, two));
  speaker.hear(peer, mark('begin'));
  speaker.hear(peer, announce(via, one));
  expect(fibOf(speaker.hear(peer, mark('begin')))).toEqual([]);
  speaker.hear(peer, announce(via, two));
  expect(fibOf(speaker.hear(peer, mark('end')))).toEqual(['10.2.0.0/24 gone']);
});

test('RFC 7313 §4.2: an EoRR without a BoRR is ignored', () => {
  const speaker = running();
  speaker.hear(peer, announce(via, one));
  expect(fibOf(speaker.hear(peer, mark('end')))).toEqual([]);
});

const overdue: SpeakerTimer = { owner: 'refresh', peer: peer.key, name: 'refresh' };
const timersOf = (effects: readonly SpeakerEffect[]): readonly string[] =>
  effects.flatMap((effect) =>
    (effect.kind === 'startTimer' || effect.kind === 'stopTimer') && effect.timer.owner === 'refresh'
      ? [effect.kind === 'startTimer' ? `start ${effect.after / 1000} s` : 'stop']
      : [],
  );

test('RFC 7313 §4.2: without an EoRR what was not said again is gone after three minutes, and the log says why', () => {
  const speaker = running();
  speaker.hear(peer, announce(via, one, two));
  expect(timersOf(speaker.hear(peer, mark('begin')))).toEqual(['start 180 s']);
  speaker.hear(peer, announce(via, one));
  const effects = speaker.tell({ kind: 'timer', timer: overdue });
  expect(fibOf(effects)).toEqual(['10.3.0.0/24 gone']);
  expect(of(effects, 'log')).toMatchObject([
    { level: 'warn', message: expect.stringContaining('what it did not repeat is gone (RFC 7313 §4.2)') },
  ]);
  expect(fibOf(speaker.hear(peer, mark('end')))).toEqual([]);
});

test('RFC 7313 §4.2: the EoRR of the last family, or the end of the session, ends the wait for it', () => {
  const speaker = running();
  const mark6 = (subtype: RouteRefreshMessage['subtype']) => ({
    ...mark(subtype),
    family: 'ipv6-unicast' as const,
  });
  speaker.hear(peer, mark('begin'));
  speaker.hear(peer, mark6('begin'));
  expect(timersOf(speaker.hear(peer, mark('end')))).toEqual([]);
  expect(timersOf(speaker.hear(peer, mark6('end')))).toEqual(['stop']);
  expect(speaker.tell({ kind: 'timer', timer: overdue })).toEqual([]);
  speaker.hear(peer, mark('begin'));
  const lost = speaker.tell({
    kind: 'transport',
    peer: peer.key,
    event: { kind: 'TcpFails', side: 'outgoing', why: 'reset' },
  });
  expect(timersOf(lost)).toEqual(['stop']);
});

test('RFC 7313 §4.1: a refresh is answered between BoRR and EoRR where both can, else without', () => {
  for (const capabilities of [[{ kind: 'enhancedRouteRefresh' }] as const, []]) {
    const speaker = running(capabilities);
    speaker.drain(peer);
    speaker.hear(peer, mark('request'));
    const sent = of(speaker.tell({ kind: 'writable', peer: 'tor', side: 'outgoing' }), 'send');
    const said = sent.map(({ message }) =>
      message.kind === 'routeRefresh' ? message.subtype : message.kind,
    );
    expect(said).toEqual(capabilities.length > 0 ? ['begin', 'update', 'end'] : ['update']);
  }
});

const addPath: Capability = {
  kind: 'addPath',
  families: families.map((family) => ({ family, receive: true, send: true })),
};
const several = peerOf({ key: 'rr', name: 'rr', addPath: { receive: true, send: 'all' } });

const withIds = (pathIds: readonly number[], update: UpdateMessage): UpdateMessage => ({
  ...update,
  announced: update.announced.map((announcement) => ({ ...announcement, pathIds })),
});

test('RFC 7911 §2: paths of one neighbour for one prefix stand beside each other, each withdrawn by its identifier', () => {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [several] });
  speaker.establish(several, ipv4(7), several.families, [addPath]);
  const far = attributesOf({ asPath: sequence(64999, 1), nextHop: address('192.0.2.2') });
  speaker.hear(several, withIds([1], announce(via, one)));
  expect(fibOf(speaker.hear(several, withIds([2], announce(far, one))))).toEqual([]);
  expect(routes(speaker.speaker).filter((route) => route.prefix === formatPrefix(one))).toHaveLength(2);
  const gone = speaker.hear(several, updateOf({ withdrawn: [one], withdrawnIds: [1] }));
  expect(fibOf(gone)).toEqual(['10.2.0.0/24 via 192.0.2.2']);
  expect(fibOf(speaker.hear(several, updateOf({ withdrawn: [one], withdrawnIds: [2] })))).toEqual([
    '10.2.0.0/24 gone',
  ]);
});

test('RFC 7911 §5: a neighbour that takes several paths is told those of all others, and of each its end', () => {
  const speaker = new OneSpeaker();
  const other = peerOf({ key: 'other', name: 'other', address: address('192.0.2.2'), peerAsn: asn(64998) });
  speaker.configure({ peers: [peer, other, several], origins: [] });
  speaker.establish(peer, ipv4(1));
  speaker.establish(other, ipv4(2));
  speaker.establish(several, ipv4(3), several.families, [addPath]);
  speaker.drain(several);
  const say = (): readonly string[] =>
    of(speaker.tell({ kind: 'writable', peer: 'rr', side: 'outgoing' }), 'send').flatMap(({ message }) =>
      message.kind === 'update'
        ? [
            ...message.announced.flatMap(({ pathIds }) => (pathIds ?? []).map((id) => `+${id}`)),
            ...(message.withdrawnIds ?? []).map((id) => `-${id}`),
          ]
        : [],
    );
  speaker.hear(peer, announce({ ...via, asPath: sequence(64997) }, one));
  speaker.hear(other, announce({ ...via, asPath: sequence(64998, 1) }, one));
  const ids = say();
  expect(new Set(ids).size).toBe(2);
  speaker.hear(peer, updateOf({ withdrawn: [one] }));
  expect(say()).toEqual([(ids[0] ?? '').replace('+', '-')]);
  speaker.lose(other);
  expect(say()).toEqual([(ids[1] ?? '').replace('+', '-')]);
});
