import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Choice, LocRib } from '../../../bgp/rib/loc-rib.ts';
import { type Path, pathOf } from '../../../bgp/rib/path.ts';
import type { Prefix } from '../../../src/lib/net.ts';
import { arbitraryAttributes, sourceOf } from '../../support/routes.ts';
import { address, prefix, v4 } from '../../support/wire.ts';

const prefixes = ['10.0.0.0/24', '10.0.1.0/24', 'fd00::/64'].map(prefix);
const sources = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((text, index) =>
  sourceOf({ key: text, address: address(text), bgpId: v4(text), type: index === 0 ? 'ibgp' : 'ebgp' }),
);

const offers = fc.array(
  fc.record({
    prefix: fc.constantFrom(...prefixes),
    source: fc.constantFrom(...sources),
    attributes: fc.option(arbitraryAttributes, { nil: undefined }),
    settles: fc.boolean(),
  }),
  { maxLength: 40 },
);

test('after any history the Loc-RIB is what the last offers alone would give, and its changes tell it all', () => {
  fc.assert(
    fc.property(offers, (history) => {
      const rib = new LocRib();
      const last = new Map<string, readonly [Prefix, string, Path | undefined]>();
      const heard = new Map<Prefix, Choice>();
      const listen = (): void => {
        for (const { prefix: at, before, after } of rib.settle()) {
          expect(before).toEqual(heard.get(at) ?? []);
          if (after.length === 0) heard.delete(at);
          else heard.set(at, after);
        }
      };
      for (const { prefix: at, source, attributes, settles } of history) {
        const path = attributes && pathOf(source, attributes);
        rib.offer(at, source.key, path);
        last.set(`${at} ${source.key}`, [at, source.key, path]);
        if (settles) listen();
      }
      listen();

      const fresh = new LocRib();
      for (const offer of last.values()) fresh.offer(...offer);
      fresh.settle();
      expect(new Set(rib.prefixes())).toEqual(new Set(fresh.prefixes()));
      for (const at of prefixes) {
        expect(rib.choice(at)).toEqual(fresh.choice(at));
        expect(heard.get(at) ?? []).toEqual(fresh.choice(at));
      }
      for (const { key } of sources) {
        const live = [...last.values()].filter(([, source, path]) => source === key && path !== undefined);
        expect(rib.countOf(key)).toBe(live.length);
      }
    }),
    { numRuns: 500 },
  );
});
