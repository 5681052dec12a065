import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultRulesSettings, type RulesSettings } from '../../felix/rules/settings.ts';
import { renderRuleset } from '../../felix/rules/text.ts';
import { snapshotOf } from '../../src/policy/cluster.ts';
import { anyPolicy, earlyPolicy, resourcesOf, type World, world } from '../support/arbitrary-policy.ts';
import { compileCluster } from '../support/compiled-policy.ts';
import { createPlayground } from '../support/namespaces.ts';

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
    log: fc.constantFrom({ prefix: '%t %k %p' }, { prefix: 'x', rate: { perSecond: 5, burst: 3 } }),
  })
  .map((some) => ({ ...defaultRulesSettings, ...some }));

function textOf(all: World, chosen: RulesSettings): string {
  const { cluster } = snapshotOf(resourcesOf(all));
  const pods = all.placed.flatMap(({ pod, endpoint }) => {
    const known = cluster.pods.find(({ meta }) => meta.name === pod.meta.name);
    return endpoint === undefined || known === undefined
      ? []
      : [{ pod: known, interface: endpoint.interface }];
  });
  const hosts = cluster.hostEndpoints.map((endpoint) => ({
    endpoint,
    interface: endpoint.interfaceName ?? '*',
  }));
  return renderRuleset(compileCluster(cluster, { pods, hosts }, chosen).ruleset);
}

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
    const text = textOf(all, chosen);
    if (text.includes('hook output')) hosts += 1;
    nft(['-c', '-f', '-'], text);
    nft(['-f', '-'], text);
  }
  expect(hosts).toBeGreaterThan(10);
}, 60_000);
