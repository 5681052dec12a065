import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AdjRibOut } from '../../../bgp/rib/adj-rib-out.ts';
import { familyOf } from '../../../bgp/rib/path.ts';
import type { Family, PathAttributes, UpdateMessage } from '../../../bgp/wire/message.ts';
import type { Prefix } from '../../../src/lib/net.ts';
import { attributesOf } from '../../support/routes.ts';
import { address, prefix } from '../../support/wire.ts';

const families: readonly Family[] = ['ipv4-unicast', 'ipv6-unicast'];
const prefixes = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', 'fd00::/64', 'fd00:0:0:1::/64'].map(prefix);
/** Interned, as the speaker's always are: compared by identity. */
const sets = {
  4: [1, 2, 3].map((med) => attributesOf({ med, nextHop: address('192.0.2.1') })),
  6: [1, 2, 3].map((med) => attributesOf({ med, nextHop: address('2001:db8::1') })),
};
const setOf = (at: Prefix, index: number): PathAttributes =>
  sets[typeof at === 'number' ? 4 : 6][index] ?? attributesOf();

const acts = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('want'), at: fc.constantFrom(...prefixes), set: fc.nat(2) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('unwant'), at: fc.constantFrom(...prefixes) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('drain'), limit: fc.integer({ min: 1, max: 3 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('resend'), family: fc.constantFrom(...families) }),
    },
  ),
  { maxLength: 60 },
);

/** A neighbour that believes what it is told, in order. */
class ModelNeighbour {
  readonly table = new Map<Prefix, PathAttributes>();
  readonly ends: Family[] = [];
  readonly heard = new Set<Prefix>();

  hear(messages: readonly UpdateMessage[]): void {
    for (const message of messages) {
      for (const at of message.withdrawn) this.table.delete(at);
      for (const { family, attributes, prefixes: announced } of message.announced) {
        for (const at of announced) {
          expect(familyOf(at)).toBe(family);
          this.table.set(at, attributes);
          this.heard.add(at);
        }
      }
      if (message.endOfRib !== undefined) this.ends.push(message.endOfRib);
    }
  }
}

test('after any history the neighbour has exactly what it should, each prefix by the right path', () => {
  fc.assert(
    fc.property(acts, (history) => {
      const out = new AdjRibOut(families);
      const neighbour = new ModelNeighbour();
      const wanted = new Map<Prefix, PathAttributes>();
      for (const act of history) {
        if (act.kind === 'want') {
          out.want(act.at, setOf(act.at, act.set));
          wanted.set(act.at, setOf(act.at, act.set));
        } else if (act.kind === 'unwant') {
          out.want(act.at, undefined);
          wanted.delete(act.at);
        } else if (act.kind === 'drain') {
          const messages = out.drain(act.limit);
          const mentioned = messages.flatMap((message) => [
            ...message.withdrawn,
            ...message.announced.flatMap((announcement) => announcement.prefixes),
          ]);
          expect(new Set(mentioned).size).toBe(mentioned.length);
          expect(mentioned.length).toBeLessThanOrEqual(act.limit);
          neighbour.hear(messages);
        } else out.resend(act.family);
        expect(out.size).toBe(neighbour.table.size);
      }
      while (out.isDue) neighbour.hear(out.drain(2));
      expect(neighbour.table).toEqual(wanted);
      for (const [at, attributes] of wanted) expect(neighbour.table.get(at)).toBe(attributes);
      expect(new Map(out.told())).toEqual(wanted);
      expect(neighbour.ends).toEqual(families);
    }),
    { numRuns: 1000 },
  );
});

test('RFC 2918 §4: a Route Refresh has every prefix of the family said once more, and no other', () => {
  fc.assert(
    fc.property(acts, fc.constantFrom(...families), (history, family) => {
      const out = new AdjRibOut(families);
      for (const act of history) if (act.kind === 'want') out.want(act.at, setOf(act.at, act.set));
      const neighbour = new ModelNeighbour();
      while (out.isDue) neighbour.hear(out.drain(2));
      neighbour.heard.clear();
      out.resend(family);
      while (out.isDue) neighbour.hear(out.drain(2));
      expect(neighbour.heard).toEqual(
        new Set([...neighbour.table.keys()].filter((at) => familyOf(at) === family)),
      );
    }),
  );
});

test('a prefix that changes a thousand times while the neighbour is slow is told once, in its newest form', () => {
  const out = new AdjRibOut(['ipv4-unicast']);
  const at = prefix('10.0.0.0/24');
  for (let turn = 0; turn < 1000; turn += 1) out.want(at, setOf(at, turn % 3));
  const announced = out.drain(100).flatMap((message) => message.announced);
  expect(announced).toEqual([{ family: 'ipv4-unicast', attributes: setOf(at, 0), prefixes: [at] }]);
});

test('prefixes that share their attributes share one announcement', () => {
  const out = new AdjRibOut(['ipv4-unicast']);
  for (const at of prefixes.slice(0, 3)) out.want(at, setOf(at, 1));
  const [update, end, ...more] = out.drain(100);
  expect(update?.announced.map((announcement) => announcement.prefixes)).toEqual([prefixes.slice(0, 3)]);
  expect(end?.endOfRib).toBe('ipv4-unicast');
  expect(more).toEqual([]);
});

test('RFC 4724 §2: End-of-RIB follows the last of the initial dump, however many drains that takes', () => {
  const out = new AdjRibOut(['ipv4-unicast']);
  for (const at of prefixes.slice(0, 3)) out.want(at, setOf(at, 1));
  const ends = [1, 2, 3, 4].map(
    () => out.drain(1).filter((message) => message.endOfRib !== undefined).length,
  );
  expect(ends).toEqual([0, 0, 1, 0]);
});
