/** What stands in iptables for a chain that it refused. */
import { expect, test } from 'vitest';
import { withoutRefused, type XtRefused } from '../../../felix/rules/xtables/closed.ts';
import { xtChainName } from '../../../felix/rules/xtables/name.ts';
import { renderXtables } from '../../../felix/rules/xtables/render.ts';
import { calico, policyScene } from '../../support/policy-scene.ts';

const endpoint = calico('HostEndpoint', 'here', { node: 'here', interfaceName: 'eth0' });
const early = calico('GlobalNetworkPolicy', 'u', {
  ...{ selector: 'all()', doNotTrack: true, applyOnForward: true, types: ['Ingress', 'Egress'] },
  ingress: [{ action: 'Allow', protocol: 'TCP', destination: { ports: [80] } }],
});
const rendered = renderXtables(policyScene([endpoint, early]).ruleset, {
  ...{ maxSetSize: 65_536, insert: 'first', workloadPrefixes: ['cali'], rejectedMark: 0x2_0000 },
});
/** Table, then what stands there, of a chain that was refused. */
function standIns(chain: string): readonly string[] {
  if (!rendered.ok) throw new Error(rendered.error);
  const tables = [...rendered.value.families[4].values()];
  const names = [true, false]
    .map((isOuter) => xtChainName(chain, isOuter))
    .filter((name) => tables.some(({ chains }) => chains.has(name)));
  const refused: XtRefused = { chains: new Set(names), sets: new Set(), kept: new Set() };
  const closed = withoutRefused(rendered.value, refused);
  return names.flatMap((name) =>
    [...(closed?.families[4] ?? [])].flatMap(([table, { chains }]) => {
      const rules = chains.get(name);
      return rules === undefined
        ? []
        : [`${table} ${rules.map(({ text }) => / -[jg] (\S+)$/.exec(` ${text}`)?.[1]).join()}`];
    }),
  );
}

test.each([
  ['from-host-eth0', ['filter tortie.failsafe-in,DROP']],
  ['to-host-eth0', ['mangle tortie.failsafe-out,DROP', 'filter tortie.failsafe-out,DROP']],
  ['from-host-forward-eth0', ['mangle DROP']],
  ['failsafe-in', ['filter ']],
])('%s: all but failsafe ports is dropped; of those themselves nothing', (chain, expected) => {
  expect(standIns(chain)).toEqual(expected);
});
