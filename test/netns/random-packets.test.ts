import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderRuleset } from '../../felix/rules/text.ts';
import { renderXtables } from '../../felix/rules/xtables/render.ts';
import { ruleScript, setScripts } from '../../felix/rules/xtables/script.ts';
import { xtSeen, xtSetsSeen } from '../../felix/rules/xtables/seen.ts';
import { openXtables } from '../../src/kernel/xtables.ts';
import { RandomPackets, type WriteRuleset } from '../support/random-packets.ts';

const byNft: WriteRuleset = async (netns, ruleset) => {
  execFileSync('nsenter', [`--net=${netns}`, 'nft', '-f', '-'], { input: renderRuleset(ruleset) });
};

const byIptables: WriteRuleset = async (netns, ruleset) => {
  const { save, restore, saveSets, restoreSets } = openXtables('nft', netns);
  const tables = renderXtables(ruleset, {
    maxSetSize: 65_536,
    insert: 'first',
    workloadPrefixes: ['cali'],
    rejectedMark: 0x2_0000,
  });
  if (!tables.ok) throw new Error(tables.error);
  const sets = setScripts(tables.value.sets, xtSetsSeen(await saveSets()));
  await restoreSets(sets.before);
  for (const version of [4, 6] as const) {
    await restore(version, ruleScript(tables.value.families[version], xtSeen(await save(version))));
  }
  await restoreSets(sets.after);
};

/** Clusters to try; each is asked some hundred packets. More of them: PACKET_SEEDS=300. */
const seeds = Number(process.env['PACKET_SEEDS'] ?? 15);

describe.each([
  ['nftables', byNft],
  ['iptables', byIptables],
] as const)('written by %s', (renderer, write) => {
  const packets = new RandomPackets(`rp${renderer[0]}`);
  beforeAll(() => packets.open());
  afterAll(() => packets.close());

  test(
    'so do those of and to a host with a host endpoint, and what it forwards, in every stage',
    async () => {
      const count = Math.ceil(seeds / 2);
      const seen = await packets.prove(count, Number(process.env['PACKET_SEED'] ?? 14), write, {
        hosts: true,
      });
      expect([...seen.moments].sort()).toEqual(['forward', 'normal', 'preDnat', 'untracked']);
      expect(seen.accept).toBeGreaterThan(count);
      expect(seen.drop).toBeGreaterThan(count);
    },
    60_000 + seeds * 5_000,
  );

  test(
    'packets of arbitrary clusters get through exactly where policy means it',
    async () => {
      const seen = await packets.prove(seeds, Number(process.env['PACKET_SEED'] ?? 14), write);
      expect(seen.accept).toBeGreaterThan(seeds);
      expect(seen.drop).toBeGreaterThan(seeds);
    },
    60_000 + seeds * 5_000,
  );
});
