/** How much a neighbour may tell, and is told. */
import { describe, expect, test } from 'vitest';
import type { PrefixLimit } from '../../../bgp/config.ts';
import { peerStatuses } from '../../../bgp/speaker/report.ts';
import { ipv4 } from '../../../src/lib/net.ts';
import { announce, fibOf, notificationsOf, OneSpeaker, of, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const via = attributesOf({ asPath: sequence(64999) });
const at = (index: number) => prefix(`10.2.${index}.0/24`);

function limited(part: Partial<PrefixLimit>): readonly [OneSpeaker, ReturnType<typeof peerOf>] {
  const limit: PrefixLimit = { most: 4, warnPercent: 75, action: 'warn', ...part };
  const peer = peerOf({ key: 'tor', name: 'tor', maxPrefix: { 'ipv4-unicast': limit } });
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer] });
  speaker.establish(peer, ipv4(7));
  return [speaker, peer];
}

const warnings = (effects: ReturnType<OneSpeaker['tell']>): readonly string[] =>
  of(effects, 'log').flatMap(({ level, message }) => (level === 'warn' ? [message] : []));

describe('a neighbour with a limit', () => {
  test('is warned of at its share and above it, once each, and told nothing', () => {
    const [speaker, peer] = limited({});
    expect(warnings(speaker.hear(peer, announce(via, at(1), at(2))))).toEqual([]);
    expect(warnings(speaker.hear(peer, announce(via, at(3))))).toEqual([
      'it has told 3 routes of ipv4-unicast, and its limit is 4',
    ]);
    expect(warnings(speaker.hear(peer, announce(via, at(4))))).toEqual([]);
    expect(warnings(speaker.hear(peer, announce(via, at(5))))).toEqual([
      'it has told more than 4 routes of ipv4-unicast, which is its limit',
    ]);
    expect(warnings(speaker.hear(peer, announce(via, at(6))))).toEqual([]);
    expect(peerStatuses(speaker.speaker)).toMatchObject([{ prefixesReceived: 6, state: 'Established' }]);
  });

  test('what is rejected by import policy counts, and what is told again does not', () => {
    const [speaker, peer] = limited({ action: 'cease' });
    const outside = [1, 2, 3, 4].map((index) => prefix(`192.168.${index}.0/24`));
    for (let turn = 0; turn < 3; turn += 1)
      expect(notificationsOf(speaker.hear(peer, announce(via, ...outside)))).toEqual([]);
    expect(notificationsOf(speaker.hear(peer, announce(via, at(1))))).toEqual(['tor: 6/1']);
  });

  test('RFC 4486 §4: is left with Cease 6/1, AFI, SAFI and the limit; its routes go', () => {
    const [speaker, peer] = limited({ action: 'cease' });
    const told = speaker.hear(peer, announce(via, at(1), at(2)));
    expect(fibOf(told)).toHaveLength(2);
    const over = speaker.hear(peer, announce(via, at(3), at(4), at(5)));
    const data = of(over, 'send').map(({ message }) =>
      message.kind === 'notification' ? message.data : undefined,
    );
    expect(data).toEqual([Uint8Array.of(0, 1, 1, 0, 0, 0, 4)]);
    expect(fibOf(over)).toEqual(['10.2.1.0/24 gone', '10.2.2.0/24 gone']);
    expect(peerStatuses(speaker.speaker)).toMatchObject([
      {
        lastError: expect.stringContaining('the neighbour told 5 routes of ipv4-unicast, and its limit is 4'),
      },
    ]);
  });

  test('whose further routes are discarded keeps those it told first, and may replace and withdraw them', () => {
    const [speaker, peer] = limited({ action: 'discard' });
    const effects = speaker.hear(peer, announce(via, at(1), at(2), at(3), at(4), at(5)));
    expect(fibOf(effects)).toHaveLength(4);
    expect(warnings(effects)).toEqual([
      'it has told 4 routes of ipv4-unicast, which is its limit: further ones are discarded',
    ]);
    const other = { ...via, nextHop: address('192.0.2.9') };
    expect(fibOf(speaker.hear(peer, announce(other, at(1), at(6))))).toEqual(['10.2.1.0/24 via 192.0.2.9']);
    speaker.hear(peer, updateOf({ withdrawn: [at(2)] }));
    expect(fibOf(speaker.hear(peer, announce(via, at(6))))).toEqual(['10.2.6.0/24 via 192.0.2.1']);
  });
});

test('a neighbour is told the lowest prefixes up to its limit, and the next one when one of them goes', () => {
  const peer = peerOf({ key: 'tor', name: 'tor', prefixLimit: { 'ipv4-unicast': 2 } });
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer], origins: [at(1), at(2), at(3)] });
  speaker.establish(peer, ipv4(7));
  const ends = ['end of ipv4-unicast', 'end of ipv6-unicast'];
  expect(speaker.drain(peer)).toEqual([
    '+10.2.1.0/24 via 192.0.2.100',
    '+10.2.2.0/24 via 192.0.2.100',
    ...ends,
  ]);
  speaker.configure({ origins: [at(2), at(3)] });
  expect(speaker.drain(peer)).toEqual(['-10.2.1.0/24', '+10.2.3.0/24 via 192.0.2.100']);
  speaker.configure({ origins: [at(0), at(2), at(3)] });
  expect(speaker.drain(peer)).toEqual(['-10.2.3.0/24', '+10.2.0.0/24 via 192.0.2.100']);
});

test('that a neighbour is not told all is said once a session, with how much stays behind', () => {
  const peer = peerOf({ key: 'tor', name: 'tor', prefixLimit: { 'ipv4-unicast': 2 } });
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer], origins: [at(1), at(2)] });
  const write = () => warnings(speaker.tell({ kind: 'writable', peer: peer.key, side: 'outgoing' }));
  speaker.establish(peer, ipv4(7));
  expect(write()).toEqual([]);
  speaker.configure({ origins: [at(1), at(2), at(3), at(4)] });
  expect(write()).toEqual([
    'it is told 2 prefixes of ipv4-unicast, its prefixLimit, and not the 2 behind them: raise the limit, or let filters choose',
  ]);
  speaker.configure({ origins: [at(1), at(2), at(3), at(4), at(5)] });
  expect(write()).toEqual([]);
  speaker.lose(peer);
  speaker.establish(peer, ipv4(7));
  expect(write()).toHaveLength(1);
});
