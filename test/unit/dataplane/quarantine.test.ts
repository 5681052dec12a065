/** What is refused has a place, and what was only refused to go is welcome when it is wanted again. */
import { expect, test } from 'vitest';
import { Quarantine } from '../../../felix/dataplane/quarantine.ts';
import type { Refused } from '../../../src/kernel/nft-batch.ts';
import { calico, policyScene } from '../../support/policy-scene.ts';

const endpoint = calico('HostEndpoint', 'here', { node: 'here', interfaceName: 'eth0' });
const without = policyScene([]).ruleset;
const { ruleset } = policyScene([endpoint]);
const chain = 'from-host-eth0';
const refusal = (removed: boolean): Refused => ({
  object: { kind: 'chain', name: chain, ...(removed ? { removed: true } : {}) },
  errno: 'EBUSY',
  words: '',
});

test('a chain that was refused to go is written when it is wanted again', () => {
  const quarantine = new Quarantine();
  expect(quarantine.add([refusal(true)], without)).toBe(true);
  expect(quarantine.isKept(chain)).toBe(true);
  expect(quarantine.substitute(without)).toEqual(without);
  expect(ruleset.chains.has(chain)).toBe(true);
  expect(quarantine.substitute(ruleset)).toEqual(ruleset);
});

test('a chain that was refused to go twice is no news, and one that is refused then is closed', () => {
  const quarantine = new Quarantine();
  quarantine.add([refusal(true)], without);
  expect(quarantine.add([refusal(true)], without)).toBe(false);
  expect(quarantine.add([refusal(false)], ruleset)).toBe(true);
  const closed = quarantine.substitute(ruleset).chains.get(chain);
  expect(closed?.rules.map(({ verdict }) => verdict)).toEqual([{ kind: 'drop' }]);
  quarantine.clear();
  expect(quarantine.isEmpty).toBe(true);
  expect(quarantine.isKept(chain)).toBe(false);
});
