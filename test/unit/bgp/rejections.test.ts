/** Why routes are not taken, counted behind a scrape. */
import { expect, test } from 'vitest';
import { Rejections } from '../../../bgp/watch/rejections.ts';
import { ipv4, prefix4 } from '../../../src/lib/net.ts';
import { announce, OneSpeaker, updateOf } from '../../support/one-speaker.ts';
import { attributesOf, peerOf, sequence } from '../../support/routes.ts';
import { prefix } from '../../support/wire.ts';

const ebgp = peerOf();

function counted() {
  const one = new OneSpeaker();
  const waiting: (() => void)[] = [];
  let now = 0;
  let mark = 0;
  const rejections = new Rejections({
    speaker: () => one.speaker,
    now: () => now,
    mark: () => String(mark),
    later: (run) => waiting.push(run),
  });
  one.configure({ peers: [ebgp] });
  one.establish(ebgp);
  return {
    one,
    rejections,
    pass: (ms: number) => {
      now += ms;
    },
    change: () => {
      mark += 1;
    },
    /** @returns  how many pieces there were after the first */
    finish: () => {
      let pieces = 0;
      for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
        run();
        pieces += 1;
      }
      return pieces;
    },
  };
}

const shown = (rejections: Rejections) =>
  [...rejections.read()].map(([key, reasons]) => [key, Object.fromEntries(reasons)]);
const told = attributesOf({ asPath: sequence(64999) });

test('rejected routes are counted by the code of the reason, taken and withdrawn ones are not', () => {
  const { one, rejections, finish, pass, change } = counted();
  one.hear(ebgp, announce(told, prefix('10.2.0.0/24'), prefix('0.0.0.0/0'), prefix('192.0.2.0/24')));
  one.hear(ebgp, announce(told, prefix('198.51.100.0/24'), prefix('203.0.113.0/24')));
  one.hear(
    ebgp,
    announce(attributesOf({ asPath: sequence(64999, 64512) }), prefix('10.3.0.0/24'), prefix('10.4.0.0/24')),
  );
  one.hear(ebgp, updateOf({ withdrawn: [prefix('203.0.113.0/24')] }));
  expect(shown(rejections)).toEqual([[ebgp.key, { 'as-loop': 2, 'default-route': 1, 'not-ours': 2 }]]);
  one.lose(ebgp);
  change();
  pass(15_000);
  rejections.read();
  finish();
  expect(shown(rejections)).toEqual([]);
});

test('it is counted once in 15 s, and not again while nothing was said', () => {
  const { one, rejections, finish, pass, change } = counted();
  one.hear(ebgp, announce(told, prefix('0.0.0.0/0')));
  rejections.read();
  finish();
  one.hear(ebgp, announce(told, prefix('192.0.2.0/24')));
  change();
  pass(14_999);
  rejections.read();
  expect(shown(rejections)).toEqual([[ebgp.key, { 'default-route': 1 }]]);
  pass(1);
  rejections.read();
  finish();
  expect(shown(rejections)).toEqual([[ebgp.key, { 'default-route': 1, 'not-ours': 1 }]]);
  pass(60_000);
  one.hear(ebgp, announce(told, prefix('198.51.100.0/24')));
  rejections.read();
  finish();
  expect(shown(rejections)).toEqual([[ebgp.key, { 'default-route': 1, 'not-ours': 1 }]]);
});

test('a table of rejected routes is counted in pieces, between which routes may go', () => {
  const { one, rejections, finish } = counted();
  const many = Array.from({ length: 3000 }, (_, index) => prefix4(ipv4(20 * 2 ** 24 + index * 256), 24));
  one.hear(ebgp, announce(told, ...many));
  rejections.read();
  one.hear(ebgp, updateOf({ withdrawn: many.slice(2900) }));
  expect(finish()).toBeGreaterThanOrEqual(5);
  expect(shown(rejections)).toEqual([[ebgp.key, { 'not-ours': 2900 }]]);
});
