/** Long-lived graceful restart (RFC 9494): what is kept of a neighbour that does not come back in time. */
import { describe, expect, test } from 'vitest';
import { peerStatuses, routes } from '../../../bgp/speaker/report.ts';
import type { Capability, PathAttributes } from '../../../bgp/wire/message.ts';
import { asn, ipv4 } from '../../../src/lib/net.ts';
import { announce, fibOf, OneSpeaker, of, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const families = ['ipv4-unicast'] as const;
const peer = peerOf({ key: 'tor', name: 'tor', families, restartTimeMs: 60_000, longLivedMs: 3_600_000 });
const plain = peerOf({
  key: 'plain',
  name: 'plain',
  address: address('192.0.2.2'),
  peerAsn: asn(64998),
  families,
});
const [one, two] = [prefix('10.2.0.0/24'), prefix('10.3.0.0/24')];
const via = attributesOf({ asPath: sequence(64999) });

const able = (restartTime: number, staleTime: number, isForwarding = true): readonly Capability[] => [
  {
    kind: 'gracefulRestart',
    isRestarting: false,
    isNotification: true,
    restartTime,
    families: families.map((family) => ({ family, isForwarding })),
  },
  {
    kind: 'longLivedGracefulRestart',
    families: families.map((family) => ({ family, isForwarding, staleTime })),
  },
];

function running(restartTime = 60, staleTime = 600): OneSpeaker {
  const speaker = new OneSpeaker();
  speaker.configure({ peers: [peer, plain], forwarding: 'fresh' });
  speaker.establish(peer, ipv4(7), families, able(restartTime, staleTime));
  speaker.establish(plain, ipv4(8), families);
  return speaker;
}

const expire = (speaker: OneSpeaker) =>
  speaker.tell({ kind: 'timer', timer: { owner: 'stale', peer: 'tor', name: 'stale' } });
const waits = (effects: ReturnType<OneSpeaker['tell']>): readonly number[] =>
  of(effects, 'startTimer').flatMap(({ timer, after }) => (timer.owner === 'stale' ? [after] : []));
const carries = (...communities: number[]): PathAttributes => ({ ...via, communities });

describe('RFC 9494 §4.2: a neighbour that is not back after its restart time', () => {
  test('is kept as a last resort for its long-lived time, marked LLGR_STALE, and then gone', () => {
    const speaker = running();
    speaker.hear(peer, announce(via, one));
    expect(waits(speaker.lose(peer))).toEqual([60_000]);
    const aged = expire(speaker);
    expect(fibOf(aged)).toEqual([]);
    expect(waits(aged)).toEqual([600_000]);
    expect(routes(speaker.speaker)).toMatchObject([
      { prefix: '10.1.0.0/24' },
      { prefix: '10.2.0.0/24', communities: ['LLGR_STALE'] },
    ]);
    expect(fibOf(expire(speaker))).toEqual(['10.2.0.0/24 gone']);
    expect(peerStatuses(speaker.speaker)[0]).not.toHaveProperty('keptRoutes');
  });

  test('is so at once if it asked for no restart time', () => {
    const speaker = running(0);
    speaker.hear(peer, announce(via, one));
    expect(fibOf(speaker.lose(peer))).toEqual([]);
    expect(routes(speaker.speaker)[1]).toMatchObject({ communities: ['LLGR_STALE'] });
  });

  test('is kept no longer than we would have it', () => {
    const speaker = running(0, 100_000);
    speaker.hear(peer, announce(via, one));
    expect(waits(speaker.lose(peer)).at(-1)).toBe(3_600_000);
  });

  test('loses what carries NO_LLGR', () => {
    const speaker = running();
    speaker.hear(peer, announce(via, one));
    speaker.hear(peer, announce(carries(0xffff_0007), two));
    speaker.lose(peer);
    expect(fibOf(expire(speaker))).toEqual(['10.3.0.0/24 gone']);
  });

  test('takes its place again by what it tells anew; the rest goes with its End-of-RIB', () => {
    const speaker = running();
    speaker.hear(peer, announce(via, one, two));
    speaker.lose(peer);
    expire(speaker);
    speaker.tell({ kind: 'timer', timer: { owner: 'peer', peer: 'tor', name: 'connectRetry' } });
    expect(fibOf(speaker.establish(peer, ipv4(7), families, able(60, 600)))).toEqual([]);
    speaker.hear(peer, announce(via, one));
    expect(routes(speaker.speaker).map((route) => route.communities)).toEqual([[], [], ['LLGR_STALE']]);
    expect(fibOf(speaker.hear(peer, updateOf({ endOfRib: 'ipv4-unicast' })))).toEqual(['10.3.0.0/24 gone']);
  });
});

test('RFC 9494 §4.3: any other path is preferred to one that is long-lived stale', () => {
  const speaker = running();
  speaker.hear(
    plain,
    announce(attributesOf({ asPath: sequence(64998, 1, 2), nextHop: address('192.0.2.2') }), one),
  );
  expect(fibOf(speaker.hear(peer, announce(via, one)))).toEqual(['10.2.0.0/24 via 192.0.2.1']);
  speaker.lose(peer);
  expect(fibOf(expire(speaker))).toEqual(['10.2.0.0/24 via 192.0.2.2']);
});

test('RFC 9494 §4.3: a neighbour that does not know of such routes is told that they are gone', () => {
  const speaker = running();
  speaker.hear(peer, announce(via, one));
  speaker.drain(plain);
  speaker.lose(peer);
  expect(speaker.drain(plain)).toEqual([]);
  expire(speaker);
  expect(speaker.drain(plain)).toEqual(['-10.2.0.0/24']);
});

test('a change of import policy is asked of long-lived routes too, and leaves them marked', () => {
  const speaker = running();
  speaker.hear(peer, announce(via, one, two));
  speaker.lose(peer);
  expire(speaker);
  const { importPolicy } = speaker.config;
  const effects = speaker.configure({ importPolicy: { ...importPolicy, within: [one] } });
  expect(fibOf(effects)).toEqual(['10.3.0.0/24 gone']);
  expect(routes(speaker.speaker)[1]).toMatchObject({ communities: ['LLGR_STALE'] });
});
