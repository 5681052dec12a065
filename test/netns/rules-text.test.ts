import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultRulesSettings, type RulesSettings } from '../../felix/rules/settings.ts';
import { renderRuleset } from '../../felix/rules/text.ts';
import { anyPolicy, earlyPolicy, world } from '../support/arbitrary-policy.ts';
import { createPlayground } from '../support/namespaces.ts';
import { rulesetOf } from '../support/world-ruleset.ts';

const playground = createPlayground('rulestext');
let netns = '';
beforeAll(() => {
  netns = playground.netns('a');
});
afterAll(() => playground.close());

const nft = (args: readonly string[], script = ''): string =>
  execFileSync('nsenter', [`--net=/run/netns/${netns}`, 'nft', ...args], { input: script, encoding: 'utf8' });

const settings: fc.Arbitrary<RulesSettings> = fc
  .record({
    deny: fc.constantFrom('Drop' as const, 'Reject' as const),
    endpointToHost: fc.constantFrom('Accept' as const, 'Drop' as const),
    sourceSpoofing: fc.boolean(),
    speakerPort: fc.constantFrom(179, 1790),
    log: fc.constantFrom({ prefix: '%t %k %p' }, { prefix: 'x', rate: { perSecond: 5, burst: 3 } }),
  })
  .map((some) => ({ ...defaultRulesSettings, ...some }));

const policy = fc.oneof({ weight: 2, arbitrary: anyPolicy }, { weight: 1, arbitrary: earlyPolicy });

// Fixed seeds: each costs a process. The kernel is asked too (a namespace of our own): what it refuses (reject where nobody
// can be told, a chain asked from the wrong hook) `nft -c` finds only there.
test('nft and the kernel accept the text of arbitrary clusters, host endpoints and settings', () => {
  const samples = fc.sample(fc.tuple(world({ hosts: true, policies: 8, policy }), settings), {
    numRuns: 40,
    seed: 5,
  });
  let hosts = 0;
  for (const [all, chosen] of samples) {
    const text = renderRuleset(rulesetOf(all, chosen));
    if (text.includes('hook output')) hosts += 1;
    nft(['-c', '-f', '-'], text);
    nft(['-f', '-'], text);
  }
  expect(hosts).toBeGreaterThan(10);
}, 60_000);
