import { expect, test } from 'vitest';
import { Bandwidths, bucketOf } from '../../../felix/dataplane/bandwidth.ts';
import type { Bandwidth, Shaping } from '../../../src/kernel/shaping.ts';
import { virtualClock } from '../../support/clock.ts';
import { settled } from '../../support/settled.ts';

const limit = { rate: 8e6, burst: 8e6 };

/** A kernel that takes everything but what it is told to refuse. */
function fakeShaping() {
  const shaped = new Map<string, Bandwidth>();
  const swept: (readonly string[])[] = [];
  const refused = new Set<string>();
  const shaping: Shaping = {
    shape: async (link, bandwidth) => {
      if (refused.has(link)) throw new Error(`no ${link}`);
      if (Object.keys(bandwidth).length === 0) shaped.delete(link);
      else shaped.set(link, bandwidth);
    },
    forget: async (link) => {
      shaped.delete(link);
    },
    sweep: async (links) => {
      swept.push([...links]);
    },
    close: () => undefined,
  };
  return { shaping, shaped, swept, refused };
}

test('interfaces are limited as wished, and let go when nobody wishes it any more', async () => {
  const clock = virtualClock();
  const { shaping, shaped, swept } = fakeShaping();
  const bandwidths = new Bandwidths({ shaping, clock, random: () => 0.5 });
  bandwidths.wish(new Map([['cali1', { ingress: limit, egress: limit }]]));
  await settled();
  expect(shaped.get('cali1')).toEqual({ sent: bucketOf(limit), received: bucketOf(limit) });
  bandwidths.wish(new Map([['cali2', { egress: limit }]]));
  await settled();
  expect([...shaped]).toEqual([['cali2', { received: bucketOf(limit) }]]);
  expect(swept).toEqual([['cali1']]);
  bandwidths.stop();
});

test('what the kernel refuses is said, holds up nothing else, and is tried again', async () => {
  const clock = virtualClock();
  const { shaping, shaped, refused } = fakeShaping();
  refused.add('cali1');
  const bandwidths = new Bandwidths({ shaping, clock, random: () => 0.5 });
  bandwidths.wish(
    new Map([
      ['cali1', { ingress: limit }],
      ['cali2', { ingress: limit }],
    ]),
  );
  await settled();
  expect([...shaped.keys()]).toEqual(['cali2']);
  expect(bandwidths.problems().map(({ where }) => where)).toEqual(['interface cali1']);
  refused.clear();
  clock.advance(60_000);
  await settled();
  expect([...shaped.keys()].sort()).toEqual(['cali1', 'cali2']);
  expect(bandwidths.problems()).toEqual([]);
  bandwidths.stop();
});

test('an interface that was made anew under its name is limited again', async () => {
  const { shaping, shaped } = fakeShaping();
  const bandwidths = new Bandwidths({ shaping, clock: virtualClock(), random: () => 0.5 });
  const wish = new Map([['cali1', { ingress: limit }]]);
  bandwidths.wish(wish);
  await settled();
  shaped.clear();
  bandwidths.lost('cali1');
  bandwidths.wish(wish);
  await settled();
  expect([...shaped.keys()]).toEqual(['cali1']);
  bandwidths.stop();
});
